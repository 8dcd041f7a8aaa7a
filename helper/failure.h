/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What PID 1 does when it cannot go on: rd.tmpfsroot.onfail=. */
#ifndef TMPFSROOT_FAILURE_H
#define TMPFSROOT_FAILURE_H

#include "options.h"

/*
 * shell: a shell on the console, or that of the program that the initramfs has for it, and when
 * that ends the program starts over, by the same command line (PROC is a descriptor of /proc, or
 * -1); but rd.emergency= says what comes then. reboot, poweroff: that. Where there is no shell, or
 * rd.shell=0, it waits for ever, so that the message stays to be read. onfail=continue is for the
 * caller. Does not return.
 */
__attribute__((noreturn)) void failure_act(const struct options *options, int proc, char **argv);

/* Does it end the machine, so that a service does not just fail? */
bool failure_ends(const struct options *options);

#endif
