/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void close_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

double seconds_now(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		return 0;
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

uint64_t milliseconds_now(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC_COARSE, &now) != 0)
		return 0;
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool is_due(atomic_uint_fast64_t *next, unsigned interval)
{
	uint_fast64_t due = atomic_load_explicit(next, memory_order_relaxed);
	uint64_t now = milliseconds_now();

	return now >= due && atomic_compare_exchange_strong(next, &due, now + interval);
}

int read_file(int dir, const char *path, char **text, size_t *length)
{
	auto_close int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : read_fd(fd, text, length);
}

int read_fd(int fd, char **text, size_t *length)
{
	auto_free char *buffer = NULL;
	size_t used = 0, room = 0;

	for (;;) {
		ssize_t got;

		if (room - used < 2) {
			char *larger = realloc(buffer, room = room ? room * 2 : 4096);

			if (!larger)
				return -ENOMEM;
			buffer = larger;
		}
		got = read(fd, buffer + used, room - used - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		used += (size_t)got;
	}
	buffer[used] = '\0';
	if (length)
		*length = used;
	*text = buffer;
	buffer = NULL;
	return 0;
}

int is_empty(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	unsigned entries = 0;
	int error;

	if (!stream)
		return -errno;
	errno = 0;
	while (entries <= 2 && readdir(stream))
		entries++;
	error = errno;
	(void)closedir(stream);
	return error ? -error : entries <= 2;
}

int write_all(int fd, const void *buffer, size_t length)
{
	const char *next = buffer;

	while (length > 0) {
		ssize_t put = write(fd, next, length);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		next += put;
		length -= (size_t)put;
	}
	return 0;
}

const char *size_text(unsigned long long bytes, char text[static SIZE_TEXT])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1023.5 && unit + 1 < ARRAY_SIZE(units)) { /* 1024 when it is rounded */
		value /= 1024;
		unit++;
	}
	(void)snprintf(text, SIZE_TEXT, "%.*f %s",
			unit == 0 || value >= 99.95 ? 0
			: value >= 9.995	    ? 1
						    : 2,
			value, units[unit]);
	return text;
}
