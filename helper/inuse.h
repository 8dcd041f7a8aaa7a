/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does anybody else have a file open or mapped? Then it must not be cut: a process that has it
 * mapped would die of SIGBUS, a loop device would lose its disk. */
#ifndef TMPFSROOT_INUSE_H
#define TMPFSROOT_INUSE_H

#include "links.h"

#include <stdbool.h>

/* What is looked up once, where the kernel does not tell; INUSE_EMPTY at first. */
struct inuse {
	pthread_mutex_t lock;
	int proc; /* a descriptor of /proc, the caller's */
	bool looked, unknown;
	struct links inodes; /* of the file system in question */
};

#define INUSE_EMPTY(proc_fd)                                                                       \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER, .proc = (proc_fd), .inodes = LINKS_EMPTY        \
	}

/*
 * Is the file FD, open for writing here, open nowhere else? The kernel grants a write lease
 * (fcntl(2), F_SETLEASE) only then. Where the file system has no leases (ramfs since Linux 7.0),
 * /proc tells what processes have open or mapped, and any loop device that is in use means no.
 * Who opens FD's file meanwhile waits until the answer is there, and makes the caller get SIGURG,
 * which is ignored by default (F_SETSIG). What cannot be found out means no.
 */
bool inuse_is_free(struct inuse *inuse, int fd);

/* Gives back what was looked up. */
void inuse_free(struct inuse *inuse);

/* The device and inode of a line of /proc/PID/maps (proc_pid_maps(5)): 0, or -EINVAL where it has
 * none. Parses in place. */
int inuse_parse_map(char *line, unsigned *major, unsigned *minor, uint64_t *inode);

#endif
