/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One file of any kind is brought from one tree into another: its content, its metadata, and then
 * its name is taken from the first one. Where that fails the file is whole in the first tree, and
 * the second one has nothing of it; but where its end could not be put back ("torn").
 */
#ifndef TMPFSROOT_FILE_H
#define TMPFSROOT_FILE_H

#include "inuse.h"
#include "progress.h"
#include "tree.h"
#include "xattr.h"

#include <limits.h>

/* The state that all files of a move share. */
struct file_move {
	bool release; /* the source is emptied on the way: a move, not a copy */
	bool back; /* the way back: into directories that have all their attributes; no signal ends
		      it */
	bool ramfs; /* the source is a ramfs */
	bool attributes; /* the source may have extended attributes */
	bool inherits; /* the target's top is setgid: what is made in it gets its group */
	uint64_t chunk; /* bytes that a worker holds twice of a large file */
	int target; /* the second tree's top */
	struct links *links; /* files with several names: where the first one was made */
	pthread_mutex_t lock; /* of the links */
	struct inuse inuse;
	struct progress progress;
	atomic_uint_fast64_t held, peak; /* bytes in both trees, and the most that there were */
	atomic_uint_fast64_t next_look; /* when to look for a signal again */
	atomic_uint lost; /* attributes that the target could not hold */
	atomic_bool torn; /* a file is in two parts, since its end could not be put back */
};

#define FILE_BATCH_NAMES 32
#define FILE_BATCH_BYTES (1024UL * 1024)

/* A worker's own. The files in the batch are copied; their names wait to be taken from the
 * source directory, and their descriptors to be closed. */
struct file_worker {
	struct file_move *move;
	char *buffer; /* COPY_BUFFER bytes */
	struct attributes attributes;
	bool made; /* the name is new in the target */
	unsigned count; /* names in the batch */
	unsigned first, open; /* of descriptors: the lowest, and how many there are */
	size_t used; /* bytes of the names */
	uint64_t bytes; /* bytes of the files */
	char names[FILE_BATCH_NAMES * (NAME_MAX + 1)];
};

/* A name in a directory that is open in both trees. */
struct file {
	struct file_worker *worker;
	const struct tree_item *directory;
	const char *name;
	const struct sys_stat *st; /* of the source */
	int from, to; /* descriptors of the directory */
};

/* Returns 0 or a negative errno, logged. */
int file_begin(struct file_worker *worker, struct file_move *move);
void file_end(struct file_worker *worker);

/* Moves or copies anything but a directory. A file that has gone meanwhile is passed over, with a
 * warning. Returns 0 or a negative errno, logged. */
int file_move(const struct file *file);

/* Takes the names of the batch from the source directory FROM. Call it before FROM is closed. The
 * same results. */
int file_flush(struct file_worker *worker, const struct tree_item *directory, int from);

/* Sets owner, mode, the attributes that FILE's worker has loaded, and times of the open file
 * TARGET; the owner and mode only where OWN. Returns 0 or a negative errno, logged with FILE's
 * path. */
int file_set_metadata(
		const struct file *file, int target, const struct metadata *metadata, bool own);

#endif
