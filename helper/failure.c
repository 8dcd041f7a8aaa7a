/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "failure.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHELL "/bin/sh"
#define PAUSE 3 /* seconds between two tries */

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

static void run_shell(void)
{
	char *const arguments[] = { (char *)SHELL, NULL };
	pid_t child, ended;

	log_message(LOG_ERROR, "a shell follows; leave it (exit) to try again");
	child = fork();
	if (child == 0) {
		(void)setsid();
		(void)ioctl(STDIN_FILENO, TIOCSCTTY, 1);
		(void)execve(SHELL, arguments, environ);
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

void failure_act(const struct options *options, int proc, char **argv)
{
	int self;

	if (options->onfail == ONFAIL_REBOOT || options->onfail == ONFAIL_POWEROFF) {
		bool again = options->onfail == ONFAIL_REBOOT;

		log_message(LOG_ERROR, again ? "rebooting" : "powering off");
		sync();
		(void)reboot(again ? RB_AUTOBOOT : RB_POWER_OFF);
		(void)log_error(errno, "reboot");
		wait_for_ever();
	}
	if (!options->shell || access(SHELL, X_OK) != 0) {
		log_message(LOG_ERROR, "there is no shell to be had (%s): waiting for ever",
				options->shell ? SHELL " is missing" : "rd.shell=0");
		wait_for_ever();
	}
	run_shell();
	(void)sleep(PAUSE);
	(void)unsetenv("TMPFSROOT"); /* as the first time */
	self = openat(proc, "self/exe", O_RDONLY | O_CLOEXEC);
	if (self >= 0)
		(void)fexecve(self, argv, environ);
	(void)log_error(errno, "starting over");
	wait_for_ever();
}
