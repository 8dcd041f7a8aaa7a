/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "walk.h"

#include "log.h"
#include "util.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct walk_node *walk_reference(struct walk_node *node)
{
	atomic_fetch_add_explicit(&node->references, 1, memory_order_relaxed);
	return node;
}

void walk_release(struct walk_node *node)
{
	while (node && atomic_fetch_sub(&node->references, 1) == 1) {
		struct walk_node *parent = node->parent;

		free(node);
		node = parent;
	}
}

static struct walk_node *new_node(
		struct walk_node *parent, const char *name, const struct sys_stat *st)
{
	size_t length = strlen(name) + 1;
	struct walk_node *node = malloc(sizeof(*node) + length);

	if (!node)
		return NULL;
	*node = (struct walk_node){
		.parent = parent, .depth = parent ? parent->depth + 1 : 0, .st = *st
	};
	atomic_init(&node->references, 1);
	atomic_init(&node->pending, 1);
	memcpy(node->name, name, length);
	if (parent) {
		(void)walk_reference(parent);
		atomic_fetch_add(&parent->pending, 1);
	}
	return node;
}

/* Writes the path so that it ends at the end of TEXT; returns where it begins. */
static const char *put_path(
		const struct walk_node *directory, const char *name, char *text, size_t room)
{
	char *start = text + room - 1;

	*start = '\0';
	for (;; name = directory->name, directory = directory->parent) {
		size_t length = strlen(name);

		if (length > 0) {
			if ((size_t)(start - text) < length + 1)
				break;
			start -= length;
			memcpy(start, name, length);
			*--start = '/';
		}
		if (!directory)
			break;
	}
	return *start ? start : "/";
}

const char *walk_path(
		const struct walk_node *directory, const char *name, char text[static WALK_PATH])
{
	return put_path(directory, name, text, WALK_PATH);
}

static bool pattern_matches(const char *pattern, const char *path, const char *name)
{
	return strchr(pattern, '/') ? fnmatch(pattern, path, FNM_PATHNAME) == 0
				    : fnmatch(pattern, name, 0) == 0;
}

bool walk_excluded(const char *patterns, const char *path, const char *name)
{
	char pattern[PATH_MAX];

	while (patterns && *patterns) {
		size_t length = strcspn(patterns, ":");

		if (length > 0 && length < sizeof(pattern)) {
			memcpy(pattern, patterns, length);
			pattern[length] = '\0';
			if (pattern_matches(pattern, path, name))
				return true;
		}
		patterns += length + (patterns[length] == ':');
	}
	return false;
}

static bool excluded(const char *patterns, const struct walk_node *directory, const char *name)
{
	char text[PATH_MAX];

	return patterns &&
	       walk_excluded(patterns, put_path(directory, name, text, sizeof(text)), name);
}

/* The walk may be in a tree that others use, so each way is looked at again before it is taken. */
static int check_same(int fd, const struct sys_stat *st)
{
	struct sys_stat now;
	int result = sys_stat(fd, "", &now);

	return result < 0 ? result : sys_stat_is_same(&now, st) ? 0 : -ESTALE;
}

/* In the target it may not be there yet when it is found: it is the one that the names led to. */
static int check_tree(struct walk_node *node, int tree, int fd, bool up)
{
	struct sys_stat now;
	int result;

	if (tree == WALK_SOURCE)
		return check_same(fd, &node->st);
	result = sys_stat(fd, "", &now);
	if (result < 0)
		return result;
	if (up && atomic_load(&node->target) != now.ino)
		return -ESTALE;
	atomic_store(&node->target, now.ino);
	return 0;
}

/* Makes NODE, in the cursor's directory or with UP above it, the cursor's place. The top is opened
 * by its own descriptor: once the new root lies over the old one, ".." would lead there.
 * Returns a negative errno, not logged, -ESTALE where others have moved the directory. */
