/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "copy.h"

#include "log.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#define RESIDENT_PAGES 8192U

/* Not to be changed: a later version may take up the move of an earlier one. */
#define NOTE		"trusted.tmpfsroot.times"
#define NOTE_CAPABILITY "trusted.tmpfsroot.capability"
#define NOTE_CUT	"trusted.tmpfsroot.cut"
#define CAPABILITY	"security.capability"
#define ACCESS_LIST	"system.posix_acl_access"

static int failed(struct copy *copy, const char *operation, int error)
{
	copy->operation = operation;
	return -error;
}

int copy_small(struct copy *copy)
{
	size_t wanted = (size_t)copy->size;
	ssize_t got;
	int result;

	do /* one more byte than there should be, to see a file that grows */
		got = read(copy->source, copy->buffer, wanted + 1);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return failed(copy, "read", errno);
	if ((size_t)got != wanted)
		return failed(copy, COPY_CHANGED, ESTALE);
	result = write_all(copy->target, copy->buffer, wanted);
	copy->copied += wanted;
	return result < 0 ? failed(copy, "write", -result) : 0;
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
	return write_at(copy, copy->buffer, length, from + copy->shift);
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

	if (!copy->dense) /* with a shift it would be written over what is before it */
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

/* There are no "at" calls for extended attributes before Linux 6.13. */
static int enter(struct attributes_of file)
{
	return file.name && fchdir(file.fd) != 0 ? -errno : 0;
}

static ssize_t list(struct attributes_of file, char *names, size_t room)
{
	return file.name ? llistxattr(file.name, names, room) : flistxattr(file.fd, names, room);
}

static ssize_t get(struct attributes_of file, const char *key, char *value, size_t room)
{
	return file.name ? lgetxattr(file.name, key, value, room)
			 : fgetxattr(file.fd, key, value, room);
}

static int set(struct attributes_of file, const char *key, const char *value, size_t length)
{
	return file.name ? lsetxattr(file.name, key, value, length, 0)
			 : fsetxattr(file.fd, key, value, length, 0);
}

/* Makes room for MORE bytes behind what is used. */
static int reserve(struct attributes *attributes, size_t more)
{
	size_t room = attributes->used + more;
	char *data;

	if (room <= attributes->room)
		return 0;
	data = realloc(attributes->data, room * 2);
	if (!data)
		return -ENOMEM;
	attributes->data = data;
	attributes->room = room * 2;
	return 0;
}

/* The kernel's own limits: XATTR_LIST_MAX and XATTR_SIZE_MAX. */
#define XATTR_MAX 65536UL

/* Appends the attribute KEY, as one named NAME: that with its NUL, the length, and the value. */
static int load_one(struct attributes *attributes, struct attributes_of file, const char *key,
		const char *name)
{
	size_t key_length = strlen(name) + 1, head = key_length + sizeof(size_t);
	int result = reserve(attributes, head + XATTR_MAX);
	ssize_t length;
	size_t stored;
	char *at;

	if (result < 0)
		return result;
	at = attributes->data + attributes->used;
	length = get(file, key, at + head, XATTR_MAX);
	if (length < 0)
		return errno == ENODATA ? 0 : -errno;
	stored = (size_t)length;
	memcpy(at, name, key_length);
	memcpy(at + key_length, &stored, sizeof(stored));
	attributes->used += head + stored;
	return 0;
}

int attributes_load(struct attributes *attributes, struct attributes_of file)
{
	auto_free char *keys = NULL;
	int result = enter(file);
	ssize_t length;

	attributes->used = 0;
	if (result < 0)
		return result;
	length = list(file, NULL, 0);
	if (length <= 0)
		return length == 0 || errno == EOPNOTSUPP ? 0 : -errno;
	keys = malloc(XATTR_MAX);
	if (!keys)
		return -ENOMEM;
	length = list(file, keys, XATTR_MAX);
	if (length < 0)
		return -errno;
	for (char *key = keys; result == 0 && key < keys + length; key += strlen(key) + 1)
		if (strcmp(key, NOTE_CAPABILITY) == 0)
			result = load_one(attributes, file, key, CAPABILITY);
		else if (strcmp(key, NOTE) != 0 && strcmp(key, NOTE_CUT) != 0)
			result = load_one(attributes, file, key, key);
	return result;
}

struct attribute {
	const char *key, *value;
	size_t length; /* of the value */
};

/* The one at *USED, which is then the end of it; false at the end of all. */
static bool next_attribute(
		const struct attributes *attributes, size_t *used, struct attribute *next)
{
	if (*used >= attributes->used)
		return false;
	next->key = attributes->data + *used;
	next->value = next->key + strlen(next->key) + 1 + sizeof(size_t);
	memcpy(&next->length, next->value - sizeof(size_t), sizeof(size_t));
	*used = (size_t)(next->value - attributes->data) + next->length;
	return true;
}

/* The kernel's simple_xattr_space(); access lists are kept elsewhere. */
uint64_t attributes_space(const struct attributes *attributes)
{
	struct attribute one;
	uint64_t bytes = 0;

	for (size_t used = 0; next_attribute(attributes, &used, &one);)
		if (strncmp(one.key, "system.", 7) != 0)
			bytes += 40 + strlen(one.key) + one.length;
	return bytes;
}

int attributes_store(const struct attributes *attributes, struct attributes_of file, unsigned *lost)
{
	int result = attributes->used ? enter(file) : 0;
	struct attribute one;

	for (size_t used = 0; result == 0 && next_attribute(attributes, &used, &one);) {
		if (set(file, one.key, one.value, one.length) == 0)
			continue;
		if (errno != EOPNOTSUPP)
			return -errno;
		log_message(LOG_DEBUG, "the target cannot hold the attribute %s%s%s", one.key,
				file.name ? " of " : "", file.name ? file.name : "");
		++*lost;
	}
	return result;
}

static int note(struct attributes_of file, const char *key, const void *value, size_t length)
{
	int result = file.name ? lsetxattr(file.name, key, value, length, XATTR_CREATE)
			       : fsetxattr(file.fd, key, value, length, XATTR_CREATE);

	return result == 0 || errno == EEXIST || errno == EOPNOTSUPP ? 0 : -errno;
}

static bool find(const struct attributes *attributes, const char *key, struct attribute *found)
{
	for (size_t used = 0; attributes && next_attribute(attributes, &used, found);)
		if (strcmp(found->key, key) == 0)
			return true;
	return false;
}

bool attributes_list_access(const struct attributes *attributes)
{
	struct attribute list;

	return find(attributes, ACCESS_LIST, &list);
}

int attributes_note(struct attributes_of file, const struct sys_stat *st,
		const struct attributes *attributes)
{
	const struct sys_time times[2] = { st->atime, st->mtime };
	struct attribute capability;
	int result = enter(file);

	if (result == 0 && find(attributes, CAPABILITY, &capability))
		result = note(file, NOTE_CAPABILITY, capability.value, capability.length);
	return result == 0 ? note(file, NOTE, times, sizeof(times)) : result;
}

bool attributes_noted(struct attributes_of file, struct sys_stat *st)
{
	struct sys_time times[2];

	if (enter(file) < 0 || get(file, NOTE, (char *)times, sizeof(times)) != sizeof(times))
		return false;
	st->atime = times[0];
	st->mtime = times[1];
	return true;
}

static int forget(int fd, const char *key)
{
	if (fremovexattr(fd, key) == 0 || errno == ENODATA || errno == EOPNOTSUPP)
		return 0;
	return -errno;
}

int attributes_forget(int fd, const struct attributes *attributes)
{
	struct attribute capability;
	int result = find(attributes, CAPABILITY, &capability) ? forget(fd, NOTE_CAPABILITY) : 0;

	return result == 0 ? forget(fd, NOTE) : result;
}

int attributes_note_cut(int fd, const struct cut *cut)
{
	return fsetxattr(fd, NOTE_CUT, cut, sizeof(*cut), 0) != 0 ? -errno : 0;
}

bool attributes_cut(struct attributes_of file, struct cut *cut)
{
	struct cut noted;

	if (enter(file) < 0 || get(file, NOTE_CUT, (char *)&noted, sizeof(noted)) != sizeof(noted))
		return false;
	*cut = noted;
	return true;
}

int attributes_forget_cut(struct attributes_of file)
{
	int result = enter(file);

	return result < 0 || lremovexattr(file.name, NOTE_CUT) == 0 ? result : -errno;
}

int attributes_disinherit(struct attributes_of file)
{
	int result = enter(file);

	if (result == 0 && (file.name ? lremovexattr(file.name, ACCESS_LIST)
				      : fremovexattr(file.fd, ACCESS_LIST)) != 0)
		result = errno == ENODATA || errno == EOPNOTSUPP ? 0 : -errno;
	return result;
}

void attributes_free(struct attributes *attributes)
{
	free(attributes->data);
	*attributes = (struct attributes){ 0 };
}
