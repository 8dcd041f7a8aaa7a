/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One boot, in order: options, mounts and plan (what is there, what it will cost, may it be done),
 * move, switch, exec. Before: this is PID 1, and "/" is an initramfs, or NEWROOT is mounted below
 * it. After: "/" is the new root, and this process is init. In between nothing but a refusal that
 * leaves all as it was, and does what rd.tmpfsroot.onfail= says; PID 1 never just ends.
 *
 * Where systemd is PID 1 of the initramfs this is a service: the new root is then what is mounted
 * on NEWROOT, and PID 1 does the switch. A refusal is a service that has failed.
 */
#include "boot.h"
#include "failure.h"
#include "log.h"
#include "mounts.h"
#include "report.h"
#include "runinit.h"
#include "systemd.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

/* The old root is gone by then: what fails for a moment is no reason not to boot. */
#define EXECUTE_TRIES 2

extern char **environ;

/* The texts that options and request point into. */
struct texts {
	char *conf, *kernel;
	char **init; /* the argument vector where it is made here */
};

/* The first files opened would become standard streams where PID 1 has no console. */
static void open_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/console", O_RDWR | O_NOCTTY) < 0 &&
				open("/dev/null", O_RDWR) < 0)
			(void)open("/", O_RDONLY | O_DIRECTORY);
}

static enum applet applet_of(const char *argv0)
{
	const char *slash = strrchr(argv0, '/'), *name = slash ? slash + 1 : argv0;

	return strcmp(name, "switch_root") == 0 ? APPLET_SWITCH_ROOT
	       : strcmp(name, "run-init") == 0	? APPLET_RUN_INIT
						: APPLET_TMPFSROOT;
}

/* /etc/tmpfsroot.conf, the kernel command line: the last word holds. */
static int read_words(struct boot *boot, struct texts *texts)
{
	int conf = read_file(AT_FDCWD, "/etc/tmpfsroot.conf", &texts->conf, NULL), result;

	if (conf == 0)
		conf = options_parse_conf(&boot->options, texts->conf);
	else if (conf == -ENOENT)
		conf = 0;
	else
		(void)log_error(conf, "reading /etc/tmpfsroot.conf");
	result = read_file(boot->proc, "cmdline", &texts->kernel, NULL);
	if (result < 0)
		return log_error(result, "reading /proc/cmdline");
	result = options_parse_kernel(&boot->options, texts->kernel);
	if (faccessat(boot->proc, "vmcore", F_OK, 0) == 0)
		boot->options.crash_kernel = true;
	return result < 0 ? result : conf;
}

/* The kernel started this program by rdinit=: then its arguments are all init's. */
static bool started_by_kernel(const struct boot *boot, char **argv)
{
	return getpid() == 1 && boot->options.rdinit &&
	       strcmp(argv[0], boot->options.rdinit) == 0 && !getenv(WITNESS);
}

static int init_of_kernel(struct boot *boot, struct texts *texts, int argc, char **argv)
{
	texts->init = calloc((size_t)argc + 1, sizeof(*texts->init));
	if (!texts->init)
		return log_error(ENOMEM, "starting");
	memcpy(texts->init, argv, (size_t)argc * sizeof(*argv));
	texts->init[0] = (char *)"/init";
	boot->request.init = texts->init;
	return 0;
}

/* Where it leads nowhere it may still be an init, and is looked at later. */
static int is_directory(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode);
	return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			       ? 0
			       : log_error(errno, "stat %s", path);
}

/* [NEWROOT] INIT [ARG...]: NEWROOT is a directory, and only tmpfsroot can do without it, or with it
 * alone. */
static int find_request(struct boot *boot, char **arguments)
{
	bool tmpfsroot = boot->options.applet == APPLET_TMPFSROOT, first = getpid() == 1;
	int named = !arguments[0] ? 0 : tmpfsroot ? is_directory(arguments[0]) : 1;
	int service = first ? 0 : systemd_in_initrd();

	if (named < 0 || service < 0)
		return named < 0 ? named : service;
	if (named)
		boot->request.new_root = *arguments++;
	boot->request.init = arguments;
	boot->request.started = boot_starts() > 0;
	boot->request.role = first ? ROLE_PID1 : service ? ROLE_SERVICE : ROLE_QUERY;
	if (!arguments[0] && !(tmpfsroot && boot->request.new_root))
		return log_error(0, "no INIT is given: usage: %s INIT [ARG...]",
				tmpfsroot ? "tmpfsroot [OPTION...] [NEWROOT]"
					  : "switch_root (run-init) NEWROOT");
	return 0;
}

