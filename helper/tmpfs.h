/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The new tmpfs: its mount options, see tmpfs(5), and the mount itself, attached nowhere. */
#ifndef TMPFSROOT_TMPFS_H
#define TMPFSROOT_TMPFS_H

#include <stdint.h>

/* The mount source of every tmpfs made here: how a root of ours is known again. */
#define TMPFS_SOURCE "tmpfsroot"

/* Where a tmpfs can be seen that is not "/" yet. */
#define TMPFS_REFUGE "/run/tmpfsroot/target"

/* What the tree needs, and what the tmpfs grants; a limit of 0 is none. */
struct tmpfs_space {
	uint64_t bytes, inodes;
};

/*
 * Makes a tmpfs with mode 0755 and the options of LIST (or NULL), separated by commas. As in the
 * kernel, a comma before a digit does not end an option (mpol=bind:0,2). A limit that LIST does not
 * set is half of the MEMORY in bytes, and half of what is NEEDED. Options that a kernel may lack
 * are dropped with a warning where it refuses them; any other that it refuses is an error. Returns
 * a descriptor of the detached mount, and its limits in *LIMIT; or a negative errno, logged.
 */
int tmpfs_make(const char *list, const struct tmpfs_space *need, uint64_t memory,
		struct tmpfs_space *limit);

/* Attaches the detached mount TMPFS on TMPFS_REFUGE. Returns 0 or a negative errno, logged. */
int tmpfs_attach(int tmpfs);

/* Takes off what is mounted there; a failure is a warning. */
void tmpfs_detach(void);

#endif
