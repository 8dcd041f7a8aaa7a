/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "switch.h"

#include "log.h"
#include "remove.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define API_MAX 8

static int new_root_of(const struct plan *plan)
{
	return plan->source == SOURCE_INITRAMFS ? plan->target : plan->new_root;
}

/* Makes what is missing, attached nowhere yet: a kernel without it is found out before anything
 * has changed. */
static void make_missing(const struct plan *plan, int made[static API_MAX])
{
	for (size_t i = 0; i < API_MAX; i++)
		made[i] = -1;
	for (size_t i = 0; i < api_mounts_count && plan->source == SOURCE_INITRAMFS; i++) {
		if (plan_has_mount(plan, api_mounts[i].point))
			continue;
		made[i] = mounts_make(&api_mounts[i]);
		if (made[i] < 0)
			(void)log_warning(made[i], "making a %s for %s: it will not be there",
					api_mounts[i].type, api_mounts[i].point);
	}
}

/* A plain switch leaves alone what NEWROOT has mounted already, or has no place for. */
static bool has_place(int new_root, const char *point)
{
	struct sys_stat top, st;

	return sys_stat(new_root, "", &top) == 0 && sys_stat(new_root, point, &st) == 0 &&
	       S_ISDIR(st.mode) && st.mnt_id == top.mnt_id;
}

/* A mount of the old root's own file system (mount --bind) would show what is no longer there: the
 * same is made of the new one. */
static int bind_again(const struct mount *mount, int old_root, int new_root, const char *point)
{
	const char *what = mount->root[1] ? mount->root + 1 : ".";
	auto_close int tree = sys_clone_tree(new_root, what);
	int result = tree < 0 ? tree : sys_move_mount(tree, "", new_root, point);

	if (fchdir(old_root) == 0)
		(void)umount2(point, MNT_DETACH);
	return result;
}

/* Takes the mounts along; their submounts come with them. */
static void carry_mounts(const struct plan *plan, int old_root, int new_root)
{
	for (size_t i = 0; i < plan->mounts.count; i++) {
		const struct mount *mount = &plan->mounts.list[i];
		const char *point = mount->point + 1;
		int result;

		if (!plan_carries(plan, mount))
			continue;
		if (plan->source == SOURCE_NEW_ROOT && !has_place(new_root, point)) {
			if (fchdir(old_root) == 0)
				(void)umount2(point, MNT_DETACH);
			continue;
		}
		if (plan->source == SOURCE_INITRAMFS &&
				strcmp(mount->device, plan->root_mount->device) == 0)
			result = bind_again(mount, old_root, new_root, point);
		else
			result = sys_move_mount(old_root, point, new_root, point);
		if (result < 0)
			(void)log_warning(result,
					"moving the mount %s to the new root: it stays behind",
					mount->point);
	}
}

static void attach_made(int new_root, const int made[static API_MAX])
{
	for (size_t i = 0; i < api_mounts_count; i++) {
		const char *point = api_mounts[i].point + 1;
		int result;

		if (made[i] < 0)
			continue;
		if (mkdirat(new_root, point, 0755) != 0 && errno != EEXIST)
			(void)log_warning(errno, "mkdir %s", api_mounts[i].point);
		result = sys_move_mount(made[i], "", new_root, point);
		if (result < 0)
			(void)log_warning(result, "mounting %s", api_mounts[i].point);
	}
}

/* The kernel opened /dev/console for init in the old root, where it is about to be deleted. */
static void reopen_console(const struct sys_stat *old_root)
{
	auto_close int console = -1;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		struct sys_stat st;

		if (sys_stat(fd, "", &st) < 0 || !S_ISCHR(st.mode) ||
				st.dev_major != old_root->dev_major ||
				st.dev_minor != old_root->dev_minor)
			continue;
		if (console < 0)
			console = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (console >= 0 && dup2(console, fd) < 0)
			(void)log_warning(errno, "opening /dev/console anew");
	}
}

/* In a child, so that whatever happens to it PID 1 lives; waited for, so that init starts with the
 * memory free and without a child that it does not know. */
static void remove_old_root(const struct plan *plan, int old_root)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(remove_tree(old_root, plan->workers) == 0 ? 0 : 1);
	if (child < 0) {
		(void)log_warning(
				errno, "fork: the old root is not deleted, its memory stays used");
		return;
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR) {
			(void)log_warning(errno, "waiting for the deletion of the old root");
			return;
		}
	if (status != 0)
		(void)log_warning(0, "the old root was not deleted whole, its memory stays used");
}

int switch_to(const struct plan *plan, bool persist)
{
	auto_close int old_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int new_root = new_root_of(plan), made[API_MAX], result;
	bool initramfs = strcmp(plan->root_mount->type, "rootfs") == 0 ||
			 strcmp(plan->root_mount->type, "ramfs") == 0 ||
			 strcmp(plan->root_mount->type, "tmpfs") == 0;
	struct sys_stat old;

	if (old_root < 0)
		return log_error(errno, "opening /");
	result = sys_stat(old_root, "", &old);
	if (result < 0)
		return log_error(result, "stat /");
	make_missing(plan, made);

	/* The point of no return: the new root lies over "/". */
	result = sys_move_mount(new_root, "", AT_FDCWD, "/");
	if (result == 0 && (fchdir(new_root) != 0 || chroot(".") != 0 || chdir("/") != 0))
		(void)log_warning(errno, "making the new root this process's own");
	if (result == 0) {
		carry_mounts(plan, old_root, new_root);
		attach_made(new_root, made);
		if (plan->source == SOURCE_INITRAMFS)
			reopen_console(&old);
		if (initramfs && !persist)
			remove_old_root(plan, old_root);
		else if (!initramfs)
			log_message(LOG_INFO,
					"the old root is %s, not an initramfs: it stays as it is",
					plan->root_mount->type);
		if (chdir("/") != 0)
			(void)log_warning(errno, "chdir /");
	}
	for (size_t i = 0; i < API_MAX; i++)
		close_fd(&made[i]);
	return result < 0 ? log_error(result, "moving the new root onto /: %m; if its parent mount "
					      "is "
					      "shared, make it private (mount --make-private)")
			  : 0;
}
