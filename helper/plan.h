/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that is found out before anything changes: what would be moved and into what, what it costs,
 * whether it fits, whether init could run. Every refusal of bad input is here.
 */
#ifndef TMPFSROOT_PLAN_H
#define TMPFSROOT_PLAN_H

#include "links.h"
#include "mounts.h"
#include "options.h"
#include "program.h"
#include "tmpfs.h"

#include <limits.h>

enum source {
	SOURCE_FINISHED, /* "/" was made here before: init is all that is left to do */
	SOURCE_INITRAMFS, /* "/", moved to a new tmpfs or (method=bind) bound over itself */
	SOURCE_DIRECTORY, /* NEWROOT, a directory of the initramfs, moved to a new tmpfs */
	SOURCE_REAL_ROOT, /* what is mounted at NEWROOT, copied to a new tmpfs and unmounted */
	SOURCE_NEW_ROOT, /* a root mounted at NEWROOT, switched to as it is */
};

/* What was asked to be started: NEWROOT or NULL, and INIT with its arguments, ended by NULL. */
struct request {
	const char *new_root;
	char **init; /* its first may be NULL where NEWROOT is named: then it is looked for there */
	bool service; /* systemd is PID 1 and does the switch */
	bool started; /* init was started by the helper before, on the root it had made */
};

struct plan {
	enum source source;
	enum method method;
	int proc; /* a descriptor of /proc, not owned */
	int root, new_root; /* descriptors of "/" and NEWROOT, or -1 */
	int clone, tree; /* what is copied, without the mounts that lie on it, or -1: see plan.c */
	int target; /* the new tmpfs, attached nowhere or (ATTACHED) on TMPFS_REFUGE, or -1 */
	bool attached;
	bool bare; /* NEWROOT is mounted again, and what lay on it is still to follow */
	const char *new_root_path; /* or NULL */
	uint64_t new_root_mount; /* its mount id, or 0 where nothing is mounted on it */
	char *exclude; /* patterns of what is not moved, or NULL */
	bool ramfs, initramfs; /* "/" is a ramfs; that or a tmpfs */
	struct mounts mounts;
	const struct mount *root_mount; /* the mount of "/" */

	uint64_t entries, directories;
	uint64_t hard_links, sparse; /* names beyond a file's first; files with holes */
	struct links links; /* the files that have several names */
	uint64_t bytes, largest; /* as they will be allocated */
	uint64_t attribute_bytes; /* of extended attributes, where they count as inodes */
	uint64_t busy; /* of them, in large files that somebody has open or mapped, or with names
			  outside */
	struct tmpfs_space need, limit;
	uint64_t memory, memory_available, memory_needed, memory_minimum; /* bytes */
	unsigned workers;
	uint64_t chunk; /* bytes of a file that a worker holds twice */

	const char *init;
	const char *switch_init; /* what systemd is to execute, "" for the systemd in NEWROOT */
	bool init_inside; /* the only mounts that are carried are API file systems */
	char interpreter[PROGRAM_PATH];
	double seconds;
};

/* clang-format off */
#define PLAN_EMPTY { .proc = -1, .root = -1, .new_root = -1, .clone = -1, .tree = -1, .target = -1 }
/* clang-format on */

/* Fills *PLAN (PLAN_EMPTY before; freed by the caller in any case). PROC is a descriptor of /proc.
 * Returns 0 or a negative errno: a refusal, logged. */
int plan_make(const struct options *options, const struct request *request, int proc,
		struct plan *plan);

/* The same for a move that was killed, as far as the way back needs it: then PLAN->target is what
 * is attached on TMPFS_REFUGE, else -1. */
int plan_interrupted(const struct options *options, const struct request *request, int proc,
		struct plan *plan);

/* Looks at memory again, where more of it has become available. As plan_make(). */
int plan_measure_again(const struct options *options, struct plan *plan);

/* Does the tree fit into the target and into memory: 0 or a negative errno, logged. */
int plan_check(const struct plan *plan);

/* Which tree root=tmpfsroot means, NEW_ROOT or "/": that, or NULL where it is neither, logged. */
const char *plan_find_tree(const struct options *options, const char *new_root, int proc);

/* Is something copied into a new tmpfs? */
bool plan_copies(const struct plan *plan);

/* Is it taken away from where it was? */
bool plan_moves(const struct plan *plan);

/* Will it leave so little memory that what the kernel may put aside could be missing? */
bool plan_is_tight(const struct plan *plan);

/*
 * Is the mount one that the switch takes along, mounted directly on the old root or on a NEWROOT
 * that is copied? Returns its path in the new root, without a leading slash, or NULL.
 */
const char *plan_carries(const struct plan *plan, const struct mount *mount);

/* Will something be mounted on that API file system's point, since the switch takes it along? */
bool plan_has_mount(const struct plan *plan, const char *point);

/* After the move, where something was excluded: could init still be executed in the target? 0 or a
 * negative errno, logged. */
int plan_check_moved(const struct plan *plan, const struct options *options);

void plan_print(const struct plan *plan, FILE *out);
void plan_free(struct plan *plan);

/* For the report: "initramfs", "directory" or "realroot", and "ramfs", "tmpfs" or the real root's
 * file system type. */
const char *plan_source_name(const struct plan *plan);
const char *plan_source_type(const struct plan *plan);

#endif
