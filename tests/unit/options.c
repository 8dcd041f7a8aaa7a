// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of options: the kernel command line and its quotes, the conf file, the program's own
 * options by each applet, which source wins, and sizes. What was parsed is shown as a text of the
 * fields that are not at their default, and compared as such.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log.h"
#include "options.h"
#include "util.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define SHOWN 512

static void show_text(FILE *out, const char *name, const char *value)
{
	if (value)
		fprintf(out, "%s=[%s] ", name, value);
}

static void show_number(FILE *out, const char *name, long long value)
{
	if (value)
		fprintf(out, "%s=%lld ", name, value);
}

static void show(const struct options *options, char text[static SHOWN])
{
	FILE *out = fmemopen(text, SHOWN, "w");
	struct options defaults;

	assert_non_null(out);
	options_init(&defaults, options->applet);
	text[0] = '\0';
	show_number(out, "action", options->action);
	show_number(out, "root", options->root_tmpfsroot);
	show_number(out, "real_root", options->real_root);
	show_number(out, "method", options->method);
	show_text(out, "opts", options->tmpfs_options);
	if (options->minmem.value != SIZE_UNSET)
		show_number(out, "minmem", (long long)options->minmem.value);
	show_number(out, "percent", options->minmem.percent);
	show_text(out, "exclude", options->exclude);
	show_number(out, "onfail", options->onfail);
	show_text(out, "init", options->init);
	show_text(out, "break", options->break_at);
	show_text(out, "emergency", options->emergency);
	show_number(out, "quiet", options->quiet);
	show_number(out, "debug", options->debug);
	show_number(out, "no_shell", !options->shell);
	if (options->console != defaults.console)
		show_text(out, "console", options->console);
	show_number(out, "persist", options->persist);
	show_text(out, "rdinit", options->rdinit);
	show_number(out, "crash", options->crash_kernel);
	fclose(out);
	if (text[0])
		text[strlen(text) - 1] = '\0'; /* the last space */
}

typedef int parser(struct options *options, char *text);

/* One text, what its parser returns, and where that is 0 what it has set. */
struct text_case {
	const char *text;
	int result;
	const char *shown;
};

static void check_text(parser *parse, const struct text_case *test)
{
	char shown[SHOWN], *text = strdup(test->text);
	struct options options;
	int result;

	assert_non_null(text);
	options_init(&options, APPLET_TMPFSROOT);
	result = parse(&options, text);
	show(&options, shown);
	if (result != test->result || (result == 0 && strcmp(shown, test->shown) != 0))
		fail_msg("{%s}: got %d {%s}, expected %d {%s}", test->text, result, shown,
				test->result, test->shown ? test->shown : "");
	free(text);
}

static void check_texts(parser *parse, const struct text_case *tests, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_text(parse, &tests[i]);
}

#define CHECK_TEXTS(parse, tests) check_texts(parse, tests, ARRAY_SIZE(tests))

static void kernel_words(void **state)
{
	static const struct text_case tests[] = {
		{ "", 0, "" },
		{ "\n", 0, "" },
		{ " \t\n\v\f\r ", 0, "" },
		{ "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro console=ttyS0,115200 splash\n", 0, "" },
		{ "root=tmpfsroot\n", 0, "root=1" },
		{ "root=tmpfsroot root=/dev/sda1", 0, "" },
		{ "root=/dev/sda1 root=tmpfsroot", 0, "root=1" },
		{ "root=TMPFSROOT", 0, "" },
		{ "root=tmpfsroot2", 0, "" },
		{ "root=", 0, "" },
		{ "root", 0, "" },
		{ "xroot=tmpfsroot rootx=tmpfsroot Root=tmpfsroot", 0, "" },
		{ "rd.tmpfsroot=no", 0, "" },
		{ "rd.tmpfsroot=yes", 0, "real_root=1" },
		{ "rd.tmpfsroot=auto", 0, "real_root=2" },
		{ "rd.tmpfsroot.method=copy", 0, "" },
		{ "rd.tmpfsroot.method=bind", 0, "method=1" },
		{ "rd.tmpfsroot.opts=size=2G,mode=0755", 0, "opts=[size=2G,mode=0755]" },
		{ "rd.tmpfsroot.minmem=64M", 0, "minmem=67108864" },
		{ "rd.tmpfsroot.minmem=10%", 0, "minmem=10 percent=1" },
		{ "rd.tmpfsroot.minmem=10% rd.tmpfsroot.minmem=1k", 0, "minmem=1024" },
		{ "rd.tmpfsroot.exclude=/boot:*.pyc", 0, "exclude=[/boot:*.pyc]" },
		{ "rd.tmpfsroot.onfail=poweroff", 0, "onfail=3" },
		{ "rd.tmpfsroot.onfail=reboot rd.tmpfsroot.onfail=shell", 0, "" },
		{ "init=/sbin/init=1", 0, "init=[/sbin/init=1]" },
		{ "init=/a quiet init=/b", 0, "init=[/b] quiet=1" },
		{ "rd.break", 0, "break=[]" },
		{ "rd.break=", 0, "break=[]" },
		{ "rd.break=switch", 0, "break=[switch]" },
		{ "rd.break=switch rd.break", 0, "break=[]" },
		{ "rd.emergency=reboot", 0, "emergency=[reboot]" },
		{ "rdinit=/bin/a\n", 0, "rdinit=[/bin/a]" },
		{ "rdinit=/bin/a rdinit=/bin/b", 0, "rdinit=[/bin/b]" },
		{ "elfcorehdr=867680K", 0, "crash=1" },
		{ "tmpfsroot=1 rd.tmpfsrootx=1 rd.tmpfs=1 rd=1 opts=1", 0, "" },
		{ "=quiet =", 0, "" },
	};

	(void)state;
	CHECK_TEXTS(options_parse_kernel, tests);
}

