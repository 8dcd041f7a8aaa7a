/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The new root becomes "/". */
#ifndef TMPFSROOT_SWITCH_H
#define TMPFSROOT_SWITCH_H

#include "plan.h"

/*
 * Makes the plan's new root (its target, once all has been moved there, or NEWROOT) the root of
 * this process and of its mount namespace: takes the mounts along, makes the missing API file
 * systems in a root that was moved, and deletes what is left of the old one where that is an
 * initramfs, unless PERSIST. Returns 0, or a negative errno, logged, while nothing has changed yet;
 * what fails after the point of no return is a warning.
 */
int switch_to(const struct plan *plan, bool persist);

#endif
