/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "options.h"

#include "log.h"
#include "util.h"

#include <errno.h>
#include <string.h>

enum kind {
	KIND_ROOT, /* root=: a bool; true for "tmpfsroot", any other value is somebody else's */
	KIND_CHOICE, /* an int: the index of the value in the list of values */
	KIND_BOOLEAN, /* a bool, as dracut reads its own: the bare word is yes */
	KIND_TEXT, /* a string that is not empty */
	KIND_POINT, /* a string; "" for the bare word */
	KIND_SIZE, /* a struct size */
};

#define FIELD(name) offsetof(struct options, name)

/* One row a word: VALUE is how --help shows its value, OFFSET where it is kept in the struct. */
static const struct word {
	const char *name, *value, *expected, *help;
	enum kind kind;
	size_t offset;
} words[] = {
	{ "root", "tmpfsroot", "tmpfsroot", "the root is the tree in the initramfs", KIND_ROOT,
			FIELD(root_tmpfsroot) },
	{ "rd.tmpfsroot", "no|yes|auto", "no, yes or auto",
			"move the mounted real root to memory: never; or fail; if it fits",
			KIND_CHOICE, FIELD(real_root) },
	{ "rd.tmpfsroot.method", "copy|bind", "copy or bind",
			"copy into a new tmpfs, or bind the initramfs over itself", KIND_CHOICE,
			FIELD(method) },
	{ "rd.tmpfsroot.opts", "LIST", "a list of tmpfs(5) mount options",
			"options of the new tmpfs", KIND_TEXT, FIELD(tmpfs_options) },
	{ "rd.tmpfsroot.minmem", "SIZE", "a size such as 64M, 2G or 10%",
			"memory that must stay available", KIND_SIZE, FIELD(minmem) },
	{ "rd.tmpfsroot.exclude", "GLOB[:GLOB...]", "a list of patterns", "what is not moved",
			KIND_TEXT, FIELD(exclude) },
	{ "rd.tmpfsroot.onfail", "shell|continue|reboot|poweroff",
			"shell, continue, reboot or poweroff",
			"what PID 1 does when it cannot go on", KIND_CHOICE, FIELD(onfail) },
	{ "rd.tmpfsroot.mounts", "no|yes", "no or yes",
			"make the API file systems that are missing (yes)", KIND_CHOICE,
			FIELD(mounts) },
	{ "rd.tmpfsroot.incomplete", "no|yes", "no or yes",
			"move an initramfs that the kernel has not unpacked whole (no)",
			KIND_CHOICE, FIELD(incomplete) },
	{ "rd.tmpfsroot.selinux", "no|yes", "no or yes",
			"load the SELinux policy of the new root, and label that (yes)",
			KIND_CHOICE, FIELD(selinux) },
	{ "init", "PATH", "a path", "the init of the new root", KIND_POINT, FIELD(init) },
	{ "quiet", NULL, "no value", "print errors and warnings alone", KIND_BOOLEAN,
			FIELD(quiet) },
	{ "rd.break", "[POINT]", "a breakpoint's name", "a shell before that point", KIND_POINT,
			FIELD(break_at) },
	{ "rd.shell", "[0|1]", "0 or 1", "whether a failure may give a shell", KIND_BOOLEAN,
			FIELD(shell) },
	{ "rd.emergency", "reboot|poweroff|halt", "reboot, poweroff or halt",
			"what follows the shell, or no shell", KIND_POINT, FIELD(emergency) },
	{ "rd.debug", "[0|1]", "0 or 1", "print debug messages", KIND_BOOLEAN, FIELD(debug) },
};

/* The index of VALUE in a list such as "no|yes|auto", or -EINVAL. */
static int choose(const char *list, const char *value)
{
	size_t wanted = value ? strlen(value) : 0;

	for (int i = 0; *list; i++) {
		size_t length = strcspn(list, "|");

		if (length == wanted && strncmp(list, value, length) == 0)
			return i;
		list += length + (list[length] == '|');
	}
	return -EINVAL;
}

/* Sets the field of WORD. Returns a negative errno where VALUE, NULL where there was no "=", is
 * wrong; then nothing is set. */
static int set_field(struct options *options, const struct word *word, const char *value)
{
	void *field = (char *)options + word->offset;
	int chosen;

	switch (word->kind) {
	case KIND_ROOT:
		*(bool *)field = value && strcmp(value, word->value) == 0;
		return 0;
	case KIND_CHOICE:
		chosen = choose(word->value, value);
		if (chosen >= 0)
			*(int *)field = chosen;
		return chosen;
	case KIND_BOOLEAN:
		*(bool *)field = choose("0|no|off", value) < 0;
		return 0;
	case KIND_TEXT:
		if (!value || !*value)
			return -EINVAL;
		*(const char **)field = value;
		return 0;
	case KIND_POINT:
		*(const char **)field = value ? value : "";
		return 0;
	case KIND_SIZE:
		return value ? size_parse(value, true, field) : -EINVAL;
	}
	return -EINVAL;
}

