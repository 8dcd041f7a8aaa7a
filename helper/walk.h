/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A parallel walk over a tree, or over two of the same shape side by side: the one way in which
 * trees are scanned, moved and removed here.
 *
 * Workers, one a processor, take jobs (directories, and files put off by their operation) from one
 * queue, the newest first, so that few are open or queued at any time. A directory is left by
 * whoever finishes the last thing below it. Each worker has a descriptor table of its own (a
 * shared one costs time at every open and close) and holds one directory open in each tree; it
 * gets to another by "..", and by the names below the common ancestor, so that depth and length of
 * paths have no limit. Symlinks are never followed, other mounts never entered.
 */
#ifndef TMPFSROOT_WALK_H
#define TMPFSROOT_WALK_H

#include "sys.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WALK_SOURCE, WALK_TARGET, WALK_TREES };

/* A directory, or a file that was put off; "" is the top. It lives until all below it is done and
 * the last reference is gone. */
struct walk_node {
	struct walk_node *parent, *next;
	atomic_uint references, pending;
	unsigned depth;
	bool entered;
	struct sys_stat st; /* as it was when it was found */
	atomic_uint_fast64_t target; /* a directory's inode in the target, once it was entered */
	char name[];
};

/* A directory that is open in one or both trees; -1 stands for a tree that is not walked. */
struct walk_cursor {
	const int *roots;
	struct walk_node *at; /* a reference, or NULL */
	int fd[WALK_TREES];
};

struct walk;

struct walk_worker {
	struct walk *walk;
	struct walk_cursor cursor;
	void *entries; /* WALK_ENTRIES bytes: a part of the directory that is read */
	void *own; /* of the operations: own_size bytes, zeroed at first */
};

#define WALK_ENTRIES (32UL * 1024)
#define WALK_PUT_OFF 1

/*
 * What is done on the way. Each returns 0 or a negative errno, logged, which stops the walk unless
 * it goes on past that; any may be NULL. While they run the cursor is where they are told.
 */
struct walk_operations {
	size_t own_size;
	int (*begin)(struct walk_worker *worker);
	void (*end)(struct walk_worker *worker);
	/* A directory was found; the cursor is at its parent (at itself for the top). */
	int (*enter)(struct walk_worker *worker, struct walk_node *directory);
	/* Anything else, or with MOUNTED the mount point of another mount, was found in DIRECTORY,
	 * where the cursor is, and stays. May return WALK_PUT_OFF; comes back later with PUT_OFF
	 * true. */
	int (*entry)(struct walk_worker *worker, struct walk_node *directory, const char *name,
			const struct sys_stat *st, bool mounted, bool put_off);
	/* All names of the directory were read; the cursor is there. */
	int (*flush)(struct walk_worker *worker, struct walk_node *directory);
	/* All below the directory is done; the cursor may be anywhere. After a failure, too, for
	 * each directory that was entered. */
	int (*leave)(struct walk_worker *worker, struct walk_node *directory);
};

struct walk_request {
	int roots[WALK_TREES]; /* descriptors; WALK_TARGET is -1 where there is one tree */
	const struct walk_operations *operations;
	void *context; /* for the operations */
	const char *exclude; /* patterns of what is passed over, or NULL: see walk_excluded() */
	unsigned workers;
	bool goes_on; /* past what others have made, renamed or removed meanwhile */
};

struct walk {
	const struct walk_request *request;
	atomic_int error; /* the first failure, a negative errno: nothing is begun after it */
	atomic_int passed; /* the first of those that the walk has gone on past, likewise */
	uint64_t mount_id;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct walk_node *queue;
	unsigned busy, starting;
};

/* Walks the tree to its end. Returns 0 or the first negative errno, logged. */
int walk_run(const struct walk_request *request);

/* As many as processors may run this process. */
unsigned walk_workers(void);

/* Moves the cursor to a directory: 0 or a negative errno, logged. */
int walk_go(struct walk_cursor *cursor, struct walk_node *directory);
void walk_cursor_close(struct walk_cursor *cursor);

struct walk_node *walk_reference(struct walk_node *node);
void walk_release(struct walk_node *node);

/* The path of NAME ("" for the directory itself) from the top, for messages: "/etc/fstab". A path
 * that is too long loses its beginning. Returns a place in TEXT. */
#define WALK_PATH 512
const char *walk_path(
		const struct walk_node *directory, const char *name, char text[static WALK_PATH]);

/*
 * Does one of the colon-separated patterns (fnmatch(3)) match? One with a "/" is compared with the
 * whole path from the top, and its "*" stops at a "/"; one without is compared with the name alone.
 */
bool walk_excluded(const char *patterns, const char *path, const char *name);

#endif
