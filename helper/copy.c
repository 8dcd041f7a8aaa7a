/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "copy.h"

#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#define RESIDENT_PAGES 8192U

static int failed(struct copy *copy, const char *operation, int error)
{
	copy->operation = operation;
	return -error;
}

int copy_small(struct copy *copy)
{
	/* a byte more than there should be, to see a file that grows */
	uint64_t limit = copy->size + 1;
	ssize_t sent;

	do {
		sent = sendfile(copy->target, copy->source, NULL, (size_t)(limit - copy->copied));
		if (sent > 0)
			copy->copied += (uint64_t)sent;
	} while (copy->copied < copy->size && (sent > 0 || (sent < 0 && errno == EINTR)));
	if (sent < 0)
		return failed(copy, "sendfile", errno);
	return copy->copied == copy->size ? 0 : failed(copy, COPY_CHANGED, ESTALE);
}

static int write_at(struct copy *copy, const char *data, size_t length, uint64_t offset)
{
	while (length > 0) {
		ssize_t put = pwrite(copy->target, data, length, (off_t)offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return failed(copy, "write", put == 0 ? EIO : errno);
		data += put;
		offset += (uint64_t)put;
		copy->copied += (uint64_t)put;
		length -= (size_t)put;
	}
	return 0;
}

static int copy_block(struct copy *copy, uint64_t from, size_t length)
{
	ssize_t got;

	do
		got = pread(copy->source, copy->buffer, length, (off_t)from);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return failed(copy, "read", errno);
	if ((size_t)got != length)
		return failed(copy, COPY_CHANGED, ESTALE);
	return write_at(copy, copy->buffer, length, from);
}

/* A buffer that stays in the cache costs one more copy than a mapping of the source, but no page
 * faults, and no flush of another worker's TLB at each unmapping. */
static int copy_data(struct copy *copy, uint64_t from, uint64_t to)
{
	int result = 0;

	while (result == 0 && from < to) {
		size_t length = to - from < COPY_BUFFER ? (size_t)(to - from) : COPY_BUFFER;

		result = copy_block(copy, from, length);
		from += length;
	}
	return result;
}

/* ramfs knows no SEEK_DATA, and reading a hole, or populating a mapping over it, would allocate
 * its pages for good. mincore(2) tells which pages are there and touches none. */
static int next_resident(
		struct copy *copy, uint64_t from, uint64_t to, uint64_t *start, uint64_t *end)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), at = from;
	unsigned char resident[RESIDENT_PAGES];
	bool found = false;

	for (*start = *end = to; at < to;) {
		uint64_t left = to - at, most = RESIDENT_PAGES * page;
		size_t length = (size_t)(left < most ? left : most);
		size_t pages = (length + (size_t)page - 1) / (size_t)page;
		void *window = mmap(NULL, length, PROT_READ, MAP_SHARED, copy->source, (off_t)at);

		if (window == MAP_FAILED)
			return failed(copy, "mmap", errno);
		if (mincore(window, length, resident) != 0) {
			int error = errno;

			(void)munmap(window, length);
			return failed(copy, "mincore", error);
		}
		if (munmap(window, length) != 0)
			return failed(copy, "munmap", errno);
		for (size_t i = 0; i < pages; i++, at += page) {
			if ((resident[i] & 1) && !found) {
				*start = at;
				found = true;
			} else if (!(resident[i] & 1) && found) {
				*end = at;
				return 0;
			}
		}
	}
	return 0;
}

static int next_extent(
		struct copy *copy, uint64_t from, uint64_t to, uint64_t *start, uint64_t *end)
{
	off_t data, hole;

	if (copy->dense) {
		*start = from;
		*end = to;
		return 0;
	}
	if (copy->ramfs)
		return next_resident(copy, from, to, start, end);
	*start = *end = to;
	data = lseek(copy->source, (off_t)from, SEEK_DATA);
	if (data < 0)
		return errno == ENXIO ? 0 : failed(copy, "lseek", errno);
	hole = lseek(copy->source, data, SEEK_HOLE);
	if (hole < 0)
		return failed(copy, "lseek", errno);
	*start = (uint64_t)data < to ? (uint64_t)data : to;
	*end = (uint64_t)hole < to ? (uint64_t)hole : to;
	return 0;
}

int copy_range(struct copy *copy, uint64_t from, uint64_t to)
{
	int result = 0;

	if (!copy->dense)
		from -= from % (uint64_t)sysconf(_SC_PAGESIZE);
	while (result == 0 && from < to) {
		uint64_t start, end;

		result = next_extent(copy, from, to, &start, &end);
		if (result == 0)
			result = copy_data(copy, start, end);
		from = end;
	}
	return result;
}

int copy_count(struct copy *copy, uint64_t *bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), start, end;
	int result = 0;

	*bytes = 0;
	for (uint64_t from = 0; result == 0 && from < copy->size; from = end) {
		result = next_extent(copy, from, copy->size, &start, &end);
		if (result == 0)
			*bytes += (end + page - 1) / page * page - start / page * page;
	}
	return result;
}
