// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of mounts: lines of mountinfo as kernels write them and as they never should, escapes, the
 * search by id, and reading one's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log.h"
#include "mounts.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static struct mounts parse(const char *text)
{
	struct mounts mounts = { 0 };
	char *copy = strdup(text);

	assert_non_null(copy);
	assert_int_equal(mounts_parse(copy, &mounts), 0);
	assert_ptr_equal(mounts.text, copy);
	return mounts;
}

static const struct line_case {
	const char *line;
	struct mount expected;
} lines[] = {
	{ "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
			{ 36, 35, "98:0", "/mnt1", "/mnt2", "rw,noatime", "ext3", "/dev/root", 0,
					"rw,errors=continue", FATE_LEFT, NULL } },
	{ "1 1 0:2 / / rw - rootfs none rw", { 1, 1, "0:2", "/", "/", "rw", "rootfs", "none", 0,
							     "rw", FATE_LEFT, NULL } },
	{ "1 0 0:2 / / rw - rootfs rootfs rw,size=1k,nr_inodes=2",
			{ 1, 0, "0:2", "/", "/", "rw", "rootfs", "rootfs", 0,
					"rw,size=1k,nr_inodes=2", FATE_LEFT, NULL } },
	{ "2 1 0:3 / / rw,relatime - tmpfs tmpfsroot rw",
			{ 2, 1, "0:3", "/", "/", "rw,relatime", "tmpfs", "tmpfsroot", 0, "rw",
					FATE_LEFT, NULL } },
	{ "1 1 0:1 / / rw - nullfs nullfs ro", { 1, 1, "0:1", "/", "/", "rw", "nullfs", "nullfs", 0,
							       "ro", FATE_LEFT, NULL } },
	{ "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw",
			{ 27, 1, "254:0", "/", "/", "rw,relatime", "ext4", "/dev/vda", 1, "rw",
					FATE_LEFT, NULL } },
	{ "50 27 0:40 / /a rw shared:7 master:3 propagate_from:2 - tmpfs tmpfs rw",
			{ 50, 27, "0:40", "/", "/a", "rw", "tmpfs", "tmpfs", 7, "rw", FATE_LEFT,
					NULL } },
	{ "50 27 0:40 / /a rw master:3 shared:7 - tmpfs tmpfs rw",
			{ 50, 27, "0:40", "/", "/a", "rw", "tmpfs", "tmpfs", 7, "rw", FATE_LEFT,
					NULL } },
	{ "50 27 0:40 / /a rw unbindable - tmpfs tmpfs rw",
			{ 50, 27, "0:40", "/", "/a", "rw", "tmpfs", "tmpfs", 0, "rw", FATE_LEFT,
					NULL } },
	{ "50 27 0:40 / /a shared:1 unshared:1 new - tmpfs shared:1 rw",
			{ 50, 27, "0:40", "/", "/a", "shared:1", "tmpfs", "shared:1", 0, "rw",
					FATE_LEFT, NULL } },
	{ "50 27 0:40 / /a rw - fuse.sshfs host:/ rw",
			{ 50, 27, "0:40", "/", "/a", "rw", "fuse.sshfs", "host:/", 0, "rw",
					FATE_LEFT, NULL } },
	{ "50 27 0:40 / /a rw - tmpfs  rw", { 50, 27, "0:40", "/", "/a", "rw", "tmpfs", "", 0, "rw",
							    FATE_LEFT, NULL } },
	{ "60 27 0:4 net:[4026531833] /run/netns/a rw - nsfs nsfs rw",
			{ 60, 27, "0:4", "net:[4026531833]", "/run/netns/a", "rw", "nsfs", "nsfs",
					0, "rw", FATE_LEFT, NULL } },
	{ "60 27 0:40 /x//deleted /a rw - tmpfs - rw",
			{ 60, 27, "0:40", "/x//deleted", "/a", "rw", "tmpfs", "-", 0, "rw",
					FATE_LEFT, NULL } },
	{ "18446744073709551615 18446744073709551614 4095:1048575 / /a rw - tmpfs t rw",
			{ UINT64_MAX, UINT64_MAX - 1, "4095:1048575", "/", "/a", "rw", "tmpfs", "t",
					0, "rw", FATE_LEFT, NULL } },
	{ "2147483649 4294967296 0:1 / /a rw - tmpfs t rw",
			{ 2147483649, 4294967296, "0:1", "/", "/a", "rw", "tmpfs", "t", 0, "rw",
					FATE_LEFT, NULL } },
	{ "5 1 0:1 /r\\040\\011\\012\\134\\043 /a\\040b\\134040 rw - t\\040y s\\040\\040o rw",
			{ 5, 1, "0:1", "/r \t\n\\#", "/a b\\040", "rw", "t y", "s  o", 0, "rw",
					FATE_LEFT, NULL } },
	{ "5 1 0:1 / /\\377\\303\\251\\1 rw - t s\\ rw",
			{ 5, 1, "0:1", "/", "/\377\303\251\\1", "rw", "t", "s\\", 0, "rw",
					FATE_LEFT, NULL } },
	{ "5 1 0:1 / /\\400\\09\\0 rw - t \\n\\08\\04 rw",
			{ 5, 1, "0:1", "/", "/\\400\\09\\0", "rw", "t", "\\n\\08\\04", 0, "rw",
					FATE_LEFT, NULL } },
};

