/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files with more than one name, by device and inode number. */
#ifndef TMPFSROOT_LINKS_H
#define TMPFSROOT_LINKS_H

#include <stdint.h>

struct tree_item;

struct link {
	uint64_t device, inode;
	const struct tree_item *directory; /* of the first name that was made, or NULL: none was */
	char *name; /* that name, owned */
};

/* Zeroed at first. Where several threads use it the caller holds a lock of its own. */
struct links {
	void *tree; /* tsearch(3)'s */
};

/* The file's entry, or NULL where there is none. */
struct link *links_find(const struct links *links, uint64_t device, uint64_t inode);

/* Adds an entry for a file that has none. Returns it, or NULL where there is no memory. */
struct link *links_add(struct links *links, uint64_t device, uint64_t inode);

void links_free(struct links *links);

#endif
