/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The switch by systemd is one call of its D-Bus interface, on the private socket that it has for
 * systemctl. It is made here, and not by systemctl: what executes programs may have been moved away
 * from under this process, which alone still runs.
 */
#include "systemd.h"

#include "log.h"
#include "sys.h"
#include "util.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define PRIVATE_SOCKET "/run/systemd/private"
#define SWITCH_MS      30000 /* without a change of any mount */

/* The head of the call, as D-Bus has it on the wire, little-endian: the method SwitchRoot with two
 * strings. Each field of it is at a multiple of 8 bytes: its number, its type, its length, its
 * value.
 */
static const char call[] = "l\1\0\1" /* method call */
			   "\0\0\0\0\1\0\0\0\240\0\0\0" /* bytes behind it, serial, fields */
			   "\1\1o\0\31\0\0\0/org/freedesktop/systemd1\0\0\0\0\0\0\0"
			   "\6\1s\0\30\0\0\0org.freedesktop.systemd1\0\0\0\0\0\0\0\0"
			   "\2\1s\0\40\0\0\0org.freedesktop.systemd1.Manager\0\0\0\0\0\0\0\0"
			   "\3\1s\0\12\0\0\0SwitchRoot\0\0\0\0\0\0"
			   "\10\1g\0\2ss";
_Static_assert(sizeof(call) == 176, "a field of the call is not where it belongs");

enum { METHOD_RETURN = 2, METHOD_ERROR = 3 };

struct message {
	size_t used;
	char data[3 * PATH_MAX]; /* two paths and the head */
};

/* The head of a message in this machine's order of bytes, as systemd answers. */
struct header {
	char order, type, flags, version;
	uint32_t body, serial, fields;
};

int systemd_in_initrd(void)
{
	static const char *const marks[] = { "/run/systemd/system", "/etc/initrd-release" };

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (access(marks[i], F_OK) != 0)
			return errno == ENOENT || errno == ENOTDIR
					       ? 0
					       : log_error(errno, "looking for %s", marks[i]);
	return 1;
}

int systemd_takes(int root, const char *path)
{
	static const char *const files[] = { "etc/os-release", "usr/lib/os-release" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		auto_close int fd = sys_open_in_root(root, files[i], O_PATH | O_CLOEXEC);

		if (fd >= 0)
			return 1;
		if (fd != -ENOENT && fd != -ENOTDIR)
			return log_error(fd, "opening /%s in %s", files[i], path);
	}
	(void)log_error(0,
			"%s has neither /etc/os-release nor /usr/lib/os-release: systemd switches "
			"to no other tree",
			path);
	return 0;
}

static void put_string(struct message *message, const char *text)
{
	uint32_t length = (uint32_t)strlen(text), wire = htole32(length);

	message->used = (message->used + 3) / 4 * 4;
	memcpy(message->data + message->used, &wire, sizeof(wire));
	memcpy(message->data + message->used + sizeof(wire), text, length + 1);
	message->used += sizeof(wire) + length + 1;
}

static void make_call(struct message *message, const char *new_root, const char *init)
{
	uint32_t body;

	memset(message->data, 0, sizeof(message->data));
	memcpy(message->data, call, sizeof(call));
	message->used = sizeof(call);
	put_string(message, new_root);
	put_string(message, init);
	body = htole32((uint32_t)(message->used - sizeof(call)));
	memcpy(message->data + offsetof(struct header, body), &body, sizeof(body));
}

static int read_all(int fd, void *buffer, size_t length)
{
	char *next = buffer;

	while (length > 0) {
		ssize_t got = read(fd, next, length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ECONNRESET;
		next += got;
		length -= (size_t)got;
	}
	return 0;
}

/* The server's answer to the authentication is one line, "OK" or "REJECTED". */
static int read_line(int fd, char *line, size_t size)
{
	size_t used = 0;
	int result = 0;

	do
		result = read_all(fd, line + used, 1);
	while (result == 0 && line[used++] != '\n' && used + 1 < size);
	line[used] = '\0';
	return result;
}

/* Reads messages until the one that answers: signals come on this socket, too. */
static int read_answer(int fd)
{
	struct header header;
	uint32_t text;

	do {
		auto_free char *rest = NULL;
		size_t fields;
		int result = read_all(fd, &header, sizeof(header));

		fields = ((size_t)header.fields + 7) / 8 * 8;
		rest = result == 0 ? malloc(fields + header.body + 1) : NULL;
		if (result == 0)
			result = rest ? read_all(fd, rest, fields + header.body) : -ENOMEM;
		if (result < 0)
			return log_error(result, "waiting for systemd to switch root");
		rest[fields + header.body] = '\0';
		if (header.type == METHOD_ERROR)
			return log_error(0, "systemd refuses to switch root: %s",
					header.body > sizeof(text) ? rest + fields + sizeof(text)
								   : "it does not say why");
	} while (header.type != METHOD_RETURN);
	return 0;
}

int systemd_connect(void)
{
	/* A NUL, and the user 0 in hexadecimal digits of its name. BEGIN goes with them, and
	 * nothing follows it before the answer: PID 1 would not look at a message that it has read
	 * together with BEGIN until the next one comes. */
	static const char hello[] = "\0AUTH EXTERNAL 30\r\nBEGIN\r\n";
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = PRIVATE_SOCKET };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char line[128];
	int result = fd < 0 ? -errno : 0;

	if (result == 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		result = -errno;
	if (result == 0)
		result = write_all(fd, hello, sizeof(hello) - 1);
	if (result == 0)
		result = read_line(fd, line, sizeof(line));
	if (result == 0 && strncmp(line, "OK", 2) != 0)
		result = -EACCES;
	return result < 0 ? log_error(result, "connecting to systemd by " PRIVATE_SOCKET)
			  : take_fd(&fd);
}

int systemd_switch_root(int manager, const char *new_root, const char *init)
{
	struct message message;
	int result;

	make_call(&message, new_root, init);
	result = write_all(manager, message.data, message.used);
	if (result < 0)
		return log_error(result, "asking systemd to switch root");
	return read_answer(manager);
}

bool systemd_has_switched(int proc, int root)
{
	auto_close int mountinfo = openat(proc, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	struct pollfd changes = { .fd = mountinfo, .events = POLLPRI };
	struct sys_stat before, now;

	if (sys_stat(root, "", &before) < 0)
		return false;
	do {
		if (sys_stat(proc, "1/root/", &now) < 0)
			return false;
		if (!sys_stat_is_same(&before, &now))
			return true;
	} while (poll(&changes, 1, SWITCH_MS) > 0);
	return false;
}
