/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TMPFSROOT_REMOVE_H
#define TMPFSROOT_REMOVE_H

/*
 * Deletes all below the directory TREE but the mounts in it and the way to them; refuses, with
 * -EINVAL, where TREE is not on a ramfs or tmpfs. Returns 0 or a negative errno, logged.
 */
int remove_tree(int tree, unsigned workers);

#endif
