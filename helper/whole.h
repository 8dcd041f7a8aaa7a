/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Has the kernel unpacked all of the initramfs? It starts init in any case. */
#ifndef TMPFSROOT_WHOLE_H
#define TMPFSROOT_WHOLE_H

#include <stdbool.h>
#include <stddef.h>

#define WHOLE_TEXT 160

/*
 * Looks for what the kernel's init/initramfs.c says of an archive that it could not unpack in LOG,
 * the text of syslog(2). SAID gets that line, without its time, or "". Returns false where files
 * may be missing; bytes behind the end of a whole archive are no such case.
 */
bool whole_in_log(const char *log, char said[static WHOLE_TEXT]);

/*
 * Looks at the kernel's log, and whether the initramfs, whose top is the descriptor ROOT, is full.
 * REASON gets why it is not whole, or "". Returns 0, or where it is not whole a negative errno,
 * logged; with ANYWAY that is a warning.
 */
int whole_check(int root, bool anyway, char reason[static WHOLE_TEXT]);

#endif
