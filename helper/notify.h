/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tells those who watch a boot from outside how far it is: the service manager and plymouth. */
#ifndef TMPFSROOT_NOTIFY_H
#define TMPFSROOT_NOTIFY_H

#include <stdbool.h>
#include <sys/types.h>

struct notify {
	pid_t plymouth; /* a child that may still run, or 0 */
	bool missing; /* there is no plymouth */
};

/* Shows the line: as the status of the unit that this program is run by, and on the splash screen.
 * Where neither is to be had, nothing happens. Not for two threads at once. */
void notify_show(struct notify *notify, const char *line);

/* Leaves no child behind. */
void notify_end(struct notify *notify);

#endif
