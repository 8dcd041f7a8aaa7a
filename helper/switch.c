/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "switch.h"

#include "log.h"
#include "remove.h"
#include "sys.h"
#include "tmpfs.h"
#include "util.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#define API_MAX 8

/* Makes what is missing, attached nowhere yet: a kernel without it is found out before anything
 * has changed. */
static void make_missing(const struct plan *plan, int made[static API_MAX])
{
	for (size_t i = 0; i < API_MAX; i++)
		made[i] = -1;
	for (size_t i = 0; i < api_mounts_count && plan->source != SOURCE_NEW_ROOT; i++) {
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

static void detach(int old_root, const char *point)
{
	if (fchdir(old_root) != 0 || umount2(point, MNT_DETACH) != 0)
		(void)log_warning(errno, "unmounting /%s of the old root", point);
}

/* The flags of a mount, from mountinfo's options: MS_*. */
static unsigned long mount_flags(const char *options)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} flags[] = { { "ro", MS_RDONLY }, { "nosuid", MS_NOSUID }, { "nodev", MS_NODEV },
		{ "noexec", MS_NOEXEC }, { "noatime", MS_NOATIME }, { "nodiratime", MS_NODIRATIME },
		{ "relatime", MS_RELATIME } };
	unsigned long found = 0;

	while (*options) {
		size_t length = strcspn(options, ",");

		for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
			if (strlen(flags[i].name) == length &&
					strncmp(options, flags[i].name, length) == 0)
				found |= flags[i].flag;
		options += length + (options[length] == ',');
	}
	return found;
}

/* A mount of the old root's own file system (mount --bind) would show what is no longer there: the
 * same is made of the new one, with its flags, and what is mounted on it is moved there. */
static int bind_again(const struct plan *plan, const struct mount *bind, int old_root, int new_root)
{
	const char *what = bind->root[1] ? bind->root + 1 : ".", *point = bind->point + 1;
	auto_close int tree = sys_clone_tree(new_root, what);
	int result = tree < 0 ? tree : sys_move_mount(tree, "", new_root, point);

	if (result < 0)
		return result;
	if (mount(NULL, bind->point, NULL, MS_REMOUNT | MS_BIND | mount_flags(bind->options), NULL))
		(void)log_warning(errno, "setting the flags %s of the mount %s", bind->options,
				bind->point);
	for (size_t i = 0; i < plan->mounts.count; i++) {
		const struct mount *below = &plan->mounts.list[i];

		if (below->parent != bind->id)
			continue;
		result = sys_move_mount(old_root, below->point + 1, new_root, below->point + 1);
		if (result < 0)
			return result;
	}
	detach(old_root, point);
	return 0;
}

static void carry_mount(const struct plan *plan, const struct mount *mount, const char *to,
		int old_root, int new_root)
{
	const char *point = mount->point + 1;
	int result;

	if (plan->source == SOURCE_REAL_ROOT && mkdirat(new_root, to, 0755) != 0 && errno != EEXIST)
		(void)log_warning(errno, "mkdir /%s in the new root", to);
	if (plan->source != SOURCE_INITRAMFS && !has_place(new_root, to)) {
		detach(old_root, point);
		return;
	}
	if (plan_copies(plan) && strcmp(mount->device, plan->root_mount->device) == 0) {
		result = bind_again(plan, mount, old_root, new_root);
	} else {
		result = sys_move_mount(old_root, point, new_root, to);
	}
	if (result < 0)
		(void)log_warning(result, "moving the mount %s to the new root: it stays behind",
				mount->point);
}

/* Takes the mounts along; their submounts come with them. Those of a real root go first: they are
 * there already when the initramfs's own would come on top. */
static void carry_mounts(const struct plan *plan, int old_root, int new_root)
{
	for (int own = plan->source == SOURCE_REAL_ROOT; own >= 0; own--)
		for (size_t i = 0; i < plan->mounts.count; i++) {
			const struct mount *mount = &plan->mounts.list[i];
			const char *to = plan_carries(plan, mount);

			if (to && (own != 0) == (mount->parent == plan->new_root_mount))
				carry_mount(plan, mount, to, old_root, new_root);
		}
}

