/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * maketree DIRECTORY FILES SMALLEST LARGEST PER_DIRECTORY
 *
 * Fills DIRECTORY with as many regular files, of SMALLEST to LARGEST bytes, in directories of
 * PER_DIRECTORY files; always the same tree. One process for each processor, so that filling takes
 * less time than what is measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUFFER (1UL << 20)

struct tree {
	unsigned long files, smallest, largest, per_directory;
	char buffer[BUFFER];
};

static void die(const char *what)
{
	(void)fprintf(stderr, "maketree: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long size_of(const struct tree *tree, unsigned long file)
{
	uint64_t mixed = (file + 1) * 0x9e3779b97f4a7c15ULL;

	mixed ^= mixed >> 32;
	return tree->smallest + (unsigned long)(mixed % (tree->largest - tree->smallest + 1));
}

static void make_file(struct tree *tree, unsigned long file)
{
	unsigned long left = size_of(tree, file);
	char name[64];
	int fd;

	(void)snprintf(name, sizeof(name), "d%05lu/f%06lu", file / tree->per_directory, file);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		die(name);
	memcpy(tree->buffer, &file, sizeof(file));
	while (left > 0) {
		ssize_t put = write(fd, tree->buffer, left < BUFFER ? left : BUFFER);

		if (put <= 0)
			die(name);
		left -= (unsigned long)put;
	}
	(void)close(fd);
}

/* The files FROM to TO, whole directories. */
static void make_files(struct tree *tree, unsigned long from, unsigned long to)
{
	char name[32];

	for (unsigned long file = from; file < to; file++) {
		if (file % tree->per_directory == 0) {
			(void)snprintf(name, sizeof(name), "d%05lu", file / tree->per_directory);
			if (mkdir(name, 0755) != 0)
				die(name);
		}
		make_file(tree, file);
	}
}

int main(int argc, char **argv)
{
	unsigned long processors = (unsigned long)sysconf(_SC_NPROCESSORS_ONLN), share, from = 0;
	static struct tree tree;
	int status, failed = 0;

	if (argc != 6 || chdir(argv[1]) != 0)
		die("usage: maketree DIRECTORY FILES SMALLEST LARGEST PER_DIRECTORY");
	tree.files = strtoul(argv[2], NULL, 10);
	tree.smallest = strtoul(argv[3], NULL, 10);
	tree.largest = strtoul(argv[4], NULL, 10);
	tree.per_directory = strtoul(argv[5], NULL, 10);
	for (size_t i = 0; i < BUFFER; i++)
		tree.buffer[i] = (char)(i * 131 >> 3);
	share = (tree.files + processors - 1) / processors;
	share = (share + tree.per_directory - 1) / tree.per_directory * tree.per_directory;
	for (; from < tree.files; from += share) {
		pid_t child = fork();

		if (child < 0)
			die("fork");
		if (child == 0) {
			make_files(&tree, from,
					from + share < tree.files ? from + share : tree.files);
			return 0;
		}
	}
	while (wait(&status) > 0)
		failed |= status;
	return failed ? 1 : 0;
}
