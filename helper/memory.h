/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Free memory that the kernel keeps back, and a move that leaves little cannot do without. Source:
 * watermark_boost_factor, watermark_scale_factor and percpu_pagelist_high_fraction in the kernel's
 * Documentation/admin-guide/sysctl/vm.rst; __setup_per_zone_wmarks() in its mm/page_alloc.c.
 */
#ifndef TMPFSROOT_MEMORY_H
#define TMPFSROOT_MEMORY_H

#include <stdbool.h>

#define MEMORY_SETTINGS 3

struct memory_settings {
	bool begun;
	char *before[MEMORY_SETTINGS]; /* as they were, or NULL where one is not changed */
};

/* Makes the kernel keep back as little as it can, for a while; PROC is a descriptor of /proc. What
 * fails is a warning; a setting that this kernel has not got is left out, and a processor whose
 * lists cannot be shortened keeps them. Once it has begun it does nothing more. The signals that
 * end this process are to be blocked. */
void memory_begin(struct memory_settings *settings, int proc);

/* All as it was, and *SETTINGS empty. */
void memory_end(struct memory_settings *settings, int proc);

#endif