static const struct {
	const char *name, *help;
	enum action action;
} actions[] = {
	{ "dry-run", "print the plan, change nothing; exit 0 if it would succeed", ACTION_DRY_RUN },
	{ "source", "print what of the initramfs is to become the root, if it is", ACTION_SOURCE },
	{ "status", "what / is now, whether pivot_root works, what the boot did", ACTION_STATUS },
	{ "status=json", "the same as JSON", ACTION_STATUS_JSON },
	{ "help", "print this help", ACTION_HELP },
	{ "version", "print the version", ACTION_VERSION },
};

static const char *option_name(const struct word *word)
{
	const char *name = word->name;

	if (strncmp(name, "rd.", 3) == 0)
		name += 3;
	return strncmp(name, "tmpfsroot.", 10) == 0 ? name + 10 : name;
}

void options_init(struct options *options, enum applet applet)
{
	*options = (struct options){ .applet = applet,
		.shell = true,
		.mounts = true,
		.selinux = true,
		.console = "/dev/console",
		.minmem = { .value = SIZE_UNSET } };
}

int size_parse(const char *text, bool percent, struct size *size)
{
	static const char units[] = "kmgtpe";
	const char *unit;
	char *end;
	uint64_t value;
	unsigned shift = 0;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || errno)
		return -EINVAL;
	if (*end == '%' && end[1] == '\0' && percent && value <= 100) {
		*size = (struct size){ .value = value, .percent = true };
		return 0;
	}
	unit = *end ? strchr(units, *end | 0x20) : NULL;
	if (unit)
		shift = 10 * (unsigned)(unit - units + 1);
	if (end[unit != NULL] != '\0' || value > UINT64_MAX >> shift)
		return -EINVAL;
	*size = (struct size){ .value = value << shift };
	return 0;
}

uint64_t size_bytes(struct size size, uint64_t total)
{
	return size.percent ? total / 100 * size.value : size.value;
}

/* Where the words of a text come from, for messages, and how they are taken. */
struct origin {
	const char *name;
	bool strict; /* an unknown word is an error */
	bool program; /* words without "rd." and "tmpfsroot." */
};

static int set_word(struct options *options, const struct word *word, const char *value,
		const struct origin *origin)
{
	if (set_field(options, word, value) >= 0)
		return 0;
	return log_error(0, "%s: %s%s%s is wrong: expected %s", origin->name,
			origin->program ? option_name(word) : word->name, value ? "=" : "",
			value ? value : "", word->expected);
}

static int parse_pair(struct options *options, const char *word, const char *value,
		const struct origin *origin)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const char *name = origin->program ? option_name(&words[i]) : words[i].name;

		if (strcmp(word, name) == 0)
			return set_word(options, &words[i], value, origin);
	}
	if (origin->strict || strncmp(word, "rd.tmpfsroot.", 13) == 0)
		return log_error(0, "%s: unknown word %s: see tmpfsroot.cmdline(7)", origin->name,
				word);
	if (strcmp(word, "rdinit") == 0)
		options->rdinit = value;
	if (strcmp(word, "enforcing") == 0)
		options->enforcing = value;
	if (strcmp(word, "elfcorehdr") == 0)
		options->crash_kernel = true;
	return 0;
}

/* Splits WORD at its "=" for as long as it is parsed: arguments are needed again to start over. */
static int parse_word(struct options *options, char *word, const struct origin *origin)
{
	char *equals = strchr(word, '=');
	int result;

	if (equals)
		*equals = '\0';
	result = parse_pair(options, word, equals ? equals + 1 : NULL, origin);
	if (equals)
		*equals = '=';
	return result;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

/* The kernel takes quotes away in two places only: around a word, and around a value. */
static char *unquote(char *word)
{
	bool whole = word[0] == '"', quoted;
	size_t length;
	char *value;

	word += whole;
	length = strlen(word);
	value = strchr(word, '=');
	quoted = value && value[1] == '"';
	if ((whole || quoted) && length > 0 && word[length - 1] == '"')
		word[length - 1] = '\0';
	if (quoted && value[1])
		memmove(value + 1, value + 2, strlen(value + 2) + 1);
	return word;
}

/* The next word, ended by a NUL, or NULL; *TEXT is moved behind it. */
static char *next_kernel_word(char **text)
{
	char *word = *text, *end;
	bool quoted = false;

	while (is_space(*word))
		word++;
	if (*word == '\0')
		return NULL;
	for (end = word; *end && (quoted || !is_space(*end)); end++)
		if (*end == '"')
			quoted = !quoted;
	*text = *end ? end + 1 : end;
	*end = '\0';
	return unquote(word);
}

int options_parse_kernel(struct options *options, char *text)
{
	static const struct origin origin = { "kernel command line", false, false };
	size_t length = strlen(text);
	int result = 0;
	char *word;

	if (length > 0 && text[length - 1] == '\n') /* even behind a quote left open */
		text[length - 1] = '\0';
	while ((word = next_kernel_word(&text)) && strcmp(word, "--") != 0) {
		int one = parse_word(options, word, &origin);

		result = result < 0 ? result : one;
	}
	return result;
}

int options_parse_conf(struct options *options, char *text)
{
	static const struct origin origin = { "tmpfsroot.conf", true, false };
	int result = 0;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		char *end = line + strlen(line);
		int one = 0;

		while (is_space(*line))
			line++;
		while (end > line && is_space(end[-1]))
			*--end = '\0';
		if (*line && *line != '#')
			one = parse_word(options, line, &origin);
		result = result < 0 ? result : one;
	}
	return result;
}

