/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tree as a list: its directories, each behind its parent, and its large files. One scan makes
 * the list. Moving, setting metadata, giving back and removing are passes over it.
 *
 * Workers, one a processor up to TREE_WORKERS, take the items of a pass from the list. Each worker
 * has a descriptor table of its own: a shared one costs time at every open and close. A directory
 * is opened by its path below the top; the kernel follows no symlink and enters no other mount on
 * the way.
 */
#ifndef TMPFSROOT_TREE_H
#define TMPFSROOT_TREE_H

#include "links.h"
#include "sys.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Regular files larger than this, in bytes, are items of their own. */
#define TREE_LARGE (1024UL * 1024)

/* The metadata of a directory that is kept: owner, mode and times. */
struct metadata {
	uint32_t uid, gid;
	uint16_t mode;
	struct sys_time atime, mtime;
};

static inline struct metadata metadata_of(const struct sys_stat *st)
{
	return (struct metadata){ st->uid, st->gid, st->mode, st->atime, st->mtime };
}

/* For utimensat(2). */
static inline void metadata_times(const struct metadata *metadata, struct timespec times[static 2])
{
	times[0] = (struct timespec){ .tv_sec = (time_t)metadata->atime.tv_sec,
		.tv_nsec = (long)metadata->atime.tv_nsec };
	times[1] = (struct timespec){ .tv_sec = (time_t)metadata->mtime.tv_sec,
		.tv_nsec = (long)metadata->mtime.tv_nsec };
}

/* A directory ("" and no parent for the top), or a large file in its PARENT. */
struct tree_item {
	const struct tree_item *parent;
	struct metadata metadata;
	char name[];
};

struct tree_list {
	struct tree_item **items;
	size_t count, room;
};

/* More workers hold more memory; what they save is small, as the kernel unpacks an initramfs with
 * one processor before. */
#define TREE_WORKERS 8

struct tree {
	int root; /* a descriptor of the top, the caller's */
	const char *exclude; /* patterns of what is passed over, or NULL: see tree_excludes() */
	unsigned workers; /* 1 to TREE_WORKERS; fewer where a thread cannot be started */
	struct tree_list directories, large;
	struct links links; /* files with several names */
};

struct tree_run;

struct tree_worker {
	struct tree_run *run;
	void *context; /* the pass's */
	void *entries; /* TREE_ENTRIES bytes: a part of the directory that is read */
	void *own; /* own_size bytes, zeroed at first */
};
#define TREE_ENTRIES (32UL * 1024)

/*
 * A pass over one of the lists: what is done with each item, by several workers at a time, in no
 * order. Each function returns 0 or a negative errno, logged, after which nothing more is begun;
 * "begin" and "end" may be NULL.
 */
struct tree_pass {
	size_t own_size;
	int (*begin)(struct tree_worker *worker);
	int (*item)(struct tree_worker *worker, const struct tree_item *item);
	void (*end)(struct tree_worker *worker);
};

/* Runs the pass over LIST, one of TREE's, to its end. Returns 0 or the first negative errno. */
int tree_run(const struct tree *tree, const struct tree_list *list, const struct tree_pass *pass,
		void *context);

/* Begins the list with the top. Returns 0, or -ENOMEM, logged. */
int tree_top(struct tree *tree, const struct sys_stat *st);

/* As tree_run() over the directories, to which the pass itself adds by tree_add(). */
int tree_grow(struct tree *tree, const struct tree_pass *pass, void *context);

/* Adds a directory, or where LARGE a large file, of the directory PARENT. Returns 0, or -ENOMEM. */
int tree_add(struct tree_worker *worker, bool large, const struct tree_item *parent,
		const char *name, const struct sys_stat *st);

void tree_free(struct tree *tree);

/* Opens a directory of the tree below ROOT, or below another top where the same directories are.
 * Returns a descriptor or a negative errno, not logged. */
int tree_open(int root, const struct tree_item *directory);

/*
 * Calls ENTRY for each name in the open directory FD but "." and "..", until it returns a negative
 * errno. Returns that, or a negative errno, logged, or 0.
 */
typedef int tree_entry(struct tree_worker *worker, const struct tree_item *directory, int fd,
		const char *name);
int tree_read(struct tree_worker *worker, const struct tree_item *directory, int fd,
		tree_entry *entry);

/* The path of NAME ("" for the directory itself) from the top, for messages: "/etc/fstab". A path
 * that is too long loses its beginning. Returns a place in TEXT. */
#define TREE_PATH 512
const char *tree_path(
		const struct tree_item *directory, const char *name, char text[static TREE_PATH]);

/*
 * Does one of the colon-separated patterns (fnmatch(3)) match? One with a "/" is compared with the
 * whole path from the top, and its "*" stops at a "/"; one without is compared with the name alone.
 */
bool tree_excludes(const char *patterns, const char *path, const char *name);

/* Is NAME in the directory passed over? */
bool tree_passes_over(const struct tree *tree, const struct tree_item *directory, const char *name);

/* The number of processors that may run this process, at most TREE_WORKERS. */
unsigned tree_workers(void);

#endif
