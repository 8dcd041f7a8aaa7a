/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files by device and inode number: of those with more than one name, where the first one went. */
#ifndef TMPFSROOT_LINKS_H
#define TMPFSROOT_LINKS_H

#include "walk.h"

#include <pthread.h>

enum { LINK_NEW, LINK_WHOLE, LINK_CUT };

struct link_entry {
	struct link_entry *next;
	uint64_t device, inode;
	uint64_t bytes; /* of its content; 0 unless the caller of links_add() sets it */
	uint32_t missing; /* names that were not met; likewise */
	atomic_int content; /* what the source has of it, LINK_NEW and so on; likewise */
	struct walk_node *directory; /* a reference, or NULL */
	char name[];
};

/* The caller holds LOCK from links_find() to what it does with the answer, where anybody still
 * adds. */
struct links {
	pthread_mutex_t lock;
	struct link_entry **buckets;
	size_t size, count;
};

#define LINKS_EMPTY                                                                                \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER                                                  \
	}

struct link_entry *links_find(const struct links *links, uint64_t device, uint64_t inode);

/* Notes the first name of an inode; DIRECTORY (may be NULL) is referenced. Returns it, or NULL
 * where there is no memory. */
struct link_entry *links_add(struct links *links, uint64_t device, uint64_t inode,
		struct walk_node *directory, const char *name);

/* The bytes of all that have missing names. */
uint64_t links_missing_bytes(const struct links *links);

void links_free(struct links *links);

#endif
