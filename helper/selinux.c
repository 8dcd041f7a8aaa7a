/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "selinux.h"

#include "log.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define CONFIG	    "etc/selinux/config"
#define LOAD_POLICY "/usr/sbin/load_policy"
#define SETFILES    "/usr/sbin/setfiles"
#define SCRIPT                                                                                     \
	". /" CONFIG " && " LOAD_POLICY " -i && exec " SETFILES " -F -e /proc -e /sys "            \
	"\"/etc/selinux/$SELINUXTYPE/contexts/files/file_contexts\" /"

/* Before a policy is loaded every process has the context "kernel". */
static bool is_waiting(int proc)
{
	auto_free char *types = NULL, *context = NULL;

	return read_file(proc, "filesystems", &types, NULL) == 0 &&
	       strstr(types, "\tselinuxfs\n") &&
	       read_file(proc, "self/attr/current", &context, NULL) == 0 &&
	       strcmp(context, "kernel") == 0;
}

/* A failure, or where the policy is permissive a warning. ERROR is 0 or a negative errno. */
static int failed(const char *mode, const char *what, int error)
{
	const char *sign = error ? ": " : "", *text = error ? strerror(-error) : "";

	if (strcmp(mode, "enforcing") == 0)
		return log_error(0,
				"SELinux: %s%s%s: mend the new root, or say enforcing=0, or "
				"rd.tmpfsroot.selinux=no",
				what, sign, text);
	(void)log_warning(0, "SELinux: %s%s%s: the new root has no labels", what, sign, text);
	return 0;
}

int selinux_plan(const struct options *options, int proc, int tree, const char **mode)
{
	static const char *const programs[] = { LOAD_POLICY, SETFILES };
	auto_close int fd = options->selinux && is_waiting(proc)
					    ? sys_open_in_root(tree, CONFIG, O_RDONLY | O_CLOEXEC)
					    : -ENOENT;
	auto_free char *text = NULL;
	int result = fd < 0 ? fd : read_fd(fd, &text, NULL);
	bool enforcing, wanted;

	*mode = "";
	if (result < 0)
		return result == -ENOENT ? 0 : log_error(result, "reading /" CONFIG);
	enforcing = strstr(text, "\nSELINUX=enforcing");
	wanted = enforcing || strstr(text, "\nSELINUX=permissive");
	if (options->enforcing)
		enforcing = strcmp(options->enforcing, "0") != 0;
	if (wanted)
		*mode = enforcing ? "enforcing" : "permissive";
	for (size_t i = 0; **mode && i < ARRAY_SIZE(programs); i++) {
		auto_close int program = sys_open_in_root(tree, programs[i], O_PATH | O_CLOEXEC);

		if (program < 0) {
			result = failed(*mode, programs[i], program);
			*mode = "";
		}
	}
	return result;
}

/* The child: in a mount namespace of its own it has what the programs need. */
__attribute__((noreturn)) static void label(const char *root)
{
	static const char *const needed[][2] = { { "proc", "/proc" }, { "sysfs", "/sys" },
		{ "selinuxfs", "/sys/fs/selinux" } };
	auto_close int output = log_open_kernel();
	bool ready = unshare(CLONE_NEWNS) == 0 &&
		     mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && chdir(root) == 0 &&
		     chroot(".") == 0;

	for (size_t i = 0; ready && i < ARRAY_SIZE(needed); i++)
		ready = mount(needed[i][0], needed[i][1], needed[i][0], 0, NULL) == 0 ||
			errno == EBUSY; /* it is mounted there */
	if (ready && (output < 0 || (dup2(output, STDOUT_FILENO) >= 0 &&
						    dup2(output, STDERR_FILENO) >= 0)))
		(void)execl("/bin/sh", "sh", "-c", SCRIPT, NULL);
	(void)log_error(errno, "starting /bin/sh in the new root, with /proc and selinuxfs");
	_exit(1);
}

int selinux_label(const char *mode, const char *root)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0)
		label(root);
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return failed(mode, "fork", -errno);
	return status == 0 ? 1 : failed(mode, "load_policy or setfiles has failed", 0);
}
