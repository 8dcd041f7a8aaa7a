/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct link_entry **bucket_of(const struct links *links, uint64_t device, uint64_t inode)
{
	return &links->buckets[((inode ^ device) * 0x9e3779b97f4a7c15U) >> 32 & (links->size - 1)];
}

struct link_entry *links_find(const struct links *links, uint64_t device, uint64_t inode)
{
	struct link_entry *entry = links->size ? *bucket_of(links, device, inode) : NULL;

	while (entry && (entry->inode != inode || entry->device != device))
		entry = entry->next;
	return entry;
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
			struct link_entry *entry = links->buckets[i], **to;

			links->buckets[i] = entry->next;
			to = bucket_of(&larger, entry->device, entry->inode);
			entry->next = *to;
			*to = entry;
		}
	free(links->buckets);
	links->buckets = larger.buckets;
	links->size = larger.size;
	return 0;
}

struct link_entry *links_add(struct links *links, uint64_t device, uint64_t inode,
		struct walk_node *directory, const char *name)
{
	size_t length = strlen(name) + 1;
	struct link_entry *entry, **bucket;

	if (links->count >= links->size && grow(links) < 0)
		return NULL;
	entry = malloc(sizeof(*entry) + length);
	if (!entry)
		return NULL;
	bucket = bucket_of(links, device, inode);
	*entry = (struct link_entry){ .next = *bucket,
		.device = device,
		.inode = inode,
		.directory = directory ? walk_reference(directory) : NULL };
	memcpy(entry->name, name, length);
	*bucket = entry;
	links->count++;
	return entry;
}

uint64_t links_missing_bytes(const struct links *links)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < links->size; i++)
		for (const struct link_entry *entry = links->buckets[i]; entry; entry = entry->next)
			bytes += entry->missing > 0 ? entry->bytes : 0;
	return bytes;
}

void links_free(struct links *links)
{
	for (size_t i = 0; i < links->size; i++)
		while (links->buckets[i]) {
			struct link_entry *entry = links->buckets[i];

			links->buckets[i] = entry->next;
			walk_release(entry->directory);
			free(entry);
		}
	free(links->buckets);
	*links = (struct links)LINKS_EMPTY;
}
