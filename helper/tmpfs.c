/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tmpfs.h"

#include "log.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define OPTION_MAX 256
#define CHANGE	   "change it in rd.tmpfsroot.opts="

/* What a kernel may lack: built without NUMA, huge pages, swap or quota, or older. */
static const char *const lacking[] = { "huge", "mpol", "noswap", "inode32", "inode64", "quota",
	"usrquota", "grpquota", "usrquota_block_hardlimit", "usrquota_inode_hardlimit",
	"grpquota_block_hardlimit", "grpquota_inode_hardlimit" };

/* Flags of the mount, not of the file system. */
#define RELATIME SYS_MOUNT_ATTR_ATIMES /* all of them: none is set */
static const struct {
	const char *name;
	unsigned attribute;
} flags[] = {
	{ "nosuid", SYS_MOUNT_ATTR_NOSUID },
	{ "nodev", SYS_MOUNT_ATTR_NODEV },
	{ "noatime", SYS_MOUNT_ATTR_NOATIME },
	{ "strictatime", SYS_MOUNT_ATTR_STRICTATIME },
	{ "nodiratime", SYS_MOUNT_ATTR_NODIRATIME },
	{ "relatime", RELATIME },
	{ "rw", 0 }, /* these two are in fstab(5), and mean nothing here */
	{ "defaults", 0 },
};

struct option {
	char text[OPTION_MAX]; /* the name, ended by a NUL where the "=" was */
	char *value; /* or NULL */
	bool may_lack;
	int flag; /* its row, or -1 */
};

static void look_up(struct option *option)
{
	option->value = strchr(option->text, '=');
	if (option->value)
		*option->value++ = '\0';
	option->may_lack = false;
	for (size_t i = 0; i < ARRAY_SIZE(lacking); i++)
		option->may_lack |= strcmp(option->text, lacking[i]) == 0;
	option->flag = -1;
	for (size_t i = 0; i < ARRAY_SIZE(flags) && !option->value; i++)
		if (strcmp(option->text, flags[i].name) == 0)
			option->flag = (int)i;
}

/* Copies the next option of *LIST and moves *LIST behind it. Returns 1, 0 at the end of the list,
 * or a negative errno, logged, where the option is longer than any can be. */
static int next_option(const char **list, struct option *option)
{
	const char *start = *list + strspn(*list, ","), *end = start;

	if (*start == '\0')
		return 0;
	while (*end && (*end != ',' || (end[1] >= '0' && end[1] <= '9')))
		end++;
	*list = *end ? end + 1 : end;
	if (end - start >= OPTION_MAX)
		return log_error(
				0, "tmpfs option %.32s...: no option is that long: " CHANGE, start);
	memcpy(option->text, start, (size_t)(end - start));
	option->text[end - start] = '\0';
	look_up(option);
	return 1;
}

/* Of noatime, strictatime and relatime one holds, the last. */
static unsigned add_flag(unsigned attributes, unsigned attribute)
{
	if (attribute & SYS_MOUNT_ATTR_ATIMES)
		attributes &= ~SYS_MOUNT_ATTR_ATIMES;
	return attribute == RELATIME ? attributes : attributes | attribute;
}

static int configure(int fs, const struct option *option)
{
	const char *sign = option->value ? "=" : "", *value = option->value ? option->value : "";
	int result = sys_fsconfig(fs,
			option->value ? SYS_FSCONFIG_SET_STRING : SYS_FSCONFIG_SET_FLAG,
			option->text, option->value);

	if (result < 0 && option->may_lack)
		(void)log_warning(result,
				"this kernel refuses the tmpfs option %s%s%s; it is left out",
				option->text, sign, value);
	else if (result < 0)
		return log_error(result, "tmpfs option %s%s%s: %m; " CHANGE, option->text, sign,
				value);
	return 0;
}

/* Sets the options of LIST; those that a kernel may lack only where ALL is true. A limit that LIST
 * sets is crossed out in *DEFAULTS. */
static int configure_list(int fs, const char *list, bool all, unsigned *attributes,
		struct tmpfs_space *defaults)
{
	struct option option;
	int result;

	while ((result = next_option(&list, &option)) > 0) {
		if (strcmp(option.text, "size") == 0 || strcmp(option.text, "nr_blocks") == 0)
			defaults->bytes = 0;
		if (strcmp(option.text, "nr_inodes") == 0)
			defaults->inodes = 0;
		if (option.flag >= 0)
			*attributes = add_flag(*attributes, flags[option.flag].attribute);
		else if (all || !option.may_lack)
			result = configure(fs, &option);
		if (result < 0)
			break;
	}
	return result;
}

static int configure_number(int fs, const char *key, uint64_t number)
{
	char text[24];
	int result;

	if (number == 0)
		return 0;
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	result = sys_fsconfig(fs, SYS_FSCONFIG_SET_STRING, key, text);
	return result < 0 ? log_error(result, "tmpfs option %s=%s", key, text) : 0;
}

/* One try: returns the mount, or a negative errno; *TAKEN tells whether the options were taken one
 * by one, so that only their combination can be at fault: that is not logged. */
static int make(const char *list, bool all, struct tmpfs_space defaults, bool *taken)
{
	auto_close int fs = sys_fsopen("tmpfs");
	unsigned attributes = 0;
	int result;

	*taken = false;
	if (fs < 0)
		return log_error(fs, "fsopen tmpfs: %m; the kernel must have tmpfs (CONFIG_TMPFS) "
				     "and be 5.10 or later");
	result = sys_fsconfig(fs, SYS_FSCONFIG_SET_STRING, "source", TMPFS_SOURCE);
	if (result == 0)
		result = sys_fsconfig(fs, SYS_FSCONFIG_SET_STRING, "mode", "0755");
	if (result < 0)
		return log_error(result, "tmpfs: setting its source and mode");
	result = configure_list(fs, list, all, &attributes, &defaults);
	if (result == 0)
		result = configure_number(fs, "size", defaults.bytes);
	if (result == 0)
		result = configure_number(fs, "nr_inodes", defaults.inodes);
	if (result < 0)
		return result;
	*taken = true;
	result = sys_fsconfig(fs, SYS_FSCONFIG_CMD_CREATE, NULL, NULL);
	return result < 0 ? result : sys_fsmount(fs, attributes);
}

int tmpfs_make(const char *list, const struct tmpfs_space *need, uint64_t memory,
		struct tmpfs_space *limit)
{
	uint64_t pages = memory / (uint64_t)sysconf(_SC_PAGESIZE);
	const struct tmpfs_space defaults = { (memory + need->bytes) / 2,
		(pages + need->inodes) / 2 };
	auto_close int mount = -1;
	struct statfs fs;
	bool taken;

	list = list ? list : "";
	mount = make(list, true, defaults, &taken);
	if (mount < 0 && mount != -ENOMEM && taken) {
		int first = mount;

		mount = make(list, false, defaults, &taken);
		if (mount >= 0)
			(void)log_warning(first,
					"this kernel refuses huge=, mpol= or the like of "
					"rd.tmpfsroot.opts=%s; they are left out",
					list);
	}
	if (mount < 0)
		return taken ? log_error(mount, "mounting a tmpfs with the options %s: %m; " CHANGE,
					       *list ? list : "mode=0755")
			     : mount;
	if (fstatfs(mount, &fs) != 0)
		return log_error(errno, "statfs of the new tmpfs");
	limit->bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
	limit->inodes = (uint64_t)fs.f_files;
	return take_fd(&mount);
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
