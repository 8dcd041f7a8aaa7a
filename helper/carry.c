/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "carry.h"

#include "log.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define IN_USE "unmounting the real root: its device stays in use until what holds it ends"

/* Is PATH the directory TOP or below it? Returns the rest without a leading slash, "" for TOP
 * itself, or NULL. */
static const char *rest_of(const char *path, const char *top)
{
	size_t length = strcmp(top, "/") == 0 ? 0 : strlen(top);

	if (strncmp(path, top, length) != 0 || (path[length] && path[length] != '/'))
		return NULL;
	return path[length] ? path + length + 1 : "";
}

static bool is_below_api(const char *point)
{
	for (size_t i = 0; i < api_mounts_count; i++)
		if (rest_of(point, api_mounts[i].point))
			return true;
	return false;
}

/* The mount of the file system that the tree is on. */
static const struct mount *tree_mount(const struct source *source)
{
	return source->kind == SOURCE_REAL_ROOT ? source->new_root_mount : source->root_mount;
}

/* A bind mount of what is moved or copied shows what is no longer there, or keeps a device in use.
 */
static bool is_of_tree(const struct source *source, const struct mount *mount)
{
	return source_copies(source) && strcmp(mount->device, tree_mount(source)->device) == 0;
}

/* What a bind mount of the tree's file system shows, as a path of the new root; NULL where it is
 * not a part of the tree. */
static const char *shown_by(const struct source *source, const struct mount *mount)
{
	const char *top = source->kind == SOURCE_INITRAMFS ? source->root_mount->root
			  : source->new_root_mount	   ? source->new_root_mount->root
							   : source->path;
	const char *rest = rest_of(mount->root, top);

	return !rest || *rest ? rest : ".";
}

/* systemd's own: it makes /usr of its initramfs read-only in this way. */
static bool is_of_initrd(const struct source *source, const struct mount *mount)
{
	return source->role == ROLE_SERVICE && is_of_tree(source, mount) &&
	       strcmp(mount->root, mount->point) == 0;
}

/* An overlay names the directories of its layers: is one of them on what is mounted on POINT? */
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

static bool is_let_go(const struct source *source, const struct mount *mount)
{
	const struct mount *root = source->new_root_mount;

	return source->kind == SOURCE_REAL_ROOT && strcmp(root->type, "overlay") == 0 &&
	       !mounts_is_api(mount->point + 1) && is_layer(root->data, mount->point);
}

/* Where the mount is in the new root. Of the mounts elsewhere a NEWROOT gets the API file systems,
 * and what lies on them; where systemd is PID 1 it takes those along. */
static const char *path_in_new_root(const struct source *source, const struct mount *mount)
{
	const char *below = source_below(source, mount->point);
	bool api = is_below_api(mount->point);

	if (below)
		return source->kind == SOURCE_NEW_ROOT ? NULL : below;
	if (source->role == ROLE_SERVICE && api)
		return NULL;
	return source->kind == SOURCE_INITRAMFS || api ? mount->point + 1 : NULL;
}

/* Is it the mount that its path leads to, and not hidden by another one? */
static bool is_seen(const struct mount *mount)
{
	struct sys_stat st;

	return sys_stat(AT_FDCWD, mount->point, &st) == 0 && st.mnt_id == mount->id;
}

/* Where mounts are shared, and NEWROOT shows something of the initramfs, what is mounted on one of
 * the two is on the other as well. Is a copy of the mount, which would be at TO, carried? */
static bool is_copy(const struct source *source, const struct mount *mount, const char *to)
{
	for (size_t i = 0; i < source->mounts.count; i++) {
		const struct mount *other = &source->mounts.list[i];

		if (other != mount && other->to && strcmp(other->to, to) == 0 &&
				strcmp(other->device, mount->device) == 0 &&
				strcmp(other->root, mount->root) == 0)
			return true;
	}
	return false;
}