static bool parse_action(struct options *options, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (strcmp(actions[i].name, name) == 0) {
			options->action = actions[i].action;
			return true;
		}
	return false;
}

/* util-linux's switch_root knows -h and -V alone. */
static int parse_switch_root(struct options *options, const char *argument)
{
	if (strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0)
		options->action = ACTION_HELP;
	else if (strcmp(argument, "-V") == 0 || strcmp(argument, "--version") == 0)
		options->action = ACTION_VERSION;
	else
		return log_error(0, "unknown option %s: see switch_root --help", argument);
	return 0;
}

/* klibc's run-init: -c CONSOLE, -n, -p; a value may stand in the same argument. Returns how many
 * arguments were taken. */
static int parse_run_init(struct options *options, char **argv)
{
	if (strcmp(argv[0], "-n") == 0) {
		options->action = ACTION_DRY_RUN;
	} else if (strcmp(argv[0], "-p") == 0) {
		options->persist = true;
	} else if (strncmp(argv[0], "-c", 2) == 0) {
		options->console = argv[0][2] ? argv[0] + 2 : argv[1];
		if (!options->console)
			return log_error(0, "%s needs a value", argv[0]);
		return argv[0][2] ? 1 : 2;
	} else if (strncmp(argv[0], "-d", 2) == 0) {
		return log_error(0, "-d: capabilities are not dropped here: let init do it, or use "
				    "klibc's "
				    "run-init");
	} else {
		return log_error(0, "unknown option %s: expected -c CONSOLE, -n or -p", argv[0]);
	}
	return 1;
}

int options_parse_program(struct options *options, char **argv)
{
	static const struct origin origin = { "option", true, true };
	int result = 0, i;

	for (i = 1; argv[i] && argv[i][0] == '-' && argv[i][1]; i++) {
		int one = 0;

		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (options->applet == APPLET_SWITCH_ROOT) {
			one = parse_switch_root(options, argv[i]);
		} else if (options->applet == APPLET_RUN_INIT) {
			one = parse_run_init(options, argv + i);
			i += one == 2;
		} else if (strncmp(argv[i], "--", 2) != 0) {
			one = log_error(0, "unknown option %s: see tmpfsroot --help", argv[i]);
		} else if (!parse_action(options, argv[i] + 2)) {
			one = parse_word(options, argv[i] + 2, &origin);
		}
		result = one < 0 ? one : result;
	}
	return result < 0 ? result : i;
}

void options_ignore(struct options *options)
{
	options->root_tmpfsroot = false;
	options->real_root = REAL_ROOT_NO;
	options->method = METHOD_COPY;
	options->tmpfs_options = options->exclude = NULL;
}

void options_help(const struct options *options, FILE *out)
{
	if (options->applet == APPLET_SWITCH_ROOT) {
		(void)fputs("Usage: switch_root [-h] [-V] NEWROOT INIT [ARG...]\n", out);
		return;
	}
	if (options->applet == APPLET_RUN_INIT) {
		(void)fputs("Usage: run-init [-c CONSOLE] [-n] [-p] NEWROOT INIT [ARG...]\n", out);
		return;
	}
	(void)fputs("Usage: tmpfsroot [OPTION...] [NEWROOT] INIT [ARG...]\n"
		    "Makes an initramfs the content of a real tmpfs, makes that /, and starts "
		    "INIT.\n\n",
			out);
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		(void)fprintf(out, "  --%-22s %s\n", actions[i].name, actions[i].help);
	(void)fputs("\nOptions; each is a word of the kernel command line, too (in brackets):\n",
			out);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const char *value = words[i].value ? words[i].value : "";
		const char *sign = *value == '\0' ? "" : *value == '[' ? "[=" : "=";

		(void)fprintf(out, "  --%s%s%s\n        %s (%s)\n", option_name(&words[i]), sign,
				*value == '[' ? value + 1 : value, words[i].help, words[i].name);
	}
	(void)fputs("\nSee tmpfsroot(8) and tmpfsroot.cmdline(7).\n", out);
}
