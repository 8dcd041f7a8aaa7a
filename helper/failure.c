/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "failure.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHELL	  "/bin/sh"
#define EMERGENCY "/usr/lib/tmpfsroot/emergency" /* from the generator of the initramfs */
#define PAUSE	  3 /* seconds between two tries */

extern char **environ;

/* Children that are not ours to know may end meanwhile: PID 1 inherits them. */
__attribute__((noreturn)) static void wait_for_ever(void)
{
	for (;;) {
		while (wait(NULL) > 0)
			;
		(void)sleep(1);
	}
}

static void run_shell(const char *shell)
{
	char *const arguments[] = { (char *)shell, NULL };
	pid_t child, ended;

	log_message(LOG_ERROR, "a shell follows; leave it (exit) to try again");
	child = fork();
	if (child == 0) {
		(void)setsid();
		(void)ioctl(STDIN_FILENO, TIOCSCTTY, 1);
		(void)execve(shell, arguments, environ);
		_exit(127);
	}
	if (child < 0) {
		(void)log_error(errno, "fork");
		return;
	}
	do
		ended = wait(NULL);
	while (ended != child && (ended >= 0 || errno == EINTR));
}

/* How the machine ends, or 0: RB_*. */
static int end_of(const struct options *options)
{
	const char *emergency = options->emergency ? options->emergency : "";

	if (options->onfail == ONFAIL_REBOOT)
		return RB_AUTOBOOT;
	if (options->onfail == ONFAIL_POWEROFF)
		return RB_POWER_OFF;
	return strcmp(emergency, "reboot") == 0	    ? RB_AUTOBOOT
	       : strcmp(emergency, "poweroff") == 0 ? RB_POWER_OFF
	       : strcmp(emergency, "halt") == 0	    ? (int)RB_HALT_SYSTEM
						    : 0;
}

__attribute__((noreturn)) static void end_machine(int how)
{
	log_message(LOG_ERROR, how == RB_AUTOBOOT    ? "rebooting"
			       : how == RB_POWER_OFF ? "powering off"
						     : "halting");
	if (getpid() != 1) /* what a service says comes to the console by the journal */
		(void)sleep(1);
	sync();
	(void)reboot(how);
	(void)log_error(errno, "reboot");
	wait_for_ever();
}

bool failure_ends(const struct options *options)
{
	return options->onfail == ONFAIL_REBOOT || options->onfail == ONFAIL_POWEROFF;
}

void failure_act(const struct options *options, int proc, char **argv)
{
	const char *shell = access(EMERGENCY, X_OK) == 0 ? EMERGENCY : SHELL;
	int self, end = end_of(options);

	if (!failure_ends(options) && options->shell && access(shell, X_OK) == 0) {
		run_shell(shell);
	} else if (end == 0) {
		log_message(LOG_ERROR, "there is no shell to be had (%s): waiting for ever",
				options->shell ? SHELL " is missing" : "rd.shell=0");
		wait_for_ever();
	}
	if (end != 0)
		end_machine(end);
	(void)sleep(PAUSE);
	(void)unsetenv("TMPFSROOT"); /* as the first time */
	self = openat(proc, "self/exe", O_RDONLY | O_CLOEXEC);
	if (self >= 0)
		(void)fexecve(self, argv, environ);
	(void)log_error(errno, "starting over");
	wait_for_ever();
}
