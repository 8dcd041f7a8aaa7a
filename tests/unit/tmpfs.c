// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of tmpfs: which lists of mount options are taken, and what is named as expected for the
 * others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log.h"
#include "tmpfs.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LONGEST 255 /* bytes of one option */

/* An option by its kind, or several with "|" between, and its values, or "" for none. */
static const struct kind_case {
	const char *names, *right, *wrong;
} kinds[] = {
	{ "size", "=0|=1|=64k|=64K|=2g|=10%|=100%|=18446744073709551615",
			"|=|=x|=1.5G|=-1|=1GB|=101%|=18446744073709551616|=1 |= 1|==1" },
	{ "nr_blocks|nr_inodes|usrquota_block_hardlimit|usrquota_inode_hardlimit|"
	  "grpquota_block_hardlimit|grpquota_inode_hardlimit",
			"=0|=100|=100k|=1M", "|=|=10%|=0%|=x|=-1|=1.5k" },
	{ "mode", "=0755|=755|=0|=7777|=00001777",
			"|=|=8|=0758|=10000|=rwx|=-1|=0x1ff|=+755|=755k" },
	{ "uid|gid", "=0|=00|=1000|=4294967294",
			"|=|=root|=-1|=4294967295|=4294967296|=18446744073709551617|=1k|=+1|=0x1" },
	{ "huge", "=never|=always|=within_size|=advise", "|=" },
	{ "mpol", "=default|=prefer:1|=bind:0|=interleave=static:0-3|=local", "|=" },
	{ "noswap|inode32|inode64|quota|usrquota|grpquota|nosuid|nodev|noatime|strictatime|"
	  "nodiratime|relatime",
			"", "=|=1|=yes" },
};

static bool fits(const char *list)
{
	const char *expected = NULL;
	int result = tmpfs_options_check(list, &expected);

	if (result != 0 && (result != -EINVAL || !expected || !*expected))
		fail_msg("%s: got %d, expected: %s", list, result, expected ? expected : "nothing");
	return result == 0;
}

/* Alone, behind another option and between two. */
static void check_option(const char *name, const char *value, bool right)
{
	static const char *const around[][2] = { { "", "" }, { "mode=0755,", "" },
		{ "noswap,", ",size=1k" } };
	char list[256];

	for (size_t i = 0; i < ARRAY_SIZE(around); i++) {
		(void)snprintf(list, sizeof(list), "%s%s%s%s", around[i][0], name, value,
				around[i][1]);
		if (fits(list) != right)
			fail_msg("%s should be %s", list, right ? "taken" : "refused");
	}
}

static void check_kind(const char *names, const char *values, bool right)
{
	char name_copy[256], value_copy[256], *rest = strcpy(name_copy, names), *name, *value;

	while ((name = strsep(&rest, "|"))) {
		char *value_rest = strcpy(value_copy, values);

		while ((value = strsep(&value_rest, "|")))
			check_option(name, value, right);
	}
}

static void values(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		check_kind(kinds[i].names, kinds[i].right, true);
		check_kind(kinds[i].names, kinds[i].wrong, false);
	}
}

static void lists(void **state)
{
	static const struct {
		const char *list;
		bool right;
	} tests[] = {
		{ "", true },
		{ "size=1G,nr_inodes=1k,mode=0755,uid=0,gid=0,huge=always,noswap,noatime", true },
		{ "size=1G,size=2G", true },
		{ "mpol=bind:0,2", true },
		{ "mpol=bind:0,2,size=1G", true },
		{ "mpol=bind:0,2-3,5,noswap", true },
		{ "size=1G,mpol=interleave:0,1,2,mode=0755", true },
		{ "mpol=bind:0,x", false },
		{ "mpol=bind:0,2,x", false },
		{ "size=1G,2", false },
		{ "noswap,0", false },
		{ "0", false },
		{ "size=1G noswap", false },
		{ " size=1G", false },
		{ "size=1G, noswap", false },
		{ "size=1G,,noswap", true },
		{ ",size=1G", true },
		{ ",", true },
		{ "=", false },
		{ "=1G", false },
		{ "Size=1G", false },
		{ "siz=1G", false },
		{ "sizes=1G", false },
		{ "ro", false },
		{ "noexec", false },
		{ "defaults", false },
		{ "nr_inode=1", false },
		{ "size", false },
		{ "size=1G,bad", false },
		{ "bad,size=1G", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		if (fits(tests[i].list) != tests[i].right)
			fail_msg("{%s} should be %s", tests[i].list,
					tests[i].right ? "taken" : "refused");
}

/* The last byte that fits, and one more, alone and behind another option. */
static void long_options(void **state)
{
	static const char *const before[] = { "", "noswap,", "mode=0755," };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(before); i++)
		for (size_t length = LONGEST - 1; length < LONGEST + 3; length++) {
			char list[LONGEST + 32];
			const char *expected;
			size_t start = strlen(before[i]);
			int result;

			strcpy(list, before[i]);
			memset(list + start, '1', length);
			memcpy(list + start, "huge=", 5);
			strcpy(list + start + length, ",nodev");
			result = tmpfs_options_check(list, &expected);
			assert_int_equal(result, length <= LONGEST ? 0 : -EINVAL);
		}
}

static void long_options_are_named(void **state)
{
	char list[LONGEST + 32] = "mode=0755,";
	const char *expected = NULL, *behind = NULL;

	(void)state;
	memset(list + 10, 'x', LONGEST + 1);
	assert_int_equal(tmpfs_options_check(list + 10, &expected), -EINVAL);
	assert_non_null(expected);
	assert_int_equal(tmpfs_options_check(list, &behind), -EINVAL);
	assert_string_equal(behind, expected); /* and not what mode= wants */
}

/* What is named as expected belongs to the option that is wrong. */
static void expectations(void **state)
{
	static const struct {
		const char *list, *expected;
	} tests[] = {
		{ "size=x", "size=" },
		{ "noswap,size=x", "size=" },
		{ "size=1G,nr_inodes=x", "nr_inodes=" },
		{ "size=1G,mode=x", "octal" },
		{ "mode=0755,uid=x", "uid=" },
		{ "mode=0755,huge", "huge=" },
		{ "mode=0755,noswap=1", "without a value" },
		{ "mode=0755,bad=1", "tmpfs(5)" },
		{ "bad", "tmpfs(5)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		const char *expected = "";

		assert_int_equal(tmpfs_options_check(tests[i].list, &expected), -EINVAL);
		if (!strstr(expected, tests[i].expected))
			fail_msg("%s: expected %s", tests[i].list, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(lists),
		cmocka_unit_test(long_options),
		cmocka_unit_test(long_options_are_named),
		cmocka_unit_test(expectations),
	};

	log_set_level((enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