static int cursor_step(struct walk_cursor *cursor, struct walk_node *node, bool up)
{
	const char *name = !node->parent ? "." : up ? ".." : node->name;
	int fd[WALK_TREES] = { -1, -1 }, error = 0;

	for (int tree = 0; tree < WALK_TREES && !error; tree++) {
		int from = node->parent ? cursor->fd[tree] : cursor->roots[tree];

		if (cursor->roots[tree] < 0)
			continue;
		fd[tree] = openat(from, name, OPEN_DIRECTORY | O_NOATIME);
		if (fd[tree] < 0 && errno == EPERM) /* O_NOATIME is for the owner and for root */
			fd[tree] = openat(from, name, OPEN_DIRECTORY);
		error = fd[tree] < 0 ? -errno : check_tree(node, tree, fd[tree], up);
	}
	if (error) {
		for (int tree = 0; tree < WALK_TREES; tree++)
			close_fd(&fd[tree]);
		return error;
	}
	(void)walk_reference(node);
	walk_cursor_close(cursor);
	memcpy(cursor->fd, fd, sizeof(fd));
	cursor->at = node;
	return 0;
}

void walk_cursor_close(struct walk_cursor *cursor)
{
	if (!cursor->at)
		return;
	for (int tree = 0; tree < WALK_TREES; tree++)
		close_fd(&cursor->fd[tree]);
	walk_release(cursor->at);
	cursor->at = NULL;
}

static struct walk_node *ancestor(struct walk_node *node, unsigned depth)
{
	while (node->depth > depth)
		node = node->parent;
	return node;
}

int walk_go(struct walk_cursor *cursor, struct walk_node *directory)
{
	struct walk_node *at, *next;
	char path[WALK_PATH];
	int result = 0;
	bool up;

	while (result == 0 && cursor->at != directory) {
		at = cursor->at;
		up = at && (at->depth > directory->depth || ancestor(directory, at->depth) != at);
		next = up ? at->parent : ancestor(directory, at ? at->depth + 1 : 0);
		result = cursor_step(cursor, next, up);
		if (result == -ESTALE && up) { /* so by its names, from the top */
			walk_cursor_close(cursor);
			result = 0;
		}
	}
	return result < 0 ? log_error(result, "opening the directory %s", walk_path(next, "", path))
			  : 0;
}

static void fail(struct walk *walk, int error)
{
	int none = 0;

	(void)atomic_compare_exchange_strong(&walk->error, &none, error);
}

/* Is it the failure of this name or directory alone, and to be told at the end? */
static bool is_passed(struct walk *walk, int error)
{
	int none = 0;

	if (!walk->request->goes_on || (error != -ENOENT && error != -ESTALE && error != -EEXIST &&
						       error != -ENOTDIR && error != -ELOOP))
		return false;
	(void)atomic_compare_exchange_strong(&walk->passed, &none, error);
	return true;
}

static void push(struct walk *walk, struct walk_node *node)
{
	(void)pthread_mutex_lock(&walk->lock);
	node->next = walk->queue;
	walk->queue = node;
	(void)pthread_cond_signal(&walk->changed);
	(void)pthread_mutex_unlock(&walk->lock);
}

/* The next job, or NULL at the end: no job is left, and none that could give birth to others. */
static struct walk_node *take(struct walk *walk, bool first)
{
	struct walk_node *node;

	(void)pthread_mutex_lock(&walk->lock);
	walk->busy -= !first;
	while (!walk->queue && walk->busy > 0)
		(void)pthread_cond_wait(&walk->changed, &walk->lock);
	node = walk->queue;
	if (node) {
		walk->queue = node->next;
		walk->busy++;
	} else {
		(void)pthread_cond_broadcast(&walk->changed);
	}
	(void)pthread_mutex_unlock(&walk->lock);
	return node;
}

/* The RESULT of a job, which may have left the cursor where no way leads on. */
static void settle(struct walk_worker *worker, int result)
{
	if (result < 0 && is_passed(worker->walk, result))
		walk_cursor_close(&worker->cursor);
	else if (result < 0)
		fail(worker->walk, result);
}

