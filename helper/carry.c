/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "carry.h"

#include "log.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define LOOP_CLR_FD    0x4c01 /* linux/loop.h */
#define MS_NO_SYMLINKS 256UL /* MS_NOSYMFOLLOW of Linux 5.10 */

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

/* The mount that PATH is on, other than EXCEPT. The list has what lies on a mount behind it. */
static struct mount *mount_of(
		const struct source *source, const char *path, const struct mount *except)
{
	struct mount *found = NULL;

	for (size_t i = 0; i < source->mounts.count; i++) {
		struct mount *mount = &source->mounts.list[i];

		if (mount != except && rest_of(path, mount->point))
			found = mount;
	}
	return found;
}

/* The next directory that an overlay is made of, from its options AT, in which a backslash escapes
 * the next character. Returns the rest, or NULL where there is no other. */
static const char *next_layer(const char *at, char path[static PATH_MAX])
{
	size_t used = 0;

	while (*at && !((*at == '=' || *at == ':') && at[1] == '/'))
		at += *at == '\\' && at[1] ? 2 : 1;
	if (!*at)
		return NULL;
	for (at++; *at && *at != ',' && *at != ':' && used + 1 < PATH_MAX; at++) {
		if (*at == '\\' && at[1])
			at++;
		path[used++] = *at;
	}
	path[used] = '\0';
	return at;
}

static const char *first_layer(const struct mount *mount)
{
	return strcmp(mount->type, "overlay") == 0 ? mount->data : "";
}

/* The mount that a layer of OVERLAY is on. Its options do not know that dracut's init moves /run to
 * NEWROOT before the switch. */
static struct mount *mount_of_layer(
		const struct source *source, const struct mount *overlay, const char *path)
{
	struct mount *mount = mount_of(source, path, overlay), *moved;
	char other[2 * PATH_MAX];

	if (mount != source->root_mount || !source->path[0])
		return mount;
	(void)snprintf(other, sizeof(other), "%s%s", source->path, path);
	moved = mount_of(source, other, overlay);
	return moved && moved != source->new_root_mount ? moved : mount;
}

static void let_go(const struct source *source, struct mount *mount);

static void let_go_below(const struct source *source, struct mount *mount)
{
	const char *below = mount ? source_below(source, mount->point) : NULL;

	if (mount && mount != source->root_mount && mount->fate != FATE_LET_GO &&
			!mounts_is_api(below ? below : mount->point + 1))
		let_go(source, mount);
}

/* Lets go of a mount, and of those that it is made of: those that an overlay's layers are on, and
 * that of the file behind a loop device. */
static void let_go(const struct source *source, struct mount *mount)
{
	char path[PATH_MAX];
	auto_free char *file = NULL;

	mount->fate = FATE_LET_GO;
	for (const char *rest = first_layer(mount); (rest = next_layer(rest, path));)
		let_go_below(source, mount_of_layer(source, mount, path));
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%s/loop/backing_file", mount->device);
	if (read_file(AT_FDCWD, path, &file, NULL) < 0)
		return;
	file[strcspn(file, "\n")] = '\0';
	let_go_below(source, mount_of(source, file, mount));
}

/* Is a layer named from the directory that the overlay was mounted in, which nobody knows now? */
static bool has_relative_layer(const struct mount *mount)
{
	static const char *const keys[] = { "lowerdir=", "lowerdir+=", "upperdir=" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *layer = strstr(first_layer(mount), keys[i]);

		if (layer && layer[strlen(keys[i])] != '/')
			return true;
	}
	return false;
}

/* Does it show a part of the initramfs, which will not be there any more? */
static bool shows_initramfs(const struct source *source, const struct mount *mount)
{
	char path[PATH_MAX];

	if (!source->initramfs)
		return false;
	for (const char *rest = first_layer(mount); (rest = next_layer(rest, path));)
		if (mount_of_layer(source, mount, path) == source->root_mount)
			return true;
	return has_relative_layer(mount) || strcmp(mount->device, source->root_mount->device) == 0;
}

/* What a bind mount of the tree that is moved or copied shows, as a path of the new root; NULL
 * where it is no part of that. */
static const char *shown_by(const struct source *source, const struct mount *mount)
{
	const struct mount *tree = source->kind == SOURCE_REAL_ROOT ? source->new_root_mount
								    : source->root_mount;
	const char *top = source->kind == SOURCE_INITRAMFS ? source->root_mount->root
			  : source->new_root_mount	   ? source->new_root_mount->root
							   : source->path;
	const char *rest = rest_of(mount->root, top);

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

		if (other->to && source_below(source, other->point) && rest_of(to, other->to))
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
	bool anew = shown_by(source, mount) != NULL, shows = shows_initramfs(source, mount);
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
		source->needs_initramfs = shows_initramfs(source, new_root);
	} else if (new_root && source->kind == SOURCE_REAL_ROOT) {
		let_go(source, new_root);
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

/* A loop device that was made without autoclear holds its file. One that is in use yet is freed as
 * soon as it is not. */
static void free_loop(const struct mount *mount)
{
	auto_close int loop = strncmp(mount->source, "/dev/loop", 9) == 0
					      ? open(mount->source, O_RDONLY | O_CLOEXEC)
					      : -1;

	if (loop >= 0)
		(void)ioctl(loop, LOOP_CLR_FD, 0);
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

/* What is unmounted goes from the mounts that it is shared with, too: so all are private first. */
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
	for (size_t i = 0; i < mounts->count; i++)
		if (mounts->list[i].fate == FATE_LET_GO)
			free_loop(&mounts->list[i]);
}

void carry_check_free(const struct source *source)
{
	for (size_t i = 0; i < source->mounts.count; i++) {
		const struct mount *mount = &source->mounts.list[i];
		struct stat st;
		auto_close int device = -1;

		if (mount->fate != FATE_LET_GO || stat(mount->source, &st) != 0 ||
				!S_ISBLK(st.st_mode))
			continue;
		device = open(mount->source, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
		if (device < 0 && errno == EBUSY)
			(void)log_warning(0, "%s, which was mounted on %s, stays in use",
					mount->source, mount->point);
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
