/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which init is to be started, and can it be? */
#ifndef TMPFSROOT_INIT_H
#define TMPFSROOT_INIT_H

#include "program.h"
#include "source.h"

struct init {
	const char *path; /* as it was named, or found; the options' or the request's */
	const char *for_systemd; /* what systemd is to execute, "" for the systemd in NEWROOT */
	char interpreter[PROGRAM_PATH]; /* or "" */
};

/* Finds init in the tree and checks that it can be executed there. PROC is a descriptor of /proc.
 * Returns 0 or a negative errno: a refusal, logged. */
int init_find(const struct options *options, const struct request *request, int proc,
		const struct source *source, struct init *init);

/* Can it still be executed in the tree ROOT, a descriptor, where something was left out? The same
 * results. */
int init_check(const struct init *init, int root);

#endif