static int give_fate(const struct source *source, struct mount *mount)
{
	const char *to = path_in_new_root(source, mount);

	if (is_let_go(source, mount)) {
		mount->fate = FATE_LET_GO;
	} else if (to && is_seen(mount) && !is_of_initrd(source, mount) &&
			!is_copy(source, mount, to)) {
		bool anew = is_of_tree(source, mount) && shown_by(source, mount);

		if (is_of_tree(source, mount) && !anew && source_moves(source))
			return log_error(0,
					"the mount %s shows a part of the initramfs that is not "
					"moved: unmount it before the move",
					mount->point);
		mount->fate = anew ? FATE_ANEW : FATE_CARRIED;
		mount->to = to;
	}
	return 0;
}

/* NEWROOT's own come first: of two that are the same they stay. */
int carry_plan(struct source *source)
{
	int result = 0;

	for (int own = 1; own >= 0; own--)
		for (size_t i = 0; result == 0 && i < source->mounts.count; i++) {
			struct mount *mount = &source->mounts.list[i];
			bool below = source_below(source, mount->point) != NULL;

			if (mount != source->root_mount && mount != source->new_root_mount &&
					below == (own != 0))
				result = give_fate(source, mount);
		}
	return result;
}

bool carry_has(const struct source *source, const char *path)
{
	for (size_t i = 0; i < source->mounts.count; i++) {
		const char *to = source->mounts.list[i].to;

		if (to && strcmp(to, path + 1) == 0)
			return true;
	}
	return false;
}

bool carry_is_api_only(const struct source *source)
{
	for (size_t i = 0; i < source->mounts.count; i++) {
		const struct mount *mount = &source->mounts.list[i];

		if (mount->to && !is_below_api(mount->point))
			return false;
	}
	return true;
}

static void print_fate(const struct source *source, enum fate fate, const char *title, FILE *out)
{
	(void)fputs(title, out);
	for (size_t i = 0; i < source->mounts.count; i++) {
		const struct mount *mount = &source->mounts.list[i];

		if (mount->fate == fate)
			(void)fprintf(out, " %s%s", mount->to ? "/" : "",
					mount->to ? mount->to : mount->point);
	}
	(void)fputs("\n", out);
}

void carry_print(const struct source *source, FILE *out)
{
	print_fate(source, FATE_CARRIED, "mounts to carry:", out);
	print_fate(source, FATE_ANEW, "bind mounts to make anew:", out);
	print_fate(source, FATE_LET_GO, "mounts to let go:", out);
	(void)fputs("mounts to make:", out);
	for (size_t i = 0; i < api_mounts_count && source->kind != SOURCE_NEW_ROOT; i++)
		if (!carry_has(source, api_mounts[i].point))
			(void)fprintf(out, " %s", api_mounts[i].point);
	(void)fputs("\n", out);
}

static int begin(const struct source *source, struct carried *carried)
{
	for (size_t i = 0; i < ARRAY_SIZE(carried->made); i++)
		carried->made[i] = -1;
	carried->clones = malloc((source->mounts.count + 1) * sizeof(*carried->clones));
	if (!carried->clones)
		return log_error(ENOMEM, "noting the mounts to carry");
	for (size_t i = 0; i < source->mounts.count; i++)
		carried->clones[i] = -1;
	return 0;
}

/* A kernel without one of them is found out before anything has changed. */
static void make_missing(const struct source *source, struct carried *carried)
{
	if (source->role == ROLE_SERVICE || source->kind == SOURCE_NEW_ROOT)
		return;
	for (size_t i = 0; i < api_mounts_count; i++) {
		const struct api_mount *api = &api_mounts[i];

		if (carry_has(source, api->point))
			continue;
		carried->made[i] = mounts_make(api);
		if (carried->made[i] < 0)
			(void)log_warning(carried->made[i],
					"making a %s for %s: it will not be there", api->type,
					api->point);
	}
}

