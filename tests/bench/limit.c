/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What two threads can do at all; prints the seconds.
 *
 *   limit copy BYTES            plain memory copy into fresh pages of 4 KiB
 *   limit files COUNT DIRECTORY creates and removes as many empty files
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define THREADS 2

struct share {
	pthread_t thread;
	unsigned number;
	size_t count; /* bytes, or files */
	const char *source;
	char *target;
	int directory;
};

static void die(const char *what)
{
	(void)fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void *copy(void *argument)
{
	struct share *share = argument;

	memcpy(share->target, share->source, share->count);
	return NULL;
}

static void *make_files(void *argument)
{
	struct share *share = argument;
	char name[48];

	for (int make = 1; make >= 0; make--)
		for (size_t i = 0; i < share->count; i++) {
			int fd;

			(void)snprintf(name, sizeof(name), "limit%u/f%zu", share->number, i);
			if (!make) {
				if (unlinkat(share->directory, name, 0) != 0)
					die(name);
				continue;
			}
			fd = openat(share->directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
					0644);
			if (fd < 0)
				die(name);
			(void)close(fd);
		}
	return NULL;
}

static char *map(size_t bytes)
{
	char *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED || madvise(pages, bytes, MADV_NOHUGEPAGE) != 0)
		die("mmap");
	return pages;
}

static void prepare_copy(struct share shares[static THREADS], size_t bytes)
{
	size_t each = bytes / THREADS & ~(size_t)4095;
	char *source = map(each * THREADS), *target = map(each * THREADS);

	memset(source, 1, each * THREADS);
	for (unsigned i = 0; i < THREADS; i++)
		shares[i] = (struct share){
			.count = each, .source = source + i * each, .target = target + i * each
		};
}

static void prepare_files(struct share shares[static THREADS], size_t count, const char *path)
{
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (unsigned i = 0; i < THREADS; i++) {
		char name[32];

		shares[i] = (struct share){
			.number = i, .count = count / THREADS, .directory = directory
		};
		(void)snprintf(name, sizeof(name), "limit%u", i);
		if (directory < 0 || mkdirat(directory, name, 0755) != 0)
			die(path);
	}
}

int main(int argc, char **argv)
{
	bool files = argc == 4 && strcmp(argv[1], "files") == 0;
	struct share shares[THREADS];
	double start;

	if (!files && (argc != 3 || strcmp(argv[1], "copy") != 0))
		die("usage: limit copy BYTES | limit files COUNT DIRECTORY");
	if (files)
		prepare_files(shares, strtoul(argv[2], NULL, 10), argv[3]);
	else
		prepare_copy(shares, strtoul(argv[2], NULL, 10));
	start = now();
	for (unsigned i = 0; i < THREADS; i++)
		if (pthread_create(&shares[i].thread, NULL, files ? make_files : copy,
				    &shares[i]) != 0)
			die("pthread_create");
	for (unsigned i = 0; i < THREADS; i++)
		(void)pthread_join(shares[i].thread, NULL);
	(void)printf("%.4f\n", now() - start);
	return 0;
}
