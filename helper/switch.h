/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The new root becomes "/". */
#ifndef TMPFSROOT_SWITCH_H
#define TMPFSROOT_SWITCH_H

#include "plan.h"

#include <limits.h>
#include <sys/stat.h>

/*
 * Makes the plan's new root (its target, once all is there; the initramfs itself, bound; or
 * NEWROOT) the root of this process and of its mount namespace: takes the mounts along, makes the
 * missing API file systems but in a NEWROOT, unmounts a real root that was copied, and deletes what
 * is left of an old root that is an initramfs (options.persist: not). Returns 0, or a negative
 * errno, logged, while nothing has changed yet; what fails after the point of no return is a
 * warning.
 */
int switch_to(struct plan *plan, const struct options *options);

/* /etc/os-release, and the directory it is in. */
struct release {
	char to[PATH_MAX]; /* empty: nothing was mended */
	struct stat link, etc;
};

/* The whole initramfs was moved but for what marks it as one, by which its os-release may have
 * gone. NEW_ROOT is where it is now; *BEFORE is what it was. */
void switch_mend_release(const char *new_root, struct release *before);
void switch_restore_release(const char *new_root, const struct release *before);

/*
 * The same where systemd is PID 1, which then switches to what is mounted on NEWROOT: mounts the
 * target there instead of what was, which is unmounted, with the mounts that it had. Returns 0, or
 * a negative errno, logged; then NEWROOT is what it was, after switch_replace_mounts().
 */
int switch_place(struct plan *plan);

/* Undoes that, where something of the initramfs was moved: the rest is move_back()'s, and then
 * switch_replace_mounts()'s. */
void switch_displace(struct plan *plan);

/* The mounts that lay on NEWROOT are there again, where one of these two has put back NEWROOT
 * itself. */
void switch_replace_mounts(struct plan *plan);

#endif
