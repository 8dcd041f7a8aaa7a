/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cleanup attributes and small conveniences, used by every file here. */
#ifndef TMPFSROOT_UTIL_H
#define TMPFSROOT_UTIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Closes *fd where it is open; errno is kept. */
void close_fd(int *fd);

static inline void free_pointer(void *pointer)
{
	free(*(void **)pointer);
}

/* The variable's descriptor is closed, or its memory freed, when it goes out of scope. */
#define auto_close __attribute__((cleanup(close_fd)))
#define auto_free  __attribute__((cleanup(free_pointer)))

/* Gives a descriptor (a pointer) away: the variable no longer owns it. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Seconds on the monotonic clock. */
double seconds_now(void);

/* For what any worker does now and then, at each of many small files: true for one of them, once
 * each so many milliseconds. *NEXT is when, on a clock that costs a read from memory. */
bool is_due(atomic_uint_fast64_t *next, unsigned interval);

/* The same clock, in milliseconds. */
uint64_t milliseconds_now(void);

/*
 * Reads the whole file PATH below the directory DIR into memory that the caller frees; a NUL byte
 * follows the content, *LENGTH (may be NULL) does not count it. Returns 0 or a negative errno.
 */
int read_file(int dir, const char *path, char **text, size_t *length);

/* The same for an open file, from where it stands. */
int read_fd(int fd, char **text, size_t *length);

/* Has the directory PATH below DIR no entries but "." and ".."? 1, 0 or a negative errno. */
int is_empty(int dir, const char *path);

/* Writes all of the buffer, going on after short writes and EINTR. Returns 0 or a negative errno.
 */
int write_all(int fd, const void *buffer, size_t length);

/* The size as people write it ("1.50 GiB"), to three digits, in a caller's buffer, which it
 * returns. */
#define SIZE_TEXT 16
const char *size_text(unsigned long long bytes, char text[static SIZE_TEXT]);

#endif