static void kernel_words_refused(void **state)
{
	static const struct text_case tests[] = {
		{ "rd.tmpfsroot", -EINVAL, NULL },
		{ "rd.tmpfsroot=", -EINVAL, NULL },
		{ "rd.tmpfsroot=maybe", -EINVAL, NULL },
		{ "rd.tmpfsroot=YES", -EINVAL, NULL },
		{ "rd.tmpfsroot=yes,", -EINVAL, NULL },
		{ "rd.tmpfsroot.", -EINVAL, NULL },
		{ "rd.tmpfsroot.x", -EINVAL, NULL },
		{ "rd.tmpfsroot.x=1", -EINVAL, NULL },
		{ "rd.tmpfsroot.Opts=size=1G", -EINVAL, NULL },
		{ "rd.tmpfsroot.methods=copy", -EINVAL, NULL },
		{ "rd.tmpfsroot.method", -EINVAL, NULL },
		{ "rd.tmpfsroot.opts", -EINVAL, NULL },
		{ "rd.tmpfsroot.opts=", -EINVAL, NULL },
		{ "rd.tmpfsroot.minmem", -EINVAL, NULL },
		{ "rd.tmpfsroot.minmem=", -EINVAL, NULL },
		{ "rd.tmpfsroot.minmem=1.5G", -EINVAL, NULL },
		{ "rd.tmpfsroot.minmem=101%", -EINVAL, NULL },
		{ "rd.tmpfsroot.exclude", -EINVAL, NULL },
		{ "rd.tmpfsroot.exclude=", -EINVAL, NULL },
		{ "rd.tmpfsroot.onfail=rebot", -EINVAL, NULL },
		{ "rd.tmpfsroot.x=1 rd.tmpfsroot.method=copy", -EINVAL, NULL },
		{ "rd.tmpfsroot=maybe rd.tmpfsroot=no", -EINVAL, NULL },
	};

	(void)state;
	CHECK_TEXTS(options_parse_kernel, tests);
}

static void kernel_booleans(void **state)
{
	static const struct text_case tests[] = {
		{ "rd.shell", 0, "" },
		{ "rd.shell=0", 0, "no_shell=1" },
		{ "rd.shell=no", 0, "no_shell=1" },
		{ "rd.shell=off", 0, "no_shell=1" },
		{ "rd.shell=0 rd.shell=1", 0, "" },
		{ "rd.shell=0 rd.shell=maybe", 0, "" },
		{ "rd.debug=", 0, "debug=1" },
		{ "rd.shell=0 rd.shell=yes", 0, "" },
		{ "rd.shell=0 rd.shell=on", 0, "" },
		{ "rd.shell=0 rd.shell", 0, "" },
		{ "rd.debug", 0, "debug=1" },
		{ "rd.debug=on rd.debug=0", 0, "" },
		{ "quiet", 0, "quiet=1" },
	};

	(void)state;
	CHECK_TEXTS(options_parse_kernel, tests);
}

