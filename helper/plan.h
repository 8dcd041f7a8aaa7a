/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that is found out before anything changes: what would be moved and into what, what it costs,
 * whether it fits, whether init could run. Every refusal of bad input is here. Once it is made the
 * plan does not change.
 */
#ifndef TMPFSROOT_PLAN_H
#define TMPFSROOT_PLAN_H

#include "init.h"
#include "scan.h"
#include "selinux.h"
#include "source.h"
#include "tmpfs.h"
#include "whole.h"

struct plan {
	int proc; /* a descriptor of /proc, the caller's */
	struct source source;
	int clone; /* what is moved or copied, as a mount of its own (source.h), or -1 */
	int target; /* the new tmpfs, attached nowhere, or -1 */
	char *exclude; /* patterns of what is not moved, or NULL */
	struct tree tree; /* of the clone */
	struct scan_sums sums;
	struct tmpfs_space need, limit;
	uint64_t memory, memory_available, memory_needed, memory_minimum; /* bytes */
	uint64_t chunk; /* bytes of a file that a worker holds twice */
	struct init init;
	char incomplete[WHOLE_TEXT]; /* why the initramfs is not whole, or "" */
	char *sidecar; /* the text of SIDECAR_FILE, or NULL */
	const char *selinux; /* the mode, or "": see selinux.h */
	double seconds;
};

/* clang-format off */
#define PLAN_EMPTY { .source = SOURCE_EMPTY, .clone = -1, .target = -1, .selinux = "" }
/* clang-format on */

/* Fills *PLAN (PLAN_EMPTY before; plan_free() in any case). PROC is a descriptor of /proc. Returns
 * 0 or a negative errno: a refusal, logged. */
int plan_make(const struct options *options, const struct request *request, int proc,
		struct plan *plan);

/* Does the tree fit into the target and into memory: 0 or a negative errno, logged. */
int plan_check(const struct plan *plan);

void plan_print(const struct plan *plan, FILE *out);
void plan_free(struct plan *plan);

static inline bool plan_moves(const struct plan *plan)
{
	return source_moves(&plan->source);
}

static inline bool plan_copies(const struct plan *plan)
{
	return source_copies(&plan->source);
}

#endif
