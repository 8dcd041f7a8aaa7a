/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System calls and constants of Linux 5.10 that a libc may not declare (musl without the kernel's
 * headers does not). Names and values are those of the kernel's include/uapi/linux/{stat,mount,
 * openat2,fcntl}.h. Each call returns a negative errno on failure.
 */
#ifndef TMPFSROOT_SYS_H
#define TMPFSROOT_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <unistd.h>

/* statfs(2): f_type, whose type differs from one architecture to another */
#define RAMFS_FS_MAGIC 0x858458f6U
#define TMPFS_FS_MAGIC 0x01021994U
#define PROC_FS_MAGIC  0x9fa0U

struct sys_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t reserved;
};

/* struct statx */
struct sys_stat {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, spare0;
	uint64_t ino, size, blocks, attributes_mask;
	struct sys_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t mnt_id;
	uint64_t spare[13];
};

/* struct linux_dirent64, getdents64(2) */
struct sys_dirent {
	uint64_t inode;
	int64_t offset;
	uint16_t length; /* of the whole record, which is aligned for the next one */
	uint8_t type;
	char name[];
};

#define SYS_STAT_BASIC_AND_MOUNT 0x17ffU /* STATX_BASIC_STATS | STATX_MNT_ID */
#define SYS_STAT_ATTR_MOUNT_ROOT 0x2000U

#define SYS_AT_EMPTY_PATH   0x1000
#define SYS_AT_NO_AUTOMOUNT 0x800
#define SYS_AT_RECURSIVE    0x8000

#define SYS_FSOPEN_CLOEXEC	    0x1U
#define SYS_FSCONFIG_SET_FLAG	    0U
#define SYS_FSCONFIG_SET_STRING	    1U
#define SYS_FSCONFIG_CMD_CREATE	    6U
#define SYS_FSMOUNT_CLOEXEC	    0x1U
#define SYS_MOUNT_ATTR_NOSUID	    0x2U
#define SYS_MOUNT_ATTR_NODEV	    0x4U
#define SYS_MOUNT_ATTR_NOEXEC	    0x8U
#define SYS_MOUNT_ATTR_ATIMES	    0x70U /* noatime, strictatime, relatime (0) */
#define SYS_MOUNT_ATTR_NOATIME	    0x10U
#define SYS_MOUNT_ATTR_STRICTATIME  0x20U
#define SYS_MOUNT_ATTR_NODIRATIME   0x80U
#define SYS_MOVE_MOUNT_F_EMPTY_PATH 0x4U /* the first path may be empty */

#define SYS_OPEN_TREE_CLONE 0x1U

#define SYS_RESOLVE_NO_XDEV	  0x1U
#define SYS_RESOLVE_NO_MAGICLINKS 0x2U
#define SYS_RESOLVE_NO_SYMLINKS	  0x4U
#define SYS_RESOLVE_BENEATH	  0x8U
#define SYS_RESOLVE_IN_ROOT	  0x10U

struct sys_open_how {
	uint64_t flags, mode, resolve;
};

static inline int sys_result(long result)
{
	return result < 0 ? -errno : (int)result;
}

/* Does not follow a symlink, does not trigger an automount; an empty PATH is DIR itself. */
static inline int sys_stat(int dir, const char *path, struct sys_stat *st)
{
	int flags = AT_SYMLINK_NOFOLLOW | SYS_AT_NO_AUTOMOUNT | SYS_AT_EMPTY_PATH;

	return sys_result(syscall(SYS_statx, dir, path, flags, SYS_STAT_BASIC_AND_MOUNT, st));
}

/* Reads whole records of struct sys_dirent; returns their bytes, 0 at the directory's end. */
static inline int sys_getdents(int dir, void *entries, size_t room)
{
	return sys_result(syscall(SYS_getdents64, dir, entries, room));
}

static inline int sys_fsopen(const char *type)
{
	return sys_result(syscall(SYS_fsopen, type, SYS_FSOPEN_CLOEXEC));
}

static inline int sys_fsconfig(int fs, unsigned command, const char *key, const char *value)
{
	return sys_result(syscall(SYS_fsconfig, fs, command, key, value, 0));
}

