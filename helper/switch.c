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
#define IN_USE	"unmounting the real root: its device stays in use until what holds it ends"

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

/* Gives the mount at ROOT/PATH those flags. */
static void set_flags(int root, const char *path, const char *options)
{
	if (fchdir(root) != 0 ||
			mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | mount_flags(options),
					NULL) != 0)
		(void)log_warning(errno, "setting the flags %s of the mount /%s", options, path);
}

/* What is at PATH of the old root's file system is there in the new one, or NULL where it is not
 * moved. */
static const char *in_new_root(const struct plan *plan, const char *path)
{
	const char *top = plan->source == SOURCE_DIRECTORY ? plan->new_root_path : "";
	size_t length = strlen(top);

	if (strncmp(path, top, length) != 0 || (path[length] && path[length] != '/'))
		return NULL;
	path += length;
	while (*path == '/')
		path++;
	return *path ? path : ".";
}

/* A mount of the old root's own file system (mount --bind) would show what is no longer there: the
 * same is made of the new one, with its flags, and what is mounted on it is moved there. */
static int bind_again(const struct plan *plan, const struct mount *bind, const char *to,
		int old_root, int new_root)
{
	const char *what = in_new_root(plan, bind->root), *point = bind->point + 1;
	auto_close int tree = what ? sys_clone_tree(new_root, what) : -EXDEV;
	int result = tree < 0 ? tree : sys_move_mount(tree, "", new_root, to);

	if (result < 0)
		return result;
	set_flags(new_root, to, bind->options);
	for (size_t i = 0; i < plan->mounts.count; i++) {
		const struct mount *below = &plan->mounts.list[i];
		char path[PATH_MAX];

		if (below->parent != bind->id)
			continue;
		(void)snprintf(path, sizeof(path), "%s%s", to, below->point + strlen(bind->point));
		result = sys_move_mount(old_root, below->point + 1, new_root, path);
		if (result < 0)
			return result;
	}
	detach(old_root, point);
	return 0;
}

static void warn_of(const struct mount *mount, int error)
{
	(void)log_warning(error, "moving the mount %s to the new root: it stays behind",
			mount->point);
}

static void carry_mount(const struct plan *plan, const struct mount *mount, const char *to,
		int old_root, int new_root)
{
	const char *point = mount->point + 1;
	int result;

	if ((plan->source == SOURCE_REAL_ROOT || plan->source == SOURCE_DIRECTORY) &&
			mkdirat(new_root, to, 0755) != 0 && errno != EEXIST)
		(void)log_warning(errno, "mkdir /%s in the new root", to);
	if (plan->source != SOURCE_INITRAMFS && !has_place(new_root, to)) {
		detach(old_root, point);
		return;
	}
	if (plan_copies(plan) && strcmp(mount->device, plan->root_mount->device) == 0) {
		result = bind_again(plan, mount, to, old_root, new_root);
	} else {
		result = sys_move_mount(old_root, point, new_root, to);
	}
	if (result < 0)
		warn_of(mount, result);
}

/* Takes the mounts along; their submounts come with them. Those on NEWROOT go first: they are there
 * already when the initramfs's own would come on top. */
static void carry_mounts(const struct plan *plan, int old_root, int new_root)
{
	for (int own = plan->new_root_mount != 0; own >= 0; own--)
		for (size_t i = 0; i < plan->mounts.count; i++) {
			const struct mount *mount = &plan->mounts.list[i];
			const char *to = plan_carries(plan, mount);

			if (to && (own != 0) == (mount->parent == plan->new_root_mount))
				carry_mount(plan, mount, to, old_root, new_root);
		}
}

/* An overlay names the directories of its layers: is one on what is mounted on POINT? */
static bool is_layer(const char *data, const char *point)
{
	size_t length = strlen(point);
	const char *at = data;

	while ((at = strstr(at, point))) {
		char before = at > data ? at[-1] : ' ', after = at[length];

		if ((before == '=' || before == ':') && (!after || strchr(":,/", after)))
			return true;
		at++;
	}
	return false;
}

