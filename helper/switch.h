/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The new root becomes "/". */
#ifndef TMPFSROOT_SWITCH_H
#define TMPFSROOT_SWITCH_H

#include "carry.h"
#include "plan.h"

/*
 * Makes the new root (TARGET, a descriptor of the tmpfs that has all; or where nothing is copied
 * NEWROOT, or the initramfs bound over itself) the root of this process and of its mount namespace,
 * with the mounts that are CARRIED. A real root that was copied is unmounted, and what is left of
 * an old root that is an initramfs is deleted (not with PERSIST). Returns 0, or a negative errno,
 * logged, while nothing has changed yet; *TARGET may then be another descriptor of the same tmpfs.
 * What fails after the point of no return is a warning.
 */
int switch_to(const struct plan *plan, struct carried *carried, int *target, bool persist);

/*
 * The same where systemd is PID 1, which then switches to what is mounted on NEWROOT: mounts the
 * TARGET there, with the mounts that are CARRIED, in place of what was. Returns 0, or a negative
 * errno, logged, where NEWROOT is what it was.
 */
int switch_place(const struct plan *plan, struct carried *carried, int target);

/* Where the whole initramfs was moved but for what marks it as one (plan.c), the TARGET has lost
 * etc/os-release: makes it lead to usr/lib/os-release. A failure is a warning. */
void switch_mend_release(const struct plan *plan, int target);

#endif
