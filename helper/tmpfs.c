/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tmpfs.h"

#include "log.h"
#include "options.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>

enum kind { KIND_SIZE, KIND_COUNT, KIND_MODE, KIND_ID, KIND_WORD, KIND_FLAG, KIND_ATTRIBUTE };

/* tmpfs(5), and the flags of mount(8) that make sense on a root. What a kernel may lack (built
 * without NUMA, huge pages, swap, quota, or older) is dropped where it refuses. */
static const struct tmpfs_option {
	const char *name;
	enum kind kind;
	bool may_lack;
	unsigned attribute;
} tmpfs_options[] = {
	{ "size", KIND_SIZE, false, 0 },
	{ "nr_blocks", KIND_COUNT, false, 0 },
	{ "nr_inodes", KIND_COUNT, false, 0 },
	{ "mode", KIND_MODE, false, 0 },
	{ "uid", KIND_ID, false, 0 },
	{ "gid", KIND_ID, false, 0 },
	{ "huge", KIND_WORD, true, 0 },
	{ "mpol", KIND_WORD, true, 0 },
	{ "noswap", KIND_FLAG, true, 0 },
	{ "inode32", KIND_FLAG, true, 0 },
	{ "inode64", KIND_FLAG, true, 0 },
	{ "quota", KIND_FLAG, true, 0 },
	{ "usrquota", KIND_FLAG, true, 0 },
	{ "grpquota", KIND_FLAG, true, 0 },
	{ "usrquota_block_hardlimit", KIND_COUNT, true, 0 },
	{ "usrquota_inode_hardlimit", KIND_COUNT, true, 0 },
	{ "grpquota_block_hardlimit", KIND_COUNT, true, 0 },
	{ "grpquota_inode_hardlimit", KIND_COUNT, true, 0 },
	{ "nosuid", KIND_ATTRIBUTE, false, SYS_MOUNT_ATTR_NOSUID },
	{ "nodev", KIND_ATTRIBUTE, false, SYS_MOUNT_ATTR_NODEV },
	{ "noatime", KIND_ATTRIBUTE, false, SYS_MOUNT_ATTR_NOATIME },
	{ "strictatime", KIND_ATTRIBUTE, false, SYS_MOUNT_ATTR_STRICTATIME },
	{ "nodiratime", KIND_ATTRIBUTE, false, SYS_MOUNT_ATTR_NODIRATIME },
	{ "relatime", KIND_ATTRIBUTE, false, 0 },
};

#define OPTION_MAX 256

/* Copies the next option of *LIST, ended by a NUL, to ITEM and moves *LIST behind it. Returns 1,
 * 0 at the end of the list, or -EINVAL where the option is longer than any can be. */
static int next_option(const char **list, char item[static OPTION_MAX])
{
	const char *start = *list + strspn(*list, ","), *end = start;

	if (*start == '\0')
		return 0;
	while (*end && (*end != ',' || (end[1] >= '0' && end[1] <= '9')))
		end++;
	*list = *end ? end + 1 : end;
	if (end - start >= OPTION_MAX)
		return -EINVAL;
	memcpy(item, start, (size_t)(end - start));
	item[end - start] = '\0';
	return 1;
}

/* Splits ITEM at its "=" and finds its row; *VALUE is NULL where there is none. */
static const struct tmpfs_option *find_option(char *item, char **value)
{
	*value = strchr(item, '=');
	if (*value)
		*(*value)++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(tmpfs_options); i++)
		if (strcmp(tmpfs_options[i].name, item) == 0)
			return &tmpfs_options[i];
	return NULL;
}

static bool is_number(const char *text, unsigned base, uint64_t max)
{
	uint64_t value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text >= '0' + (int)base)
			return false;
		value = value * base + (unsigned char)(*text - '0');
		if (value > max)
			return false;
	}
	return true;
}

static bool value_fits(const struct tmpfs_option *option, const char *value, const char **expected)
{
	struct size size;

	switch (option->kind) {
	case KIND_SIZE:
		*expected = "size= with a size such as 512M, 2G or 50%";
		return value && size_parse(value, true, &size) == 0;
	case KIND_COUNT:
		*expected = "nr_blocks=, nr_inodes= and the quota limits with a number such as "
			    "100k";
		return value && size_parse(value, false, &size) == 0;
	case KIND_MODE:
		*expected = "mode= with an octal mode such as 0755";
		return value && is_number(value, 8, 07777);
	case KIND_ID:
		*expected = "uid= and gid= with a number";
		return value && is_number(value, 10, 4294967294U);
	case KIND_WORD:
		*expected = "huge= and mpol= with a value, see tmpfs(5)";
		return value && *value;
	default:
		*expected = "flags such as noswap or noatime without a value";
		return !value;
	}
}

int tmpfs_options_check(const char *list, const char **expected)
{
	char item[OPTION_MAX], *value;
	int more;

	while ((more = next_option(&list, item)) > 0) {
		const struct tmpfs_option *option = find_option(item, &value);

		*expected = "the mount options of tmpfs(5): size=, nr_inodes=, mode=, huge=, "
			    "mpol=, ...";
		if (!option || !value_fits(option, value, expected))
			return -EINVAL;
	}
	if (more < 0)
		*expected = "the mount options of tmpfs(5), none of which is that long";
	return more;
}

