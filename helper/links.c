/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "links.h"

#include <errno.h>
#include <stdlib.h>

static struct link **bucket_of(const struct links *links, uint64_t device, uint64_t inode)
{
	return &links->buckets[((inode ^ device) * 0x9e3779b97f4a7c15U) >> 32 & (links->size - 1)];
}

struct link *links_find(const struct links *links, uint64_t device, uint64_t inode)
{
	struct link *link = links->size ? *bucket_of(links, device, inode) : NULL;

	while (link && (link->inode != inode || link->device != device))
		link = link->next;
	return link;
}

/* The size stays a power of two, and at least as large as the count. */
static int grow(struct links *links)
{
	struct links larger = { .size = links->size ? links->size * 2 : 64 };

	larger.buckets = calloc(larger.size, sizeof(*larger.buckets));
	if (!larger.buckets)
		return -ENOMEM;
	for (size_t i = 0; i < links->size; i++)
		while (links->buckets[i]) {
			struct link *link = links->buckets[i], **to;

			links->buckets[i] = link->next;
			to = bucket_of(&larger, link->device, link->inode);
			link->next = *to;
			*to = link;
		}
	free(links->buckets);
	links->buckets = larger.buckets;
	links->size = larger.size;
	return 0;
}

struct link *links_add(struct links *links, uint64_t device, uint64_t inode)
{
	struct link *link, **bucket;

	if (links->count >= links->size && grow(links) < 0)
		return NULL;
	link = malloc(sizeof(*link));
	if (!link)
		return NULL;
	bucket = bucket_of(links, device, inode);
	*link = (struct link){ .next = *bucket, .device = device, .inode = inode };
	*bucket = link;
	links->count++;
	return link;
}

void links_free(struct links *links)
{
	for (size_t i = 0; i < links->size; i++)
		while (links->buckets[i]) {
			struct link *link = links->buckets[i];

			links->buckets[i] = link->next;
			free(link->name);
			free(link);
		}
	free(links->buckets);
	*links = (struct links){ 0 };
}
