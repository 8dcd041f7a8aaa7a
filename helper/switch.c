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

/* The kernel opened /dev/console for init in the old root, where it is about to be deleted. */
static void reopen_console(int old_root)
{
	auto_close int console = -1;
	struct sys_stat old;

	if (sys_stat(old_root, "", &old) < 0)
		return;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		struct sys_stat st;

		if (sys_stat(fd, "", &st) < 0 || !S_ISCHR(st.mode) ||
				sys_stat_dev(&st) != sys_stat_dev(&old))
			continue;
		if (console < 0)
			console = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (console >= 0 && dup2(console, fd) < 0)
			(void)log_warning(errno, "opening /dev/console anew");
	}
}

/* In a child, so that whatever happens to it PID 1 lives; waited for, so that init starts with the
 * memory free and without a child that it does not know. */
static void remove_old_root(int old_root)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(remove_tree(old_root, tree_workers()) == 0 ? 0 : 1);
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

/* The kernel moves no mount out of a shared one. Those mounts alone become private: what lies on
 * them, and is carried, stays as it is. */
static int unshare_parents(const struct source *source)
{
	const struct mount *new_root = source->new_root_mount;

	for (size_t i = 0; i < source->mounts.count; i++) {
		const struct mount *at = &source->mounts.list[i];
		bool parent = at == source->root_mount ||
			      (new_root && (at->id == new_root->parent || at == new_root));

		if (parent && at->peers && mount(NULL, at->point, NULL, MS_PRIVATE, NULL) != 0)
			return log_error(errno, "making the mount %s private", at->point);
	}
	return 0;
}

/* The initramfs that was bound over itself has nothing left out, and its own mode. */
static void mend_bound(const struct plan *plan, int root)
{
	if (plan->source.path[0]) {
		if (unlinkat(root, "etc/initrd-release", 0) != 0 && errno != ENOENT)
			(void)log_warning(errno, "unlink /etc/initrd-release");
		if (faccessat(root, "etc/os-release", F_OK, 0) != 0)
			(void)unlinkat(root, "etc/os-release", 0); /* it led there */
		switch_mend_release(plan, root);
	}
	if (fchmodat(root, ".", 0755, 0) != 0) /* ROOT is a clone, opened with O_PATH */
		(void)log_warning(errno, "chmod /");
}

/* After the point of no return: nothing is refused any more. */
static void settle(const struct plan *plan, struct carried *carried, int old_root, int new_root,
		bool persist)
{
	const struct source *source = &plan->source;
	bool removes = source->initramfs && !persist && !source->needs_initramfs &&
		       source->method == METHOD_COPY;

	carry_attach(source, carried, new_root);
	carry_detach(source, old_root, removes);
	if (source->kind == SOURCE_INITRAMFS || source->kind == SOURCE_DIRECTORY)
		reopen_console(old_root);
	if (!source->initramfs)
		log_message(LOG_INFO, "the old root is %s, not an initramfs: it stays as it is",
				source->root_mount->type);
	else if (source->needs_initramfs && !persist)
		(void)log_warning(0, "the new root shows a part of the initramfs, which stays "
				     "in memory for that");
	else if (removes)
		remove_old_root(old_root);
	if (source->method == METHOD_BIND)
		mend_bound(plan, new_root);
	if (chdir("/") != 0)
		(void)log_warning(errno, "chdir /");
}

/* Takes a new root that cannot be entered off "/" again. What was unmounted can be mounted nowhere
 * else, so *TARGET becomes a clone of it. */
static void take_off(const struct plan *plan, int old_root, int new_root, int *target)
{
	int result = 0, clone = plan_copies(plan) ? sys_clone_tree(new_root, "") : -1;

	if (plan->source.kind == SOURCE_NEW_ROOT)
		result = sys_move_mount(new_root, "", old_root, plan->source.path + 1);
	else if (fchdir(new_root) != 0 || umount2(".", MNT_DETACH) != 0)
		result = -errno;
	if (result < 0)
		(void)log_warning(result, "unmounting the new root");
	if (clone >= 0) {
		close_fd(target);
		*target = clone;
	}
}

