/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report of a boot, as JSON in /run, and the status of "/". */
#ifndef TMPFSROOT_REPORT_H
#define TMPFSROOT_REPORT_H

#include "move.h"
#include "plan.h"
#include "sidecar.h"

#include <stdbool.h>

#define REPORT_DIRECTORY "run/tmpfsroot"
#define REPORT_FILE	 REPORT_DIRECTORY "/report.json"

struct report {
	const struct plan *plan;
	const struct move_result *move;
	struct sidecar_result sidecar;
	const char *selinux; /* the mode, where the new root was labelled, else "" */
	double selinux_seconds, switch_seconds, total_seconds;
};

/* Writes /run/tmpfsroot/report.json and the summary line in the kernel log. A failure is a
 * warning: a boot does not end for want of a report. */
void report_write(const struct report *report);

/* Prints the state of the system, for people or as JSON. Returns 0 or a negative errno, logged. */
int report_status(int proc, bool json, FILE *out);

#endif
