/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The signals that ask a move to end (SIGTERM, SIGINT, SIGHUP): held back, and looked for where it
 * may be given back. PID 1 gets them, too, since a signal that is blocked is not ignored. */
#ifndef TMPFSROOT_INTERRUPT_H
#define TMPFSROOT_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

/* Blocks them in this thread and those that it starts; *BEFORE gets the mask as it was. Returns 0
 * or a negative errno, logged. */
int interrupt_block(sigset_t *before);

/* Takes one that waits: its number, or 0 where there is none. */
int interrupt_take(void);

/* From now on they do nothing to this process, and those that wait are gone; or, where IGNORE is
 * false, they do again what they did. */
void interrupt_ignore(bool ignore);

/* What has come since the last interrupt_take() is delivered. A program that is executed inherits
 * the mask, so this comes before init does. */
void interrupt_restore(const sigset_t *before);

#endif
