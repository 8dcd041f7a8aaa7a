// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of tree, scan and remove: which paths the patterns exclude, how paths are shown and opened,
 * and passes over a small tree by one worker and by many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log.h"
#include "remove.h"
#include "scan.h"
#include "tree.h"
#include "util.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void patterns(void **state)
{
	static const struct {
		const char *patterns, *path;
		bool excluded;
	} tests[] = {
		{ NULL, "/a", false },
		{ "", "/a", false },
		{ ":", "/a", false },
		{ ":::", "/a", false },
		/* without a slash: the name */
		{ "a", "/a", true },
		{ "a", "/b/c/a", true },
		{ "a", "/a/b", false },
		{ "a", "/ab", false },
		{ "a", "/A", false },
		{ "*.pyc", "/usr/lib/x.pyc", true },
		{ "*.pyc", "/usr/lib/.pyc", true },
		{ "*.pyc", "/usr/lib.pyc/x", false },
		{ "*", "/.hidden", true },
		{ "?", "/x/a", true },
		{ "?", "/x/ab", false },
		{ "[ab]", "/x/b", true },
		{ "[!ab]", "/x/b", false },
		{ "a\\*", "/a*", true },
		{ "a\\*", "/ab", false },
		{ "\xff*", "/x/\xff\xfe", true },
		{ "?", "/x/\xff", true },
		{ "a b", "/x/a b", true },
		/* with a slash: the path */
		{ "/a", "/a", true },
		{ "/a", "/b/a", false },
		{ "/a", "/a/b", false },
		{ "/a/", "/a", false },
		{ "a/b", "/a/b", false },
		{ "*a/b", "/a/b", false },
		{ "*/b", "/b", true },
		{ "*/b", "/a/b", false },
		{ "/*", "/a", true },
		{ "/*", "/.a", true },
		{ "/*", "/a/b", false },
		{ "/a/*", "/a", false },
		{ "/a/*", "/a/b", true },
		{ "/a/*", "/a/.b", true },
		{ "/a/*", "/a/b/c", false },
		{ "/a/*/c", "/a/b/c", true },
		{ "/a/*/c", "/a/b/b/c", false },
		{ "/a?b", "/a/b", false },
		{ "/a[/]b", "/a/b", false },
		{ "/usr/share/doc", "/usr/share/doc", true },
		{ "/usr/share/doc", "/usr/share/doc2", false },
		{ "/", "/a", false },
		/* lists */
		{ "a:b", "/b", true },
		{ "a:b", "/a", true },
		{ "a:b", "/a:b", false },
		{ "a:/x/b:c", "/x/b", true },
		{ "a:/x/b:c", "/c", true },
		{ "a:/x/b:c", "/y/b", false },
		{ "b/:a", "/a", true },
		{ ":a", "/a", true },
		{ "a:", "/a", true },
		{ "a:", "/b", false },
		{ "x::a", "/a", true },
		{ "::a::", "/a", true },
		{ "[:a", "/a", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		const char *path = tests[i].path, *name = strrchr(path, '/') + 1;

		if (tree_excludes(tests[i].patterns, path, name) != tests[i].excluded)
			fail_msg("%s with %s: expected %sexcluded", path, tests[i].patterns,
					tests[i].excluded ? "" : "not ");
	}
}

/* One longer than any path matches nothing, and hides none behind it. */
static void long_patterns(void **state)
{
	static char list[2 * PATH_MAX + 8], path[PATH_MAX];

	(void)state;
	for (size_t length = PATH_MAX - 2; length < PATH_MAX + 3; length++) {
		memset(list, '*', length);
		strcpy(list + length, ":b");
		assert_true(tree_excludes(list, "/b", "b"));
		assert_int_equal(tree_excludes(list, "/a", "a"), length < PATH_MAX);
	}
	memset(path, 'x', PATH_MAX - 1);
	path[0] = '/';
	assert_true(tree_excludes(path, path, path + 1));
	path[PATH_MAX - 1] = '\0';
}

static struct tree_item *new_directory(const struct tree_item *parent, const char *name)
{
	struct tree_item *item = calloc(1, sizeof(*item) + strlen(name) + 1);

	assert_non_null(item);
	item->parent = parent;
	strcpy(item->name, name);
	return item;
}

static void paths(void **state)
{
	struct tree_item *top = new_directory(NULL, ""), *etc = new_directory(top, "etc");
	struct tree_item *deep = new_directory(etc, "x y");
	char text[TREE_PATH];

	(void)state;
	assert_string_equal(tree_path(top, "", text), "/");
	assert_string_equal(tree_path(top, "init", text), "/init");
	assert_string_equal(tree_path(etc, "", text), "/etc");
	assert_string_equal(tree_path(etc, "fstab", text), "/etc/fstab");
	assert_string_equal(tree_path(deep, "z", text), "/etc/x y/z");
	free(deep);
	free(etc);
	free(top);
}

/* A path that is too long loses whole names at its beginning. */
static void long_paths(void **state)
{
	struct tree_item *chain[1001] = { new_directory(NULL, "") };
	char text[TREE_PATH + 2];

	(void)state;
	memset(text, '#', sizeof(text));
	for (int depth = 0; depth < 1000; depth++) {
		const char *path;

		chain[depth + 1] = new_directory(chain[depth], "seven77");
		path = tree_path(chain[depth + 1], "", text);
		assert_true(path >= text && path + strlen(path) == text + TREE_PATH - 1);
		assert_int_equal(strncmp(path, "/seven77", 8), 0);
		assert_int_equal(strlen(path), 8 * (depth < 63 ? depth + 1 : 63));
	}
	assert_int_equal(text[TREE_PATH], '#');
	for (int depth = 0; depth <= 1000; depth++)
		free(chain[depth]);
}

#define TOP	    "/tmp/tree.XXXXXX"
#define DIRECTORIES 20
#define FILES	    10
#define DEPTH	    30

static void make_file(int directory, const char *name)
{
	auto_close int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
}

static int make_directory(int parent, const char *name)
{
	int fd;

	assert_int_equal(mkdirat(parent, name, 0755), 0);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* DIRECTORIES of FILES each, a chain of DEPTH, a directory to skip, and a symlink to the top. */
static int make_tree(void **state)
{
	char path[] = TOP, name[32];
	auto_close int top = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int at;

	assert_true(top >= 0);
	*state = strdup(path);
	for (int i = 0; i < DIRECTORIES; i++) {
		auto_close int directory = -1;

		(void)snprintf(name, sizeof(name), "d%d", i);
		directory = make_directory(top, name);
		for (int file = 0; file < FILES; file++) {
			(void)snprintf(name, sizeof(name), "f%d", file);
			make_file(directory, name);
		}
	}
	at = dup(top);
	for (int i = 0; i < DEPTH; i++) {
		int below = make_directory(at, "deeper");

		close_fd(&at);
		at = below;
	}
	close_fd(&at);
	assert_int_equal(symlinkat(".", top, "link"), 0);
	return 0;
}

static int remove_made(void **state)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "rm -r %s", (const char *)*state);
	assert_int_equal(system(command), 0);
	free(*state);
	return 0;
}

