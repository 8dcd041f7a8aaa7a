/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The new tmpfs: its mount options, see tmpfs(5), and the mount itself, attached nowhere. */
#ifndef TMPFSROOT_TMPFS_H
#define TMPFSROOT_TMPFS_H

#include <stdbool.h>
#include <stdint.h>

/* The mount source of every tmpfs made here: how a root of ours is known again. */
#define TMPFS_SOURCE "tmpfsroot"

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
 * Changes the limits of the tmpfs ROOT, a descriptor, to those of LIST: what else LIST has is
 * refused. Returns 0 or a negative errno, logged; nothing is changed then.
 */
int tmpfs_limit(int root, const char *list);

#endif