static int configure(int fs, const struct tmpfs_option *option, const char *value)
{
	int result = sys_fsconfig(fs, value ? SYS_FSCONFIG_SET_STRING : SYS_FSCONFIG_SET_FLAG,
			option->name, value);

	if (result < 0 && option->may_lack) {
		(void)log_warning(result,
				"this kernel refuses the tmpfs option %s%s%s; it is left out",
				option->name, value ? "=" : "", value ? value : "");
		return 0;
	}
	if (result < 0)
		return log_error(result, "tmpfs option %s%s%s: %m; change it in rd.tmpfsroot.opts=",
				option->name, value ? "=" : "", value ? value : "");
	return 0;
}

/* Sets the options of LIST; those that a kernel may lack only where LACKING is false. What LIST
 * sets is crossed out in *DEFAULTS. */
static int configure_list(int fs, const char *list, bool lacking, unsigned *attributes,
		struct tmpfs_space *defaults)
{
	char item[OPTION_MAX], *value;

	while (next_option(&list, item) > 0) {
		const struct tmpfs_option *option = find_option(item, &value);
		int result;

		if (!option)
			return -EINVAL;
		if (strcmp(option->name, "size") == 0 || strcmp(option->name, "nr_blocks") == 0)
			defaults->bytes = 0;
		if (strcmp(option->name, "nr_inodes") == 0)
			defaults->inodes = 0;
		if (option->kind == KIND_ATTRIBUTE) {
			if (option->attribute & ~SYS_MOUNT_ATTR_ATIMES)
				*attributes |= option->attribute;
			else /* one of them holds, the last */
				*attributes = (*attributes & ~SYS_MOUNT_ATTR_ATIMES) |
					      option->attribute;
			continue;
		}
		if (option->may_lack && lacking)
			continue;
		result = configure(fs, option, value);
		if (result < 0)
			return result;
	}
	return 0;
}

static int configure_number(int fs, const char *key, uint64_t number)
{
	char text[24];
	int result;

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	result = sys_fsconfig(fs, SYS_FSCONFIG_SET_STRING, key, text);
	return result < 0 ? log_error(result, "tmpfs option %s=%s", key, text) : 0;
}

/* A limit above the kernel's default, where NEED is more than that, or 0. */
static uint64_t raised(uint64_t need, uint64_t all)
{
	return need > all / 2 ? need + (all > need ? (all - need) / 2 : 0) : 0;
}

/* One try: returns the mount, or a negative errno; *CREATED tells whether the options were taken
 * one by one, so that only their combination can be at fault. */
static int make(const char *list, bool lacking, struct tmpfs_space raise, bool *created)
{
	auto_close int fs = sys_fsopen("tmpfs");
	unsigned attributes = 0;
	int result;

	*created = false;
	if (fs < 0)
		return log_error(fs, "fsopen tmpfs: %m; the kernel must have tmpfs (CONFIG_TMPFS) "
				     "and be 5.10 or later");
	result = sys_fsconfig(fs, SYS_FSCONFIG_SET_STRING, "source", TMPFS_SOURCE);
	if (result == 0)
		result = sys_fsconfig(fs, SYS_FSCONFIG_SET_STRING, "mode", "0755");
	if (result < 0)
		return log_error(result, "tmpfs: setting its source and mode");
	result = configure_list(fs, list, lacking, &attributes, &raise);
	if (result == 0 && raise.bytes)
		result = configure_number(fs, "size", raise.bytes);
	if (result == 0 && raise.inodes)
		result = configure_number(fs, "nr_inodes", raise.inodes);
	if (result < 0)
		return result;
	*created = true;
	result = sys_fsconfig(fs, SYS_FSCONFIG_CMD_CREATE, NULL, NULL);
	return result < 0 ? result : sys_fsmount(fs, attributes);
}

int tmpfs_make(const char *list, const struct tmpfs_space *need, uint64_t memory,
		struct tmpfs_space *limit)
{
	uint64_t pages = memory / (uint64_t)sysconf(_SC_PAGESIZE);
	struct tmpfs_space raise = { raised(need->bytes, memory), raised(need->inodes, pages) };
	auto_close int mount = -1;
	struct statfs fs;
	bool created;

	list = list ? list : "";
	mount = make(list, false, raise, &created);
	if (mount < 0 && mount != -ENOMEM && created) {
		int first = mount;

		mount = make(list, true, raise, &created);
		if (mount >= 0)
			(void)log_warning(first,
					"this kernel refuses huge=, mpol= or the like of "
					"rd.tmpfsroot.opts=%s; they are left out",
					list);
	}
	if (mount < 0 && created && !*list)
		return log_error(mount, "mounting a tmpfs");
	if (mount < 0)
		return created ? log_error(mount,
						 "mounting a tmpfs with the options %s: %m; "
						 "change rd.tmpfsroot.opts=",
						 list)
			       : mount;
	if (fstatfs(mount, &fs) != 0)
		return log_error(errno, "statfs of the new tmpfs");
	limit->bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
	limit->inodes = (uint64_t)fs.f_files;
	return take_fd(&mount);
}

