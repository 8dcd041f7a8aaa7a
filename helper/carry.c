/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "carry.h"

#include "layers.h"
#include "log.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define MS_NO_SYMLINKS 256UL /* MS_NOSYMFOLLOW of Linux 5.10 */

static bool is_below_api(const char *point)
{
	for (size_t i = 0; i < api_mounts_count; i++)
		if (mounts_rest(point, api_mounts[i].point))
			return true;
	return false;
}

/* The part that a bind mount of the tree that is moved or copied shows, as a path of the new root;
 * NULL where it is no part of that. */
static const char *shown_by(const struct source *source, const struct mount *mount)
{
	const struct mount *tree = source->kind == SOURCE_REAL_ROOT ? source->new_root_mount
								    : source->root_mount;
	const char *top = source->kind == SOURCE_INITRAMFS ? source->root_mount->root
			  : source->new_root_mount	   ? source->new_root_mount->root
							   : source->path;
	const char *rest = mounts_rest(mount->root, top);

	if (!source_copies(source) || strcmp(mount->device, tree->device) != 0)
		return NULL;
	return rest && !*rest ? "." : rest;
}

/* systemd's own: it makes /usr of its initramfs read-only in this way. */
static bool is_of_initrd(const struct source *source, const struct mount *mount)
{
	return source->role == ROLE_SERVICE && source->kind == SOURCE_INITRAMFS &&
	       shown_by(source, mount) && strcmp(mount->root, mount->point) == 0;
}

/* Is it the mount that its path leads to, and not hidden by another one? 1, 0 or a negative errno,
 * logged. */
static int is_seen(const struct mount *mount)
{
	struct sys_stat st;
	int result = sys_stat(AT_FDCWD, mount->point, &st);

	if (result == -ENOENT || result == -ENOTDIR || result == -EACCES)
		return 0;
	return result < 0 ? log_error(result, "stat of the mount %s", mount->point)
			  : st.mnt_id == mount->id;
}

/* NEWROOT's own mounts come before those elsewhere, with all that lies on them. Is TO such a place?
 */
static bool is_taken(const struct source *source, const char *to)
{
	for (size_t i = 0; i < source->mounts.count; i++) {
		const struct mount *other = &source->mounts.list[i];

		if (other->to && source_below(source, other->point) && mounts_rest(to, other->to))
			return true;
	}
	return false;
}

/* Where the mount is in the new root. Of the mounts elsewhere a NEWROOT gets the API file systems,
 * and what lies on them; where systemd is PID 1 it takes those along. */
static const char *path_in_new_root(const struct source *source, const struct mount *mount)
{
	const char *below = source_below(source, mount->point);
	bool api = is_below_api(mount->point);

	if (below)
		return below;
	if (source->role == ROLE_SERVICE && api)
		return NULL;
	if ((source->kind != SOURCE_INITRAMFS && !api) || is_taken(source, mount->point + 1))
		return NULL;
	return mount->point + 1;
}

static int give_fate(struct source *source, struct mount *mount)
{
	const char *to = path_in_new_root(source, mount);
	bool anew = shown_by(source, mount) != NULL, shows = layers_show_initramfs(source, mount);
	bool along = source->role == ROLE_SERVICE && is_below_api(mount->point);
	int seen = (to || along) && !is_of_initrd(source, mount) ? is_seen(mount) : 0;

	if (seen > 0 && (along || source->kind == SOURCE_NEW_ROOT))
		source->needs_initramfs |= shows;
	if (seen <= 0 || !to)
		return seen < 0 ? seen : 0;
	if (source_copies(source) && !anew && shows)
		return log_error(0,
				"the mount %s shows a part of the initramfs, which will not be "
				"there: unmount it before the move",
				mount->point);
	mount->to = to;
	mount->fate = anew ? FATE_ANEW : FATE_CARRIED;
	if (source->kind == SOURCE_NEW_ROOT && source_below(source, mount->point))
		mount->fate = FATE_KEPT;
	return 0;
}