/* As next_arg() of the kernel's lib/cmdline.c takes them. */
static void kernel_quotes(void **state)
{
	static const struct text_case tests[] = {
		{ "\"init=/a b\" quiet", 0, "init=[/a b] quiet=1" },
		{ "init=\"/a b\" quiet", 0, "init=[/a b] quiet=1" },
		{ "init=\"/a\tb\nc\"", 0, "init=[/a\tb\nc]" },
		{ "init=/a\" \"b quiet", 0, "init=[/a\" \"b] quiet=1" },
		{ "init=/a\"b\" quiet", 0, "init=[/a\"b\"] quiet=1" },
		{ "init=\"/a\"b quiet", 0, "init=[/a\"b] quiet=1" },
		{ "init=\"/a\"\"/b\"", 0, "init=[/a\"\"/b]" },
		{ "in\"i\"t=/a \"quiet\"x", 0, "" },
		{ "init=\"/a b", 0, "init=[/a b]" },
		{ "\"init=/a b", 0, "init=[/a b]" },
		{ "init=/a\" quiet", 0, "init=[/a\" quiet]" },
		{ "init=/a\"", 0, "init=[/a\"]" },
		{ "rd.break=\"", 0, "break=[]" },
		{ "rd.break=\"\" quiet", 0, "break=[] quiet=1" },
		{ "\"\" quiet", 0, "quiet=1" },
		{ "\"", 0, "" },
		{ "\"quiet\" \"rd.debug\"", 0, "quiet=1 debug=1" },
		{ "\"quiet rd.debug\"", 0, "" },
		{ "other=\"rd.tmpfsroot.x init=/a\" quiet", 0, "quiet=1" },
		{ "other=\"a -- b\" quiet", 0, "quiet=1" },
		{ "rd.tmpfsroot.opts=\"size=1G,mode=0755\"", 0, "opts=[size=1G,mode=0755]" },
		{ "\"rd.tmpfsroot.exclude=/a b:/c\"", 0, "exclude=[/a b:/c]" },
	};

	(void)state;
	CHECK_TEXTS(options_parse_kernel, tests);
}

/* The newline that ends /proc/cmdline belongs to no word. */
static void kernel_quotes_left_open(void **state)
{
	static const struct text_case tests[] = {
		{ "init=\"/a b\n", 0, "init=[/a b]" },
		{ "\"init=/a b\n", 0, "init=[/a b]" },
		{ "init=/a\"\n", 0, "init=[/a\"]" },
	};

	(void)state;
	CHECK_TEXTS(options_parse_kernel, tests);
}

/* Quotes around the word and around its value. */
static void kernel_quotes_twice(void **state)
{
	static const struct text_case tests[] = {
		{ "\"init=\"/a", 0, "init=[/a]" },
		{ "\"init=\"/a\"\"", 0, "init=[/a\"]" },
		{ "\"init=\"/a quiet", 0, "init=[/a] quiet=1" },
	};

	(void)state;
	CHECK_TEXTS(options_parse_kernel, tests);
}

static void kernel_white_space_and_end(void **state)
{
	static const struct text_case tests[] = {
		{ "\t quiet\n\ninit=/a\t\r\v\frd.debug \n", 0, "init=[/a] quiet=1 debug=1" },
		{ "init=/a -- init=/b quiet", 0, "init=[/a]" },
		{ "-- quiet rd.tmpfsroot.x", 0, "" },
		{ "init=/a \"--\" quiet", 0, "init=[/a]" },
		{ "--\n", 0, "" },
		{ "--x quiet", 0, "quiet=1" },
		{ "--= quiet", 0, "quiet=1" },
		{ "- --- quiet", 0, "quiet=1" },
	};

	(void)state;
	CHECK_TEXTS(options_parse_kernel, tests);
}

static void conf_lines(void **state)
{
	static const struct text_case tests[] = {
		{ "", 0, "" },
		{ "\n\n \t\n", 0, "" },
		{ "quiet", 0, "quiet=1" },
		{ "quiet\n", 0, "quiet=1" },
		{ "quiet=1", 0, "quiet=1" },
		{ "# comment\n  # another\n#quiet\nrd.debug\n", 0, "debug=1" },
		{ "#", 0, "" },
		{ "quiet\r\nrd.tmpfsroot.onfail=reboot\r\n\r\n# c\r\n", 0, "onfail=2 quiet=1" },
		{ "  init=/a \t \n\tquiet\t", 0, "init=[/a] quiet=1" },
		{ "init=/a\ninit=/b", 0, "init=[/b]" },
		{ "init=/a b", 0, "init=[/a b]" },
		{ "init=/a # b", 0, "init=[/a # b]" },
		{ "init=\"/a b\"", 0, "init=[\"/a b\"]" },
		{ "init= /a", 0, "init=[ /a]" },
		{ "root=/dev/sda1", 0, "" },
		{ "root=tmpfsroot", 0, "root=1" },
		{ "rd.tmpfsroot.minmem=1G\nrd.tmpfsroot.minmem=5%", 0, "minmem=5 percent=1" },
	};

	(void)state;
	CHECK_TEXTS(options_parse_conf, tests);
}