/* The layers of a real root that was copied were mounted for it alone. They are on what was
 * carried, from NEWROOT perhaps, or, in OLD_ROOT where that is not -1, left behind. */
static void release_layers(const struct plan *plan, int old_root)
{
	const struct mount *root = mounts_find(&plan->mounts, plan->new_root_mount);
	size_t length = strlen(root->point);

	for (size_t i = plan->mounts.count; strcmp(root->type, "overlay") == 0 && i-- > 0;) {
		const char *point = plan->mounts.list[i].point, *now = point;

		if (strncmp(point, root->point, length) == 0 && point[length] == '/')
			now += length;
		if (!now[1] || mounts_is_api(now + 1) || !is_layer(root->data, now))
			continue;
		if (umount2(now, 0) != 0 && (old_root < 0 || fchdir(old_root) != 0 ||
							    umount2(point + 1, 0) != 0))
			(void)log_warning(errno, IN_USE);
	}
}

/* The real root has been copied: its device may go away. */
static void release_new_root(const struct plan *plan, int old_root)
{
	const struct mount *mount = mounts_find(&plan->mounts, plan->new_root_mount);

	if (!mount || fchdir(old_root) != 0)
		return;
	if (plan->source != SOURCE_REAL_ROOT) { /* the bind mount of what was moved */
		detach(old_root, mount->point + 1);
		return;
	}
	if (umount2(mount->point + 1, 0) != 0) {
		(void)log_warning(errno, IN_USE);
		if (umount2(mount->point + 1, MNT_DETACH) != 0)
			(void)log_warning(errno, "unmounting the real root lazily");
	}
	release_layers(plan, old_root);
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

/* method=bind: the rootfs once more, as a mount that has a parent. Its limits come here, since the
 * kernel may refuse them. */
static int bind_root(const struct options *options)
{
	auto_close int tree = sys_clone_tree(AT_FDCWD, "/");
	int result = tree < 0		      ? log_error(tree, "binding / over itself")
		     : options->tmpfs_options ? tmpfs_limit(AT_FDCWD, options->tmpfs_options)
					      : 0;

	return result < 0 ? result : take_fd(&tree);
}

static const char release[] = "etc/os-release";

static int set_times(int root, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	return utimensat(root, name, times, AT_SYMLINK_NOFOLLOW);
}

/* At once, or not at all. */
static void link_release(int root, const char *to)
{
	static const char new[] = "etc/os-release.tmpfsroot";

	(void)unlinkat(root, new, 0); /* of one that was killed */
	if (symlinkat(to, root, new) == 0 && renameat(root, new, root, release) == 0)
		return;
	(void)log_warning(errno, "making /%s lead to %s", release, to);
	(void)unlinkat(root, new, 0);
}

/* Where it is a symlink that leads nowhere, 0: then BEFORE has what it is. Else 1, or a negative
 * errno, -ENOENT where there is none. */
static int read_release(int root, struct release *before)
{
	auto_close int fd = sys_open_in_root(root, release, O_PATH | O_CLOEXEC);

	if (fd != -ENOENT)
		return fd < 0 ? fd : 1;
	if (fstatat(root, "etc", &before->etc, 0) != 0 ||
			fstatat(root, release, &before->link, AT_SYMLINK_NOFOLLOW) != 0 ||
			readlinkat(root, release, before->to, sizeof(before->to) - 1) < 0)
		return -errno;
	return 0;
}

/* dracut makes it a symlink to etc/initrd-release, and that to what usr/lib/os-release is, too. */
void switch_mend_release(const char *new_root, struct release *before)
{
	static const char to[] = "../usr/lib/os-release";
	auto_close int root = open(new_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int result = root < 0 ? -errno : 0;

	*before = (struct release){ .to = "" };
	if (root >= 0)
		result = read_release(root, before);
	if (result == 0)
		link_release(root, to);
	else if (result < 0 && result != -ENOENT)
		(void)log_warning(result, "making /%s lead to %s", release, to);
}

void switch_restore_release(const char *new_root, const struct release *before)
{
	const struct stat *link = &before->link, *etc = &before->etc;
	auto_close int root = before->to[0] ? open(new_root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	if (!before->to[0])
		return;
	link_release(root, before->to);
	if (fchownat(root, release, link->st_uid, link->st_gid, AT_SYMLINK_NOFOLLOW) != 0 ||
			set_times(root, release, link) != 0 || set_times(root, "etc", etc) != 0)
		(void)log_warning(errno, "restoring the owner and times of /%s", release);
}

/* After the point of no return: nothing is refused any more. */
static void settle(struct plan *plan, const struct options *options, int old_root, int new_root,
		const int made[static API_MAX])
{
	struct sys_stat old;
	struct release before;

	carry_mounts(plan, old_root, new_root);
	attach_made(new_root, made);
	if (plan->source != SOURCE_NEW_ROOT) {
		if (plan->source != SOURCE_REAL_ROOT && sys_stat(old_root, "", &old) == 0)
			reopen_console(&old);
		close_fd(&plan->new_root);
		close_fd(&plan->clone);
		close_fd(&plan->tree);
		release_new_root(plan, old_root);
	}
	if (plan->method == METHOD_BIND && plan->new_root_path &&
			unlink("/etc/initrd-release") != 0 && errno != ENOENT)
		(void)log_warning(errno, "unlink /etc/initrd-release");
	if (plan->source == SOURCE_INITRAMFS && plan->new_root_path)
		switch_mend_release("/", &before);
	if (!plan->initramfs)
		log_message(LOG_INFO, "the old root is %s, not an initramfs: it stays as it is",
				plan->root_mount->type);
	else if (!options->persist && plan->method == METHOD_COPY)
		remove_old_root(plan, old_root);
	if (plan->method == METHOD_BIND && chmod("/", 0755) != 0)
		(void)log_warning(errno, "chmod /");
	if (chdir("/") != 0)
		(void)log_warning(errno, "chdir /");
}

/* Where it cannot be entered a root that was made here is taken off again, and NEWROOT goes back to
 * its place. What was unmounted can be mounted nowhere else: the plan gets a clone of it. *CALL is
 * what failed. */
static int enter_new_root(struct plan *plan, int old_root, int new_root, const char **call)
{
	int error, result = 0, clone;

	*call = fchdir(new_root) != 0 ? "fchdir" : chroot(".") != 0 ? "chroot" : NULL;
	if (!*call)
		return 0;
	error = errno;
	clone = plan_copies(plan) ? sys_clone_tree(new_root, "") : -1;
	if (clone >= 0) {
		new_root = plan->target;
		plan->target = clone;
	}
	if (plan->source == SOURCE_NEW_ROOT)
		result = sys_move_mount(new_root, "", old_root, plan->new_root_path + 1);
	else if (fchdir(new_root) != 0 || umount2(".", MNT_DETACH) != 0)
		result = -errno;
	if (result < 0)
		(void)log_warning(result, "unmounting the new root");
	if (clone >= 0)
		close_fd(&new_root);
	return chdir("/") == 0 ? -error : -errno;
}

int switch_to(struct plan *plan, const struct options *options)
{
	auto_close int old_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), bound = -1;
	int made[API_MAX], new_root = plan_copies(plan) ? plan->target : plan->new_root, result;
	const char *call = "move_mount";

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
		result = enter_new_root(plan, old_root, new_root, &call);
	if (result == 0)
		settle(plan, options, old_root, new_root, made);
	for (size_t i = 0; i < API_MAX; i++)
		close_fd(&made[i]);
	return result < 0 ? log_error(result,
					    "moving the new root onto /: %s: %m; nothing was "
					    "taken from the old one",
					    call)
			  : 0;
}

/* A mount of what was moved would show what is no longer there: the same is made of the target. But
 * systemd's own, a read-only /usr for its initramfs, is none of the new root's. */
static bool is_of_source(const struct plan *plan, const struct mount *mount)
{
	return plan_moves(plan) && strcmp(mount->device, plan->root_mount->device) == 0;
}

static bool lies_on_new_root(const struct plan *plan, const struct mount *mount)
{
	return plan->new_root_mount && mount->parent == plan->new_root_mount;
}

/* PID 1 takes the API file systems along, but where NEWROOT has its own. BACK: is it of NEWROOT? */
static bool is_taken_along(const struct plan *plan, const struct mount *mount, bool back)
{
	const char *to = plan_carries(plan, mount);

	return to && (lies_on_new_root(plan, mount) || (!back && !mounts_is_api(to))) &&
	       (!is_of_source(plan, mount) || strcmp(mount->root, mount->point) != 0);
}

/* What lies on it is then not unmounted with what lies on those that it is shared with. */
static void make_private(const char *path)
{
	if (mount(NULL, path, NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		(void)log_warning(errno, "making the mount %s private", path);
}

/* Is it cloned: itself, or as a part of what is? A mount of what is moved is made anew of the
 * target, and what lies on that is cloned. */
static bool is_cloned(const struct plan *plan, const struct mount *at, bool back)
{
	const struct mount *parent;

	if (is_taken_along(plan, at, back))
		return !is_of_source(plan, at);
	parent = mounts_find(&plan->mounts, at->parent);
	return parent && parent != at && is_taken_along(plan, parent, back) &&
	       is_of_source(plan, parent);
}

/* Mounts are shared under systemd, and the kernel moves none out of a shared one: what is carried
 * is cloned and attached anew, and the first is unmounted. Where the path is no mount point the
 * mount is hidden by another one. */
static void clone_mounts(struct plan *plan, bool back)
{
	for (size_t i = 0; i < plan->mounts.count; i++) {
		struct mount *at = &plan->mounts.list[i];

		if (!is_cloned(plan, at, back))
			continue;
		close_fd(&at->clone);
		at->clone = sys_is_mount_point(at->point) ? sys_clone_mounts(at->point) : -EINVAL;
		if (at->clone < 0 && !back)
			warn_of(at, at->clone);
	}
	for (size_t i = 0; !back && i < plan->mounts.count; i++)
		if (lies_on_new_root(plan, &plan->mounts.list[i]) &&
				sys_is_mount_point(plan->mounts.list[i].point))
			make_private(plan->mounts.list[i].point);
}

static bool attach_clone(struct mount *at, int root, const char *to, bool back)
{
	int result = at->clone;

	if (result >= 0)
		result = sys_move_mount(at->clone, "", root, to);
	if (result < 0 && back)
		(void)log_warning(result, "mounting %s again", at->point);
	else if (result < 0)
		warn_of(at, result);
	close_fd(&at->clone);
	return result >= 0;
}

/* Of what is moved, and what lies on it. */
static void bind_anew(struct plan *plan, struct mount *at, int root, const char *to, bool back)
{
	const char *what = in_new_root(plan, at->root);
	char path[PATH_MAX];

	at->clone = what ? sys_clone_tree(root, what) : -EXDEV;
	if (!attach_clone(at, root, to, back))
		return;
	set_flags(root, to, at->options);
	for (size_t i = 0; i < plan->mounts.count; i++) {
		struct mount *on = &plan->mounts.list[i];

		if (on->parent != at->id || on->clone < 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s%s", to, on->point + strlen(at->point));
		(void)attach_clone(on, root, path, back);
	}
}

/* To ROOT, which is mounted on NEWROOT. */
static void attach_clones(struct plan *plan, int root, bool back)
{
	for (size_t i = 0; i < plan->mounts.count; i++) {
		struct mount *at = &plan->mounts.list[i];
		const char *to = plan_carries(plan, at);
		bool of_source = is_of_source(plan, at);

		if (!is_taken_along(plan, at, back) || (at->clone < 0 && !of_source))
			continue;
		if (mkdirat(root, to, 0755) != 0 && errno != EEXIST)
			(void)log_warning(errno, "mkdir %s", at->point);
		if (of_source)
			bind_anew(plan, at, root, to, back);
		else
			(void)attach_clone(at, root, to, back);
	}
}

static void put_new_root_back(struct plan *plan)
{
	int result;

	if (!plan->new_root_mount)
		return;
	result = sys_move_mount(plan->clone, "", AT_FDCWD, plan->new_root_path);
	plan->bare = result == 0;
	if (result < 0)
		(void)log_warning(result, "mounting the tree on %s again", plan->new_root_path);
}

/* What lies on NEWROOT, and then that itself. What is in use there makes the rest lazy; of what is
 * carried it does not matter. */
static void unmount_new_root(const struct plan *plan)
{
	bool lazily = plan->source != SOURCE_REAL_ROOT;

	for (size_t i = plan->mounts.count; !lazily && i-- > 0;) {
		const struct mount *at = &plan->mounts.list[i];

		while (!lazily && lies_on_new_root(plan, at) && sys_is_mount_point(at->point))
			lazily = umount2(at->point, at->clone >= 0 ? MNT_DETACH : 0) != 0;
	}
	if (!lazily && umount2(plan->new_root_path, 0) == 0)
		return;
	if (plan->source == SOURCE_REAL_ROOT)
		(void)log_warning(errno, IN_USE);
	if (umount2(plan->new_root_path, MNT_DETACH) != 0)
		(void)log_warning(errno, "unmounting %s", plan->new_root_path);
}

/* Where NEWROOT shows something of the initramfs, what was mounted on it was there as well. */
static void unmount_hidden(const struct plan *plan)
{
	for (size_t i = 0; i < plan->mounts.count; i++) {
		const struct mount *at = &plan->mounts.list[i];

		if (!lies_on_new_root(plan, at) || !sys_is_mount_point(at->point))
			continue;
		make_private(at->point);
		if (umount2(at->point, MNT_DETACH) != 0)
			(void)log_warning(errno, "unmounting %s below the new root", at->point);
	}
}

int switch_place(struct plan *plan)
{
	auto_close int top = sys_clone_tree(plan->target, "");
	int result;

	if (top < 0)
		return log_error(top, "cloning the mount of the target");
	clone_mounts(plan, false);
	close_fd(&plan->new_root);
	if (plan->new_root_mount) {
		unmount_new_root(plan);
		unmount_hidden(plan);
	}
	result = sys_move_mount(top, "", AT_FDCWD, plan->new_root_path);
	if (result < 0) {
		(void)log_error(result, "mounting the target on %s", plan->new_root_path);
		put_new_root_back(plan);
	} else {
		/* first: what is attached to one of two mounts that share goes with the other */
		tmpfs_detach();
		plan->attached = false;
		attach_clones(plan, top, false);
	}
	if (result == 0 && plan->source == SOURCE_REAL_ROOT) {
		close_fd(&plan->tree);
		close_fd(&plan->clone);
		release_layers(plan, -1);
	}
	return result;
}

/* The tree is in the tmpfs alone, until it is given back: that stays where it can be found. */
void switch_displace(struct plan *plan)
{
	int kept = sys_clone_tree(AT_FDCWD, plan->new_root_path);

	if (kept < 0)
		(void)log_warning(kept, "cloning the mount %s", plan->new_root_path);
	else
		plan->attached = tmpfs_attach(kept) == 0;
	close_fd(&kept);
	clone_mounts(plan, true);
	make_private(plan->new_root_path);
	if (umount2(plan->new_root_path, MNT_DETACH) != 0)
		(void)log_warning(errno, "unmounting %s", plan->new_root_path);
	put_new_root_back(plan);
}

/* Not before: the way back would walk into them. */
void switch_replace_mounts(struct plan *plan)
{
	if (plan->bare)
		attach_clones(plan, plan->clone, true);
	plan->bare = false;
}