static void check_line(const struct mount *got, const struct mount *expected)
{
	assert_true(got->id == expected->id && got->parent == expected->parent);
	assert_string_equal(got->device, expected->device);
	assert_string_equal(got->root, expected->root);
	assert_string_equal(got->point, expected->point);
	assert_string_equal(got->options, expected->options);
	assert_string_equal(got->type, expected->type);
	assert_string_equal(got->source, expected->source);
	assert_int_equal(got->peers, expected->peers);
	assert_string_equal(got->data, expected->data);
}

static void parse_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct mounts mounts = parse(lines[i].line);

		assert_int_equal(mounts.count, 1);
		check_line(&mounts.list[0], &lines[i].expected);
		mounts_free(&mounts);
	}
}

static void parse_all_lines_at_once(void **state)
{
	char text[4096] = "";
	struct mounts mounts;
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_true(strlen(text) + strlen(lines[i].line) + 2 < sizeof(text));
		strcat(strcat(text, lines[i].line), "\n");
	}
	mounts = parse(text);
	assert_int_equal(mounts.count, ARRAY_SIZE(lines));
	for (size_t length = 0; length < sizeof(text); length++) /* that of the mount point */
		for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
			if (strlen(lines[i].expected.point) == length)
				check_line(&mounts.list[at++], &lines[i].expected);
	assert_int_equal(at, mounts.count);
	mounts_free(&mounts);
	assert_null(mounts.list);
	assert_null(mounts.text);
	assert_int_equal(mounts.count, 0);
}

static void parse_empty(void **state)
{
	static const char *const texts[] = { "", "\n", "\n\n\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct mounts mounts = parse(texts[i]);

		assert_int_equal(mounts.count, 0);
		assert_null(mounts_find(&mounts, 0));
		mounts_free(&mounts);
	}
}

