/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "layers.h"

#include "log.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define LOOP_CLR_FD 0x4c01 /* linux/loop.h */

/* The mount that PATH is on, other than EXCEPT. The list has what lies on a mount behind it. */
static struct mount *mount_of(
		const struct source *source, const char *path, const struct mount *except)
{
	struct mount *found = NULL;

	for (size_t i = 0; i < source->mounts.count; i++) {
		struct mount *mount = &source->mounts.list[i];

		if (mount != except && mounts_rest(path, mount->point))
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

static void let_go_below(const struct source *source, struct mount *mount)
{
	const char *below = mount ? source_below(source, mount->point) : NULL;

	if (mount && mount != source->root_mount && mount->fate != FATE_LET_GO &&
			!mounts_is_api(below ? below : mount->point + 1))
		layers_let_go(source, mount);
}

void layers_let_go(const struct source *source, struct mount *mount)
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

bool layers_show_initramfs(const struct source *source, const struct mount *mount)
{
	char path[PATH_MAX];

	if (!source->initramfs)
		return false;
	for (const char *rest = first_layer(mount); (rest = next_layer(rest, path));)
		if (mount_of_layer(source, mount, path) == source->root_mount)
			return true;
	return has_relative_layer(mount) || strcmp(mount->device, source->root_mount->device) == 0;
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

void layers_free(const struct source *source)
{
	for (size_t i = 0; i < source->mounts.count; i++)
		if (source->mounts.list[i].fate == FATE_LET_GO)
			free_loop(&source->mounts.list[i]);
}

void layers_check_free(const struct source *source)
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