/* klibc's run-init -n asks whether NEWROOT has this init, no more. */
static bool asks_for_init(const struct options *options)
{
	return options->applet == APPLET_RUN_INIT && options->action == ACTION_DRY_RUN;
}

/* The words of all inputs, and what to start, which onfail=continue needs even where a word is
 * wrong. Who only asks leaves wrong words, and what is wanted of the move, to the run that acts. */
static int find_options(struct boot *boot, struct texts *texts, int argc, char **argv)
{
	struct options *options = &boot->options;
	int result = read_words(boot, texts), found = 0;

	boot->request.role = getpid() == 1 ? ROLE_PID1 : ROLE_QUERY;
	if (started_by_kernel(boot, argv)) {
		found = init_of_kernel(boot, texts, argc, argv);
	} else {
		int first = options_parse_program(options, argv);

		if (asks_for_init(options))
			log_set_level(LOG_INFO);
		found = first;
		if (first >= 0 && options->action <= ACTION_SOURCE)
			found = find_request(boot, argv + first);
	}
	if (options->crash_kernel || asks_for_init(options)) {
		options_ignore(options);
		result = 0;
	}
	if (asks_for_init(options))
		options->persist = true; /* it may be a part of the initramfs, to be moved */
	if (options->action == ACTION_SOURCE)
		result = 0;
	if (options->debug)
		log_set_level(LOG_DEBUG);
	else if (options->quiet)
		log_set_level(LOG_WARNING);
	return result < 0 ? result : found < 0 ? found : 0;
}

static int execute(const struct boot *boot)
{
	char **init = boot->request.init;

	if (boot->options.applet == APPLET_RUN_INIT)
		runinit_console(boot->options.console);
	for (int tries = 0; tries < EXECUTE_TRIES; tries++)
		(void)execve(init[0], init, environ);
	return log_error(errno, "executing %s", init[0]);
}

/* Returns only where it cannot go on, or where this is not PID 1. */
static int run(struct boot *boot)
{
	int result = boot_run(boot);
	bool boots = boot->options.action == ACTION_RUN && boot->request.role == ROLE_PID1;

	return result == 0 && boots ? execute(boot) : result;
}

/* --source: for the hooks, which ask and say nothing of their own. */
static int print_source(const struct boot *boot)
{
	struct source source = SOURCE_EMPTY;
	int result = -ENOENT;

	if (boot->options.root_tmpfsroot && boot->request.new_root)
		result = source_find(&boot->options, &boot->request, boot->proc, &source);
	if (result == 0)
		(void)puts(source.kind == SOURCE_INITRAMFS ? "/" : boot->request.new_root);
	source_free(&source);
	return result;
}

/* Switches to NEWROOT and copies nothing: with rd.tmpfsroot=auto, or onfail=continue. A part of
 * the initramfs stays in it, which systemd would delete. */
static int switch_untouched(struct boot *boot)
{
	struct options *options = &boot->options;
	bool part = options->root_tmpfsroot;

	if (boot->place != PLACE_SOURCE || (part && boot->request.role == ROLE_SERVICE) ||
			(options->onfail != ONFAIL_CONTINUE &&
					(part || options->real_root != REAL_ROOT_AUTO)))
		return -EINVAL;
	log_message(LOG_WARNING, part ? "the tree is not moved: booting from the initramfs"
				      : "the real root is not moved: booting from where it is");
	options_ignore(options);
	options->persist = options->persist || part;
	return run(boot);
}

/* rd.tmpfsroot.onfail=continue: init, where it is. Returns 0 where a service has done all. */
static int try_untouched(struct boot *boot)
{
	if (boot->request.new_root)
		return switch_untouched(boot);
	if (boot->options.onfail != ONFAIL_CONTINUE || getenv(WITNESS) ||
			boot->place != PLACE_SOURCE || !boot->request.init ||
			!boot->request.init[0])
		return -EINVAL;
	log_message(LOG_WARNING, "going on without the move");
	return boot_set_witness(0) == 0 ? execute(boot) : -ENOMEM;
}

