/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runinit.h"

#include "log.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>

void runinit_console(const char *console)
{
	auto_close int fd = open(console, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		(void)log_warning(errno, "opening the console %s", console);
	for (int to = STDIN_FILENO; fd >= 0 && to <= STDERR_FILENO; to++)
		if (dup2(fd, to) < 0)
			(void)log_warning(errno, "making %s the standard streams", console);
}
