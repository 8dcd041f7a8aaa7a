// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stands for the helper in the roots that the namespace tests boot, and has valgrind run it:
 * nothing of valgrind is in those roots.
 *
 * Descriptor 9 is open for valgrind's memcheck, a static program, 8 for a directory with the helper
 * by each of its names and room for valgrind's files, 7 for what memcheck has to say. /proc is
 * mounted. What is read and written is the helper's: valgrind's lock is no pipe.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MEMCHECK      9
#define HELPER	      "/proc/self/fd/8/"
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

int main(int argc, char **argv)
{
	char *options[] = { "memcheck", "-q", "--log-fd=7", "--default-suppressions=no",
		"--vgdb=no", "--fair-sched=yes" };
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
	char **arguments = calloc(ARRAY_SIZE(options) + (size_t)argc + 1, sizeof(*arguments));
	char helper[64];

	if (!arguments ||
			snprintf(helper, sizeof(helper), HELPER "%s", name) >=
					(int)sizeof(helper) ||
			setenv("VALGRIND_LAUNCHER", "/proc/self/exe", 1) != 0 ||
			setenv("VALGRIND_LIB", HELPER, 1) != 0 ||
			setenv("TMPDIR", HELPER "tmp", 1) != 0) {
		perror("launch");
		return 126;
	}
	memcpy(arguments, options, sizeof(options));
	arguments[ARRAY_SIZE(options)] = helper;
	memcpy(arguments + ARRAY_SIZE(options) + 1, argv + 1, (size_t)argc * sizeof(*argv));
	(void)syscall(SYS_execveat, MEMCHECK, "", arguments, environ, AT_EMPTY_PATH);
	perror("launch: executing memcheck");
	return 126;
}