int carry_begin(const struct source *source, struct carried *carried)
{
	int result = begin(source, carried);

	for (size_t i = 0; result == 0 && i < source->mounts.count; i++) {
		const struct mount *mount = &source->mounts.list[i];

		if (mount->fate != FATE_CARRIED)
			continue;
		carried->clones[i] = sys_clone_tree(AT_FDCWD, mount->point);
		if (carried->clones[i] < 0)
			result = log_error(carried->clones[i],
					"cloning the mount %s: %m; is it unbindable? make it "
					"private, or "
					"unmount it",
					mount->point);
	}
	if (result == 0)
		make_missing(source, carried);
	return result;
}

int carry_again(const struct source *source, struct carried *carried)
{
	int result = begin(source, carried);

	for (size_t i = 0; result == 0 && i < source->mounts.count; i++) {
		const struct mount *mount = &source->mounts.list[i];

		if (mount->fate != FATE_CARRIED || !source_below(source, mount->point) ||
				!sys_is_mount_point(mount->point))
			continue;
		carried->clones[i] = sys_clone_tree(AT_FDCWD, mount->point);
		if (carried->clones[i] < 0)
			(void)log_warning(carried->clones[i], "cloning the mount %s", mount->point);
	}
	return result;
}

/* The flags of a mount, from mountinfo's options: MS_*. */
static unsigned long flags_of(const char *options)
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

/* Makes the mount point TO, a directory or a file as what is mounted on it, with the directories
 * that lead there, where it was left out or has never been. */
