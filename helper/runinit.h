/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What klibc's run-init does beside the switch: the console of init. */
#ifndef TMPFSROOT_RUNINIT_H
#define TMPFSROOT_RUNINIT_H

/* Makes the device, a path, the standard input, output and error. A failure is a warning: init may
 * do without. */
void runinit_console(const char *console);

#endif
