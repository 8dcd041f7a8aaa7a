/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runinit.h"

#include "log.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>

/* capabilities(7), by their numbers */
static const char *const names[] = { "chown", "dac_override", "dac_read_search", "fowner", "fsetid",
	"kill", "setgid", "setuid", "setpcap", "linux_immutable", "net_bind_service",
	"net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio",
	"sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
	"sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write",
	"audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm",
	"block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore" };

/* struct __user_cap_header_struct and __user_cap_data_struct of capset(2), version 3 */
struct cap_header {
	uint32_t version;
	int pid;
};

struct cap_data {
	uint32_t effective, permitted, inheritable;
};

#define CAP_VERSION_3 0x20080522U

static int find_capability(const char *name, size_t length)
{
	if (length > 4 && strncasecmp(name, "cap_", 4) == 0) {
		name += 4;
		length -= 4;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == length && strncasecmp(names[i], name, length) == 0)
			return (int)i;
	return -EINVAL;
}

static int parse(const char *list, uint64_t *set)
{
	for (*set = 0; *list; list += strspn(list, ",")) {
		size_t length = strcspn(list, ",");
		int capability = length ? find_capability(list, length) : 0;

		if (length && capability < 0)
			return log_error(0,
					"-d %.*s is not a capability, see "
					"capabilities(7)",
					(int)length, list);
		if (length)
			*set |= UINT64_C(1) << capability;
		list += length;
	}
	return 0;
}

int runinit_check(const char *capabilities)
{
	uint64_t set;

	return parse(capabilities, &set);
}

/* /proc/sys/kernel/usermodehelper/{bset,inheritable}: two decimal numbers, the low half first. */
static int drop_from_helpers(const char *path, uint64_t set)
{
	auto_free char *text = NULL;
	unsigned long low, high;
	char line[48], *end;
	int result = read_file(AT_FDCWD, path, &text, NULL);

	if (result < 0)
		return log_error(result, "reading %s", path);
	low = strtoul(text, &end, 10);
	high = strtoul(end, &end, 10);
	if (*end != '\n')
		return log_error(0, "%s is not two numbers", path);
	(void)snprintf(line, sizeof(line), "%lu %lu", low & ~(uint32_t)set,
			high & ~(uint32_t)(set >> 32));
	result = write_file(AT_FDCWD, path, line);
	return result < 0 ? log_error(result, "writing %s", path) : 0;
}

static int drop_own(uint64_t set)
{
	struct cap_header header = { CAP_VERSION_3, 0 };
	struct cap_data data[2];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if ((set >> i & 1) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0 && errno != EINVAL)
			return log_error(errno, "dropping cap_%s", names[i]);
	if (syscall(SYS_capget, &header, data) != 0)
		return log_error(errno, "capget");
	for (size_t i = 0; i < 2; i++) {
		uint32_t half = (uint32_t)(set >> (32 * i));

		data[i].effective &= ~half;
		data[i].permitted &= ~half;
		data[i].inheritable &= ~half;
	}
	return syscall(SYS_capset, &header, data) != 0 ? log_error(errno, "capset") : 0;
}

int runinit_drop(const char *capabilities)
{
	uint64_t set;
	int result = parse(capabilities, &set);

	if (result == 0)
		result = drop_from_helpers("/proc/sys/kernel/usermodehelper/bset", set);
	if (result == 0)
		result = drop_from_helpers("/proc/sys/kernel/usermodehelper/inheritable", set);
	return result < 0 ? result : drop_own(set);
}

void runinit_console(const char *console)
{
	auto_close int fd = open(console, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		(void)log_warning(errno, "opening the console %s", console);
	for (int to = STDIN_FILENO; fd >= 0 && to <= STDERR_FILENO; to++)
		if (dup2(fd, to) < 0)
			(void)log_warning(errno, "making %s the standard streams", console);
}
