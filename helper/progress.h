/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far a long move is: a line that updates on a terminal, now and then one in the kernel log (by
 * a service in its own), and the status of the unit where a service manager runs this program. */
#ifndef TMPFSROOT_PROGRESS_H
#define TMPFSROOT_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
	atomic_uint_fast64_t entries, bytes; /* done so far */
	uint64_t entries_total, bytes_total; /* what the plan has found */
	bool quiet, terminal; /* terminal: standard error is one */
	atomic_bool shown; /* there is a line to be cleared */
	atomic_uint_fast64_t next, next_kernel; /* when to print again, milliseconds */
};

/* Sets the totals; the first line comes after a second. */
void progress_start(struct progress *progress, uint64_t entries, uint64_t bytes, bool quiet);

/* Counts, and where it is time prints: four times a second on a terminal, every three seconds in
 * the log. Quiet, it only tells the service manager. For any worker, at each file or chunk. */
void progress_add(struct progress *progress, uint64_t entries, uint64_t bytes);

/* Clears the line. */
void progress_end(struct progress *progress);

#endif
