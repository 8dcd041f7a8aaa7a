// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of walk: which paths the patterns exclude, how paths are shown, and walks over a small tree
 * by one worker and by many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log.h"
#include "util.h"
#include "walk.h"

#include <limits.h>
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

		if (walk_excluded(tests[i].patterns, path, name) != tests[i].excluded)
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
		assert_true(walk_excluded(list, "/b", "b"));
		assert_int_equal(walk_excluded(list, "/a", "a"), length < PATH_MAX);
	}
	memset(path, 'x', PATH_MAX - 1);
	path[0] = '/';
	assert_true(walk_excluded(path, path, path + 1));
	path[PATH_MAX - 1] = '\0';
}

static struct walk_node *new_directory(struct walk_node *parent, const char *name)
{
	struct walk_node *node = calloc(1, sizeof(*node) + strlen(name) + 1);

	assert_non_null(node);
	atomic_init(&node->references, 1);
	node->parent = parent ? walk_reference(parent) : NULL;
	node->depth = parent ? parent->depth + 1 : 0;
	strcpy(node->name, name);
	return node;
}

static void paths(void **state)
{
	struct walk_node *top = new_directory(NULL, ""), *etc = new_directory(top, "etc");
	struct walk_node *deep = new_directory(etc, "x y");
	char text[WALK_PATH];

	(void)state;
	assert_string_equal(walk_path(top, "", text), "/");
	assert_string_equal(walk_path(top, "init", text), "/init");
	assert_string_equal(walk_path(etc, "", text), "/etc");
	assert_string_equal(walk_path(etc, "fstab", text), "/etc/fstab");
	assert_string_equal(walk_path(deep, "z", text), "/etc/x y/z");
	walk_release(deep);
	walk_release(etc);
	assert_int_equal(atomic_load(&top->references), 1);
	walk_release(top);
}

/* A path that is too long loses whole names at its beginning. */
static void long_paths(void **state)
{
	struct walk_node *at = new_directory(NULL, "");
	char text[WALK_PATH + 2];
	const char *path;

	(void)state;
	memset(text, '#', sizeof(text));
	for (int depth = 0; depth < 1000; depth++) {
		struct walk_node *child = new_directory(at, "seven77");

		walk_release(at);
		at = child;
		path = walk_path(at, "", text);
		assert_true(path >= text && path + strlen(path) == text + WALK_PATH - 1);
		assert_int_equal(strncmp(path, "/seven77", 8), 0);
		assert_int_equal(strlen(path) % 8, 0);
		assert_int_equal(strlen(path), 8 * (depth < 63 ? depth + 1 : 63));
	}
	assert_int_equal(text[WALK_PATH], '#');
	walk_release(at);
}

/* What a walk has seen. */
struct seen {
	atomic_uint begun, ended, entered, flushed, left, files, links, put_off, deepest;
	unsigned put_off_each, fail_at;
	int failure; /* at FAIL_AT */
	bool goes_on;
};

static struct seen *seen_by(struct walk_worker *worker)
{
	return worker->walk->request->context;
}

static int on_begin(struct walk_worker *worker)
{
	atomic_fetch_add(&seen_by(worker)->begun, *(char *)worker->own == 0);
	return 0;
}

static void on_end(struct walk_worker *worker)
{
	atomic_fetch_add(&seen_by(worker)->ended, 1);
}

static int on_enter(struct walk_worker *worker, struct walk_node *directory)
{
	(void)directory;
	atomic_fetch_add(&seen_by(worker)->entered, 1);
	return 0;
}

static int on_entry(struct walk_worker *worker, struct walk_node *directory, const char *name,
		const struct sys_stat *st, bool mounted, bool put_off)
{
	struct seen *seen = seen_by(worker);
	struct sys_stat now;

	if (mounted || !directory->entered ||
			sys_stat(worker->cursor.fd[WALK_SOURCE], name, &now) != 0 ||
			now.ino != st->ino)
		return -ENOTRECOVERABLE;
	if (seen->put_off_each && !put_off)
		return WALK_PUT_OFF;
	atomic_fetch_add(&seen->put_off, put_off);
	atomic_fetch_add(&seen->links, S_ISLNK(st->mode));
	if (atomic_fetch_add(&seen->files, 1) + 1 == seen->fail_at)
		return seen->failure;
	return 0;
}

static int on_flush(struct walk_worker *worker, struct walk_node *directory)
{
	(void)directory;
	atomic_fetch_add(&seen_by(worker)->flushed, 1);
	return 0;
}

static int on_leave(struct walk_worker *worker, struct walk_node *directory)
{
	struct seen *seen = seen_by(worker);
	unsigned depth = atomic_load(&seen->deepest);

	while (depth < directory->depth &&
			!atomic_compare_exchange_weak(&seen->deepest, &depth, directory->depth))
		;
	atomic_fetch_add(&seen->left, 1);
	return 0;
}

