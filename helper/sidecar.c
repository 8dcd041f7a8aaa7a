/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sidecar.h"

#include "log.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#define FILE_LINE "# file: "

/* The value of a digit, or -1. */
static int digit(const char *digits, char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Takes a byte in octal digits ("\012") for itself, and of an escaped quote or backslash the
 * escape away. Returns the bytes written, or -1 where an escape leads behind the end. */
static ssize_t decode_text(const char *from, size_t length, char *to)
{
	size_t used = 0, i = 0;

	for (; i < length; used++) {
		bool escape = from[i] == '\\';
		int high = escape ? digit("0123", from[i + 1]) : -1,
		    middle = high < 0 ? -1 : digit("01234567", from[i + 2]),
		    low = middle < 0 ? -1 : digit("01234567", from[i + 3]);

		escape = escape && (from[i + 1] == '\\' || from[i + 1] == '"');
		to[used] = from[i + escape];
		if (low >= 0)
			to[used] = (char)(high << 6 | middle << 3 | low);
		i += low < 0 ? 1U + escape : 4;
	}
	return i == length ? (ssize_t)used : -1;
}

/* Takes digits of SHIFT bits each, up to "=" that fill the end. The same results. */
static ssize_t decode_digits(
		const char *digits, unsigned shift, const char *from, size_t length, char *to)
{
	unsigned bits = 0, count = 0;
	size_t used = 0;

	while (shift == 6 && length > 0 && from[length - 1] == '=')
		length--;
	for (size_t i = 0; i < length; i++) {
		int one = digit(digits, shift == 4 ? (char)(from[i] | 0x20) : from[i]);

		if (one < 0)
			return -1;
		bits = bits << shift | (unsigned)one;
		count += shift;
		if (count >= 8)
			to[used++] = (char)(bits >> (count -= 8));
	}
	return count < shift ? (ssize_t)used : -1;
}

/* Takes the value behind a "=" as getfattr(1) writes it: text in quotes, 0x and 0s. The same
 * results; TO has room for LENGTH bytes. */
static ssize_t decode(const char *from, size_t length, char *to)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";

	if (length >= 2 && from[0] == '"' && from[length - 1] == '"')
		return decode_text(from + 1, length - 2, to);
	if (length >= 2 && strncmp(from, "0x", 2) == 0)
		return decode_digits("0123456789abcdef", 4, from + 2, length - 2, to);
	if (length >= 2 && strncmp(from, "0s", 2) == 0)
		return decode_digits(base64, 6, from + 2, length - 2, to);
	return length == 0 ? 0 : -1;
}

/* Takes a name of a file or attribute; false where it is none. */
static bool decode_name(const char *from, size_t length, char *to, size_t room)
{
	ssize_t used = length < room ? decode_text(from, length, to) : -1;

	if (used > 0)
		to[used] = '\0';
	return used > 0 && strlen(to) == (size_t)used;
}

/* A text while it is parsed. */
struct parser {
	char path[4 * PATH_MAX], key[4 * NAME_MAX]; /* with escapes */
	char *value; /* room for any line */
	sidecar_use *use;
	void *context;
};

static int parse_line(struct parser *parser, const char *line, size_t length)
{
	const size_t head = strlen(FILE_LINE);
	const char *equals = memchr(line, '=', length);
	size_t key = equals ? (size_t)(equals - line) : length;
	ssize_t value = 0;

	if (length > head && strncmp(line, FILE_LINE, head) == 0)
		return decode_name(line + head, length - head, parser->path, sizeof(parser->path))
				       ? 0
				       : -EINVAL;
	if (length == 0)
		return 0;
	if (equals)
		value = decode(equals + 1, length - key - 1, parser->value);
	if (value < 0 || line[0] == '#' || !parser->path[0] || !memchr(line, '.', key) ||
			!decode_name(line, key, parser->key, sizeof(parser->key)))
		return -EINVAL;
	if (!parser->use)
		return 0;
	return parser->use(
			parser->context, parser->path, parser->key, parser->value, (size_t)value);
}

int sidecar_parse(const char *text, sidecar_use *use, void *context, size_t *number)
{
	auto_free char *value = malloc(strlen(text) + 1);
	struct parser parser = { .value = value, .use = use, .context = context };
	int result = value ? 0 : -ENOMEM;

	for (*number = 0; result == 0 && *text; ++*number) {
		size_t length = strcspn(text, "\n");

		result = parse_line(&parser, text, length);
		text += length + (text[length] == '\n');
	}
	return result;
}

int sidecar_read(char **text)
{
	size_t number, length;
	int result = read_file(AT_FDCWD, SIDECAR_FILE, text, &length);

	if (result == -ENOENT || result == -ENOTDIR)
		return 0;
	if (result < 0)
		return log_error(result, "reading " SIDECAR_FILE);
	result = sidecar_parse(*text, NULL, NULL, &number);
	if (result == 0 && strlen(*text) != length)
		result = -EINVAL;
	return result < 0 ? log_error(result == -EINVAL ? 0 : result,
					    SIDECAR_FILE ": line %zu is not as getfattr -h -R -d "
							 "-m - . writes it: make the file anew",
					    number)
			  : 0;
}

struct target {
	int root;
	struct sidecar_result *result;
};

/* By way of /proc, since a descriptor of a symlink takes no attributes itself. */
static int set_one(
		void *context, const char *path, const char *key, const char *value, size_t length)
{
	const struct target *target = context;
	auto_close int file = sys_open_below(target->root, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char link[32];
	int error = file < 0 ? -file : 0;

	(void)snprintf(link, sizeof(link), "self/fd/%d", file);
	if (error == 0 && setxattr(link, key, value, length, 0) != 0)
		error = errno;
	if (error == 0) {
		target->result->set++;
		return 0;
	}
	target->result->lost++;
	log_message(LOG_DEBUG, "the attribute %s of %s is not set: %s", key, path, strerror(error));
	return 0;
}

void sidecar_apply(const char *text, int root, int proc, struct sidecar_result *result)
{
	struct target target = { root, result };
	size_t number;
	int error = !text ? 0 : fchdir(proc) != 0 ? -errno : 0;

	if (text && error == 0)
		error = sidecar_parse(text, set_one, &target, &number);
	if (error < 0)
		(void)log_warning(error, "setting the attributes of " SIDECAR_FILE);
	else if (result->lost > 0)
		(void)log_warning(0,
				"%u of %u attributes of " SIDECAR_FILE
				" are not set; boot with rd.debug to see which",
				result->lost, result->lost + result->set);
}