static void make_point(int new_root, const char *to, const struct sys_stat *what)
{
	char path[PATH_MAX];
	auto_close int file = -1;

	if (faccessat(new_root, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return;
	for (const char *slash = strchr(to, '/'); slash; slash = strchr(slash + 1, '/')) {
		(void)snprintf(path, sizeof(path), "%.*s", (int)(slash - to), to);
		(void)mkdirat(new_root, path, 0755);
	}
	if (S_ISDIR(what->mode) ? mkdirat(new_root, to, 0755) != 0
				: (file = openat(new_root, to, O_WRONLY | O_CREAT | O_CLOEXEC,
						   0644)) < 0)
		(void)log_warning(errno, "making the mount point /%s", to);
}

static int bind_anew(const struct source *source, const struct mount *bind, int new_root)
{
	const char *shown = shown_by(source, bind);
	auto_close int clone = sys_clone_tree(new_root, shown);
	struct sys_stat what;
	int result = clone < 0 ? clone : sys_stat(clone, "", &what);

	if (result < 0)
		return result;
	make_point(new_root, bind->to, &what);
	result = sys_move_mount(clone, "", new_root, bind->to);
	if (result < 0)
		return result;
	if (fchdir(new_root) != 0 ||
			mount(NULL, bind->to, NULL, MS_REMOUNT | MS_BIND | flags_of(bind->options),
					NULL) != 0)
		(void)log_warning(errno, "setting the flags %s of the mount /%s", bind->options,
				bind->to);
	return 0;
}

/* A plain switch leaves alone what NEWROOT has mounted already, or has no place for. */
static bool has_place(const struct source *source, int clone, int new_root, const char *to)
{
	struct sys_stat what, st;

	if (source->kind == SOURCE_NEW_ROOT)
		return sys_stat(new_root, to, &st) == 0 &&
		       (!(st.attributes & SYS_STAT_ATTR_MOUNT_ROOT) || strchr(to, '/'));
	if (sys_stat(clone, "", &what) == 0)
		make_point(new_root, to, &what);
	return true;
}

static void attach_made(struct carried *carried, int new_root)
{
	for (size_t i = 0; i < api_mounts_count; i++) {
		const char *point = api_mounts[i].point + 1;
		int result;

		if (carried->made[i] < 0)
			continue;
		if (mkdirat(new_root, point, 0755) != 0 && errno != EEXIST)
			(void)log_warning(errno, "mkdir /%s", point);
		result = sys_move_mount(carried->made[i], "", new_root, point);
		if (result < 0)
			(void)log_warning(result, "mounting /%s", point);
	}
}

/* Attaches the mount. Returns 0, 1 where there is nothing to attach, or a negative errno. */
static int attach(const struct source *source, const struct mount *mount, int clone, int new_root)
{
	if (mount->fate == FATE_ANEW)
		return bind_anew(source, mount, new_root);
	if (clone < 0 || !has_place(source, clone, new_root, mount->to))
		return 1;
	return sys_move_mount(clone, "", new_root, mount->to);
}

/* A clone is shared with what it was cloned from, and what is attached to the one would appear on
 * the other: so each is private until all are attached. */
void carry_attach(const struct source *source, struct carried *carried, int new_root)
{
	bool here = fchdir(new_root) == 0;

	for (size_t i = 0; i < source->mounts.count; i++) {
		const struct mount *at = &source->mounts.list[i];
		int result = attach(source, at, carried->clones[i], new_root);

		close_fd(&carried->clones[i]);
		if (result == 0 && (!here || mount(NULL, at->to, NULL, MS_PRIVATE, NULL) != 0))
			(void)log_warning(errno, "making the mount /%s private", at->to);
		else if (result < 0)
			(void)log_warning(result,
					"attaching the mount %s to the new root: it is missing "
					"there",
					at->point);
	}
	for (size_t i = 0; here && i < source->mounts.count; i++) {
		const struct mount *at = &source->mounts.list[i];

		if (at->to && at->peers) /* fails only where it was not attached, which was told */
			(void)mount(NULL, at->to, NULL, MS_SHARED, NULL);
	}
	attach_made(carried, new_root);
}

void carry_detach(const struct source *source, int old_root)
{
	for (size_t i = source->mounts.count; i-- > 0;) {
		const struct mount *mount = &source->mounts.list[i];

		if (mount->fate != FATE_CARRIED && mount->fate != FATE_ANEW)
			continue;
		if (fchdir(old_root) != 0 || umount2(mount->point + 1, MNT_DETACH) != 0)
			(void)log_warning(errno, "unmounting %s of the old root", mount->point);
	}
}

/* Does it lie below NEWROOT, where it can be seen now, and is it carried, or a copy of one that is?
 */
static bool is_below(const struct source *source, const struct mount *mount)
{
	const char *below = source_below(source, mount->point);

	return below && is_seen(mount) && (mount->to || is_copy(source, mount, below));
}

void carry_unmount(const struct source *source)
{
	const struct mounts *mounts = &source->mounts;

	for (size_t i = 0; i < mounts->count; i++)
		if (is_below(source, &mounts->list[i]) &&
				mount(NULL, mounts->list[i].point, NULL, MS_PRIVATE, NULL) != 0)
			(void)log_warning(errno, "making the mount %s private",
					mounts->list[i].point);
	for (size_t i = mounts->count; i-- > 0;)
		if (is_below(source, &mounts->list[i]) &&
				umount2(mounts->list[i].point, MNT_DETACH) != 0)
			(void)log_warning(errno, "unmounting %s below the new root",
					mounts->list[i].point);
}

void carry_let_go(const struct source *source, int old_root)
{
	for (size_t i = source->mounts.count; i-- > 0;) {
		const struct mount *mount = &source->mounts.list[i];

		if (mount->fate == FATE_LET_GO &&
				(fchdir(old_root) != 0 || umount2(mount->point + 1, 0) != 0))
			(void)log_warning(errno, IN_USE);
	}
}

void carry_free(const struct source *source, struct carried *carried)
{
	for (size_t i = 0; carried->clones && i < source->mounts.count; i++)
		close_fd(&carried->clones[i]);
	for (size_t i = 0; carried->clones && i < ARRAY_SIZE(carried->made); i++)
		close_fd(&carried->made[i]);
	free(carried->clones);
	carried->clones = NULL;
}
