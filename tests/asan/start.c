// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tells tests/tools/fault.c where the helper starts, and that what is linked into the program calls
 * the kernel for the sanitizer alone: the helper does by the libc, which is not.
 */
#include <sys/prctl.h>

#define MARK 0x746d7066 /* no option of prctl(2) */

extern const char __executable_start[], etext[]; /* ld(1)'s */

__attribute__((constructor)) static void start(void)
{
	(void)prctl(MARK, __executable_start, etext, 0, 0);
}
