/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One boot: plan, move, switch. */
#ifndef TMPFSROOT_BOOT_H
#define TMPFSROOT_BOOT_H

#include "options.h"
#include "source.h"

/* In init's environment: how often the helper has started it on the new root; 0, that the move
 * failed and init was started where it is (rd.tmpfsroot.onfail=continue). */
#define WITNESS "TMPFSROOT"

/* Where the tree is that becomes the root. */
enum place {
	PLACE_SOURCE, /* nothing was taken, or all was given back */
	PLACE_MOVING, /* a part of it may be in the target */
	PLACE_TARGET, /* it has all, and can be given back */
	PLACE_NEW_ROOT, /* it has all, and is "/", or mounted on NEWROOT for systemd */
	PLACE_SPLIT, /* what is missing in the source is in the target, which is on TMPFS_REFUGE */
};

struct boot {
	struct options options;
	struct request request;
	char *found[3]; /* behind the first, the request's init where it was looked for in NEWROOT
			 */
	int proc; /* an owned descriptor of /proc */
	enum place place;
	double start; /* seconds on the monotonic clock */
};

/*
 * Does what was asked for: a dry run, or the boot. After a boot as PID 1 init can be executed on
 * the new root: REQUEST->init is filled in, and the environment has the witness. A service returns
 * once systemd has agreed to switch. Returns 0, or a negative errno, logged: then BOOT->place tells
 * where the tree is.
 */
int boot_run(struct boot *boot);

/* How often init was started by the helper before. */
unsigned long boot_starts(void);

/* Sets the witness. Returns 0 or a negative errno, logged. */
int boot_set_witness(unsigned long starts);

#endif
