// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of links: every inode that was noted is found, and no other.
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
		assert_null(links.tree);
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
		cmocka_unit_test(empty),
		cmocka_unit_test(used_again),
		cmocka_unit_test(devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