/* The real root has been copied: its device may go away. */
static void release_real_root(const struct plan *plan, int old_root)
{
	const struct mount *mount = mounts_find(&plan->mounts, plan->new_root_mount);

	if (fchdir(old_root) != 0 || !mount)
		return;
	if (umount2(mount->point + 1, 0) == 0)
		return;
	(void)log_warning(errno,
			"unmounting the real root: its device stays in use until what holds it "
			"ends");
	if (umount2(mount->point + 1, MNT_DETACH) != 0)
		(void)log_warning(errno, "unmounting the real root lazily");
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

/* The kernel moves no mount out of a shared one. Those mounts alone become private: what lies on
 * them, and is carried, stays as it is. */
static int unshare_parents(const struct plan *plan)
{
	const struct mount *new_root = mounts_find(&plan->mounts, plan->new_root_mount);

	for (size_t i = 0; i < plan->mounts.count; i++) {
		const struct mount *at = &plan->mounts.list[i];
		bool parent = at == plan->root_mount ||
			      (new_root && (at->id == new_root->parent || at == new_root));

		if (parent && at->shared && mount(NULL, at->point, NULL, MS_PRIVATE, NULL) != 0)
			return log_error(errno, "making the mount %s private", at->point);
	}
	return 0;
}

/* method=bind: the rootfs once more, as a mount that has a parent. Its limits come first, since the
 * kernel may refuse them. */
static int bind_root(const struct options *options)
{
	int result = options->tmpfs_options ? tmpfs_limit(AT_FDCWD, options->tmpfs_options) : 0;
	int tree;

	if (result < 0)
		return result;
	if (chmod("/", 0755) != 0)
		return log_error(errno, "chmod /");
	tree = sys_clone_tree(AT_FDCWD, "/");
	return tree < 0 ? log_error(tree, "binding / over itself") : tree;
}

/* After the point of no return: nothing is refused any more. */
static void settle(struct plan *plan, const struct options *options, int old_root, int new_root,
		const int made[static API_MAX])
{
	struct sys_stat old;

	carry_mounts(plan, old_root, new_root);
	attach_made(new_root, made);
	if (plan->source == SOURCE_INITRAMFS && sys_stat(old_root, "", &old) == 0)
		reopen_console(&old);
	if (plan->source == SOURCE_REAL_ROOT) {
		close_fd(&plan->new_root);
		close_fd(&plan->clone);
		close_fd(&plan->tree);
		release_real_root(plan, old_root);
	}
	if (!sys_is_memory(old_root))
		log_message(LOG_INFO, "the old root is %s, not an initramfs: it stays as it is",
				plan->root_mount->type);
	else if (!options->persist && plan->method == METHOD_COPY)
		remove_old_root(plan, old_root);
	if (chdir("/") != 0)
		(void)log_warning(errno, "chdir /");
}

/* Where it cannot be entered a root that was made here is taken off again. */
static int enter_new_root(const struct plan *plan, int new_root)
{
	int error;

	if (fchdir(new_root) == 0 && chroot(".") == 0 && chdir("/") == 0)
		return 0;
	error = errno;
	if (plan->source != SOURCE_NEW_ROOT &&
			(fchdir(new_root) != 0 || umount2(".", MNT_DETACH) != 0))
		(void)log_warning(errno, "unmounting the new root");
	return chdir("/") == 0 ? -error : -errno;
}

int switch_to(struct plan *plan, const struct options *options)
{
	auto_close int old_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), bound = -1;
	int made[API_MAX], new_root = plan_copies(plan) ? plan->target : plan->new_root, result;

	if (old_root < 0)
		return log_error(errno, "opening /");
	if (plan->source == SOURCE_INITRAMFS && plan->method == METHOD_BIND) {
		new_root = bound = bind_root(options);
		if (bound < 0)
			return bound;
	}
	result = unshare_parents(plan);
	if (result < 0)
		return result;
	make_missing(plan, made);

	/* The point of no return: the new root lies over "/". */
	result = sys_move_mount(new_root, "", AT_FDCWD, "/");
	if (result == 0)
		result = enter_new_root(plan, new_root);
	if (result == 0)
		settle(plan, options, old_root, new_root, made);
	for (size_t i = 0; i < API_MAX; i++)
		close_fd(&made[i]);
	return result < 0 ? log_error(result, "moving the new root onto /: %m; nothing was taken "
					      "from the old one")
			  : 0;
}
