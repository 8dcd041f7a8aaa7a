/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The content of one file. */
#ifndef TMPFSROOT_COPY_H
#define TMPFSROOT_COPY_H

#include "sys.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COPY_BUFFER  (256UL * 1024)
#define COPY_CHANGED "read (it has changed meanwhile)" /* the operation, with ESTALE */

struct copy {
	int source, target; /* open for reading, for writing */
	uint64_t size; /* of the source, bytes */
	bool dense; /* has no holes */
	bool ramfs; /* the source is on a ramfs */
	char *buffer; /* COPY_BUFFER bytes */
	uint64_t copied; /* bytes so far */
	const char *operation; /* what failed */
};

/* Copies all of a small file without holes, which must be as long as it says. Returns 0 or a
 * negative errno, -ESTALE where the file has changed. */
int copy_small(struct copy *copy);

/* Copies the data between two offsets to where it belongs; where there may be holes the first is
 * rounded down to a page, and they are left out, neither read nor written. The same results. */
int copy_range(struct copy *copy, uint64_t from, uint64_t to);

/* The bytes of data, in whole pages, that an open file with holes has. The same results. */
int copy_count(struct copy *copy, uint64_t *bytes);

#endif
