/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree.h"

#include "log.h"
#include "util.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Puts "/" and NAME before *START, where there is room for it behind TEXT. */
static bool prepend(char **start, const char *text, const char *name)
{
	size_t length = strlen(name);

	if ((size_t)(*start - text) < length + 1)
		return false;
	if (length > 0) {
		*start -= length;
		memcpy(*start, name, length);
		*--*start = '/';
	}
	return true;
}

/* Writes the path of NAME in DIRECTORY so that it ends at the end of TEXT, as much of it as there
 * is room for. Returns where it begins; *REST is the directory that the written part is below. */
static char *put_path(const struct tree_item *directory, const char *name, char *text, size_t room,
		const struct tree_item **rest)
{
	char *start = text + room - 1;

	*start = '\0';
	(void)prepend(&start, text, name);
	while (directory->parent && prepend(&start, text, directory->name))
		directory = directory->parent;
	*rest = directory;
	return start;
}

const char *tree_path(
		const struct tree_item *directory, const char *name, char text[static TREE_PATH])
{
	const struct tree_item *rest;
	const char *path = put_path(directory, name, text, TREE_PATH, &rest);

	return *path ? path : "/";
}

int tree_open(int root, const struct tree_item *directory)
{
	char text[PATH_MAX];
	const struct tree_item *rest;
	const char *path = put_path(directory, "", text, sizeof(text), &rest);
	auto_close int from = -1;
	int result;

	if (rest->parent) { /* a path longer than PATH_MAX: in steps */
		from = tree_open(root, rest);
		if (from < 0)
			return from;
	}
	path = *path ? path + 1 : ".";
	result = sys_open_below(from >= 0 ? from : root, path, OPEN_DIRECTORY | O_NOATIME);
	if (result == -EPERM) /* O_NOATIME is for the owner and for root */
		result = sys_open_below(from >= 0 ? from : root, path, OPEN_DIRECTORY);
	return result;
}

static bool pattern_matches(const char *pattern, const char *path, const char *name)
{
	return strchr(pattern, '/') ? fnmatch(pattern, path, FNM_PATHNAME) == 0
				    : fnmatch(pattern, name, 0) == 0;
}

bool tree_excludes(const char *patterns, const char *path, const char *name)
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

bool tree_passes_over(const struct tree *tree, const struct tree_item *directory, const char *name)
{
	char text[PATH_MAX];
	const struct tree_item *rest;

	return tree->exclude &&
	       tree_excludes(tree->exclude, put_path(directory, name, text, sizeof(text), &rest),
			       name);
}

/* Not by readdir(3): a DIR is memory, and where a libc gives it back to the kernel each time, every
 * worker's TLB is flushed. */
int tree_read(struct tree_worker *worker, const struct tree_item *directory, int fd,
		tree_entry *entry)
{
	char path[TREE_PATH];
	int result = 0;

	while (result == 0) {
		int length = sys_getdents(fd, worker->entries, TREE_ENTRIES);

		if (length <= 0)
			return length < 0 ? log_error(length, "reading the directory %s",
							    tree_path(directory, "", path))
					  : 0;
		for (int at = 0; result == 0 && at < length;) {
			const struct sys_dirent *next =
					(const void *)((char *)worker->entries + at);

			at += next->length;
			if (strcmp(next->name, ".") != 0 && strcmp(next->name, "..") != 0)
				result = entry(worker, directory, fd, next->name);
		}
	}
	return result;
}

/* The state of a pass. */
struct tree_run {
	const struct tree_list *list;
	struct tree *growing; /* the tree that the pass adds to, or NULL */
	const struct tree_pass *pass;
	void *context;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t next; /* in the list */
	unsigned busy, starting;
	int error; /* the first failure */
};

/* Takes the next item; NULL at the end: none is left, and no worker is at one that could add
 * others. */
static const struct tree_item *take(struct tree_run *run)
{
	const struct tree_item *item = NULL;

	(void)pthread_mutex_lock(&run->lock);
	while (!run->error && run->next == run->list->count && run->busy > 0)
		(void)pthread_cond_wait(&run->changed, &run->lock);
	if (!run->error && run->next < run->list->count) {
		item = run->list->items[run->next++];
		run->busy++;
	}
	(void)pthread_mutex_unlock(&run->lock);
	return item;
}

static void finish(struct tree_run *run, int result)
{
	(void)pthread_mutex_lock(&run->lock);
	run->busy--;
	if (result < 0 && !run->error)
		run->error = result;
	(void)pthread_cond_broadcast(&run->changed);
	(void)pthread_mutex_unlock(&run->lock);
}

