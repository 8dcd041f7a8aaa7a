/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The content of one file, and the extended attributes of anything. */
#ifndef TMPFSROOT_COPY_H
#define TMPFSROOT_COPY_H

#include "sys.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COPY_BUFFER  (256UL * 1024)
#define COPY_CHANGED "read (it has changed meanwhile)" /* the operation, with ESTALE */

struct copy {
	int source, target; /* open for reading, for writing */
	uint64_t size; /* of the source, bytes */
	uint64_t shift; /* bytes: so much further back it is written */
	uint64_t end; /* bytes: so much of it the source has still */
	bool dense; /* has no holes */
	bool ramfs; /* the source is on a ramfs */
	char *buffer; /* COPY_BUFFER bytes */
	uint64_t copied; /* bytes so far */
	const char *operation; /* what failed */
};

/* Copies all of a small file without holes, which must be as long as it says. Returns 0 or a
 * negative errno, -ESTALE where the file has changed. */
int copy_small(struct copy *copy);

/* Copies the data between two offsets to where it belongs; where there may be holes the first is
 * rounded down to a page, and they are left out, neither read nor written. The same results. */
int copy_range(struct copy *copy, uint64_t from, uint64_t to);

/* The bytes of data, in whole pages, that an open file with holes has. The same results. */
int copy_count(struct copy *copy, uint64_t *bytes);

/* A file, for its attributes: FD itself, or where NAME is not NULL, NAME in the directory FD (the
 * calling thread then changes its current directory). */
struct attributes_of {
	int fd;
	const char *name;
};

/* Extended attributes in memory, zeroed at first; freed by attributes_free(). */
struct attributes {
	char *data;
	size_t used, room;
};

/* Reads all extended attributes of a file. Cutting or writing a file takes security.capability
 * away, so they are read before and set after. Returns 0 or a negative errno. */
int attributes_load(struct attributes *attributes, struct attributes_of file);

/* Is an access list (acl(5)) among those that were loaded? */
bool attributes_list_access(const struct attributes *attributes);

/* What a tmpfs charges for those that were loaded, bytes. */
uint64_t attributes_space(const struct attributes *attributes);

/* Sets them; those that the file system cannot hold are counted in *LOST. The same results. */
int attributes_store(
		const struct attributes *attributes, struct attributes_of file, unsigned *lost);

/* Takes away the access list that a new file inherits from a directory with a default one. The
 * same results. */
int attributes_disinherit(struct attributes_of file);

/* A note of the access and modification times that a file in a new tmpfs is to have, and of a
 * security.capability among the ATTRIBUTES (or NULL): itself attributes, of which attributes_load()
 * takes the second for what it notes. The first note stays; a tmpfs without such attributes has
 * none. The same results. */
int attributes_note(struct attributes_of file, const struct sys_stat *st,
		const struct attributes *attributes);

/* More bytes than a tmpfs charges for the note of a directory, or of a file. */
#define NOTE_SPACE 256

/* Sets the times of *ST to those noted. Returns whether there are any. */
bool attributes_noted(struct attributes_of file, struct sys_stat *st);

/* Where the cutting of a file has stopped: the source, INODE, had its first END bytes, of WHOLE,
 * and the new tmpfs has the rest. What is behind END in the source now somebody has appended since.
 */
struct cut {
	uint64_t inode, whole, end;
};

/* A note of that in the new tmpfs. Returns 0 or a negative errno. */
int attributes_note_cut(int fd, const struct cut *cut);

/* Sets *CUT to what is noted. Returns whether there is a note. */
bool attributes_cut(struct attributes_of file, struct cut *cut);

/* Removes that note of a file with a NAME. Returns 0 or a negative errno. */
int attributes_forget_cut(struct attributes_of file);

/* Removes the note of times and, if the ATTRIBUTES (or NULL) have one, of a capability. The same
 * results. */
int attributes_forget(int fd, const struct attributes *attributes);

void attributes_free(struct attributes *attributes);

#endif