static const struct walk_operations operations = { .own_size = 8,
	.begin = on_begin,
	.end = on_end,
	.enter = on_enter,
	.entry = on_entry,
	.flush = on_flush,
	.leave = on_leave };

#define TOP	    "/tmp/walk.XXXXXX"
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

static int remove_entry(struct walk_worker *worker, struct walk_node *directory, const char *name,
		const struct sys_stat *st, bool mounted, bool put_off)
{
	(void)directory, (void)st, (void)put_off;
	return mounted ? -EBUSY : sys_result(unlinkat(worker->cursor.fd[WALK_SOURCE], name, 0));
}

static int remove_left(struct walk_worker *worker, struct walk_node *directory)
{
	if (!directory->parent)
		return 0;
	assert_int_equal(walk_go(&worker->cursor, directory->parent), 0);
	return sys_result(unlinkat(worker->cursor.fd[WALK_SOURCE], directory->name, AT_REMOVEDIR));
}

static int remove_tree_again(void **state)
{
	static const struct walk_operations removal = { .entry = remove_entry,
		.leave = remove_left };
	auto_close int top = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct walk_request request = {
		.roots = { top, -1 }, .operations = &removal, .workers = 1
	};

	assert_int_equal(walk_run(&request), 0);
	assert_int_equal(rmdir(*state), 0);
	free(*state);
	return 0;
}

static int walk_tree(const char *path, const char *exclude, unsigned workers, struct seen *seen)
{
	auto_close int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct walk_request request = { .roots = { top, -1 },
		.operations = &operations,
		.context = seen,
		.exclude = exclude,
		.workers = workers,
		.goes_on = seen->goes_on };
	int result = walk_run(&request);

	assert_true(seen->begun >= 1 && seen->begun <= (workers ? workers : 1));
	assert_int_equal(seen->begun, seen->ended);
	assert_int_equal(seen->entered, seen->left);
	return result;
}

static void walks(void **state)
{
	static const unsigned workers[] = { 0, 1, 2, 8, 64 };

	for (size_t i = 0; i < 2 * ARRAY_SIZE(workers); i++) {
		struct seen seen = { .put_off_each = i % 2 };
		const unsigned files = DIRECTORIES * FILES + 1,
			       directories = 1 + DIRECTORIES + DEPTH;

		assert_int_equal(walk_tree(*state, NULL, workers[i / 2], &seen), 0);
		assert_int_equal(seen.entered, directories);
		assert_int_equal(seen.files, files);
		assert_int_equal(seen.links, 1);
		assert_int_equal(seen.put_off, i % 2 ? files : 0);
		assert_int_equal(seen.flushed, directories + seen.put_off);
		assert_int_equal(seen.deepest, DEPTH);
	}
}

