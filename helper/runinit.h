/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What klibc's run-init does beside the switch: capabilities and the console of init. */
#ifndef TMPFSROOT_RUNINIT_H
#define TMPFSROOT_RUNINIT_H

/* Checks a comma-separated list of capabilities ("cap_sys_module,cap_sys_rawio", with or without
 * "cap_", in any case): 0, or -EINVAL, logged. */
int runinit_check(const char *capabilities);

/* Takes them from this process, from what it can give on, and from the kernel's own helpers.
 * Returns 0 or a negative errno, logged. */
int runinit_drop(const char *capabilities);

/* Makes the device, a path, the standard input, output and error. A failure is a warning: init may
 * do without. */
void runinit_console(const char *console);

#endif
