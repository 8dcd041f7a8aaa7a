// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of links: every inode that was noted is found, and no other, while the table grows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "links.h"
#include "util.h"

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
	struct links links = { 0 };

	for (uint64_t i = 0; i < MANY; i++) {
		assert_null(links_find(&links, 0, inode(i)));
		assert_non_null(links_add(&links, 0, inode(i)));
		assert_int_equal(links.count, i + 1);
		assert_true(links.count <= links.size && (links.size & (links.size - 1)) == 0);
	}
	for (uint64_t i = 0; i < MANY; i++) {
		struct link *link = links_find(&links, 0, inode(i));

		assert_non_null(link);
		assert_true(link->inode == inode(i));
		assert_null(link->name);
		assert_null(link->directory);
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
		struct links links = { 0 };

		for (uint64_t i = 0; i < MANY; i++)
			assert_non_null(links_add(&links, 0, kinds[kind](i)));
		for (size_t i = 0; i < links.size; i++) {
			size_t length = 0;

			for (struct link *at = links.buckets[i]; at; at = at->next)
				length++;
			if (length > 32)
				fail_msg("kind %zu: %zu of %d in one bucket", kind, length, MANY);
		}
		links_free(&links);
	}
}

static void empty(void **state)
{
	struct links links = { 0 };

	(void)state;
	assert_null(links_find(&links, 0, 0));
	assert_null(links_find(&links, 0, 1));
	links_free(&links);
	assert_null(links_find(&links, 0, 0));
}

static void used_again(void **state)
{
	struct links links = { 0 };

	(void)state;
	for (int round = 0; round < 3; round++) {
		assert_non_null(links_add(&links, 0, 5));
		links_find(&links, 0, 5)->name = strdup("five"); /* which links_free() frees */
		assert_string_equal(links_find(&links, 0, 5)->name, "five");
		links_free(&links);
		assert_int_equal(links.count, 0);
		assert_int_equal(links.size, 0);
		assert_null(links.buckets);
		assert_null(links_find(&links, 0, 5));
	}
}

static void devices(void **state)
{
	struct links links = { 0 };

	(void)state;
	assert_non_null(links_add(&links, 1, 5));
	assert_null(links_find(&links, 2, 5));
	assert_int_equal(links_find(&links, 1, 5)->device, 1);
	links_free(&links);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many),
		cmocka_unit_test(chains_are_short),
		cmocka_unit_test(empty),
		cmocka_unit_test(used_again),
		cmocka_unit_test(devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
