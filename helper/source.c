/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "source.h"

#include "log.h"
#include "sys.h"
#include "tmpfs.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_made_here(const struct mount *mount)
{
	return strcmp(mount->type, "tmpfs") == 0 && strcmp(mount->source, TMPFS_SOURCE) == 0;
}

/* A tmpfs made here is known by its source; an initramfs that was bound looks as it did before, and
 * only its init can tell. */
static bool is_ours(const struct source *source, const struct request *request)
{
	return is_made_here(source->root_mount) ||
	       (source->method == METHOD_BIND && request->started);
}

static int open_root(int proc, struct source *source)
{
	struct sys_stat st;
	uint32_t magic;
	int result = mounts_read(proc, &source->mounts);

	if (result < 0)
		return result;
	source->root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (source->root < 0)
		return log_error(errno, "opening /");
	result = sys_stat(source->root, "", &st);
	if (result < 0)
		return log_error(result, "stat /");
	source->root_mount = mounts_find(&source->mounts, st.mnt_id);
	if (!source->root_mount)
		return log_error(0,
				"/ is not the root of a mount: /proc/self/mountinfo has no mount "
				"%llu",
				(unsigned long long)st.mnt_id);
	magic = sys_fs_magic(source->root);
	if (!magic)
		return log_error(errno, "statfs /");
	source->ramfs = magic == RAMFS_FS_MAGIC;
	source->initramfs = source->ramfs || magic == TMPFS_FS_MAGIC;
	return 0;
}

/* NEWROOT may be a relative path, lead through symlinks, or end with a slash: the kernel knows the
 * path that mountinfo has. */
