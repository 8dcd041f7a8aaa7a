/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The new tmpfs: its mount options, see tmpfs(5), and the mount itself, attached nowhere. */
#ifndef TMPFSROOT_TMPFS_H
#define TMPFSROOT_TMPFS_H

#include <stdbool.h>
#include <stdint.h>

/* The mount source of every tmpfs made here: how a root of ours is known again. */
#define TMPFS_SOURCE "tmpfsroot"

/* Where a tmpfs can be seen that is not "/" yet. */
#define TMPFS_REFUGE "/run/tmpfsroot/target"

/* It is there where that and the tree have a part of a file each, and nothing tells which. */
#define TMPFS_TORN "/run/tmpfsroot/torn"

/*
 * Checks a comma-separated list of mount options: each must be one of tmpfs(5) with a value of its
 * kind. As in the kernel, a comma before a digit does not end an option (mpol=bind:0,2). Returns 0
 * or -EINVAL, then *EXPECTED says what should have stood there.
 */
int tmpfs_options_check(const char *list, const char **expected);

/* What the tree needs, and what the tmpfs grants; a limit of 0 is none. */
struct tmpfs_space {
	uint64_t bytes, inodes;
};

/*
 * Makes a tmpfs with mode 0755 and the options of LIST (checked before; may be NULL). A limit that
 * LIST does not set is the kernel's default of half the memory, or, where NEED is more than that,
 * NEED and half of what then remains of MEMORY bytes. Options that this kernel refuses though they
 * exist are dropped with a warning. Returns a descriptor of the detached mount, and its limits in
 * *LIMIT; or a negative errno, logged.
 */
int tmpfs_make(const char *list, const struct tmpfs_space *need, uint64_t memory,
		struct tmpfs_space *limit);

/*
 * Since Linux 6.6 extended attributes take from the room for inodes, TMPFS_INODE bytes each. Does
 * that matter, since LIST limits it?
 */
#define TMPFS_INODE 1024U
bool tmpfs_charges_attributes(const char *list);

/*
 * For as long as files without holes are written to TARGET (made with LIST, which does not say
 * huge= itself) they may have folios larger than a page, but no larger than the file:
 * huge=within_size. Linux 6.14 and later have more than one size of them, so that this costs no
 * memory; it saves up to half of the time. A hole that is written to would be filled. Nothing is
 * done, and false returned, on an older kernel, and where another default than huge=never holds,
 * since tmpfs_end_large() goes back to that. PROC is a descriptor of /proc.
 */
bool tmpfs_begin_large(int target, const char *list, int proc);
void tmpfs_end_large(int target);

/*
 * Changes the limits of the tmpfs ROOT, a descriptor, to those of LIST: what else LIST has is
 * refused. Returns 0 or a negative errno, logged; nothing is changed then.
 */
int tmpfs_limit(int root, const char *list);

/* Attaches the detached mount TMPFS on TMPFS_REFUGE. Returns 0 or a negative errno, logged. */
int tmpfs_attach(int tmpfs);

/* Takes off what is mounted there; a failure is a warning. */
void tmpfs_detach(void);

#endif
