/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "selinux.h"

#include "log.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define CONFIG	    "etc/selinux/config"
#define LOAD_POLICY "/usr/sbin/load_policy"
#define SETFILES    "/usr/sbin/setfiles"
/* An init that finds this file would label anew, and restart the machine. */
#define SCRIPT                                                                                     \
	". /" CONFIG " && " LOAD_POLICY " -i && " SETFILES                                         \
	" -F \"/etc/selinux/${SELINUXTYPE:-targeted}/contexts/files/file_contexts\" / && "         \
	"rm -f /.autorelabel"
/* Is there while the new root has not got its labels. */
#define UNLABELLED "/run/tmpfsroot/unlabelled"

/* Before a policy is loaded every process has the context "kernel". Returns 1, 0, or a negative
 * errno, logged: labels may be missing then. */
static int is_waiting(int proc)
{
	auto_free char *context = NULL;
	int result = read_file(proc, "self/attr/current", &context, NULL);

	if (result == -EINVAL || result == -ENOENT) /* a kernel without such contexts */
		return 0;
	if (result < 0)
		return log_error(result, "reading /proc/self/attr/current");
	return strcmp(context, "kernel") == 0;
}

bool selinux_is_unfinished(void)
{
	return access(UNLABELLED, F_OK) == 0;
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
	(void)log_warning(
			0, "SELinux: %s%s%s: labels are missing in the new root", what, sign, text);
	return 0;
}

/* The mode that the TEXT of the config asks for, or "". */
static const char *mode_of(const char *text)
{
	const char *line = strstr(text, "\nSELINUX="), *value = strncmp(text, "SELINUX=", 8) == 0
										? text + 8
								: line ? line + 9
								       : "";

	value += strspn(value, " \t");
	return strncasecmp(value, "enforcing", 9) == 0	   ? "enforcing"
	       : strncasecmp(value, "permissive", 10) == 0 ? "permissive"
							   : "";
}

int selinux_plan(const struct options *options, int proc, int tree, const char **mode)
{
	static const char *const programs[] = { LOAD_POLICY, SETFILES, "/bin/sh" };
	int waiting = !options->selinux		? 0
		      : selinux_is_unfinished() ? 1
						: is_waiting(proc),
	    result;
	auto_close int fd = waiting > 0 ? sys_open_in_root(tree, CONFIG, O_RDONLY | O_CLOEXEC)
					: -ENOENT;
	auto_free char *text = NULL;

	if (waiting < 0)
		return waiting;
	result = fd < 0 ? fd : read_fd(fd, &text, NULL);
	if (result < 0)
		return result == -ENOENT ? 0 : log_error(result, "reading /" CONFIG);
	*mode = mode_of(text);
	if (**mode && options->enforcing)
		*mode = strcmp(options->enforcing, "0") == 0 ? "permissive" : "enforcing";
	for (size_t i = 0; **mode && i < ARRAY_SIZE(programs); i++) {
		auto_close int program = sys_open_in_root(tree, programs[i], O_PATH | O_CLOEXEC);

		if (program < 0) {
			result = failed(*mode, programs[i], program);
			*mode = "";
		}
	}
	return result;
}

/* The child: it has a mount namespace of its own, in which load_policy(8) mounts what it needs. */
__attribute__((noreturn)) static void label(const char *root)
{
	auto_close int output = log_open_kernel();

	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
			chdir(root) == 0 && chroot(".") == 0 &&
			(mount("proc", "/proc", "proc", 0, NULL) == 0 || errno == EBUSY) &&
			(output < 0 || (dup2(output, STDOUT_FILENO) >= 0 &&
						       dup2(output, STDERR_FILENO) >= 0)))
		(void)execl("/bin/sh", "sh", "-c", SCRIPT, NULL);
	(void)log_error(errno, "starting /bin/sh in the new root, with /proc");
	_exit(1);
}

int selinux_label(const char *mode, const char *root)
{
	auto_close int mark = -1;
	int status = 0;
	pid_t child;

	(void)mkdir("/run/tmpfsroot", 0755); /* it may be there */
	mark = open(UNLABELLED, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	child = mark < 0 ? -1 : fork();
	if (child == 0)
		label(root);
	while (child > 0 && waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			child = -1;
	if (child < 0)
		return failed(mode, "making " UNLABELLED ", or a child", -errno);
	if (status != 0)
		return failed(mode, "load_policy or setfiles has failed", 0);
	return unlink(UNLABELLED) != 0 ? failed(mode, "unlink " UNLABELLED, -errno) : 1;
}
