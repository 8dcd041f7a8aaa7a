/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "links.h"

#include <search.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	const struct link *one = a, *other = b;

	if (one->inode != other->inode)
		return one->inode < other->inode ? -1 : 1;
	return one->device < other->device ? -1 : one->device > other->device;
}

struct link *links_find(const struct links *links, uint64_t device, uint64_t inode)
{
	const struct link key = { .device = device, .inode = inode };
	struct link *const *node = tfind(&key, &links->tree, compare);

	return node ? *node : NULL;
}

struct link *links_add(struct links *links, uint64_t device, uint64_t inode)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->device = device;
	link->inode = inode;
	if (tsearch(link, &links->tree, compare))
		return link;
	free(link);
	return NULL;
}

static void free_link(void *link)
{
	free(((struct link *)link)->name);
	free(link);
}

void links_free(struct links *links)
{
	tdestroy(links->tree, free_link);
	links->tree = NULL;
}
