/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts that a mount is made of: layers of an overlay, a loop device, the file behind it. */
#ifndef TMPFSROOT_LAYERS_H
#define TMPFSROOT_LAYERS_H

#include "source.h"

/* Gives a mount the fate of being let go (carry.h), and with it the mounts that it is made of:
 * those that its layers are on, and that of the file behind its loop device, down to the medium. */
void layers_let_go(const struct source *source, struct mount *mount);

/* Does the mount show a part of the initramfs, which will not be there any more? */
bool layers_show_initramfs(const struct source *source, const struct mount *mount);

/* Frees the loop devices of what was let go and is unmounted. */
void layers_free(const struct source *source);

/* Warns of each block device that was let go and is in use nevertheless. For the time when the
 * descriptors of the tree are closed. */
void layers_check_free(const struct source *source);

#endif
