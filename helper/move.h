/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine: moves the content of one tree into another, and gives it back after a failure. */
#ifndef TMPFSROOT_MOVE_H
#define TMPFSROOT_MOVE_H

#include "plan.h"

/* The figures of a move. */
struct move_result {
	uint64_t entries, bytes; /* made in the target; bytes: of data copied */
	uint64_t peak; /* the most bytes that were in both trees at a time */
	unsigned attributes_lost; /* that the target could not hold */
	bool torn; /* a file is in two parts: its end could not be put back into the source */
	double seconds;
};

/*
 * Brings what is in the plan's tree into the tmpfs TARGET, a descriptor, but for what is excluded
 * and for other mounts. An initramfs (a ramfs or tmpfs, looked at again) is moved: afterwards it
 * holds its directories, the files that have several names or a mount on them, and what was
 * excluded. A real root is copied. Returns 0 or a negative errno, logged; then call move_back().
 */
int move_tree(const struct plan *plan, int target, bool quiet, struct move_result *result);

/* Gives back what was moved, after a part of the move or all of it: what is missing in the tree is
 * moved from the TARGET. Returns 0 where the tree is what it was, or a negative errno, logged. */
int move_back(const struct plan *plan, int target);

#endif
