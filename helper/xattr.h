/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The extended attributes of a file, access lists (acl(5)) and capabilities among them. */
#ifndef TMPFSROOT_XATTR_H
#define TMPFSROOT_XATTR_H

#include <stdbool.h>
#include <stddef.h>

/* A file, for its attributes: FD itself, or where NAME is not NULL, NAME in the directory FD (the
 * calling thread then changes its current directory). */
struct attributes_of {
	int fd;
	const char *name;
};

/* Extended attributes in memory, zeroed at first; freed by attributes_free(). */
struct attributes {
	char *data;
	size_t used, room;
	const char *key; /* of the one that could not be set, or NULL */
};

/* Reads all extended attributes of a file. Cutting or writing a file takes security.capability
 * away, so they are read before and set after. Returns 0 or a negative errno. */
int attributes_load(struct attributes *attributes, struct attributes_of file);

/* Is an access list (acl(5)) among those that were loaded? */
bool attributes_list_access(const struct attributes *attributes);

/* Sets them; those that the file system cannot hold are counted in *LOST. The same results. */
int attributes_store(struct attributes *attributes, struct attributes_of file, unsigned *lost);

/* Takes away the access list that a new file inherits from a directory with a default one. The
 * same results. */
int attributes_disinherit(struct attributes_of file);

void attributes_free(struct attributes *attributes);

#endif
