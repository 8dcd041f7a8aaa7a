/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "whole.h"

#include "log.h"
#include "sys.h"
#include "util.h"

#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/vfs.h>

/* Of syslog(2). */
#define READ_ALL    3
#define SIZE_BUFFER 10

/* Is the text at AT in a line of the kernel's own? Those begin with a level ("<3>"), and those of
 * processes with a facility, too, which makes two digits of it. */
static bool is_of_kernel(const char *log, const char *at)
{
	while (at > log && at[-1] != '\n')
		at--;
	return at[0] == '<' && at[1] && at[2] == '>';
}

bool whole_in_log(const char *log, char said[static WHOLE_TEXT])
{
	/* the second one where the kernel has ramdisks built in */
	static const char *const complaints[] = { "Initramfs unpacking failed: ",
		"rootfs image is not initramfs (" };

	said[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(complaints); i++)
		for (const char *at = log; (at = strstr(at, complaints[i])); at++)
			if (is_of_kernel(log, at)) {
				(void)snprintf(said, WHOLE_TEXT, "%.*s", (int)strcspn(at, "\n"),
						at);
				return strstr(said, "invalid magic at start of compressed");
			}
	return true;
}

/* The kernel's log in memory that the caller frees, or NULL where it cannot be read. */
static char *read_log(void)
{
	int size = klogctl(SIZE_BUFFER, NULL, 0), length;
	char *log = size > 0 ? malloc((size_t)size + 1) : NULL;

	length = log ? klogctl(READ_ALL, log, size) : -1;
	if (length < 0) {
		log_message(LOG_DEBUG, "the kernel's log cannot be read");
		free(log);
		return NULL;
	}
	log[length] = '\0';
	return log;
}

/* The kernel makes no name for which there is no inode, and says nothing of it. */
static bool is_full(int root)
{
	struct statfs fs;

	return fstatfs(root, &fs) == 0 &&
	       ((fs.f_blocks > 0 && fs.f_bfree == 0) || (fs.f_files > 0 && fs.f_ffree == 0));
}

int whole_check(int root, bool anyway, char reason[static WHOLE_TEXT])
{
	auto_free char *log = read_log();
	bool whole = !log || whole_in_log(log, reason), full = is_full(root);

	if (whole && reason[0])
		(void)log_warning(0,
				"the kernel says \"%s\": what is behind the initramfs is no "
				"archive, or does not begin at a multiple of 4 bytes",
				reason);
	if (whole)
		(void)snprintf(reason, WHOLE_TEXT, "%s", full ? "its file system is full" : "");
	if (!reason[0])
		return 0;
	if (!anyway)
		return log_error(0,
				"the initramfs is not whole: \"%s\": %s; or say "
				"rd.tmpfsroot.incomplete=yes",
				reason,
				full || strstr(reason, "write error")
						? "give it room, by more memory, or by "
						  "initramfs_options=size=90% (Linux 6.18) or "
						  "root= with rootfstype=ramfs on the kernel "
						  "command line"
						: "make the image, or load it, again");
	(void)log_warning(0, "the initramfs is not whole: \"%s\"", reason);
	return 0;
}
