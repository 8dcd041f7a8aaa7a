/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of each mount below the tree: the plan gives it a fate, and the switch acts on that.
 */
#ifndef TMPFSROOT_CARRY_H
#define TMPFSROOT_CARRY_H

#include "source.h"

/*
 * Gives each mount of SOURCE its fate, and to those that are carried or made anew their path in the
 * new root (mounts.h). Returns 0, or a negative errno, logged, where one could have none:
 *
 *   left     it goes with the old root, or with a real root that is switched to as it is
 *   carried  it is cloned, taken off the old root, and the clone is attached in the new one
 *   anew     a bind mount of what is moved or copied: the same is made of the new root
 *   let go   it is a layer of the real root that is copied, and is unmounted with that
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

/* Clones what is carried, and makes the API file systems that are missing, while the paths are
 * still those of the plan. What cannot be had is a warning. Returns 0, or a negative errno, logged;
 * carry_free() in any case. */
int carry_begin(const struct source *source, struct carried *carried);

/* The same for the mounts that are below NEWROOT now, after carry_attach(), to put them back. */
int carry_again(const struct source *source, struct carried *carried);

/* Attaches all of them to the new root NEW_ROOT, a descriptor, in the order of mountinfo. Failures
 * are warnings. */
void carry_attach(const struct source *source, struct carried *carried, int new_root);

/* Takes what is carried off the old root, so that nothing keeps its mount points and devices in
 * use, and that nothing that is attached to a clone appears on the first, too. OLD_ROOT is a
 * descriptor of what "/" was, where paths begin. */
void carry_detach(const struct source *source, int old_root);

/* Unmounts what is carried and lies below NEWROOT. */
void carry_unmount(const struct source *source);

/* Unmounts what the real root that was copied was made of. What stays in use is a warning. */
void carry_let_go(const struct source *source, int old_root);

void carry_free(const struct source *source, struct carried *carried);

#endif
