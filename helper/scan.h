/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scan that makes the list of a tree, and counts what is in it. */
#ifndef TMPFSROOT_SCAN_H
#define TMPFSROOT_SCAN_H

#include "tree.h"

/* Bytes are in whole pages, without holes. */
struct scan_sums {
	uint64_t entries; /* names below the top */
	uint64_t hard_links; /* names beyond a file's first */
	uint64_t bytes; /* of each file once */
	uint64_t largest; /* bytes of the largest file */
	uint64_t twice; /* bytes that a move holds in both trees until its end */
};

/*
 * Scans what is below TREE->root, which the caller has set with "exclude" and "workers". Other
 * mounts are not entered. Where the tree is to be MOVED, not copied, the files count that a move
 * cannot release: those with several names, and large ones that somebody has open. PROC is a
 * descriptor of /proc. Returns 0 or a negative errno, logged; tree_free() follows in any case.
 */
int scan_tree(struct tree *tree, bool moved, int proc, struct scan_sums *sums);

#endif
