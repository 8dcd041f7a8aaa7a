/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine: moves the content of one tree into another, and gives it back after a failure. */
#ifndef TMPFSROOT_MOVE_H
#define TMPFSROOT_MOVE_H

#include "plan.h"

/* What a move did. */
struct move_result {
	uint64_t entries, bytes; /* made in the target; bytes: of data copied */
	uint64_t peak; /* the most bytes that were held twice at a time */
	unsigned attributes_lost; /* that the target could not hold */
	double seconds;
	bool split; /* it failed, and could not be given back */
};

/*
 * Brings what is below the plan's tree into PLAN->target, but for what is excluded and for other
 * mounts. An initramfs (a ramfs or tmpfs, looked at again) is moved: afterwards it holds its
 * directories, the names of files with several, mount points, and what was excluded; on failure it
 * is given back all that was taken and is as it was. A real root is copied. Returns 0 or a negative
 * errno, logged.
 */
int move_tree(const struct plan *plan, const struct options *options, struct move_result *result);

/* The way back alone, for a move that was complete. Where that fails the target is mounted on
 * /run/tmpfsroot/target, and said so. Returns 0 or a negative errno, logged. */
int move_back(const struct plan *plan);

#endif