/* The initramfs once more, as a mount that has a parent. */
static int bind_root(void)
{
	int tree = sys_clone_tree(AT_FDCWD, "/");

	return tree < 0 ? log_error(tree, "binding / over itself") : tree;
}

int switch_to(const struct plan *plan, struct carried *carried, int *target, bool persist)
{
	const struct source *source = &plan->source;
	auto_close int old_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), bound = -1;
	int new_root = plan_copies(plan) ? *target : source->new_root, result;
	const char *call = "move_mount";

	if (old_root < 0)
		return log_error(errno, "opening /");
	if (source->kind == SOURCE_INITRAMFS && source->method == METHOD_BIND) {
		new_root = bound = bind_root();
		if (bound < 0)
			return bound;
	}
	result = unshare_parents(source);
	if (result < 0)
		return result;

	/* The point of no return: the new root lies over "/". */
	result = sys_move_mount(new_root, "", AT_FDCWD, "/");
	if (result == 0) {
		call = fchdir(new_root) != 0 ? "fchdir" : chroot(".") != 0 ? "chroot" : NULL;
		if (call) {
			result = -errno;
			take_off(plan, old_root, new_root, target);
			(void)chdir("/");
		}
	}
	if (result < 0)
		return log_error(result, "moving the new root onto /: %s: %m", call);
	settle(plan, carried, old_root, new_root, persist);
	return 0;
}

/* Private first: what is unmounted goes from the mounts that it is shared with, too. */
static int take_away(const char *path, unsigned long recursive)
{
	if (mount(NULL, path, NULL, recursive | MS_PRIVATE, NULL) != 0 ||
			umount2(path, MNT_DETACH) != 0)
		return -errno;
	return 0;
}

/* Unmounts what is on NEWROOT, with all that lies on it: an overlay may lie on its own lower layer.
 * Where NEWROOT showed something of the initramfs, what was mounted on it is there as well. */
static void clear_new_root(const struct source *source)
{
	const struct mounts *mounts = &source->mounts;

	for (size_t i = 0; i < mounts->count; i++) {
		int result = strcmp(mounts->list[i].point, source->path) == 0
					     ? take_away(source->path, MS_REC)
					     : 0;

		if (result < 0)
			(void)log_warning(result, "unmounting %s", source->path);
	}
	for (size_t i = mounts->count; i-- > 0;)
		if (source_below(source, mounts->list[i].point))
			(void)take_away(mounts->list[i].point, 0);
}

int switch_place(const struct plan *plan, struct carried *carried, int target)
{
	const struct source *source = &plan->source;
	auto_close int top = sys_clone_tree(target, ""),
		       before = source->new_root_mount ? sys_clone_mounts(source->path) : -1;
	int result;

	if (top < 0 || (source->new_root_mount && before < 0))
		return log_error(top < 0 ? top : before, "cloning the mounts of NEWROOT");
	clear_new_root(source);
	result = sys_move_mount(top, "", AT_FDCWD, source->path);
	if (result < 0) {
		auto_close int tree = -1;

		(void)log_error(result, "mounting the target on %s", source->path);
		if (before >= 0 && sys_move_mount(before, "", AT_FDCWD, source->path) < 0)
			(void)log_warning(errno, "mounting the tree on %s again", source->path);
		tree = before < 0 ? open(source->path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
		for (size_t i = 0; i < source->mounts.count; i++)
			if (!source_below(source, source->mounts.list[i].point))
				close_fd(&carried->clones[i]); /* it was not unmounted */
		if (tree >= 0)
			carry_attach(source, carried, tree);
		return result;
	}
	/* first: what is attached to one of two mounts that share goes with the other */
	tmpfs_detach();
	carry_attach(source, carried, top);
	carry_detach(source, source->root, false);
	if (chdir("/") != 0)
		(void)log_warning(errno, "chdir /");
	return 0;
}

void switch_mend_release(const struct plan *plan, int target)
{
	static const char release[] = "etc/os-release", to[] = "../usr/lib/os-release";

	if (plan->source.kind != SOURCE_INITRAMFS || !plan->source.path[0] ||
			faccessat(target, release, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
			faccessat(target, to + 3, F_OK, 0) != 0)
		return;
	if (symlinkat(to, target, release) != 0)
		(void)log_warning(errno, "making /%s lead to %s", release, to);
}