int carry_plan(struct source *source)
{
	const struct mounts *mounts = &source->mounts;
	struct mount *new_root = source->new_root_mount;
	int result = 0;

	if (new_root && source->kind == SOURCE_NEW_ROOT) {
		new_root->fate = FATE_KEPT;
		source->needs_initramfs = layers_show_initramfs(source, new_root);
	} else if (new_root && source->kind == SOURCE_REAL_ROOT) {
		layers_let_go(source, new_root);
	} else if (new_root) {
		new_root->fate = FATE_LET_GO;
	}
	for (int own = 1; own >= 0; own--)
		for (size_t i = 0; result == 0 && i < mounts->count; i++) {
			struct mount *mount = &mounts->list[i];
			bool below = source_below(source, mount->point) != NULL;

			if (mount != source->root_mount && mount->fate == FATE_LEFT &&
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

void carry_print(const struct source *source, FILE *out)
{
	static const char *const titles[] = { [FATE_LEFT] = "mounts to leave:",
		[FATE_CARRIED] = "mounts to carry:",
		[FATE_ANEW] = "bind mounts to make anew:",
		[FATE_LET_GO] = "mounts to let go:",
		[FATE_KEPT] = "mounts that stay:" };

	for (size_t fate = 0; fate < ARRAY_SIZE(titles); fate++) {
		(void)fputs(titles[fate], out);
		for (size_t i = 0; i < source->mounts.count; i++) {
			const struct mount *mount = &source->mounts.list[i];

			if (mount->fate == (enum fate)fate && mount != source->root_mount)
				(void)fprintf(out, " %s", mount->point);
		}
		(void)fputs("\n", out);
	}
	(void)fputs("mounts to make:", out);
	for (size_t i = 0; i < api_mounts_count; i++)
		if (source->makes_mounts && source->kind != SOURCE_NEW_ROOT &&
				!carry_has(source, api_mounts[i].point))
			(void)fprintf(out, " %s", api_mounts[i].point);
	(void)fputs("\n", out);
}

/* A kernel without one of them is found out before anything has changed. */
static void make_missing(const struct source *source, struct carried *carried)
{
	if (!source->makes_mounts || source->kind == SOURCE_NEW_ROOT)
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

/* Is what the bind mount shows there by its path? It may have been deleted, or the file system
 * (NFS) does not tell which directory of it is mounted. */
static int check_anew(const struct source *source, const struct mount *mount, int clone)
{
	const char *shown = shown_by(source, mount);
	auto_close int fd = strcmp(shown, ".") == 0
					    ? fcntl(clone, F_DUPFD_CLOEXEC, 0)
					    : sys_open_below(clone, shown, O_PATH | O_CLOEXEC);
	struct sys_stat there, seen;
	int result = fd < 0 ? fd : sys_stat(fd, "", &there);

	if (result == 0)
		result = sys_stat(AT_FDCWD, mount->point, &seen);
	if (result == 0 && !sys_stat_is_same(&there, &seen))
		result = -ESTALE;
	return result < 0 ? log_error(result,
					    "the mount %s shows /%s of the tree: %m; unmount it "
					    "before "
					    "the move",
					    mount->point, shown)
			  : 0;
}

int carry_begin(const struct source *source, struct carried *carried, int clone)
{
	int result;

	for (size_t i = 0; i < ARRAY_SIZE(carried->made); i++)
		carried->made[i] = -1;
	carried->clones = malloc((source->mounts.count + 1) * sizeof(*carried->clones));
	if (!carried->clones)
		return log_error(ENOMEM, "noting the mounts to carry");
	for (size_t i = 0; i < source->mounts.count; i++)
		carried->clones[i] = -1;
	for (size_t i = 0; i < source->mounts.count; i++) {
		const struct mount *mount = &source->mounts.list[i];

		result = mount->fate == FATE_ANEW ? check_anew(source, mount, clone) : 0;
		if (result < 0)
			return result;
		if (mount->fate != FATE_CARRIED)
			continue;
		carried->clones[i] = sys_clone_tree(AT_FDCWD, mount->point);
		if (carried->clones[i] < 0)
			return log_error(carried->clones[i],
					"cloning the mount %s: %m; is it unbindable? make it "
					"private, or unmount it",
					mount->point);
	}
	make_missing(source, carried);
	return 0;
}

int carry_anew(const struct source *source, struct carried *carried, int new_root)
{
	for (size_t i = 0; i < source->mounts.count; i++) {
		const struct mount *mount = &source->mounts.list[i];

		if (mount->fate != FATE_ANEW)
			continue;
		carried->clones[i] = sys_clone_tree(new_root, shown_by(source, mount));
		if (carried->clones[i] < 0)
			return log_error(carried->clones[i], "binding /%s of the new root to /%s",
					shown_by(source, mount), mount->to);
	}
	return 0;
}

/* The flags of a mount, from mountinfo's options: MS_*. */
static unsigned long flags_of(const char *options)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} flags[] = { { "ro", MS_RDONLY }, { "nosuid", MS_NOSUID }, { "nodev", MS_NODEV },
		{ "noexec", MS_NOEXEC }, { "noatime", MS_NOATIME }, { "nodiratime", MS_NODIRATIME },
		{ "relatime", MS_RELATIME }, { "nosymfollow", MS_NO_SYMLINKS } };
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
static void make_point(int new_root, const char *to, int clone)
{
	struct sys_stat what;
	char path[PATH_MAX];
	auto_close int file = -1;

	if (faccessat(new_root, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
			sys_stat(clone, "", &what) < 0)
		return;
	for (const char *slash = strchr(to, '/'); slash; slash = strchr(slash + 1, '/')) {
		(void)snprintf(path, sizeof(path), "%.*s", (int)(slash - to), to);
		(void)mkdirat(new_root, path, 0755);
	}
	if (S_ISDIR(what.mode) ? mkdirat(new_root, to, 0755) != 0
			       : (file = openat(new_root, to, O_WRONLY | O_CREAT | O_CLOEXEC,
						  0644)) < 0)
		(void)log_warning(errno, "making the mount point /%s", to);
}

/* A clone is shared with what it was cloned from, and what is attached to the one would appear on
 * the other: so each is private until all are attached. */
static void attach(const struct mount *at, int clone, int new_root)
{
	int result = sys_move_mount(clone, "", new_root, at->to);

	if (result < 0) {
		(void)log_warning(result,
				"attaching the mount %s to the new root: it is missing there",
				at->point);
		return;
	}
	if (fchdir(new_root) != 0 || mount(NULL, at->to, NULL, MS_PRIVATE, NULL) != 0)
		(void)log_warning(errno, "making the mount /%s private", at->to);
	else if (at->fate == FATE_ANEW &&
			mount(NULL, at->to, NULL, MS_REMOUNT | MS_BIND | flags_of(at->options),
					NULL) != 0)
		(void)log_warning(errno, "setting the flags %s of the mount /%s", at->options,
				at->to);
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
		if (is_empty(new_root, point) == 0)
			log_message(LOG_INFO,
					"what the tree has in /%s is hidden by the %s that is "
					"mounted there",
					point, api_mounts[i].type);
		result = sys_move_mount(carried->made[i], "", new_root, point);
		if (result < 0)
			(void)log_warning(result, "mounting /%s", point);
	}
}

void carry_attach(const struct source *source, struct carried *carried, int new_root)
{
	const struct mounts *mounts = &source->mounts;

	for (size_t i = 0; i < mounts->count; i++) {
		const struct mount *at = &mounts->list[i];
		bool plain = source->kind == SOURCE_NEW_ROOT;

		if (carried->clones[i] < 0)
			continue;
		if (!plain)
			make_point(new_root, at->to, carried->clones[i]);
		/* a plain switch leaves out what NEWROOT has no place for */
		if (!plain || faccessat(new_root, at->to, F_OK, 0) == 0 || errno != ENOENT)
			attach(at, carried->clones[i], new_root);
		else
			log_message(LOG_INFO,
					"the new root has no /%s: what is mounted there is left",
					at->to);
		close_fd(&carried->clones[i]);
	}
	for (size_t i = 0; i < mounts->count; i++) {
		const struct mount *at = &mounts->list[i];

		if ((at->fate == FATE_CARRIED || at->fate == FATE_ANEW) && at->peers &&
				fchdir(new_root) == 0)
			/* fails only where it was not attached, which was told */
			(void)mount(NULL, at->to, NULL, MS_SHARED, NULL);
	}
	attach_made(carried, new_root);
}

/* Is it to be unmounted from the old root? */
static bool is_detached(const struct source *source, const struct mount *mount, bool all)
{
	bool on_new_root = strcmp(mount->point, source->path) == 0 ||
			   source_below(source, mount->point);

	if (mount == source->root_mount || mount->fate == FATE_KEPT)
		return false;
	if (source->role == ROLE_SERVICE &&
			(on_new_root || (mount->fate == FATE_LEFT && is_below_api(mount->point))))
		return false;
	return all || mount->fate != FATE_LEFT;
}

/* Unmounts what is seen of them below the current directory, and returns how many that were: what
 * one has hidden is seen then. */
static unsigned detach_seen(const struct source *source, bool all)
{
	unsigned count = 0;

	for (size_t i = source->mounts.count; i-- > 0;) {
		const struct mount *mount = &source->mounts.list[i];

		if (!is_detached(source, mount, all))
			continue;
		if (umount2(mount->point + 1, MNT_DETACH) == 0)
			count++;
		else if (errno != EINVAL && errno != ENOENT)
			(void)log_warning(errno, "unmounting %s of the old root", mount->point);
	}
	return count;
}

/* A mount that is taken off goes from those that it is shared with, too: so all are private first.
 */
void carry_detach(const struct source *source, int old_root, bool all)
{
	const struct mounts *mounts = &source->mounts;

	if (fchdir(old_root) != 0) {
		(void)log_warning(errno, "fchdir to the old root, whose mounts stay");
		return;
	}
	for (size_t i = 0; i < mounts->count; i++)
		if (is_detached(source, &mounts->list[i], all))
			(void)mount(NULL, mounts->list[i].point + 1, NULL, MS_PRIVATE, NULL);
	while (detach_seen(source, all) > 0)
		;
	layers_free(source);
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