#define ALL (DIRECTORIES * (FILES + 1) + DEPTH + 1)

static struct tree scanned(
		const char *path, const char *exclude, unsigned workers, struct scan_sums *sums)
{
	struct tree tree = { .root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.exclude = exclude,
		.workers = workers };

	*sums = (struct scan_sums){ 0 };
	assert_true(tree.root >= 0);
	assert_int_equal(scan_tree(&tree, false, -1, sums), 0);
	return tree;
}

static void forget(struct tree *tree)
{
	close_fd(&tree->root);
	tree_free(tree);
	assert_int_equal(tree->directories.count, 0);
}

/* Each directory is in the list once, behind its parent, and brothers are one behind the other. */
static void scans(void **state)
{
	for (unsigned workers = 1; workers <= TREE_WORKERS; workers *= 2) {
		struct scan_sums sums;
		struct tree tree = scanned(*state, NULL, workers, &sums);
		const struct tree_list *list = &tree.directories;

		assert_int_equal(sums.entries, ALL);
		assert_int_equal(list->count, DIRECTORIES + DEPTH + 1);
		assert_null(list->items[0]->parent);
		for (size_t i = 1; i < list->count; i++) {
			size_t parent = 0;

			while (list->items[parent] != list->items[i]->parent)
				parent++;
			assert_true(parent < i);
		}
		forget(&tree);
	}
}