static int open_new_root(const char *new_root, int proc, struct source *source)
{
	char link[32];
	struct sys_stat st;
	ssize_t length;
	int result;

	source->new_root = open(new_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (source->new_root < 0)
		return log_error(errno, "opening NEWROOT %s: %m; mount the new root there",
				new_root);
	result = sys_stat(source->new_root, "", &st);
	if (result < 0)
		return log_error(result, "stat NEWROOT %s", new_root);
	(void)snprintf(link, sizeof(link), "self/fd/%d", source->new_root);
	length = readlinkat(proc, link, source->path, sizeof(source->path) - 1);
	if (length < 0)
		return log_error(errno, "readlink /proc/%s", link);
	source->path[length] = '\0';
	if ((st.attributes & SYS_STAT_ATTR_MOUNT_ROOT) && st.mnt_id != source->root_mount->id)
		source->new_root_mount = mounts_find(&source->mounts, st.mnt_id);
	return 0;
}

/* root=tmpfsroot with a NEWROOT: the generators want something mounted there early, and get a bind
 * mount of what will be moved. It is known again by device and inode. */
static int find_tree(const struct request *request, struct source *source)
{
	const struct mount *mount = source->new_root_mount;
	struct sys_stat root, st;
	int result = sys_stat(source->root, "", &root);

	if (result == 0)
		result = sys_stat(source->new_root, "", &st);
	if (result < 0)
		return log_error(result, "stat / or NEWROOT %s", request->new_root);
	if (!source->initramfs)
		return log_error(0,
				"root=tmpfsroot: / is %s (%s), expected an initramfs (ramfs or "
				"tmpfs)",
				source->root_mount->type, source->root_mount->source);
	if (mount && is_made_here(mount)) { /* by a run before this one */
		source->kind = SOURCE_NEW_ROOT;
		return 0;
	}
	if (mount && strcmp(mount->device, source->root_mount->device) != 0)
		return log_error(0,
				"root=tmpfsroot: NEWROOT %s is %s (%s), expected a part of the "
				"initramfs: mount nothing else there",
				request->new_root, mount->type, mount->source);
	result = sys_stat_is_same(&st, &root) ? 1 : mount ? 0 : is_empty(source->new_root, ".");
	if (result < 0)
		return log_error(result, "reading NEWROOT %s", request->new_root);
	source->kind = result ? SOURCE_INITRAMFS : SOURCE_DIRECTORY;
	return 0;
}

static int find_mounted_root(
		const struct options *options, const struct request *request, struct source *source)
{
	const struct mount *mount = source->new_root_mount;

	if (!mount)
		return log_error(0, "NEWROOT %s is not a mount point: mount the new root there",
				request->new_root);
	if (strcmp(mount->device, source->root_mount->device) == 0 && source->initramfs &&
			!options->persist)
		return log_error(0,
				"NEWROOT %s is a part of the initramfs, which a switch deletes: "
				"move it by root=tmpfsroot",
				request->new_root);
	source->kind = options->real_root != REAL_ROOT_NO && !is_made_here(mount) ? SOURCE_REAL_ROOT
										  : SOURCE_NEW_ROOT;
	return 0;
}

/* What cannot be had here is refused by name, not passed over. */
static int check_method(const struct options *options, const struct source *source)
{
	if (options->method != METHOD_BIND)
		return 0;
	if (source->kind != SOURCE_INITRAMFS && source->kind != SOURCE_FINISHED)
		return log_error(0,
				"rd.tmpfsroot.method=bind is for an initramfs, not for a mounted "
				"root or a directory: leave it out");
	if (options->tmpfs_options)
		return log_error(0,
				"rd.tmpfsroot.opts=%s: method=bind makes no tmpfs: use "
				"method=copy, or "
				"afterwards mount -o remount,size= /",
				options->tmpfs_options);
	return 0;
}

int source_find(const struct options *options, const struct request *request, int proc,
		struct source *source)
{
	int result = open_root(proc, source);

	if (result < 0)
		return result;
	source->method = (enum method)options->method;
	source->role = request->role;
	source->makes_mounts = options->mounts && request->role != ROLE_SERVICE;
	source->kind = SOURCE_INITRAMFS;
	if (request->new_root) {
		result = open_new_root(request->new_root, proc, source);
		if (result == 0)
			result = options->root_tmpfsroot
						 ? find_tree(request, source)
						 : find_mounted_root(options, request, source);
	} else if (is_ours(source, request)) {
		source->kind = SOURCE_FINISHED;
	} else if (!source->initramfs) {
		result = log_error(0,
				"/ is %s (%s), expected an initramfs (ramfs or tmpfs): boot with "
				"rdinit=, or name a NEWROOT",
				source->root_mount->type, source->root_mount->source);
	}
	return result < 0 ? result : check_method(options, source);
}

void source_free(struct source *source)
{
	close_fd(&source->root);
	close_fd(&source->new_root);
	mounts_free(&source->mounts);
}

int source_top(const struct source *source)
{
	return source->kind == SOURCE_INITRAMFS || source->kind == SOURCE_FINISHED
			       ? source->root
			       : source->new_root;
}

int source_clone(const struct source *source, const struct options *options)
{
	const char *path = source->kind == SOURCE_INITRAMFS ? "/" : source->path;
	int clone = sys_clone_tree(AT_FDCWD, path);

	if (clone < 0 && options->action == ACTION_DRY_RUN && geteuid() != 0)
		clone = fcntl(source_top(source), F_DUPFD_CLOEXEC, 0);
	return clone < 0 ? log_error(clone,
					   "cloning the mount %s: %m; is it unbindable? make it "
					   "private",
					   path)
			 : clone;
}

const char *source_below(const struct source *source, const char *point)
{
	size_t length = strlen(source->path);

	if (length == 0 || strncmp(point, source->path, length) != 0)
		return NULL;
	return point[length] == '/' && point[length + 1] ? point + length + 1 : NULL;
}

const char *source_name(const struct source *source)
{
	static const char *const names[] = { "finished", "initramfs", "directory", "realroot",
		"newroot" };

	return names[source->kind];
}

const char *source_type(const struct source *source)
{
	if (source->new_root_mount &&
			(source->kind == SOURCE_REAL_ROOT || source->kind == SOURCE_NEW_ROOT))
		return source->new_root_mount->type;
	return source->ramfs ? "ramfs" : "tmpfs";
}
