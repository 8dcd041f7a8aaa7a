/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Extended attributes that a cpio archive cannot carry, in a file of the initramfs beside the tree,
 * as "getfattr -h -R -d -m - ." writes them (getfattr(1)).
 */
#ifndef TMPFSROOT_SIDECAR_H
#define TMPFSROOT_SIDECAR_H

#include <stddef.h>

#define SIDECAR_FILE "/etc/tmpfsroot.xattrs"

/* Is called for each attribute: of the file PATH below the top of the tree, KEY with LENGTH bytes
 * of VALUE, which last until it returns. Returns 0 or a negative errno. */
typedef int sidecar_use(
		void *context, const char *path, const char *key, const char *value, size_t length);

/* Calls USE, or nothing where that is NULL, for each attribute of TEXT. Returns 0, what USE has
 * returned, -ENOMEM, or -EINVAL for a line that getfattr(1) would not write. *NUMBER is the last
 * line that was read. */
int sidecar_parse(const char *text, sidecar_use *use, void *context, size_t *number);

/* Reads SIDECAR_FILE, and looks at each line. *TEXT gets it, which the caller frees, or NULL where
 * there is none. Returns 0 or a negative errno, logged. */
int sidecar_read(char **text);

struct sidecar_result {
	unsigned set, lost; /* attributes */
};

/* Sets the attributes of TEXT, which sidecar_read() has found right, or NULL, in the tree ROOT, a
 * descriptor. PROC is one of /proc, which becomes the current directory. What cannot be set is
 * counted, and is a warning. */
void sidecar_apply(const char *text, int root, int proc, struct sidecar_result *result);

#endif
