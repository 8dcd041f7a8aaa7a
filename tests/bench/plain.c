/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plain SOURCE TARGET: moves a tree the plain way, as a loop. Each directory is made, each file is
 * read, written and then unlinked, with owner, mode and times, by one thread; directories are
 * removed when they are empty. Hard links become files of their own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char buffer[1UL << 17];

static void die(const char *what)
{
	(void)fprintf(stderr, "plain: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void copy_data(const char *from, const char *to)
{
	int source = open(from, O_RDONLY | O_CLOEXEC);
	int target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t length;

	if (source < 0 || target < 0)
		die(from);
	while ((length = read(source, buffer, sizeof(buffer))) > 0)
		if (write(target, buffer, (size_t)length) != length)
			die(to);
	if (length < 0)
		die(from);
	(void)close(source);
	(void)close(target);
}

static void copy_link(const char *from, const char *to)
{
	ssize_t length = readlink(from, buffer, sizeof(buffer) - 1);

	if (length < 0)
		die(from);
	buffer[length] = '\0';
	if (symlink(buffer, to) != 0)
		die(to);
}

static void copy_metadata(const char *to, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (lchown(to, st->st_uid, st->st_gid) != 0 ||
			(!S_ISLNK(st->st_mode) && chmod(to, st->st_mode & 07777) != 0) ||
			utimensat(AT_FDCWD, to, times, AT_SYMLINK_NOFOLLOW) != 0)
		die(to);
}

static void move_file(const char *from, const char *to, const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		copy_data(from, to);
	else if (S_ISLNK(st->st_mode))
		copy_link(from, to);
	else if (mknod(to, st->st_mode, st->st_rdev) != 0)
		die(to);
	copy_metadata(to, st);
	if (unlink(from) != 0)
		die(from);
}

static void move_directory(const char *from, const char *to)
{
	DIR *names = opendir(from);
	struct dirent *entry;

	if (!names)
		die(from);
	while ((entry = readdir(names))) {
		char source[PATH_MAX], target[PATH_MAX];
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (snprintf(source, PATH_MAX, "%s/%s", from, entry->d_name) >= PATH_MAX ||
				snprintf(target, PATH_MAX, "%s/%s", to, entry->d_name) >= PATH_MAX)
			die("a path is too long");
		if (lstat(source, &st) != 0)
			die(source);
		if (!S_ISDIR(st.st_mode)) {
			move_file(source, target, &st);
			continue;
		}
		if (mkdir(target, 0700) != 0)
			die(target);
		move_directory(source, target);
		copy_metadata(target, &st);
		if (rmdir(source) != 0)
			die(source);
	}
	(void)closedir(names);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		die("usage: plain SOURCE TARGET");
	move_directory(argv[1], argv[2]);
	return 0;
}
