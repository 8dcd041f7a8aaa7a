// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oldroot: lists what is left in the root that lies below the current "/", such as the rootfs that
 * an initramfs was unpacked to and that has been mounted over since.
 *
 * Before: "/" is a mount on top of another root; /proc is mounted. After: the paths of that other
 * root are on standard output, one a line, its file system on standard error, and nothing has
 * changed: a child takes "/" off in a mount namespace of its own. No output: nothing is left.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define RAMFS_TYPE 0x858458f6U
#define TMPFS_TYPE 0x01021994U

static void die(const char *op, const char *name)
{
	fprintf(stderr, "oldroot: %s %s: %s\n", op, name, strerror(errno));
	exit(1);
}

static void put_escaped(const char *bytes)
{
	for (; *bytes; bytes++) {
		unsigned char c = (unsigned char)*bytes;

		if (c <= ' ' || c >= 0x7f || c == '\\')
			printf("\\x%02x", c);
		else
			putchar(c);
	}
}

/* The number of the mount that a descriptor is on. */
static int mount_id(int fd)
{
	char path[64], line[256];
	int id = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		die("open", path);
	while (id < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "mnt_id: %d", &id) != 1)
			id = -1;
	fclose(file);
	return id;
}

/* The parent of a mount: itself at the bottom of a namespace, -1 where it is not listed. */
static int mount_parent(int id)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	int found, parent = -1;
	size_t size = 0;
	char *line = NULL;

	if (!file)
		die("open", "/proc/self/mountinfo");
	while (getline(&line, &size, file) >= 0) {
		if (sscanf(line, "%d %d", &found, &parent) == 2 && found == id)
			break;
		parent = -1;
	}
	free(line);
	fclose(file);
	return parent;
}

/* umount2() would take the bottom of a namespace off as well, and leave it to be listed. */
static void require_covered_root(void)
{
	int fd = open("/", O_PATH | O_CLOEXEC), id, parent;

	if (fd < 0)
		die("open", "/");
	id = mount_id(fd);
	if (close(fd) < 0)
		die("close", "/");
	parent = mount_parent(id);
	if (parent >= 0 && parent != id)
		return;
	fputs(parent < 0 ? "oldroot: / is not in /proc/self/mountinfo\n"
			 : "oldroot: nothing lies below /: it is the root of its mount namespace\n",
			stderr);
	exit(1);
}

/*
 * setns() to the namespace that the process is already in sets its root and working directory to
 * the topmost mount of the namespace's root, as for any other namespace. It needs a process that
 * shares neither with another (CLONE_FS), which a forked child is.
 */
static void uncover_root(void)
{
	int fd;

	if (unshare(CLONE_NEWNS) < 0)
		die("unshare", "the mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("make private", "/");
	require_covered_root();
	fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("open", "/proc/self/ns/mnt");
	if (umount2("/", MNT_DETACH) < 0)
		die("unmount", "/");
	if (setns(fd, CLONE_NEWNS) < 0)
		die("setns to", "the own mount namespace");
	if (close(fd) < 0)
		die("close", "the mount namespace");
}

static void list(int parent, const char *name, const char *path, dev_t device);

static void list_child(int dir, const char *name, const char *parent, dev_t device)
{
	struct stat st;
	char *path;

	if (asprintf(&path, "%s/%s", parent, name) < 0)
		die("allocate", name);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		die("stat", path);
	put_escaped(path);
	putchar('\n');
	if (S_ISDIR(st.st_mode) && st.st_dev == device)
		list(dir, name, path, device);
	free(path);
}

static void list(int parent, const char *name, const char *path, dev_t device)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *child;

	if (!stream)
		die("open", path);
	while (errno = 0, (child = readdir(stream)))
		if (strcmp(child->d_name, ".") != 0 && strcmp(child->d_name, "..") != 0)
			list_child(fd, child->d_name, path, device);
	if (errno != 0)
		die("readdir", path);
	if (closedir(stream) < 0)
		die("close", path);
}

static void put_type(void)
{
	struct statfs fs;

	if (statfs("/", &fs) < 0)
		die("statfs", "/");
	if ((uint32_t)fs.f_type == RAMFS_TYPE)
		fputs("ramfs\n", stderr);
	else if ((uint32_t)fs.f_type == TMPFS_TYPE)
		fputs("tmpfs\n", stderr);
	else
		fprintf(stderr, "0x%lx\n", (unsigned long)fs.f_type);
}

static void child(void)
{
	struct stat st;

	uncover_root();
	put_type();
	if (stat("/", &st) < 0)
		die("stat", "/");
	list(AT_FDCWD, "/", "", st.st_dev);
	if (fflush(stdout) != 0 || ferror(stdout))
		die("write", "standard output");
	exit(0);
}

int main(int argc, char **argv)
{
	int status = 0;
	pid_t pid;

	if (argc > 1) {
		fprintf(stderr, "usage: %s\n", argv[0]);
		return 2;
	}
	pid = fork();
	if (pid < 0)
		die("fork", "a child");
	if (pid == 0)
		child();
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("wait for", "the child");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}
