/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "notify.h"

#include "util.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define TEXT 200
#define WAIT 50 /* hundredths of a second */

extern char **environ;

/* sd_notify(3): one datagram to the socket that the environment names; "@" is an abstract one. */
static void tell_manager(const char *line)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *name = getenv("NOTIFY_SOCKET");
	auto_close int fd = -1;
	char text[TEXT];
	int length;

	if (!name || (*name != '/' && *name != '@') || strlen(name) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, name, strlen(name));
	if (*name == '@')
		address.sun_path[0] = '\0';
	length = snprintf(text, sizeof(text), "STATUS=%s", line);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && length > 0)
		(void)sendto(fd, text, strlen(text), MSG_NOSIGNAL,
				(const struct sockaddr *)&address,
				(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name)));
}

/* Has the last one ended? It is not waited for: a splash screen does not hold up a boot. */
static bool is_idle(struct notify *notify)
{
	if (notify->plymouth != 0 && waitpid(notify->plymouth, NULL, WNOHANG) != 0)
		notify->plymouth = 0;
	return notify->plymouth == 0;
}

static void tell_plymouth(struct notify *notify, const char *command, const char *line)
{
	char text[TEXT];
	char *arguments[] = { (char *)"plymouth", (char *)command, text, NULL };

	(void)snprintf(text, sizeof(text), "--text=%s", line);
	if (notify->missing || !is_idle(notify))
		return;
	if (posix_spawnp(&notify->plymouth, arguments[0], NULL, NULL, arguments, environ) != 0) {
		notify->missing = true;
		notify->plymouth = 0;
	}
}

void notify_show(struct notify *notify, const char *line)
{
	tell_manager(line);
	tell_plymouth(notify, "display-message", line);
}

void notify_end(struct notify *notify)
{
	for (int i = 0; !is_idle(notify); i++) {
		if (i == WAIT)
			(void)kill(notify->plymouth, SIGKILL);
		(void)usleep(10000);
	}
}
