/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"

#include "mounts.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the text of a message, with its NUL. */
#define TEXT_MAX 896

static struct {
	enum log_level level;
	const char *name;
	bool summary, kernel; /* what goes to the kernel log */
	unsigned warnings;
	char *kept[LOG_KEPT];
	pthread_mutex_t lock;
} log_state = { .level = LOG_INFO, .name = "tmpfsroot", .lock = PTHREAD_MUTEX_INITIALIZER };

void log_set_level(enum log_level level)
{
	log_state.level = level;
}

void log_set_name(const char *name)
{
	log_state.name = name;
}

void log_to_kernel(bool all)
{
	log_state.summary = true;
	log_state.kernel = all;
}

/* A byte that is not printable is shown, not sent to a terminal: "\x0d". */
static void escape(const char *text, char *line, size_t room)
{
	for (; *text && room > 4; text++) {
		unsigned char c = (unsigned char)*text;
		int used = snprintf(line, room, c < ' ' || c == 0x7f ? "\\x%02x" : "%c", c);

		line += used;
		room -= (size_t)used;
	}
	*line = '\0';
}

/* Where nothing is mounted on /dev yet, a devtmpfs that is attached nowhere has it, too. */
int log_open_kernel(void)
{
	static const struct api_mount devtmpfs = { "/dev", "devtmpfs", 0, { { NULL } } };
	int kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
	auto_close int dev = kmsg < 0 ? mounts_make(&devtmpfs) : -1;

	return dev < 0 ? kmsg : openat(dev, "kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
}

/* A failure to log has no one left to be told to. */
static void put_line(enum log_level level, const char *text, bool terminal, bool kernel)
{
	char shown[960], line[1024];

	escape(text, shown, sizeof(shown));
	if (terminal) {
		(void)snprintf(line, sizeof(line), "%s: %s\n", log_state.name, shown);
		(void)write_all(STDERR_FILENO, line, strlen(line));
	}
	if (kernel) {
		auto_close int kmsg = log_open_kernel();

		(void)snprintf(line, sizeof(line), "<%d>tmpfsroot: %s\n", (int)level, shown);
		if (kmsg >= 0)
			(void)write_all(kmsg, line, strlen(line));
	}
}

static void keep_warning(const char *text)
{
	(void)pthread_mutex_lock(&log_state.lock);
	if (log_state.warnings < LOG_KEPT)
		log_state.kept[log_state.warnings] = strdup(text);
	log_state.warnings++;
	(void)pthread_mutex_unlock(&log_state.lock);
}

/* The kernel log takes no line over 1 KiB. Of a long name the middle goes: what failed is before
 * it, the errno and the way out behind it. */
static void cut_middle(char *text)
{
	size_t length = strlen(text), half = TEXT_MAX / 2;

	if (length < TEXT_MAX)
		return;
	memcpy(text + half, "...", 3);
	memmove(text + half + 3, text + length + 1 - (half - 3), half - 3);
}

__attribute__((format(printf, 3, 0))) static void put_message(
		enum log_level level, int error, const char *format, va_list arguments)
{
	char text[2 * PATH_MAX];
	size_t length;

	errno = error < 0 ? -error : error;
	(void)vsnprintf(text, sizeof(text), format, arguments);
	length = strlen(text);
	if (error != 0 && !strstr(format, "%m"))
		(void)snprintf(text + length, sizeof(text) - length, ": %s",
				strerror(error < 0 ? -error : error));
	cut_middle(text);
	if (level == LOG_WARNING)
		keep_warning(text);
	if (level <= log_state.level)
		put_line(level, text, true, log_state.kernel && level <= LOG_WARNING);
}

void log_message(enum log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	put_message(level, 0, format, arguments);
	va_end(arguments);
}

int log_error(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	put_message(LOG_ERROR, error, format, arguments);
	va_end(arguments);
	return error == 0 ? -EINVAL : error < 0 ? error : -error;
}

int log_warning(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	put_message(LOG_WARNING, error, format, arguments);
	va_end(arguments);
	return error == 0 ? -EINVAL : error < 0 ? error : -error;
}

void log_event(bool progress, const char *format, ...)
{
	bool service = log_state.summary && !log_state.kernel;
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	put_line(LOG_INFO, text, progress && service,
			progress ? log_state.kernel : log_state.summary);
}

unsigned log_warnings(const char *texts[static LOG_KEPT])
{
	for (unsigned i = 0; i < LOG_KEPT && i < log_state.warnings; i++)
		texts[i] = log_state.kept[i] ? log_state.kept[i] : "";
	return log_state.warnings;
}
