/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "inuse.h"

#include "log.h"
#include "mounts.h"
#include "sys.h"
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Calls LOOK for each name in the directory PATH below DIR, until it returns a negative errno.
 * Returns that, or a negative errno, or 0. */
static int for_names(int dir, const char *path,
		int (*look)(void *context, int names, const char *name), void *context)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry = NULL;

	if (!names)
		return -errno;
	do {
		errno = 0;
		entry = readdir(names);
		if (entry && entry->d_name[0] != '.')
			result = look(context, fd, entry->d_name);
		else if (!entry && errno)
			result = -errno;
	} while (entry && result == 0);
	(void)closedir(names);
	return result;
}

struct look {
	struct inuse *inuse;
	uint64_t device; /* of the file system in question */
};

/* A symlink below /proc/PID/fd or map_files: the file that it leads to. */
static int note_file(void *context, int names, const char *name)
{
	struct look *look = context;
	struct links *inodes = &look->inuse->inodes;
	struct stat st;

	if (fstatat(names, name, &st, 0) < 0) /* closed, or the process has just ended */
		return errno == ENOENT || errno == EACCES ? 0 : -errno;
	if (st.st_dev != look->device || links_find(inodes, 0, st.st_ino))
		return 0;
	return links_add(inodes, 0, st.st_ino) ? 0 : -ENOMEM;
}

/* The descriptors of this process are the move's own. */
static int note_process(void *context, int proc, const char *name)
{
	char path[NAME_MAX + 16];
	int result;

	if (name[0] < '1' || name[0] > '9')
		return 0;
	(void)snprintf(path, sizeof(path), "%s/map_files", name);
	result = for_names(proc, path, note_file, context);
	(void)snprintf(path, sizeof(path), "%s/fd", name);
	if (result == 0 && strtol(name, NULL, 10) != getpid())
		result = for_names(proc, path, note_file, context);
	return result == -ENOENT || result == -ESRCH ? 0 : result; /* it has ended */
}

/* Loop devices have their files open inside the kernel. */
static int look_at_loop(void *context, int block, const char *name)
{
	char path[NAME_MAX + 32];

	(void)context;
	(void)snprintf(path, sizeof(path), "%s/loop/backing_file", name);
	if (faccessat(block, path, F_OK, 0) == 0)
		return -EBUSY;
	return errno == ENOENT ? 0 : -errno;
}

static int look_at_all(struct inuse *inuse, const struct sys_stat *file)
{
	static const struct api_mount sysfs = { "/sys", "sysfs", 0, { { NULL } } };
	struct look look = { inuse, sys_stat_dev(file) };
	auto_close int sys = mounts_make(&sysfs);
	int result = sys < 0 ? sys : for_names(sys, "block", look_at_loop, NULL);

	return result < 0 ? result : for_names(inuse->proc, ".", note_process, &look);
}

static bool is_unknown_to_proc(struct inuse *inuse, int fd)
{
	struct sys_stat st;
	bool is_free;

	if (sys_stat(fd, "", &st) < 0)
		return false;
	(void)pthread_mutex_lock(&inuse->lock);
	if (!inuse->looked) {
		int result = look_at_all(inuse, &st);

		inuse->looked = true;
		inuse->unknown = result < 0;
		if (result < 0)
			log_message(LOG_DEBUG,
					"who has which file open is not known: %s; large files "
					"are copied whole",
					strerror(-result));
	}
	is_free = !inuse->unknown && !links_find(&inuse->inodes, 0, st.ino);
	(void)pthread_mutex_unlock(&inuse->lock);
	return is_free;
}

/* The kernel signals an open by others to the holder of the lease: by SIGIO, which ends a process,
 * unless it is told another one. SIGURG is ignored by default. */
enum lease inuse_hold(struct inuse *inuse, int fd)
{
	if (fcntl(fd, F_SETSIG, SIGURG) == 0 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
		return LEASE_HELD;
	return errno == EINVAL && is_unknown_to_proc(inuse, fd) ? LEASE_UNKNOWN : LEASE_REFUSED;
}

bool inuse_is_free(struct inuse *inuse, int fd)
{
	enum lease lease = inuse_hold(inuse, fd);

	return lease == LEASE_UNKNOWN ||
	       (lease == LEASE_HELD && fcntl(fd, F_SETLEASE, F_UNLCK) == 0);
}

/* A lease that is being broken has the type that it is to become. */
bool inuse_is_awaited(int fd)
{
	return fcntl(fd, F_GETLEASE) != F_WRLCK;
}

void inuse_free(struct inuse *inuse)
{
	links_free(&inuse->inodes);
}
