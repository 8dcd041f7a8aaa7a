/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does anybody else have a file open or mapped? Then it must not be cut: a process that has it
 * mapped would die of SIGBUS, a loop device would lose its disk. */
#ifndef TMPFSROOT_INUSE_H
#define TMPFSROOT_INUSE_H

#include "links.h"

#include <pthread.h>
#include <stdbool.h>

/* The files in use, looked up once where the kernel has no leases; INUSE_EMPTY at first. */
struct inuse {
	pthread_mutex_t lock;
	int proc; /* a descriptor of /proc, the caller's */
	bool looked, unknown;
	struct links inodes; /* that are open or mapped, of the file system in question */
};

#define INUSE_EMPTY(proc_fd)                                                                       \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER, .proc = (proc_fd)                               \
	}

enum lease {
	LEASE_REFUSED, /* somebody else has the file open, or that cannot be found out */
	LEASE_UNKNOWN, /* the file system has no leases; nobody had the file open when /proc was
			  read */
	LEASE_HELD, /* nobody has the file open; whoever opens it waits until FD is closed */
};

/*
 * Takes a write lease (fcntl(2), F_SETLEASE) of the file FD, which the kernel grants only where the
 * file is open nowhere else. Where the file system has no leases (ramfs since Linux 7.0), /proc
 * tells what processes have open or mapped, and any loop device that is in use counts as a user of
 * every file.
 */
enum lease inuse_hold(struct inuse *inuse, int fd);

/* The same without keeping a lease: does nobody else have the file open? */
bool inuse_is_free(struct inuse *inuse, int fd);

/* Does somebody wait until the lease of FD, which is LEASE_HELD, is given back? The kernel takes
 * the lease away after /proc/sys/fs/lease-break-time, 45 seconds by default. */
bool inuse_is_awaited(int fd);

/* Gives back what was looked up. */
void inuse_free(struct inuse *inuse);

#endif
