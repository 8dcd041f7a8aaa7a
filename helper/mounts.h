/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of mounts (proc_pid_mountinfo(5)), and the one table of API file systems. */
#ifndef TMPFSROOT_MOUNTS_H
#define TMPFSROOT_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The fate of a mount when the root is switched: see carry.h. */
enum fate { FATE_LEFT, FATE_CARRIED, FATE_ANEW, FATE_LET_GO, FATE_KEPT };

/* One line of mountinfo; the strings point into the text it was parsed from, unescaped. */
struct mount {
	uint64_t id, parent;
	char *device, *root, *point, *options, *type, *source; /* device: MAJOR:MINOR */
	unsigned long peers; /* the number of the group that it is shared with, or 0 */
	char *data; /* the file system's own options */
	enum fate fate;
	const char *to; /* where it is in the new root, without a leading slash, or NULL */
};

struct mounts {
	struct mount *list; /* in the order of the points' lengths: parents before their children */
	size_t count;
	char *text;
};

/* An API file system that every root has, and how it is made where there is none. */
struct api_mount {
	const char *point, *type;
	unsigned attributes; /* SYS_MOUNT_ATTR_* */
	const char *options[4][2]; /* names and values, until a NULL name */
};

extern const struct api_mount api_mounts[];
extern const size_t api_mounts_count;

/*
 * Parses mountinfo's TEXT in place; *MOUNTS takes ownership of TEXT (of malloc) on success.
 * Returns 0, -ENOMEM, or -EINVAL where a line is not as proc_pid_mountinfo(5) says.
 */
int mounts_parse(char *text, struct mounts *mounts);

/* The same for the calling process; PROC is a descriptor of /proc. Errors are logged. */
int mounts_read(int proc, struct mounts *mounts);

void mounts_free(struct mounts *mounts);

/* The mount of that id, or NULL. */
struct mount *mounts_find(const struct mounts *mounts, uint64_t id);

/* Is PATH the directory TOP or below it? Returns the rest without a leading slash, "" for TOP
 * itself, or NULL. */
const char *mounts_rest(const char *path, const char *top);

/* Is it the mount point of an API file system? PATH has no leading slash. */
bool mounts_is_api(const char *path);

/* Makes an API file system, attached nowhere: a descriptor or a negative errno, not logged. */
int mounts_make(const struct api_mount *api);

/*
 * Opens /proc; where no proc is mounted there, one of our own that is attached nowhere, and *MADE
 * is true. Returns a descriptor or a negative errno, logged.
 */
int mounts_open_proc(bool *made);

#endif