/* One thing of what the node waits for is done; leaves it, and what is above, where it was the
 * last. */
static void finish(struct walk_worker *worker, struct walk_node *node)
{
	const struct walk_operations *operations = worker->walk->request->operations;

	while (node && atomic_fetch_sub(&node->pending, 1) == 1) {
		struct walk_node *parent = node->parent;
		int result = 0;

		if (node->entered && operations->leave)
			result = operations->leave(worker, node);
		settle(worker, result);
		walk_release(node);
		node = parent;
	}
}

static int put_off(struct walk_worker *worker, struct walk_node *directory, const char *name,
		const struct sys_stat *st)
{
	struct walk_node *node = new_node(directory, name, st);
	char path[WALK_PATH];

	if (!node)
		return log_error(ENOMEM, "queueing %s", walk_path(directory, name, path));
	push(worker->walk, node);
	return 0;
}

static int found(struct walk_worker *worker, struct walk_node *directory, const char *name)
{
	const struct walk_request *request = worker->walk->request;
	struct sys_stat st;
	char path[WALK_PATH];
	bool mounted;
	int result;

	if (excluded(request->exclude, directory, name))
		return 0;
	result = sys_stat(worker->cursor.fd[WALK_SOURCE], name, &st);
	if (result == -ENOENT) /* it has just gone, or is a whiteout that overlayfs shows in readdir
				*/
		return 0;
	if (result < 0)
		return log_error(result, "stat %s", walk_path(directory, name, path));
	mounted = st.mnt_id != worker->walk->mount_id;
	if (S_ISDIR(st.mode) && !mounted)
		return put_off(worker, directory, name, &st);
	if (!request->operations->entry)
		return 0;
	result = request->operations->entry(worker, directory, name, &st, mounted, false);
	return result == WALK_PUT_OFF ? put_off(worker, directory, name, &st) : result;
}

/* The names that one call of getdents64(2) has put into the worker's buffer. */
static int take_names(struct walk_worker *worker, struct walk_node *directory, size_t length)
{
	int result = 0;

	for (size_t at = 0; result == 0 && at < length;) {
		const struct sys_dirent *entry = (const void *)((char *)worker->entries + at);

		at += entry->length;
		if (strcmp(entry->name, ".") != 0 && strcmp(entry->name, "..") != 0)
			result = found(worker, directory, entry->name);
		if (result < 0 && is_passed(worker->walk, result))
			result = 0;
	}
	return result;
}

/* Not by readdir(3): a DIR is memory, and where a libc gives it back to the kernel each time, every
 * worker's TLB is flushed. */
static int read_names(struct walk_worker *worker, struct walk_node *directory)
{
	char path[WALK_PATH];
	int result = 0;

	while (result == 0 && !atomic_load_explicit(&worker->walk->error, memory_order_relaxed)) {
		int length = sys_getdents(
				worker->cursor.fd[WALK_SOURCE], worker->entries, WALK_ENTRIES);

		if (length == 0)
			break;
		result = length < 0 ? log_error(length, "reading the directory %s",
						      walk_path(directory, "", path))
				    : take_names(worker, directory, (size_t)length);
	}
	return result;
}

static int do_directory(struct walk_worker *worker, struct walk_node *directory)
{
	const struct walk_operations *operations = worker->walk->request->operations;
	int result;

	result = walk_go(&worker->cursor, directory->parent ? directory->parent : directory);
	if (result == 0 && operations->enter)
		result = operations->enter(worker, directory);
	if (result < 0)
		return result;
	directory->entered = true;
	result = walk_go(&worker->cursor, directory);
	if (result < 0)
		return result;
	result = read_names(worker, directory);
	if (operations->flush && (result == 0 || is_passed(worker->walk, result))) {
		int flushed = operations->flush(worker, directory);

		result = result < 0 ? result : flushed;
	}
	return result;
}

