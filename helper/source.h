/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The source: the tree that is to become the root, and the mounts around it. */
#ifndef TMPFSROOT_SOURCE_H
#define TMPFSROOT_SOURCE_H

#include "mounts.h"
#include "options.h"

#include <limits.h>

enum source_kind {
	SOURCE_FINISHED, /* "/" was made here before: init is all that is left to do */
	SOURCE_INITRAMFS, /* "/", moved to a new tmpfs or (method=bind) bound over itself */
	SOURCE_DIRECTORY, /* NEWROOT, a directory of the initramfs, moved to a new tmpfs */
	SOURCE_REAL_ROOT, /* what is mounted at NEWROOT, copied to a new tmpfs and unmounted */
	SOURCE_NEW_ROOT, /* a root mounted at NEWROOT, switched to as it is */
};

/* Who runs this program. */
enum role {
	ROLE_PID1, /* of a system that boots: it becomes init */
	ROLE_SERVICE, /* of systemd's initrd: systemd, which is PID 1, does the switch */
	ROLE_QUERY, /* somebody who asks and changes nothing, or may not do more */
};

/* The init that was asked for: NEWROOT or NULL, and INIT with its arguments, ended by NULL. */
struct request {
	const char *new_root;
	char **init; /* its first may be NULL where NEWROOT is named: then it is looked for there */
	enum role role;
	bool started; /* init was started by the helper before, on the root it had made */
};

struct source {
	enum source_kind kind;
	enum method method;
	enum role role;
	int root, new_root; /* owned descriptors of "/" and NEWROOT, or -1 */
	char path[PATH_MAX]; /* of NEWROOT, without symlinks, or "" */
	struct mounts mounts;
	const struct mount *root_mount; /* of "/" */
	struct mount *new_root_mount; /* of NEWROOT, or NULL where nothing is mounted on it */
	bool needs_initramfs; /* a root that is switched to as it is shows a part of it */
	bool makes_mounts; /* API file systems that are missing */
	bool ramfs, initramfs; /* "/" is a ramfs; that or a tmpfs */
};

/* clang-format off */
#define SOURCE_EMPTY { .root = -1, .new_root = -1 }
/* clang-format on */

/* Fills *SOURCE (SOURCE_EMPTY before; source_free() in any case). PROC is a descriptor of /proc.
 * Returns 0 or a negative errno: a refusal, logged. */
int source_find(const struct options *options, const struct request *request, int proc,
		struct source *source);
void source_free(struct source *source);

/* Is the tree taken away from where it was? */
static inline bool source_moves(const struct source *source)
{
	return source->method == METHOD_COPY &&
	       (source->kind == SOURCE_INITRAMFS || source->kind == SOURCE_DIRECTORY);
}

/* Is something copied into a new tmpfs? */
static inline bool source_copies(const struct source *source)
{
	return source->kind == SOURCE_REAL_ROOT || source_moves(source);
}

/* The tree as it is seen, with all that is mounted on it: a descriptor that *SOURCE owns. */
int source_top(const struct source *source);

/* The tree as a mount of its own, attached nowhere and without the mounts that lie on it, so that
 * nothing hides what is below them. The mount lasts as long as its descriptor, which the caller
 * owns. Who only asks and is not root gets the tree as it is seen. Returns a negative errno,
 * logged, on failure. */
int source_clone(const struct source *source, const struct options *options);

/* The path of POINT below NEWROOT, without a leading slash, or NULL where it is not below NEWROOT.
 */
const char *source_below(const struct source *source, const char *point);

/* For the report and the plan: "initramfs", "directory" or "realroot"; "ramfs", "tmpfs" or the real
 * root's file system type. */
const char *source_name(const struct source *source);
const char *source_type(const struct source *source);

#endif