static bool has_option(const char *list, const char *name)
{
	char item[OPTION_MAX], *value;

	while (list && next_option(&list, item) > 0) {
		const struct tmpfs_option *option = find_option(item, &value);

		if (option && strcmp(option->name, name) == 0)
			return true;
	}
	return false;
}

/* The default can be set when the kernel is built or booted, and only mountinfo tells it: of a
 * tmpfs that is mounted in a namespace of a child's own. */
__attribute__((noreturn)) static void look_at_default(int proc)
{
	auto_free char *text = NULL;
	char *line, *rest;

	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
			mount("default", "/", "tmpfs", 0, NULL) != 0 ||
			read_file(proc, "self/mountinfo", &text, NULL) < 0)
		_exit(1);
	for (rest = text; (line = strsep(&rest, "\n"));)
		if (strstr(line, " - tmpfs default "))
			_exit(strstr(line, ",huge=") ? 1 : 0);
	_exit(1);
}

static bool default_is_never(int proc)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		look_at_default(proc);
	if (child < 0)
		return false;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool is_linux_at_least(unsigned long wanted_major, unsigned long wanted_minor)
{
	struct utsname name;
	unsigned long major, minor;
	char *rest;

	if (uname(&name) != 0)
		return false;
	major = strtoul(name.release, &rest, 10);
	minor = *rest == '.' ? strtoul(rest + 1, NULL, 10) : 0;
	return major > wanted_major || (major == wanted_major && minor >= wanted_minor);
}

bool tmpfs_charges_attributes(const char *list)
{
	return has_option(list, "nr_inodes") && is_linux_at_least(6, 6);
}

static int set_huge(int target, const char *value)
{
	auto_close int fs = sys_fspick(target);
	int result = fs < 0 ? fs : sys_fsconfig(fs, SYS_FSCONFIG_SET_STRING, "huge", value);

	return result < 0 ? result : sys_fsconfig(fs, SYS_FSCONFIG_CMD_RECONFIGURE, NULL, NULL);
}

bool tmpfs_begin_large(int target, const char *list, int proc)
{
	return is_linux_at_least(6, 14) && !has_option(list, "huge") && default_is_never(proc) &&
	       set_huge(target, "within_size") == 0;
}

void tmpfs_end_large(int target)
{
	int result = set_huge(target, "never");

	if (result < 0)
		(void)log_warning(result, "the tmpfs keeps huge=within_size: setting huge=never");
}

int tmpfs_limit(int root, const char *list)
{
	auto_close int fs = sys_fspick(root);
	struct tmpfs_space none = { 0, 0 };
	char item[OPTION_MAX], *value;
	const char *rest = list;
	unsigned attributes;
	int result;

	while (next_option(&rest, item) > 0) {
		const struct tmpfs_option *option = find_option(item, &value);

		if (!option || (option->kind != KIND_SIZE && option->kind != KIND_COUNT))
			return log_error(0,
					"rd.tmpfsroot.method=bind takes limits alone (size=, "
					"nr_blocks=, nr_inodes=), not %s: use method=copy",
					item);
	}
	if (fs < 0)
		return log_error(fs, "fspick /");
	result = configure_list(fs, list, false, &attributes, &none);
	if (result < 0)
		return result;
	result = sys_fsconfig(fs, SYS_FSCONFIG_CMD_RECONFIGURE, NULL, NULL);
	return result < 0 ? log_error(result,
					    "limiting the initramfs to %s: %m; is it larger "
					    "already? change rd.tmpfsroot.opts=",
					    list)
			  : 0;
}

int tmpfs_attach(int tmpfs)
{
	int result = 0;

	if ((mkdir("/run", 0755) != 0 && errno != EEXIST) ||
			(mkdir("/run/tmpfsroot", 0755) != 0 && errno != EEXIST) ||
			(mkdir(TMPFS_REFUGE, 0700) != 0 && errno != EEXIST))
		result = -errno;
	if (result == 0)
		result = sys_move_mount(tmpfs, "", AT_FDCWD, TMPFS_REFUGE);
	return result < 0 ? log_error(result, "mounting the target on " TMPFS_REFUGE) : 0;
}

void tmpfs_detach(void)
{
	/* what is mounted on another mount of it may be there, too, and is to stay on that: so it
	 * is asked for twice before this one stays */
	if (mount(NULL, TMPFS_REFUGE, NULL, MS_REC | MS_PRIVATE, NULL) != 0 &&
			mount(NULL, TMPFS_REFUGE, NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		(void)log_warning(errno, "making the mount " TMPFS_REFUGE " private");
	else if (umount2(TMPFS_REFUGE, MNT_DETACH) != 0 || rmdir(TMPFS_REFUGE) != 0)
		(void)log_warning(errno, "unmounting " TMPFS_REFUGE);
}
