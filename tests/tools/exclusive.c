/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exclusive DEVICE: prints "yes" where nobody has the block device in use, else why it cannot be
 * opened with O_EXCL (open(2)).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_EXCL | O_CLOEXEC) : -1;

	(void)puts(fd >= 0 ? "yes" : strerror(errno));
	return fd < 0;
}
