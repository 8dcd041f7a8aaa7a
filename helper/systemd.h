/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way of a boot whose initramfs is run by systemd: PID 1 is systemd, this program a service. */
#ifndef TMPFSROOT_SYSTEMD_H
#define TMPFSROOT_SYSTEMD_H

#include <stdbool.h>

/* Is PID 1 a systemd that has not left its initramfs yet? 1, 0, or a negative errno, logged. */
int systemd_in_initrd(void);

/* Can it start units from the tree ROOT, a descriptor, which is PATH in messages? It refuses one
 * without an os-release. The same results, and 0 is logged, too. */
int systemd_takes(int root, const char *path);

/* Connects to PID 1: a descriptor, or a negative errno, logged. */
int systemd_connect(void);

/*
 * Asks PID 1 by MANAGER, that descriptor, to make what is mounted on NEW_ROOT its root and to
 * execute INIT there; "" is the systemd in it, which takes over the state. Both are shorter than
 * PATH_MAX. Returns 0 once PID 1 has agreed: soon after it ends this process. Else a negative
 * errno, logged.
 */
int systemd_switch_root(int manager, const char *new_root, const char *init);

/* Waits until the root of PID 1 is no longer ROOT, a descriptor; false where that does not come.
 * PROC is a descriptor of /proc. */
bool systemd_has_switched(int proc, int root);

#endif