static void work(struct tree_run *run)
{
	struct tree_worker worker = { .run = run, .context = run->context };
	const struct tree_item *item;
	int result = 0;

	worker.own = calloc(1, run->pass->own_size + 1);
	worker.entries = malloc(TREE_ENTRIES);
	if (!worker.own || !worker.entries)
		result = log_error(ENOMEM, "starting a worker");
	else if (run->pass->begin)
		result = run->pass->begin(&worker);
	if (result < 0) {
		(void)pthread_mutex_lock(&run->lock);
		run->busy++;
		(void)pthread_mutex_unlock(&run->lock);
		finish(run, result);
	}
	while (result == 0 && (item = take(run)))
		finish(run, run->pass->item(&worker, item));
	if (worker.own && run->pass->end)
		run->pass->end(&worker);
	free(worker.entries);
	free(worker.own);
}

/* The descriptor table is copied before the first worker begins, and holds nothing then that would
 * keep a removed file's memory. The current directory is for fchdir(). */
static void *start_thread(void *argument)
{
	struct tree_run *run = argument;
	int error = unshare(CLONE_FILES | CLONE_FS) == 0 ? 0 : errno;

	(void)pthread_mutex_lock(&run->lock);
	run->starting--;
	(void)pthread_cond_broadcast(&run->changed);
	(void)pthread_mutex_unlock(&run->lock);
	if (error)
		log_message(LOG_DEBUG, "unshare: %s: one worker less", strerror(error));
	else
		work(run);
	/* A thread is joined before the kernel has closed its files, and they hold mounts. */
	if (!error)
		(void)sys_close_range(0, ~0U);
	return NULL;
}

static unsigned start_threads(struct tree_run *run, pthread_t *threads, unsigned count)
{
	unsigned started = 0;

	run->starting = count;
	while (started < count && pthread_create(&threads[started], NULL, start_thread, run) == 0)
		started++;
	(void)pthread_mutex_lock(&run->lock);
	run->starting -= count - started;
	while (run->starting > 0)
		(void)pthread_cond_wait(&run->changed, &run->lock);
	(void)pthread_mutex_unlock(&run->lock);
	return started;
}

/* This thread is a worker, too. */
static int run_workers(struct tree_run *run, unsigned workers)
{
	pthread_t threads[TREE_WORKERS];
	unsigned started = start_threads(run, threads, workers - 1);

	work(run);
	for (unsigned i = 0; i < started; i++)
		(void)pthread_join(threads[i], NULL);
	return run->error;
}

int tree_run(const struct tree *tree, const struct tree_list *list, const struct tree_pass *pass,
		void *context)
{
	struct tree_run run = { .list = list,
		.pass = pass,
		.context = context,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };

	return list->count > 0 ? run_workers(&run, tree->workers) : 0;
}

int tree_grow(struct tree *tree, const struct tree_pass *pass, void *context)
{
	struct tree_run run = { .list = &tree->directories,
		.growing = tree,
		.pass = pass,
		.context = context,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };

	return run_workers(&run, tree->workers);
}

static int append(struct tree_list *list, struct tree_item *item)
{
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 256;
		struct tree_item **items = realloc(list->items, room * sizeof(*items));

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->room = room;
	}
	list->items[list->count++] = item;
	return 0;
}

static struct tree_item *new_item(
		const struct tree_item *parent, const char *name, const struct sys_stat *st)
{
	size_t length = strlen(name) + 1;
	struct tree_item *item = malloc(sizeof(*item) + length);

	if (!item)
		return NULL;
	*item = (struct tree_item){ .parent = parent, .metadata = metadata_of(st) };
	memcpy(item->name, name, length);
	return item;
}

int tree_top(struct tree *tree, const struct sys_stat *st)
{
	struct tree_item *top = new_item(NULL, "", st);

	if (top && append(&tree->directories, top) == 0)
		return 0;
	free(top);
	return log_error(ENOMEM, "listing the tree");
}

int tree_add(struct tree_worker *worker, bool large, const struct tree_item *parent,
		const char *name, const struct sys_stat *st)
{
	struct tree_run *run = worker->run;
	struct tree *tree = run->growing;
	struct tree_item *item = new_item(parent, name, st);
	int result;

	if (!item)
		return -ENOMEM;
	(void)pthread_mutex_lock(&run->lock);
	result = append(large ? &tree->large : &tree->directories, item);
	(void)pthread_cond_signal(&run->changed);
	(void)pthread_mutex_unlock(&run->lock);
	if (result < 0)
		free(item);
	return result;
}

unsigned tree_workers(void)
{
	cpu_set_t set;
	int count;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	count = CPU_COUNT(&set);
	return count < 1 ? 1 : count > TREE_WORKERS ? TREE_WORKERS : (unsigned)count;
}

static void free_list(struct tree_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct tree_list){ 0 };
}

void tree_free(struct tree *tree)
{
	free_list(&tree->directories);
	free_list(&tree->large);
	links_free(&tree->links);
}
