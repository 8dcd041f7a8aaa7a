// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of links: every inode that was noted is found, and no other, while the table grows; each
 * entry holds one reference to its directory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "links.h"
#include "util.h"

#include <stdio.h>
#include <string.h>

#define MANY 10000

/* Inode numbers as file systems give them: counted, far apart, with the low bits always the same.
 */
static uint64_t counted(uint64_t i)
{
	return i;
}

static uint64_t shifted(uint64_t i)
{
	return i << 32;
}

static uint64_t spread(uint64_t i)
{
	return i * 0x1000000001U;
}

static uint64_t from_the_end(uint64_t i)
{
	return UINT64_MAX - i;
}

static void check_many(uint64_t (*inode)(uint64_t))
{
	struct links links = LINKS_EMPTY;
	char name[32];

	for (uint64_t i = 0; i < MANY; i++) {
		assert_null(links_find(&links, 0, inode(i)));
		(void)snprintf(name, sizeof(name), "file%llu", (unsigned long long)i);
		assert_non_null(links_add(&links, 0, inode(i), NULL, name));
		assert_int_equal(links.count, i + 1);
		assert_true(links.count <= links.size && (links.size & (links.size - 1)) == 0);
	}
	for (uint64_t i = 0; i < MANY; i++) {
		struct link_entry *entry = links_find(&links, 0, inode(i));

		assert_non_null(entry);
		(void)snprintf(name, sizeof(name), "file%llu", (unsigned long long)i);
		assert_true(entry->inode == inode(i));
		assert_string_equal(entry->name, name);
		assert_null(entry->directory);
	}
	for (uint64_t i = MANY; i < 2 * MANY; i++)
		assert_null(links_find(&links, 0, inode(i)));
	links_free(&links);
}

static void many(void **state)
{
	(void)state;
	check_many(counted);
	check_many(shifted);
	check_many(spread);
	check_many(from_the_end);
}

/* A table with a few long chains would find all, but slowly. */
static void chains_are_short(void **state)
{
	static uint64_t (*const kinds[])(uint64_t) = { counted, shifted, spread, from_the_end };

	(void)state;
	for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
		struct links links = LINKS_EMPTY;

		for (uint64_t i = 0; i < MANY; i++)
			assert_non_null(links_add(&links, 0, kinds[kind](i), NULL, ""));
		for (size_t i = 0; i < links.size; i++) {
			size_t length = 0;

			for (struct link_entry *at = links.buckets[i]; at; at = at->next)
				length++;
			if (length > 32)
				fail_msg("kind %zu: %zu of %d in one bucket", kind, length, MANY);
		}
		links_free(&links);
	}
}

static void empty(void **state)
{
	struct links links = LINKS_EMPTY;

	(void)state;
	assert_null(links_find(&links, 0, 0));
	assert_null(links_find(&links, 0, 1));
	links_free(&links);
	assert_null(links_find(&links, 0, 0));
}

static void used_again(void **state)
{
	struct links links = LINKS_EMPTY;

	(void)state;
	for (int round = 0; round < 3; round++) {
		assert_non_null(links_add(&links, 0, 5, NULL, "five"));
		assert_string_equal(links_find(&links, 0, 5)->name, "five");
		links_free(&links);
		assert_int_equal(links.count, 0);
		assert_int_equal(links.size, 0);
		assert_null(links.buckets);
		assert_null(links_find(&links, 0, 5));
	}
}

static void names(void **state)
{
	struct links links = LINKS_EMPTY;
	char longest[256];

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_non_null(links_add(&links, 0, 1, NULL, ""));
	assert_non_null(links_add(&links, 0, 2, NULL, longest));
	longest[0] = 'y'; /* the entry has its own */
	assert_string_equal(links_find(&links, 0, 1)->name, "");
	assert_int_equal(links_find(&links, 0, 2)->name[0], 'x');
	assert_int_equal(strlen(links_find(&links, 0, 2)->name), 255);
	links_free(&links);
}

static struct walk_node *new_directory(void)
{
	struct walk_node *node = calloc(1, sizeof(*node) + 1);

	assert_non_null(node);
	atomic_init(&node->references, 1);
	return node;
}

static void references(void **state)
{
	struct links links = LINKS_EMPTY;
	struct walk_node *directory = new_directory();

	(void)state;
	for (uint64_t i = 0; i < 200; i++)
		assert_non_null(links_add(&links, 0, i, i % 2 ? directory : NULL, "name"));
	assert_int_equal(atomic_load(&directory->references), 101);
	assert_ptr_equal(links_find(&links, 0, 199)->directory, directory);
	links_free(&links);
	assert_int_equal(atomic_load(&directory->references), 1);
	walk_release(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many),
		cmocka_unit_test(chains_are_short),
		cmocka_unit_test(empty),
		cmocka_unit_test(used_again),
		cmocka_unit_test(names),
		cmocka_unit_test(references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