static void parse_refused(void **state)
{
	static const char *const texts[] = {
		" ",
		"-",
		" - ",
		"36",
		"36 35 98:0",
		"36 35 98:0 / /mnt rw",
		"36 35 98:0 / /mnt rw master:1 ext3 /dev/root rw",
		"36 35 98:0 / /mnt rw -",
		"36 35 98:0 / /mnt rw - ext3",
		"35 98:0 / /mnt rw - ext3 /dev/root rw",
		"x 35 98:0 / /mnt rw - ext3 /dev/root rw",
		"36 x 98:0 / /mnt rw - ext3 /dev/root rw",
		"36x 35 98:0 / /mnt rw - ext3 /dev/root rw",
		"36 -1 98:0 / /mnt rw - ext3 /dev/root rw",
		"+36 35 98:0 / /mnt rw - ext3 /dev/root rw",
		" 36 35 98:0 / /mnt rw - ext3 /dev/root rw",
		"36  35 98:0 / /mnt rw - ext3 /dev/root rw",
		"0x36 35 98:0 / /mnt rw - ext3 /dev/root rw",
		"18446744073709551616 35 98:0 / /mnt rw - ext3 /dev/root rw",
		"36 99999999999999999999999 98:0 / /mnt rw - ext3 /dev/root rw",
		"1 1 0:2 / / rw - rootfs none rw\n36",
		"36\n1 1 0:2 / / rw - rootfs none rw\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct mounts mounts = { .count = 7 };
		char *copy = strdup(texts[i]);

		if (mounts_parse(copy, &mounts) != -EINVAL)
			fail_msg("{%s} was taken for mountinfo", texts[i]);
		assert_int_equal(mounts.count, 7);
		free(copy);
	}
}

static void find(void **state)
{
	struct mounts mounts = parse("1 1 0:2 / / rw - rootfs none rw\n"
				     "4294967297 1 0:3 / /a rw - tmpfs a rw\n"
				     "22 1 0:4 / /b rw - tmpfs b rw\n"
				     "22 1 0:5 / /c rw - tmpfs c rw\n");

	(void)state;
	assert_ptr_equal(mounts_find(&mounts, 1), &mounts.list[0]);
	assert_ptr_equal(mounts_find(&mounts, 4294967297), &mounts.list[1]);
	assert_ptr_equal(mounts_find(&mounts, 22), &mounts.list[2]);
	assert_null(mounts_find(&mounts, 0));
	assert_null(mounts_find(&mounts, 2));
	mounts_free(&mounts);
	assert_null(mounts_find(&mounts, 1));
}

static void read_own(void **state)
{
	bool made = true;
	auto_close int proc = mounts_open_proc(&made);
	struct mounts mounts;
	bool found = false;

	(void)state;
	assert_true(proc >= 0);
	assert_false(made);
	assert_int_equal(mounts_read(proc, &mounts), 0);
	for (size_t i = 0; i < mounts.count; i++)
		found |= strcmp(mounts.list[i].point, "/proc") == 0 &&
			 strcmp(mounts.list[i].type, "proc") == 0;
	assert_true(found);
	mounts_free(&mounts);
}

static void read_fails(void **state)
{
	auto_close int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct mounts mounts;

	(void)state;
	assert_int_equal(mounts_read(directory, &mounts), -ENOENT);
}

/* What the steps of a boot rely on: paths from "/", each below one that is mounted before. */
static void table_of_api_mounts(void **state)
{
	(void)state;
	for (size_t i = 0; i < api_mounts_count; i++) {
		const struct api_mount *api = &api_mounts[i];
		size_t last = 0;

		assert_true(api->point[0] == '/' && api->point[1] && api->type[0]);
		for (size_t other = i + 1; other < api_mounts_count; other++) {
			size_t length = strlen(api_mounts[other].point);

			assert_false(strncmp(api->point, api_mounts[other].point, length) == 0);
		}
		while (last < ARRAY_SIZE(api->options) && api->options[last][0])
			assert_non_null(api->options[last++][1]);
		assert_true(last < ARRAY_SIZE(api->options));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_lines),
		cmocka_unit_test(parse_all_lines_at_once),
		cmocka_unit_test(parse_empty),
		cmocka_unit_test(parse_refused),
		cmocka_unit_test(find),
		cmocka_unit_test(read_own),
		cmocka_unit_test(read_fails),
		cmocka_unit_test(table_of_api_mounts),
	};

	log_set_level((enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
