/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fate of each mount: the plan gives it, and the switch acts on it. */
#ifndef TMPFSROOT_CARRY_H
#define TMPFSROOT_CARRY_H

#include "source.h"

/*
 * Gives each mount of SOURCE its fate, and those that will be in the new root their path there
 * (mounts.h):
 *
 *   left     it stays on the old root, and goes with that
 *   carried  it is cloned on its own, and the clone is attached at its path of the new root
 *   anew     a bind mount of what is moved or copied: the same part of the new root is bound
 *   let go   the root that is copied is on it, or was made of it: it is unmounted
 *   kept     it lies on a root that is switched to as it is
 *
 * Returns 0, or a negative errno, logged, where one cannot work afterwards.
 */
int carry_plan(struct source *source);

/* Will something be mounted on that path of the new root ("/run")? */
bool carry_has(const struct source *source, const char *path);

/* Are API file systems all that is carried, so that init with all it needs is in the tree? */
bool carry_is_api_only(const struct source *source);

/* Prints the fates, a line each. */
void carry_print(const struct source *source, FILE *out);

/* Owned descriptors of mounts that are attached nowhere, or -1. */
struct carried {
	int *clones; /* of each mount of the source */
	int made[8]; /* of each API file system that is missing */
};

/* Clones what is carried, looks at what is made anew in the tree CLONE, a descriptor, and makes the
 * API file systems that are missing; one that cannot be made is a warning. Returns 0, or a negative
 * errno, logged; carry_free() in any case. */
int carry_begin(const struct source *source, struct carried *carried, int clone);

/* Makes the bind mounts of the new root, which has all of the tree and no mounts yet. Returns 0 or
 * a negative errno, logged. */
int carry_anew(const struct source *source, struct carried *carried, int new_root);

/* Attaches all of them to the new root, a descriptor. Failures are warnings. */
void carry_attach(const struct source *source, struct carried *carried, int new_root);

/* Unmounts from the old root, a descriptor of what "/" was, what is carried, made anew or let go,
 * so that nothing keeps it in use; where ALL is true also what is left. Where systemd is PID 1 what
 * was below NEWROOT is gone already, and it takes the API file systems. Failures are warnings. */
void carry_detach(const struct source *source, int old_root, bool all);

void carry_free(const struct source *source, struct carried *carried);

#endif