static int do_file(struct walk_worker *worker, struct walk_node *file)
{
	const struct walk_operations *operations = worker->walk->request->operations;
	int result = walk_go(&worker->cursor, file->parent);

	if (result == 0)
		result = operations->entry(
				worker, file->parent, file->name, &file->st, false, true);
	if (result == 0 && operations->flush)
		result = operations->flush(worker, file->parent);
	return result;
}

/* After a failure the rest of the queue is only taken down, so that what was entered is left. */
static void work(struct walk_worker *worker)
{
	struct walk *walk = worker->walk;
	struct walk_node *node;

	for (bool first = true; (node = take(walk, first)); first = false) {
		int result = 0;

		if (!atomic_load(&walk->error))
			result = S_ISDIR(node->st.mode) ? do_directory(worker, node)
							: do_file(worker, node);
		settle(worker, result);
		finish(worker, node);
	}
}

static void run_worker(struct walk *walk)
{
	const struct walk_operations *operations = walk->request->operations;
	struct walk_worker worker = { .walk = walk, .cursor = { .roots = walk->request->roots } };
	int result = 0;

	worker.own = calloc(1, operations->own_size + 1);
	worker.entries = malloc(WALK_ENTRIES);
	if (!worker.own || !worker.entries)
		result = log_error(ENOMEM, "starting to walk the tree");
	else if (operations->begin)
		result = operations->begin(&worker);
	if (result < 0)
		fail(walk, result);
	else
		work(&worker);
	if (worker.own && operations->end)
		operations->end(&worker);
	walk_cursor_close(&worker.cursor);
	free(worker.entries);
	free(worker.own);
}

/* The descriptor table is copied before the first worker begins, and holds nothing then that would
 * keep a removed file's memory. The directory of its own is for the operations' fchdir(). */
static void *start_thread(void *argument)
{
	struct walk *walk = argument;
	int error = unshare(CLONE_FILES | CLONE_FS) == 0 ? 0 : errno;

	(void)pthread_mutex_lock(&walk->lock);
	walk->starting--;
	(void)pthread_cond_broadcast(&walk->changed);
	(void)pthread_mutex_unlock(&walk->lock);
	if (error)
		log_message(LOG_DEBUG, "unshare: %s: one worker less", strerror(error));
	else
		run_worker(walk);
	/* A thread is joined before the kernel has closed its files, and they hold mounts. */
	if (!error)
		(void)syscall(SYS_close_range, 0U, ~0U, 0U);
	return NULL;
}

static unsigned start_threads(struct walk *walk, pthread_t *threads, unsigned count)
{
	unsigned started = 0;

	walk->starting = count;
	while (started < count && pthread_create(&threads[started], NULL, start_thread, walk) == 0)
		started++;
	(void)pthread_mutex_lock(&walk->lock);
	walk->starting -= count - started;
	while (walk->starting > 0)
		(void)pthread_cond_wait(&walk->changed, &walk->lock);
	(void)pthread_mutex_unlock(&walk->lock);
	return started;
}

#define WORKERS_MAX 64

unsigned walk_workers(void)
{
	cpu_set_t set;
	int count;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	count = CPU_COUNT(&set);
	return count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : (unsigned)count;
}

int walk_run(const struct walk_request *request)
{
	struct walk walk = { .request = request,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };
	pthread_t threads[WORKERS_MAX];
	struct sys_stat st;
	struct walk_node *top;
	unsigned started;
	int result = sys_stat(request->roots[WALK_SOURCE], "", &st);

	if (result < 0)
		return log_error(result, "stat of the tree");
	walk.mount_id = st.mnt_id;
	top = new_node(NULL, "", &st);
	if (!top)
		return log_error(ENOMEM, "starting to walk the tree");
	push(&walk, top);
	started = start_threads(&walk, threads, request->workers > 1 ? request->workers - 1 : 0);
	run_worker(&walk);
	for (unsigned i = 0; i < started; i++)
		(void)pthread_join(threads[i], NULL);
	result = atomic_load(&walk.error);
	return result < 0 ? result : atomic_load(&walk.passed);
}