static void conf_lines_refused(void **state)
{
	static const struct text_case tests[] = {
		{ "splash", -EINVAL, NULL },
		{ "quiet rd.debug", -EINVAL, NULL },
		{ "quiet # not too much", -EINVAL, NULL },
		{ "rdinit=/a", -EINVAL, NULL },
		{ "elfcorehdr=1", -EINVAL, NULL },
		{ "opts=size=1G", -EINVAL, NULL },
		{ "init =/a", -EINVAL, NULL },
		{ "--", -EINVAL, NULL },
		{ "=", -EINVAL, NULL },
		{ "\"quiet\"", -EINVAL, NULL },
		{ "rd.tmpfsroot.x\nquiet", -EINVAL, NULL },
		{ "quiet\nrd.tmpfsroot.x", -EINVAL, NULL },
		{ "\xef\xbb\xbfquiet", -EINVAL, NULL },
	};

	(void)state;
	CHECK_TEXTS(options_parse_conf, tests);
}

#define ARGUMENTS 6

/* A command line without argv[0]; RESULT is what options_parse_program() returns. */
struct program_case {
	enum applet applet;
	const char *arguments[ARGUMENTS];
	int result;
	const char *shown;
};

static void check_program(const struct program_case *test)
{
	char *argv[ARGUMENTS + 2] = { strdup("program") }, shown[SHOWN];
	struct options options;

	for (int i = 0; test->arguments[i]; i++)
		argv[i + 1] = strdup(test->arguments[i]);
	/* Twice: before and after the other sources, and to start over, they are parsed again. */
	for (int round = 0; round < 2; round++) {
		int result;

		options_init(&options, test->applet);
		result = options_parse_program(&options, argv);
		show(&options, shown);
		if (result != test->result || (result >= 0 && strcmp(shown, test->shown) != 0))
			fail_msg("%s %s..., round %d: got %d {%s}, expected %d {%s}",
					test->arguments[0] ? test->arguments[0] : "",
					test->arguments[0] && test->arguments[1]
							? test->arguments[1]
							: "",
					round, result, shown, test->result,
					test->shown ? test->shown : "");
		for (int i = 0; test->arguments[i]; i++)
			assert_string_equal(argv[i + 1], test->arguments[i]);
	}
	for (int i = 0; argv[i]; i++)
		free(argv[i]);
}