static void walks_with_patterns(void **state)
{
	static const struct {
		const char *exclude;
		unsigned files, directories;
	} tests[] = {
		{ "", DIRECTORIES * FILES + 1, 1 + DIRECTORIES + DEPTH },
		{ "/d0", (DIRECTORIES - 1) * FILES + 1, DIRECTORIES + DEPTH },
		{ "d*", 1, 1 },
		{ "/d*/f0:link", DIRECTORIES * (FILES - 1), 1 + DIRECTORIES + DEPTH },
		{ "/deeper/deeper", DIRECTORIES * FILES + 1, 1 + DIRECTORIES + 1 },
		{ "f*", 1, 1 + DIRECTORIES + DEPTH },
		{ "*", 0, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		struct seen seen = { 0 };

		assert_int_equal(walk_tree(*state, tests[i].exclude, 4, &seen), 0);
		if (seen.files != tests[i].files || seen.entered != tests[i].directories)
			fail_msg("%s: %u files, %u directories", tests[i].exclude, seen.files,
					seen.entered);
	}
}

/* The first failure ends the walk and is its result; all that was entered is left. */
static void walks_that_fail(void **state)
{
	static const unsigned workers[] = { 1, 8 };

	for (size_t i = 0; i < 2 * ARRAY_SIZE(workers); i++) {
		struct seen seen = {
			.fail_at = 37, .failure = -EDOM, .put_off_each = i % 2, .goes_on = i / 2
		};

		assert_int_equal(walk_tree(*state, NULL, workers[i / 2], &seen), -EDOM);
		assert_true(seen.files >= 37);
		assert_true(workers[i / 2] > 1 || seen.files == 37);
	}
}

/* What others have changed ends such a walk for that name alone, and is its result. */
static void walks_that_go_on(void **state)
{
	static const int failures[] = { -ENOENT, -ESTALE, -EEXIST, -ENOTDIR, -ELOOP };

	for (size_t i = 0; i < 2 * ARRAY_SIZE(failures); i++) {
		struct seen seen = { .fail_at = 37,
			.failure = failures[i / 2],
			.put_off_each = i % 2,
			.goes_on = true };

		assert_int_equal(walk_tree(*state, NULL, 1, &seen), failures[i / 2]);
		assert_int_equal(seen.files, DIRECTORIES * FILES + 1);
		assert_int_equal(seen.entered, 1 + DIRECTORIES + DEPTH);
	}
}

/* In the target others move the first directory that is visited: from there ".." leads elsewhere,
 * and the second one has a namesake there. */
static int move_away(struct walk_worker *worker, struct walk_node *directory, const char *name,
		const struct sys_stat *st, bool mounted, bool put_off)
{
	int *visited = worker->walk->request->context, top = worker->cursor.roots[WALK_TARGET];
	struct stat expected, there;
	char path[32];

	(void)name, (void)st, (void)mounted, (void)put_off;
	(void)snprintf(path, sizeof(path), "d/%s", directory->name);
	assert_int_equal(fstatat(top, path, &expected, 0), 0);
	assert_int_equal(fstat(worker->cursor.fd[WALK_TARGET], &there), 0);
	assert_int_equal(there.st_ino, expected.st_ino);
	if (++*visited == 1)
		assert_int_equal(renameat(top, path, top, "z/moved"), 0);
	return 0;
}

static void walks_beside_others(void **state)
{
	static const char *const names[] = { "s", "s/d", "s/d/one", "s/d/two", "t", "t/d",
		"t/d/one", "t/d/two", "t/z", "t/z/one", "t/z/two" };
	static const struct walk_operations visits = { .entry = move_away };
	auto_close int top = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int visited = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(mkdirat(top, names[i], 0700), 0);
	assert_int_equal(mknodat(top, "s/d/one/file", S_IFREG | 0600, 0), 0);
	assert_int_equal(mknodat(top, "s/d/two/file", S_IFREG | 0600, 0), 0);
	auto_close int source = openat(top, "s", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int target = openat(top, "t", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct walk_request request = { .roots = { source, target },
		.operations = &visits,
		.context = &visited,
		.workers = 1,
		.goes_on = true };

	assert_int_equal(walk_run(&request), 0);
	assert_int_equal(visited, 2);
}

/* Others remove the directory that is read: its names that wait for the flush are not the next
 * one's. */
static int remove_here(struct walk_worker *worker, struct walk_node *directory, const char *name,
		const struct sys_stat *st, bool mounted, bool put_off)
{
	(void)st, (void)mounted, (void)put_off;
	assert_int_equal(unlinkat(worker->cursor.fd[WALK_SOURCE], name, 0), 0);
	assert_int_equal(unlinkat(worker->cursor.roots[WALK_SOURCE], directory->name, AT_REMOVEDIR),
			0);
	return 0;
}

static int count_flush(struct walk_worker *worker, struct walk_node *directory)
{
	int *flushed = worker->walk->request->context;

	(void)directory;
	++*flushed;
	return 0;
}

static void walks_out_of_what_goes(void **state)
{
	static const struct walk_operations removes = { .entry = remove_here,
		.flush = count_flush };
	auto_close int top = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int flushed = 0;

	assert_int_equal(mkdirat(top, "s", 0700), 0);
	assert_int_equal(mkdirat(top, "s/gone", 0700), 0);
	assert_int_equal(mknodat(top, "s/gone/file", S_IFREG | 0600, 0), 0);
	auto_close int source = openat(top, "s", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct walk_request request = { .roots = { source, -1 },
		.operations = &removes,
		.context = &flushed,
		.workers = 1,
		.goes_on = true };

	assert_int_equal(walk_run(&request), -ENOENT);
	assert_int_equal(flushed, 2);
}

static void number_of_workers(void **state)
{
	(void)state;
	assert_in_range(walk_workers(), 1, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns),
		cmocka_unit_test(long_patterns),
		cmocka_unit_test(paths),
		cmocka_unit_test(long_paths),
		cmocka_unit_test_setup_teardown(walks, make_tree, remove_tree_again),
		cmocka_unit_test_setup_teardown(walks_with_patterns, make_tree, remove_tree_again),
		cmocka_unit_test_setup_teardown(walks_that_fail, make_tree, remove_tree_again),
		cmocka_unit_test_setup_teardown(walks_that_go_on, make_tree, remove_tree_again),
		cmocka_unit_test_setup_teardown(walks_beside_others, make_tree, remove_tree_again),
		cmocka_unit_test_setup_teardown(
				walks_out_of_what_goes, make_tree, remove_tree_again),
		cmocka_unit_test(number_of_workers),
	};

	log_set_level((enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
