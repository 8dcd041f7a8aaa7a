/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "progress.h"

#include "log.h"
#include "util.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define FIRST_MS    1000
#define TERMINAL_MS 250
#define KERNEL_MS   3000
#define STATUS_TEXT 200

/* sd_notify(3): one datagram to the socket that the environment names; "@" is an abstract one. */
static void tell_manager(const char *line)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *name = getenv("NOTIFY_SOCKET");
	auto_close int fd = -1;
	char text[STATUS_TEXT];
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

static void put(struct progress *progress, bool terminal)
{
	uint64_t bytes = atomic_load(&progress->bytes), entries = atomic_load(&progress->entries);
	uint64_t percent = progress->bytes_total ? bytes * 100 / progress->bytes_total : 100;
	char done[SIZE_TEXT], total[SIZE_TEXT], line[160];
	int length = snprintf(line, sizeof(line), "%s%s of %s (%llu%%), %llu of %llu entries%s",
			terminal ? "\rtmpfsroot: moving: " : "moving: ", size_text(bytes, done),
			size_text(progress->bytes_total, total),
			(unsigned long long)(percent > 100 ? 100 : percent),
			(unsigned long long)entries, (unsigned long long)progress->entries_total,
			terminal ? "\033[K" : "");

	if (!terminal) {
		tell_manager(line);
		if (!progress->quiet)
			log_event(true, "%s", line);
	} else if (length > 0) {
		atomic_store(&progress->shown, true);
		(void)write_all(STDERR_FILENO, line, (size_t)length);
	}
}

void progress_start(struct progress *progress, uint64_t entries, uint64_t bytes, bool quiet)
{
	progress->entries_total = entries;
	progress->bytes_total = bytes;
	progress->quiet = quiet;
	progress->terminal = isatty(STDERR_FILENO) == 1;
	atomic_store(&progress->next, milliseconds_now() + FIRST_MS);
	atomic_store(&progress->next_kernel, milliseconds_now() + FIRST_MS);
}

void progress_add(struct progress *progress, uint64_t entries, uint64_t bytes)
{
	atomic_fetch_add_explicit(&progress->entries, entries, memory_order_relaxed);
	atomic_fetch_add_explicit(&progress->bytes, bytes, memory_order_relaxed);
	if (!progress->quiet && progress->terminal && is_due(&progress->next, TERMINAL_MS))
		put(progress, true);
	if (is_due(&progress->next_kernel, KERNEL_MS))
		put(progress, false);
}

void progress_end(struct progress *progress)
{
	if (atomic_load(&progress->shown))
		(void)write_all(STDERR_FILENO, "\r\033[K", 4);
}
