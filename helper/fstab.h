/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file system table, fstab(5), of a root that was copied. */
#ifndef TMPFSROOT_FSTAB_H
#define TMPFSROOT_FSTAB_H

/*
 * Comments out the line of "/" in etc/fstab of the tree ROOT, a descriptor: its options are not a
 * tmpfs's, and its device may be gone, for which a boot would wait. The other lines stay. Failures
 * are warnings.
 */
void fstab_mend(int root);

/* The same for a text; returns another one, which the caller frees, or NULL where no line is one of
 * "/" or there is no memory. */
char *fstab_comment_out(const char *text);

#endif
