// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For the helper's coverage build. gcov writes its counters when a process ends, into files at the
 * paths where they were compiled. Here processes are killed, execute init, and run where those
 * paths are not. So the counters of all of them are pages of one file, which is open as descriptor
 * 9; and what was counted is written once, at the end, by a process that does nothing else.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNTERS 9

extern char counters_start[], counters_end[];
void __gcov_dump(void);
void __wrap___gcov_exit(void);

/* Before main, and before a test may count or fail a system call of the helper's own. */
__attribute__((constructor)) static void share_counters(void)
{
	off_t size = counters_end - counters_start;
	struct stat st;

	if (fstat(COUNTERS, &st) != 0 || !S_ISREG(st.st_mode) ||
			(st.st_size == 0 ? ftruncate(COUNTERS, size) != 0 : st.st_size != size))
		return;
	if (mmap(counters_start, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			    COUNTERS, 0) == MAP_FAILED)
		return;
	if (getenv("TMPFSROOT_COUNTERS")) {
		__gcov_dump();
		_exit(0);
	}
}

void __wrap___gcov_exit(void)
{
}
