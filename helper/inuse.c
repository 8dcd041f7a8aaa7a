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

/* ADDRESS PERMISSIONS OFFSET MAJOR:MINOR INODE [PATH], the device in hexadecimal */
int inuse_parse_map(char *line, unsigned *major, unsigned *minor, uint64_t *inode)
{
	char *rest = line, *device, *end;

	for (int field = 0; field < 3; field++)
		if (!strsep(&rest, " "))
			return -EINVAL;
	device = strsep(&rest, " ");
	if (!device || !rest)
		return -EINVAL;
	*major = (unsigned)strtoul(device, &end, 16);
	if (*end != ':')
		return -EINVAL;
	*minor = (unsigned)strtoul(end + 1, &end, 16);
	*inode = strtoull(rest, &rest, 10);
	return *end == '\0' && *inode != 0 ? 0 : -EINVAL;
}

/* The next entry, or NULL at the end and where reading fails: then *ERROR is set. */
static struct dirent *next_name(DIR *names, int *error)
{
	struct dirent *entry;

	errno = 0;
	entry = readdir(names);
	if (!entry && errno)
		*error = -errno;
	return entry;
}

static int note(struct inuse *inuse, uint64_t inode)
{
	return links_find(&inuse->inodes, 0, inode)	       ? 0
	       : links_add(&inuse->inodes, 0, inode, NULL, "") ? 0
							       : -ENOMEM;
}

static int note_maps(struct inuse *inuse, int process, const struct sys_stat *file)
{
	auto_free char *text = NULL;
	char *rest, *line;
	int result = read_file(process, "maps", &text, NULL);

	if (result < 0)
		return result == -ENOENT || result == -ESRCH ? 0 : result; /* it has ended */
	for (rest = text; result == 0 && (line = strsep(&rest, "\n"));) {
		unsigned major, minor;
		uint64_t inode;

		if (inuse_parse_map(line, &major, &minor, &inode) == 0 &&
				major == file->dev_major && minor == file->dev_minor)
			result = note(inuse, inode);
	}
	return result;
}

static int note_descriptors(struct inuse *inuse, int process, const struct sys_stat *file)
{
	int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!names)
		return errno == ENOENT || errno == ESRCH ? 0 : -errno;
	while (result == 0 && (entry = next_name(names, &result))) {
		struct stat st;

		if (entry->d_name[0] == '.')
			continue;
		if (fstatat(fd, entry->d_name, &st, 0) < 0) {
			/* it has been closed, or the process has ended */
			if (errno != ENOENT && errno != EACCES)
				result = -errno;
		} else if (st.st_dev == makedev(file->dev_major, file->dev_minor)) {
			result = note(inuse, st.st_ino);
		}
	}
	(void)closedir(names);
	return result;
}

/* The descriptors of this process are the move's own. */
static int note_process(
		struct inuse *inuse, const char *name, bool self, const struct sys_stat *file)
{
	auto_close int process = openat(inuse->proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result;

	if (process < 0)
		return errno == ENOENT ? 0 : -errno;
	result = note_maps(inuse, process, file);
	return result < 0 || self ? result : note_descriptors(inuse, process, file);
}

/* Loop devices have their files open inside the kernel. 0: none is in use. */
static int look_at_loops(void)
{
	static const struct api_mount sysfs = { "/sys", "sysfs", 0, { { NULL } } };
	auto_close int sys = mounts_make(&sysfs);
	auto_close int block =
			sys < 0 ? -1 : openat(sys, "block", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = block < 0 ? -1 : fcntl(block, F_DUPFD_CLOEXEC, 0), result = 0;
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!names)
		return sys < 0 ? sys : -errno;
	while (result == 0 && (entry = next_name(names, &result))) {
		char path[NAME_MAX + 32];

		(void)snprintf(path, sizeof(path), "%s/loop/backing_file", entry->d_name);
		if (faccessat(block, path, F_OK, 0) == 0)
			result = -EBUSY;
		else if (errno != ENOENT)
			result = -errno;
	}
	(void)closedir(names);
	return result;
}

static int look(struct inuse *inuse, const struct sys_stat *file)
{
	int fd = openat(inuse->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = look_at_loops();
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	char self[24];

	if (!names)
		return -errno;
	(void)snprintf(self, sizeof(self), "%d", (int)getpid());
	while (result == 0 && (entry = next_name(names, &result)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			result = note_process(inuse, entry->d_name,
					strcmp(entry->d_name, self) == 0, file);
	(void)closedir(names);
	return result;
}

static bool is_unknown_to_proc(struct inuse *inuse, int fd)
{
	struct sys_stat st;
	bool is_free;

	if (sys_stat(fd, "", &st) < 0)
		return false;
	(void)pthread_mutex_lock(&inuse->lock);
	if (!inuse->looked) {
		int result = look(inuse, &st);

		inuse->looked = true;
		inuse->unknown = result < 0;
		if (result < 0)
			log_message(LOG_DEBUG, "who has what open is not known: large files are "
					       "copied whole");
	}
	is_free = !inuse->unknown && !links_find(&inuse->inodes, 0, st.ino);
	(void)pthread_mutex_unlock(&inuse->lock);
	return is_free;
}

bool inuse_is_free(struct inuse *inuse, int fd)
{
	/* The kernel signals an open by others to the holder of the lease: by SIGIO, which ends a
	 * process, unless it is told another one. SIGURG is ignored by default. */
	if (fcntl(fd, F_SETSIG, SIGURG) == 0 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
		return fcntl(fd, F_SETLEASE, F_UNLCK) == 0;
	return errno == EINVAL && is_unknown_to_proc(inuse, fd);
}

void inuse_free(struct inuse *inuse)
{
	links_free(&inuse->inodes);
}
