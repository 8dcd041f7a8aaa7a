/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mounts.h"

#include "log.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOSUID SYS_MOUNT_ATTR_NOSUID
#define NODEV  SYS_MOUNT_ATTR_NODEV
#define NOEXEC SYS_MOUNT_ATTR_NOEXEC

/* In the order of mounting: /dev/pts is below /dev. */
const struct api_mount api_mounts[] = {
	{ "/proc", "proc", NOSUID | NODEV | NOEXEC, { { NULL } } },
	{ "/sys", "sysfs", NOSUID | NODEV | NOEXEC, { { NULL } } },
	{ "/dev", "devtmpfs", NOSUID, { { NULL } } },
	{ "/dev/pts", "devpts", NOSUID | NOEXEC,
			{ { "gid", "5" }, { "mode", "620" }, { "ptmxmode", "000" }, { NULL } } },
	{ "/run", "tmpfs", NOSUID | NODEV, { { "mode", "0755" }, { NULL } } },
};
const size_t api_mounts_count = ARRAY_SIZE(api_mounts);

/* Undoes \040 and the like, in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
				from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

static bool parse_id(const char *text, uint64_t *id)
{
	char *end;

	errno = 0;
	*id = strtoull(text ? text : "", &end, 10);
	return text && *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG...] - TYPE SOURCE SUPEROPTIONS */
static int parse_line(char *line, struct mount *mount)
{
	char *rest = line, *tag;
	bool ids = parse_id(strsep(&rest, " "), &mount->id);

	ids = parse_id(strsep(&rest, " "), &mount->parent) && ids;
	mount->device = strsep(&rest, " ");
	mount->root = strsep(&rest, " ");
	mount->point = strsep(&rest, " ");
	mount->options = strsep(&rest, " ");
	mount->peers = 0;
	while ((tag = strsep(&rest, " ")) && strcmp(tag, "-") != 0)
		if (strncmp(tag, "shared:", 7) == 0)
			mount->peers = strtoul(tag + 7, NULL, 10);
	mount->type = strsep(&rest, " ");
	mount->source = strsep(&rest, " ");
	mount->data = rest ? rest : line + strlen(line);
	if (!ids || !mount->source)
		return -EINVAL;
	unescape(mount->root);
	unescape(mount->point);
	unescape(mount->type);
	unescape(mount->source);
	unescape(mount->data);
	return 0;
}

/* Puts the last mount of LIST, the one with that INDEX, where its point's length belongs. */
static void sort_in(struct mount *list, size_t index)
{
	const struct mount mount = list[index];

	for (; index > 0 && strlen(list[index - 1].point) > strlen(mount.point); index--)
		list[index] = list[index - 1];
	list[index] = mount;
}

int mounts_parse(char *text, struct mounts *mounts)
{
	auto_free struct mount *list = NULL;
	size_t lines = 0, count = 0;
	char *rest = text, *line;

	for (const char *at = text; *at; at++)
		lines += *at == '\n';
	list = calloc(lines + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	while ((line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		if (parse_line(line, &list[count]) < 0)
			return -EINVAL;
		sort_in(list, count++);
	}
	*mounts = (struct mounts){ .list = list, .count = count, .text = text };
	list = NULL;
	return 0;
}

int mounts_read(int proc, struct mounts *mounts)
{
	char *text = NULL;
	int result = read_file(proc, "self/mountinfo", &text, NULL);

	if (result == 0)
		result = mounts_parse(text, mounts);
	if (result < 0) {
		free(text);
		return log_error(result, "reading /proc/self/mountinfo");
	}
	return 0;
}

void mounts_free(struct mounts *mounts)
{
	free(mounts->list);
	free(mounts->text);
	*mounts = (struct mounts){ 0 };
}

struct mount *mounts_find(const struct mounts *mounts, uint64_t id)
{
	for (size_t i = 0; i < mounts->count; i++)
		if (mounts->list[i].id == id)
			return &mounts->list[i];
	return NULL;
}

const char *mounts_rest(const char *path, const char *top)
{
	size_t length = strcmp(top, "/") == 0 ? 0 : strlen(top);

	if (strncmp(path, top, length) != 0 || (path[length] && path[length] != '/'))
		return NULL;
	return path[length] ? path + length + 1 : "";
}

bool mounts_is_api(const char *path)
{
	for (size_t i = 0; i < api_mounts_count; i++)
		if (strcmp(path, api_mounts[i].point + 1) == 0)
			return true;
	return false;
}

int mounts_make(const struct api_mount *api)
{
	auto_close int fs = sys_fsopen(api->type);
	int result = fs < 0 ? fs : sys_fsconfig(fs, SYS_FSCONFIG_SET_STRING, "source", api->type);

	for (size_t i = 0; result == 0 && i < ARRAY_SIZE(api->options) && api->options[i][0]; i++)
		result = sys_fsconfig(fs, SYS_FSCONFIG_SET_STRING, api->options[i][0],
				api->options[i][1]);
	if (result == 0)
		result = sys_fsconfig(fs, SYS_FSCONFIG_CMD_CREATE, NULL, NULL);
	return result < 0 ? result : sys_fsmount(fs, api->attributes);
}

int mounts_open_proc(bool *made)
{
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*made = false;
	if (proc >= 0 && sys_fs_magic(proc) == PROC_FS_MAGIC)
		return proc;
	close_fd(&proc);
	proc = mounts_make(&api_mounts[0]);
	if (proc < 0)
		return log_error(
				proc, "/proc is not mounted, and making a proc file system failed");
	*made = true;
	return proc;
}
