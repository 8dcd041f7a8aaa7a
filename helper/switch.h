/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The new root becomes "/". */
#ifndef TMPFSROOT_SWITCH_H
#define TMPFSROOT_SWITCH_H

#include "plan.h"

/*
 * Makes the plan's new root (its target, once all is there; the initramfs itself, bound; or
 * NEWROOT) the root of this process and of its mount namespace: takes the mounts along, makes the
 * missing API file systems but in a NEWROOT, unmounts a real root that was copied, and deletes what
 * is left of an old root that is an initramfs (options.persist: not). Returns 0, or a negative
 * errno, logged, while nothing has changed yet; what fails after the point of no return is a
 * warning.
 */
int switch_to(struct plan *plan, const struct options *options);

#endif