/* Returns a descriptor of a mount that is attached nowhere and ends with its last descriptor. */
static inline int sys_fsmount(int fs, unsigned attributes)
{
	return sys_result(syscall(SYS_fsmount, fs, SYS_FSMOUNT_CLOEXEC, attributes));
}

/* Moves the mount FROM_DIR/FROM (the mount FROM_DIR itself where FROM is empty) to TO_DIR/TO. */
static inline int sys_move_mount(int from_dir, const char *from, int to_dir, const char *to)
{
	return sys_result(syscall(SYS_move_mount, from_dir, from, to_dir, to,
			*from ? 0 : SYS_MOVE_MOUNT_F_EMPTY_PATH));
}

/* Returns a descriptor of a new mount of what is at DIR/PATH (of the mount DIR where PATH is
 * empty), attached nowhere: a bind mount. */
static inline int sys_clone_tree(int dir, const char *path)
{
	return sys_result(syscall(SYS_open_tree, dir, path,
			SYS_OPEN_TREE_CLONE | O_CLOEXEC | (*path ? 0 : SYS_AT_EMPTY_PATH)));
}

/* The same with all that is mounted on it. */
static inline int sys_clone_mounts(const char *path)
{
	return sys_result(syscall(SYS_open_tree, AT_FDCWD, path,
			SYS_OPEN_TREE_CLONE | SYS_AT_RECURSIVE | O_CLOEXEC));
}

/* openat2(2). EAGAIN: something was renamed or mounted meanwhile, and ".." may have led elsewhere.
 */
static inline int sys_openat2(int dir, const char *path, int flags, uint64_t resolve)
{
	struct sys_open_how how = { .flags = (uint64_t)flags, .resolve = resolve };
	int result = -EAGAIN;

	for (int tries = 0; result == -EAGAIN && tries < 100; tries++)
		result = sys_result(syscall(SYS_openat2, dir, path, &how, sizeof(how)));
	return result;
}

/* Closes the descriptors from FIRST to LAST. */
static inline int sys_close_range(unsigned first, unsigned last)
{
	return sys_result(syscall(SYS_close_range, first, last, 0U));
}

/* Opens PATH with ROOT as its "/": symlinks and ".." do not lead out of it. */
static inline int sys_open_in_root(int root, const char *path, int flags)
{
	return sys_openat2(root, path, flags, SYS_RESOLVE_IN_ROOT | SYS_RESOLVE_NO_MAGICLINKS);
}

/* Opens PATH below DIR, through no symlink and into no other mount. */
static inline int sys_open_below(int dir, const char *path, int flags)
{
	return sys_openat2(dir, path, flags,
			SYS_RESOLVE_BENEATH | SYS_RESOLVE_NO_SYMLINKS | SYS_RESOLVE_NO_XDEV);
}

/* The magic number of the file system that FD is on, 0 where it cannot be told. */
static inline uint32_t sys_fs_magic(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 ? (uint32_t)fs.f_type : 0;
}

/* Is it one that lives in memory, which alone is emptied or deleted? */
static inline bool sys_is_memory(int fd)
{
	uint32_t magic = sys_fs_magic(fd);

	return magic == RAMFS_FS_MAGIC || magic == TMPFS_FS_MAGIC;
}

static inline int sys_pivot_root(const char *new_root, const char *put_old)
{
	return sys_result(syscall(SYS_pivot_root, new_root, put_old));
}

static inline dev_t sys_stat_dev(const struct sys_stat *st)
{
	return makedev(st->dev_major, st->dev_minor);
}

static inline bool sys_stat_is_same(const struct sys_stat *a, const struct sys_stat *b)
{
	return a->ino == b->ino && sys_stat_dev(a) == sys_stat_dev(b);
}

static inline dev_t sys_stat_rdev(const struct sys_stat *st)
{
	return makedev(st->rdev_major, st->rdev_minor);
}

static inline bool sys_is_mount_point(const char *path)
{
	struct sys_stat st;

	return sys_stat(AT_FDCWD, path, &st) == 0 && (st.attributes & SYS_STAT_ATTR_MOUNT_ROOT);
}

#endif
