/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * holder FILE...: maps its own executable and each FILE, as a program does with its libraries, and
 * reads all of them over and over, until SIGTERM.
 *
 * Before: FILEs are not empty. After: "holding" and its PID were printed once all are mapped. Exit
 * 0: every byte was the same in each round, the last of which began after the signal; 1: one was
 * not. A file that is cut ends it by SIGBUS.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct mapping {
	const unsigned char *bytes;
	size_t length;
	uint64_t sum;
};

static volatile sig_atomic_t ended;

static void end(int number)
{
	(void)number;
	ended = 1;
}

static uint64_t sum(const struct mapping *mapping)
{
	uint64_t total = 0xcbf29ce484222325U;

	for (size_t i = 0; i + 8 <= mapping->length; i += 8)
		total = (total ^ *(const uint64_t *)(const void *)(mapping->bytes + i)) *
			0x100000001b3U;
	return total;
}

static struct mapping map(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct mapping mapping;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		perror(path);
		exit(2);
	}
	mapping.length = (size_t)st.st_size;
	mapping.bytes = mmap(NULL, mapping.length, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mapping.bytes == MAP_FAILED) {
		perror(path);
		exit(2);
	}
	(void)close(fd); /* the mapping alone is left */
	mapping.sum = sum(&mapping);
	return mapping;
}

int main(int argc, char **argv)
{
	struct mapping *mappings = calloc((size_t)argc, sizeof(*mappings));
	unsigned rounds = 0;
	sig_atomic_t last;

	if (!mappings || signal(SIGTERM, end) == SIG_ERR)
		return 2;
	mappings[0] = map("/proc/self/exe");
	for (int i = 1; i < argc; i++)
		mappings[i] = map(argv[i]);
	(void)printf("holding %d\n", (int)getpid());
	(void)fflush(stdout);
	do {
		last = ended;
		for (int i = 0; i < argc; i++)
			if (sum(&mappings[i]) != mappings[i].sum) {
				(void)fprintf(stderr, "holder: %s has changed\n", argv[i]);
				return 1;
			}
		rounds++;
	} while (!last);
	(void)printf("right in %u rounds\n", rounds);
	return 0;
}
