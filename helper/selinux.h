/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SELinux: a policy that is loaded takes all labels from the files of a tmpfs. So the policy of the
 * new root is loaded before its init starts, and the root is labelled anew, by the root's own
 * load_policy(8) and setfiles(8).
 */
#ifndef TMPFSROOT_SELINUX_H
#define TMPFSROOT_SELINUX_H

#include "options.h"

/*
 * Is that to be done for the tree TREE, a descriptor: the tree asks for SELinux, the kernel has it,
 * and no policy is loaded, or a run before this one has failed? *MODE, "" before, gets "enforcing"
 * or "permissive", or "" for no. PROC is a descriptor of /proc. Returns 0, or where a program is
 * missing, and must be there, a negative errno, logged.
 */
int selinux_plan(const struct options *options, int proc, int tree, const char **mode);

/* Has a run before this one failed to label the root that it had made? */
bool selinux_is_unfinished(void);

/* Does it in the new root that is mounted on the path ROOT. What the programs say is in the
 * kernel's log. Returns 1, or where they have failed and MODE is "permissive" 0, else a negative
 * errno; both are logged. */
int selinux_label(const char *mode, const char *root);

#endif