static void scans_with_patterns(void **state)
{
	static const struct {
		const char *exclude;
		unsigned entries;
	} tests[] = { { "d[0-9]*", ALL - DIRECTORIES * (FILES + 1) }, { "f1", ALL - DIRECTORIES },
		{ "/d1", ALL - FILES - 1 }, { "/deeper/deeper", ALL - DEPTH + 1 },
		{ "link", ALL - 1 }, { "*", 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		struct scan_sums sums;
		struct tree tree = scanned(*state, tests[i].exclude, 2, &sums);

		assert_int_equal(sums.entries, tests[i].entries);
		forget(&tree);
	}
}

struct seen {
	atomic_uint begun, ended, items;
	unsigned fail_at;
};

static int on_begin(struct tree_worker *worker)
{
	struct seen *seen = worker->context;

	atomic_fetch_add(&seen->begun, *(char *)worker->own == 0);
	return 0;
}

static int on_item(struct tree_worker *worker, const struct tree_item *item)
{
	struct seen *seen = worker->context;

	(void)item;
	return atomic_fetch_add(&seen->items, 1) + 1 == seen->fail_at ? -EILSEQ : 0;
}

static void on_end(struct tree_worker *worker)
{
	struct seen *seen = worker->context;

	atomic_fetch_add(&seen->ended, 1);
}

static const struct tree_pass counting = {
	.own_size = 8, .begin = on_begin, .item = on_item, .end = on_end
};

static void passes(void **state)
{
	for (unsigned workers = 1; workers <= TREE_WORKERS; workers *= 2) {
		struct seen seen = { 0 }, failing = { .fail_at = 7 };
		struct scan_sums sums;
		struct tree tree = scanned(*state, NULL, workers, &sums);

		assert_int_equal(tree_run(&tree, &tree.directories, &counting, &seen), 0);
		assert_int_equal(seen.items, DIRECTORIES + DEPTH + 1);
		assert_int_equal(seen.begun, workers);
		assert_int_equal(seen.ended, workers);
		assert_int_equal(tree_run(&tree, &tree.directories, &counting, &failing), -EILSEQ);
		assert_in_range(failing.items, 7, 7 + workers);
		assert_int_equal(tree_run(&tree, &tree.large, &counting, &failing), 0);
		forget(&tree);
	}
}

/* By a path longer than PATH_MAX, too; through no symlink. */
static void opens(void **state)
{
	struct scan_sums sums;
	struct tree tree;
	struct tree_item *link, *below;
	int at = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
	char name[200];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < 50; i++) {
		int next = make_directory(at, name);

		close_fd(&at);
		at = next;
	}
	close_fd(&at);
	tree = scanned(*state, NULL, 2, &sums);
	for (size_t i = 0; i < tree.directories.count; i++) {
		fd = tree_open(tree.root, tree.directories.items[i]);
		assert_true(fd >= 0);
		close_fd(&fd);
	}
	link = new_directory(tree.directories.items[0], "link");
	below = new_directory(link, "d0");
	assert_int_equal(tree_open(tree.root, link), -ENOTDIR);
	assert_int_equal(tree_open(tree.root, below), -ELOOP);
	free(below);
	free(link);
	forget(&tree);
}

/* Nothing is deleted but in memory. */
static void removes(void **state)
{
	auto_close int top = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct scan_sums sums;
	struct tree tree;

	log_set_level(LOG_NOTHING);
	assert_int_equal(remove_tree(top, 2), sys_is_memory(top) ? 0 : -EINVAL);
	tree = scanned(*state, NULL, 1, &sums);
	assert_int_equal(sums.entries > 0, !sys_is_memory(top));
	forget(&tree);
}

static void number_of_workers(void **state)
{
	cpu_set_t set;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	assert_int_equal(tree_workers(),
			CPU_COUNT(&set) < TREE_WORKERS ? CPU_COUNT(&set) : TREE_WORKERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns),
		cmocka_unit_test(long_patterns),
		cmocka_unit_test(paths),
		cmocka_unit_test(long_paths),
		cmocka_unit_test_setup_teardown(scans, make_tree, remove_made),
		cmocka_unit_test_setup_teardown(scans_with_patterns, make_tree, remove_made),
		cmocka_unit_test_setup_teardown(passes, make_tree, remove_made),
		cmocka_unit_test_setup_teardown(opens, make_tree, remove_made),
		cmocka_unit_test_setup_teardown(removes, make_tree, remove_made),
		cmocka_unit_test(number_of_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