static void program_tmpfsroot(void **state)
{
	static const struct program_case tests[] = {
		{ APPLET_TMPFSROOT, { NULL }, 1, "" },
		{ APPLET_TMPFSROOT, { "/init", "--quiet" }, 1, "" },
		{ APPLET_TMPFSROOT, { "-", "--quiet" }, 1, "" },
		{ APPLET_TMPFSROOT, { "", "--quiet" }, 1, "" },
		{ APPLET_TMPFSROOT, { "--", "--quiet" }, 2, "" },
		{ APPLET_TMPFSROOT, { "--quiet", "--", "-x" }, 3, "quiet=1" },
		{ APPLET_TMPFSROOT, { "--dry-run", "--opts=size=2G,mode=1777", "/init" }, 3,
				"action=1 opts=[size=2G,mode=1777]" },
		{ APPLET_TMPFSROOT, { "--source", "/new" }, 2, "action=2" },
		{ APPLET_TMPFSROOT, { "--status" }, 2, "action=3" },
		{ APPLET_TMPFSROOT, { "--status=json" }, 2, "action=4" },
		{ APPLET_TMPFSROOT, { "--help" }, 2, "action=5" },
		{ APPLET_TMPFSROOT, { "--version" }, 2, "action=6" },
		{ APPLET_TMPFSROOT, { "--root=tmpfsroot", "--tmpfsroot=auto", "--method=bind" }, 4,
				"root=1 real_root=2 method=1" },
		{ APPLET_TMPFSROOT, { "--minmem=10%", "--exclude=/a b", "--onfail=continue" }, 4,
				"minmem=10 percent=1 exclude=[/a b] onfail=1" },
		{ APPLET_TMPFSROOT, { "--init=/a=b", "--break=x", "--shell=0", "--debug" }, 5,
				"init=[/a=b] break=[x] debug=1 no_shell=1" },
		{ APPLET_TMPFSROOT, { "--break", "--shell=no", "--shell" }, 4, "break=[]" },
		{ APPLET_TMPFSROOT, { "--exclude=\"/a\"" }, 2, "exclude=[\"/a\"]" },
		{ APPLET_TMPFSROOT, { "--init=/a", "--init=/b" }, 3, "init=[/b]" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		check_program(&tests[i]);
}

static void program_tmpfsroot_refused(void **state)
{
	static const struct program_case tests[] = {
		{ APPLET_TMPFSROOT, { "--opts" }, -EINVAL, NULL },
		{ APPLET_TMPFSROOT, { "--opts", "size=1G" }, -EINVAL, NULL },
		{ APPLET_TMPFSROOT, { "--opts=" }, -EINVAL, NULL },
		{ APPLET_TMPFSROOT, { "--minmem=" }, -EINVAL, NULL },
		{ APPLET_TMPFSROOT, { "--status=xml" }, -EINVAL, NULL },
		{ APPLET_TMPFSROOT, { "--status=" }, -EINVAL, NULL },
		{ APPLET_TMPFSROOT, { "--dry-run=1" }, -EINVAL, NULL },
		{ APPLET_TMPFSROOT, { "--quite" }, -EINVAL, NULL },
		{ APPLET_TMPFSROOT, { "--rd.tmpfsroot.opts=size=1G" }, -EINVAL, NULL },
		{ APPLET_TMPFSROOT, { "--rd.debug" }, -EINVAL, NULL },
		{ APPLET_TMPFSROOT, { "--rdinit=/a" }, -EINVAL, NULL },
		{ APPLET_TMPFSROOT, { "--=x" }, -EINVAL, NULL },
		{ APPLET_TMPFSROOT, { "---quiet" }, -EINVAL, NULL },
		{ APPLET_TMPFSROOT, { "-h" }, -EINVAL, NULL },
		{ APPLET_TMPFSROOT, { "-d", "cap_sys_boot" }, -EINVAL, NULL },
		{ APPLET_TMPFSROOT, { "--bad", "--quiet", "/init" }, -EINVAL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		check_program(&tests[i]);
}

static void program_switch_root(void **state)
{
	static const struct program_case tests[] = {
		{ APPLET_SWITCH_ROOT, { "/new", "/init", "-x" }, 1, "" },
		{ APPLET_SWITCH_ROOT, { "--", "/new", "/init" }, 2, "" },
		{ APPLET_SWITCH_ROOT, { "-h" }, 2, "action=5" },
		{ APPLET_SWITCH_ROOT, { "--help" }, 2, "action=5" },
		{ APPLET_SWITCH_ROOT, { "-V" }, 2, "action=6" },
		{ APPLET_SWITCH_ROOT, { "--version" }, 2, "action=6" },
		{ APPLET_SWITCH_ROOT, { "--dry-run" }, -EINVAL, NULL },
		{ APPLET_SWITCH_ROOT, { "--quiet" }, -EINVAL, NULL },
		{ APPLET_SWITCH_ROOT, { "-v" }, -EINVAL, NULL },
		{ APPLET_SWITCH_ROOT, { "-hV" }, -EINVAL, NULL },
		{ APPLET_SWITCH_ROOT, { "-c", "/dev/console" }, -EINVAL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		check_program(&tests[i]);
}

static void program_run_init(void **state)
{
	static const struct program_case tests[] = {
		{ APPLET_RUN_INIT, { "/new", "/init", "-n" }, 1, "" },
		{ APPLET_RUN_INIT, { "-n", "/new", "/init" }, 2, "action=1" },
		{ APPLET_RUN_INIT, { "-d", "cap_a", "/new" }, -EINVAL, NULL },
		{ APPLET_RUN_INIT, { "-dcap_a", "/new" }, -EINVAL, NULL },
		{ APPLET_RUN_INIT, { "-c", "/dev/tty1", "/new" }, 3, "console=[/dev/tty1]" },
		{ APPLET_RUN_INIT, { "-c/dev/tty1", "-n", "/new" }, 3,
				"action=1 console=[/dev/tty1]" },
		{ APPLET_RUN_INIT, { "-n", "-c", "a", "--", "/new" }, 5, "action=1 console=[a]" },
		{ APPLET_RUN_INIT, { "-c", "--", "/new" }, 3, "console=[--]" },
		{ APPLET_RUN_INIT, { "-c", "a", "-c", "b" }, 5, "console=[b]" },
		{ APPLET_RUN_INIT, { "-p", "-n", "/new" }, 3, "action=1 persist=1" },
		{ APPLET_RUN_INIT, { "-pn", "/new" }, -EINVAL, NULL },
		{ APPLET_RUN_INIT, { "-d" }, -EINVAL, NULL },
		{ APPLET_RUN_INIT, { "-n", "-c" }, -EINVAL, NULL },
		{ APPLET_RUN_INIT, { "-x", "/new" }, -EINVAL, NULL },
		{ APPLET_RUN_INIT, { "--dry-run", "/new" }, -EINVAL, NULL },
		{ APPLET_RUN_INIT, { "--d", "a" }, -EINVAL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		check_program(&tests[i]);
}

enum { CONF, KERNEL, PROGRAM, SOURCES };

static const int orders[][SOURCES] = {
	{ CONF, KERNEL, PROGRAM },
	{ CONF, PROGRAM, KERNEL },
	{ KERNEL, CONF, PROGRAM },
	{ KERNEL, PROGRAM, CONF },
	{ PROGRAM, CONF, KERNEL },
	{ PROGRAM, KERNEL, CONF },
};

/* Parses NAME=VALUE, by the option where SOURCE is the program, in a text that is kept. */
static int parse_source(struct options *options, int source, const char *name, const char *option,
		const char *value, char text[static 64])
{
	char *argv[] = { text, text, NULL };

	assert_true(snprintf(text, 64, "%s%s%s%s", source == PROGRAM ? "--" : "",
				    source == PROGRAM ? option : name, *value ? "=" : "",
				    value) < 64);
	if (source == PROGRAM)
		return options_parse_program(options, argv) < 0 ? -EINVAL : 0;
	return (source == KERNEL ? options_parse_kernel : options_parse_conf)(options, text);
}

/* A word, its value in each source, and what is shown where that source decides. */
static const struct precedence_case {
	const char *name, *option, *values[SOURCES], *shown[SOURCES];
} precedences[] = {
	{ "root", "root", { "tmpfsroot", "/dev/sda", "tmpfsroot" }, { "root=1", "", "root=1" } },
	{ "rd.tmpfsroot", "tmpfsroot", { "yes", "auto", "no" },
			{ "real_root=1", "real_root=2", "" } },
	{ "rd.tmpfsroot.method", "method", { "bind", "copy", "bind" },
			{ "method=1", "", "method=1" } },
	{ "rd.tmpfsroot.opts", "opts", { "size=1", "size=2", "size=3" },
			{ "opts=[size=1]", "opts=[size=2]", "opts=[size=3]" } },
	{ "rd.tmpfsroot.minmem", "minmem", { "1", "2%", "3" },
			{ "minmem=1", "minmem=2 percent=1", "minmem=3" } },
	{ "rd.tmpfsroot.exclude", "exclude", { "a", "b", "c" },
			{ "exclude=[a]", "exclude=[b]", "exclude=[c]" } },
	{ "rd.tmpfsroot.onfail", "onfail", { "poweroff", "shell", "reboot" },
			{ "onfail=3", "", "onfail=2" } },
	{ "init", "init", { "/a", "/b", "/c" }, { "init=[/a]", "init=[/b]", "init=[/c]" } },
	{ "rd.break", "break", { "a", "", "c" }, { "break=[a]", "break=[]", "break=[c]" } },
	{ "rd.emergency", "emergency", { "reboot", "halt", "x" },
			{ "emergency=[reboot]", "emergency=[halt]", "emergency=[x]" } },
	{ "rd.shell", "shell", { "0", "1", "0" }, { "no_shell=1", "", "no_shell=1" } },
	{ "rd.debug", "debug", { "1", "0", "1" }, { "debug=1", "", "debug=1" } },
	{ "quiet", "quiet", { "", "", "" }, { "quiet=1", "quiet=1", "quiet=1" } },
};

/* Parses the sources of the set SOURCES_SET, in an order. */
static void check_precedence(
		const struct precedence_case *test, const int order[static SOURCES], unsigned set)
{
	char texts[SOURCES][64], shown[SHOWN];
	struct options options;
	int winner = -1;

	options_init(&options, APPLET_TMPFSROOT);
	for (int i = 0; i < SOURCES; i++) {
		int source = order[i];

		if (!(set & 1U << source))
			continue;
		assert_int_equal(parse_source(&options, source, test->name, test->option,
						 test->values[source], texts[source]),
				0);
		winner = source; /* the last word holds */
	}
	show(&options, shown);
	if (strcmp(shown, winner < 0 ? "" : test->shown[winner]) != 0)
		fail_msg("%s, sources %u in the order %d%d%d: got {%s}", test->name, set, order[0],
				order[1], order[2], shown);
}

static void precedence(void **state)
{
	(void)state;
	for (size_t test = 0; test < ARRAY_SIZE(precedences); test++)
		for (size_t order = 0; order < ARRAY_SIZE(orders); order++)
			for (unsigned set = 0; set < 1U << SOURCES; set++)
				check_precedence(&precedences[test], orders[order], set);
}

/* A word with a right and a wrong value. */
struct wrong_case {
	const char *name, *option, *right, *wrong;
	const char *shown; /* for the right one */
};

static const struct wrong_case wrongs[] = {
	{ "rd.tmpfsroot", "tmpfsroot", "yes", "maybe", "real_root=1" },
	{ "rd.tmpfsroot.opts", "opts", "size=1", "", "opts=[size=1]" },
	{ "rd.tmpfsroot.minmem", "minmem", "10%", "5x", "minmem=10 percent=1" },
	{ "rd.tmpfsroot.minmem", "minmem", "64", "200%", "minmem=64" },
	{ "rd.tmpfsroot.exclude", "exclude", "a", "", "exclude=[a]" },
	{ "rd.tmpfsroot.onfail", "onfail", "reboot", "rebot", "onfail=2" },
};

/* Parses the wrong value in one source, and the right one in the other. */
static void parse_wrong(const struct wrong_case *test, int wrong, int right, bool wrong_first,
		char shown[static SHOWN])
{
	char texts[2][64];
	struct options options;

	options_init(&options, APPLET_TMPFSROOT);
	for (int turn = 0; turn < 2; turn++) {
		bool is_wrong = (turn == 0) == wrong_first;
		int result = parse_source(&options, is_wrong ? wrong : right, test->name,
				test->option, is_wrong ? test->wrong : test->right, texts[turn]);

		if (result != (is_wrong ? -EINVAL : 0))
			fail_msg("%s=%s: got %d", test->name, is_wrong ? test->wrong : test->right,
					result);
	}
	show(&options, shown);
}

/* A wrong value in a source that does not decide is refused, and changes nothing. */
static void precedence_over_wrong_value(void **state)
{
	char shown[SHOWN];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++)
		for (int low = CONF; low < PROGRAM; low++)
			for (int first = 0; first < 2; first++) {
				parse_wrong(&wrongs[i], low, low + 1, first, shown);
				if (strcmp(shown, wrongs[i].shown) != 0)
					fail_msg("%s=%s: got {%s}", wrongs[i].name, wrongs[i].wrong,
							shown);
			}
}

/* Where the source that decides is wrong, the order of parsing does not count either. */
static void precedence_of_wrong_value(void **state)
{
	char early[SHOWN], late[SHOWN];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
		parse_wrong(&wrongs[i], KERNEL, CONF, true, early);
		parse_wrong(&wrongs[i], KERNEL, CONF, false, late);
		if (strcmp(early, late) != 0)
			fail_msg("%s: wrong one first {%s}, last {%s}", wrongs[i].name, early,
					late);
	}
}

/* Parsing goes on behind a wrong word; each is logged once, by the name that its source has. */
static void messages(void **state)
{
	static const char kernel[] =
			"rd.tmpfsroot.x=1 rd.tmpfsroot.minmem=1.5G init=/a rd.tmpfsroot.method=2";
	char *argv[] = { (char[]){ "tmpfsroot" }, (char[]){ "--minmem=junk" }, NULL };
	char text[sizeof(kernel)], log[1024] = "";
	int file = memfd_create("log", MFD_CLOEXEC), saved = dup(STDERR_FILENO);
	struct options options;

	(void)state;
	assert_true(file >= 0 && saved >= 0);
	memcpy(text, kernel, sizeof(kernel));
	options_init(&options, APPLET_TMPFSROOT);
	log_set_level(LOG_ERROR);
	assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(options_parse_kernel(&options, text), -EINVAL);
	assert_int_equal(options_parse_program(&options, argv), -EINVAL);
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	log_set_level((enum log_level)0);
	assert_true(pread(file, log, sizeof(log) - 1, 0) > 0);
	close_fd(&file);
	close_fd(&saved);
	assert_string_equal(options.init, "/a");
	assert_string_equal(log,
			"tmpfsroot: kernel command line: unknown word rd.tmpfsroot.x: see "
			"tmpfsroot.cmdline(7)\n"
			"tmpfsroot: kernel command line: rd.tmpfsroot.minmem=1.5G is wrong: "
			"expected a "
			"size such as 64M, 2G or 10%\n"
			"tmpfsroot: kernel command line: rd.tmpfsroot.method=2 is wrong: expected "
			"copy or bind\n"
			"tmpfsroot: option: minmem=junk is wrong: expected a size such as 64M, 2G "
			"or "
			"10%\n");
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
		bool percent;
	} tests[] = {
		{ "0", 0, false },
		{ "12", 12, false },
		{ "0012", 12, false },
		{ "1k", 1024, false },
		{ "1K", 1024, false },
		{ "3m", 3ULL << 20, false },
		{ "3M", 3ULL << 20, false },
		{ "2g", 2ULL << 30, false },
		{ "2G", 2ULL << 30, false },
		{ "5t", 5ULL << 40, false },
		{ "5T", 5ULL << 40, false },
		{ "7p", 7ULL << 50, false },
		{ "7P", 7ULL << 50, false },
		{ "15e", 15ULL << 60, false },
		{ "15E", 15ULL << 60, false },
		{ "0E", 0, false },
		{ "18446744073709551615", UINT64_MAX, false },
		{ "18014398509481983k", 18014398509481983ULL << 10, false },
		{ "0%", 0, true },
		{ "1%", 1, true },
		{ "100%", 100, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		struct size size = { 99, true };
		int result = size_parse(tests[i].text, true, &size);

		if (result != 0 || size.value != tests[i].value || size.percent != tests[i].percent)
			fail_msg("%s: got %d, %llu%s", tests[i].text, result,
					(unsigned long long)size.value, size.percent ? "%" : "");
		result = size_parse(tests[i].text, false, &size);
		assert_int_equal(result, tests[i].percent ? -EINVAL : 0);
	}
}

static void sizes_refused(void **state)
{
	static const char *const texts[] = { "", " ", "k", "G", "%", "-1", "+1", "-", " 1", "1 ",
		"1 k", "1\n", "1.5G", "1,5G", "1kk", "1KB", "1KiB", "1kB", "1z", "1b", "1%%", "1%k",
		"1k%", "10 %", "101%", "200%", "18446744073709551615%", "18446744073709551616",
		"18446744073709551617", "28446744073709551615", "99999999999999999999999",
		"18014398509481984k", "16E", "16384P", "16777216T", "17179869184G",
		"17592186044416M", "18446744073709551615k", "0x10", "1e3", "one", "1\xeb",
		"1\x0b" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct size size;

		if (size_parse(texts[i], true, &size) != -EINVAL)
			fail_msg("{%s} was taken for a size", texts[i]);
	}
}

static void sizes_in_bytes(void **state)
{
	(void)state;
	assert_true(size_bytes((struct size){ 0, false }, 1000) == 0);
	assert_true(size_bytes((struct size){ 7, false }, 0) == 7);
	assert_true(size_bytes((struct size){ UINT64_MAX, false }, 1000) == UINT64_MAX);
	assert_true(size_bytes((struct size){ 0, true }, 1000) == 0);
	assert_true(size_bytes((struct size){ 10, true }, 4000) == 400);
	assert_true(size_bytes((struct size){ 100, true }, 4000) == 4000);
	assert_true(size_bytes((struct size){ 100, true }, UINT64_MAX) >= UINT64_MAX - 100);
	assert_true(size_bytes((struct size){ 50, true }, 0) == 0);
}

static void help(void **state)
{
	static const char *const usages[] = { [APPLET_TMPFSROOT] = "Usage: tmpfsroot ",
		[APPLET_SWITCH_ROOT] = "Usage: switch_root ",
		[APPLET_RUN_INIT] = "Usage: run-init " };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(usages); i++) {
		struct options options;
		char *text = NULL;
		size_t length;
		FILE *out = open_memstream(&text, &length);

		assert_non_null(out);
		options_init(&options, (enum applet)i);
		options_help(&options, out);
		assert_int_equal(fclose(out), 0);
		assert_int_equal(strncmp(text, usages[i], strlen(usages[i])), 0);
		for (size_t row = 0; i == APPLET_TMPFSROOT && row < ARRAY_SIZE(precedences);
				row++) {
			char line[64];

			(void)snprintf(line, sizeof(line), "  --%s", precedences[row].option);
			assert_non_null(strstr(text, line));
			(void)snprintf(line, sizeof(line), " (%s)\n", precedences[row].name);
			assert_non_null(strstr(text, line));
		}
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_words),
		cmocka_unit_test(kernel_words_refused),
		cmocka_unit_test(kernel_booleans),
		cmocka_unit_test(kernel_quotes),
		cmocka_unit_test(kernel_quotes_left_open),
		cmocka_unit_test(kernel_quotes_twice),
		cmocka_unit_test(kernel_white_space_and_end),
		cmocka_unit_test(conf_lines),
		cmocka_unit_test(conf_lines_refused),
		cmocka_unit_test(program_tmpfsroot),
		cmocka_unit_test(program_tmpfsroot_refused),
		cmocka_unit_test(program_switch_root),
		cmocka_unit_test(program_run_init),
		cmocka_unit_test(precedence),
		cmocka_unit_test(precedence_over_wrong_value),
		cmocka_unit_test(precedence_of_wrong_value),
		cmocka_unit_test(messages),
		cmocka_unit_test(sizes),
		cmocka_unit_test(sizes_refused),
		cmocka_unit_test(sizes_in_bytes),
		cmocka_unit_test(help),
	};

	log_set_level((enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
