/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "xattr.h"

#include "log.h"
#include "util.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#define ACCESS_LIST "system.posix_acl_access"

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

/* Appends the attribute KEY: its name with the NUL, the length of the value, and the value. */
static int load_one(struct attributes *attributes, struct attributes_of file, const char *key)
{
	size_t key_length = strlen(key) + 1, head = key_length + sizeof(size_t);
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
	memcpy(at, key, key_length);
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
	attributes->key = NULL;
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
		result = load_one(attributes, file, key);
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

/* Some file systems have no attributes of that kind; and two, which prove the others, the kernel
 * alone may set. */
static bool may_lack(const char *key)
{
	return errno == EOPNOTSUPP ||
	       ((errno == EPERM || errno == EINVAL) &&
			       (strcmp(key, "security.evm") == 0 ||
					       strcmp(key, "security.ima") == 0));
}

int attributes_store(struct attributes *attributes, struct attributes_of file, unsigned *lost)
{
	int result = attributes->used ? enter(file) : 0;
	struct attribute one;

	attributes->key = NULL;
	for (size_t used = 0; result == 0 && next_attribute(attributes, &used, &one);) {
		if (set(file, one.key, one.value, one.length) == 0)
			continue;
		attributes->key = one.key;
		if (!may_lack(one.key))
			return -errno;
		log_message(LOG_DEBUG, "the target cannot hold the attribute %s%s%s", one.key,
				file.name ? " of " : "", file.name ? file.name : "");
		++*lost;
	}
	return result;
}

bool attributes_list_access(const struct attributes *attributes)
{
	struct attribute one;

	for (size_t used = 0; next_attribute(attributes, &used, &one);)
		if (strcmp(one.key, ACCESS_LIST) == 0)
			return true;
	return false;
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