/* In a crash kernel nothing is moved, whatever the words say: init is started where it is. */
static void stay_inactive(const struct boot *boot)
{
	if (!boot->options.crash_kernel || boot->request.new_root || !boot->request.init ||
			!boot->request.init[0] || getenv(WITNESS))
		return;
	if (boot_set_witness(0) == 0)
		(void)execute(boot);
}

/* --help and --version need nothing of the system. */
static bool print_about(const struct options *options)
{
	if (options->action == ACTION_HELP)
		options_help(options, stdout);
	else if (options->action == ACTION_VERSION)
		(void)printf("%s%s\n",
				options->applet == APPLET_SWITCH_ROOT ? "switch_root from " : "",
				"tmpfsroot " TMPFSROOT_VERSION);
	else
		return false;
	(void)fflush(stdout); /* PID 1 does not end */
	return true;
}

/* Does what the options ask for; none of the words was wrong. */
static int act(struct boot *boot)
{
	enum action action = boot->options.action;

	if (print_about(&boot->options))
		return 0;
	if ((action == ACTION_RUN || action == ACTION_SOURCE) && geteuid() != 0)
		return log_error(EPERM, "only root may ask for this: use --dry-run or --status");
	switch (action) {
	case ACTION_RUN:
	case ACTION_DRY_RUN:
		return run(boot);
	case ACTION_SOURCE:
		return print_source(boot);
	default:
		return report_status(boot->proc, action == ACTION_STATUS_JSON, stdout);
	}
}

/* What follows the RESULT of PID 1, which never ends, and of a service that has failed; another's
 * result is its exit status. A service that was told to stop has nothing more to do. */
static int after(struct boot *boot, int result, char **argv)
{
	bool first = getpid() == 1, runs = boot->options.action == ACTION_RUN;
	bool failed = boot->request.role == ROLE_SERVICE && runs && result < 0 && result != -EINTR;

	if (runs && (first || failed))
		result = try_untouched(boot);
	if (first && !runs)
		(void)log_error(0, "PID 1 does not end: ask this from a shell");
	if (first && boot->place == PLACE_NEW_ROOT && boot->request.new_root) {
		argv = boot->request.init - 1; /* NEWROOT, which is "/" now */
		argv[0] = (char *)"tmpfsroot";
	}
	if (first || (failed && result < 0 && failure_ends(&boot->options)))
		failure_act(&boot->options, boot->proc, argv);
	return result;
}

/* The options of the program alone, before anything of the system is looked at: for those who are
 * not PID 1. Returns true where that was all, with the exit status. */
static bool is_answered(enum applet applet, char **argv, int *status)
{
	struct options about;

	options_init(&about, applet);
	*status = options_parse_program(&about, argv) < 0 ? 2 : 0;
	if (*status || print_about(&about))
		return true;
	if (about.action == ACTION_SOURCE || asks_for_init(&about))
		log_set_level(LOG_NOTHING);
	return false;
}

int main(int argc, char **argv)
{
	struct boot boot = { .proc = -1, .start = seconds_now() };
	enum applet applet = applet_of(argc > 0 ? argv[0] : "");
	struct texts texts = { 0 };
	bool made, first = getpid() == 1;
	int result, status;

	/* set-user-ID, or capabilities of the file: what it reads and runs is the caller's to
	 * choose. The kernel's PID 1 is root's, whatever a security module says, and does not
	 * end. */
	if (getauxval(AT_SECURE) && (!first || getuid() != 0)) {
		(void)log_error(0,
				"not with set-user-ID, set-group-ID or capabilities of its file: "
				"take them off");
		return 2;
	}
	open_standard_streams();
	options_init(&boot.options, applet);
	log_set_name(applet == APPLET_SWITCH_ROOT   ? "switch_root"
			: applet == APPLET_RUN_INIT ? "run-init"
						    : "tmpfsroot");
	if (first)
		log_to_kernel(true);
	else if (is_answered(applet, argv, &status))
		return status;
	result = boot.proc = mounts_open_proc(&made);
	if (result >= 0)
		result = find_options(&boot, &texts, argc, argv);
	if (boot.request.role == ROLE_SERVICE && boot.options.action == ACTION_RUN)
		log_to_kernel(false);
	if (first && boot.options.action == ACTION_RUN)
		stay_inactive(&boot);
	if (result == 0)
		result = act(&boot);
	result = after(&boot, result, argv);
	close_fd(&boot.proc);
	free(texts.conf);
	free(texts.kernel);
	free(texts.init);
	return result < 0 || fflush(stdout) != 0 ? 1 : 0;
}
