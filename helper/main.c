/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One boot, in order: options, mounts and plan (what is there, what it will cost, may it be done),
 * move, switch, exec. Before: this is PID 1, and "/" is an initramfs, or NEWROOT is mounted below
 * it. After: "/" is the new root, and this process is init. In between nothing but a refusal that
 * leaves all as it was, and does what rd.tmpfsroot.onfail= says; PID 1 never just ends.
 */
#include "failure.h"
#include "log.h"
#include "mounts.h"
#include "move.h"
#include "options.h"
#include "plan.h"
#include "report.h"
#include "runinit.h"
#include "switch.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* In init's environment: how often the helper has started it on the new root; 0, that the move
 * failed and init was started where it is (rd.tmpfsroot.onfail=continue). */
#define WITNESS	   "TMPFSROOT"
#define STARTS_MAX 4

extern char **environ;

struct boot {
	struct options options;
	struct request request;
	struct plan plan;
	int proc;
	bool split; /* a move has failed and could not be given back */
	double start;
	char *kernel, *conf; /* the texts that the options point into */
	char **init; /* the argument vector where it is made here */
};

/* Without a console the first files opened would become standard streams. */
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

static int read_words(struct boot *boot)
{
	int result = read_file(boot->proc, "cmdline", &boot->kernel, NULL), conf;

	if (result < 0)
		return log_error(result, "reading /proc/cmdline");
	result = options_parse_kernel(&boot->options, boot->kernel);
	conf = read_file(AT_FDCWD, "/etc/tmpfsroot.conf", &boot->conf, NULL);
	if (conf == -ENOENT)
		return result;
	if (conf < 0)
		return log_error(conf, "reading /etc/tmpfsroot.conf");
	conf = options_parse_conf(&boot->options, boot->conf);
	return result < 0 ? result : conf;
}

/* The kernel started this program by rdinit=: then its arguments are all init's. */
static bool started_by_kernel(const struct boot *boot, char **argv)
{
	return getpid() == 1 && boot->options.rdinit &&
	       strcmp(argv[0], boot->options.rdinit) == 0 && !getenv(WITNESS);
}

static int init_of_kernel(struct boot *boot, int argc, char **argv)
{
	boot->init = calloc((size_t)argc + 1, sizeof(*boot->init));
	if (!boot->init)
		return log_error(ENOMEM, "starting");
	memcpy(boot->init, argv, (size_t)argc * sizeof(*argv));
	boot->init[0] = (char *)"/init";
	boot->request.init = boot->init;
	return 0;
}

static unsigned long starts_before(void)
{
	const char *witness = getenv(WITNESS);

	return witness ? strtoul(witness, NULL, 10) : 0;
}

/* [NEWROOT] INIT [ARG...]: NEWROOT is a directory, and only tmpfsroot can do without it. */
static int find_request(struct boot *boot, char **arguments)
{
	bool tmpfsroot = boot->options.applet == APPLET_TMPFSROOT;
	struct stat st;

	if (arguments[0] && (!tmpfsroot || (stat(arguments[0], &st) == 0 && S_ISDIR(st.st_mode))))
		boot->request.new_root = *arguments++;
	boot->request.init = arguments;
	boot->request.started = starts_before() > 0;
	if (!arguments[0])
		return log_error(0, "no INIT is given: usage: %s INIT [ARG...]",
				tmpfsroot ? "tmpfsroot [OPTION...] [NEWROOT]"
					  : "switch_root (run-init) NEWROOT");
	return 0;
}

/* options: the program's own, the kernel's, the conf file's; and what to start, which
 * onfail=continue needs even where a word is wrong. */
static int find_options(struct boot *boot, int argc, char **argv)
{
	int result, first, found = 0;
	bool made;

	boot->proc = mounts_open_proc(&made);
	result = boot->proc < 0 ? boot->proc : read_words(boot);
	if (started_by_kernel(boot, argv)) {
		found = init_of_kernel(boot, argc, argv);
	} else {
		first = options_parse_program(&boot->options, argv);
		if (first < 0)
			found = first;
		else if (boot->options.action <= ACTION_DRY_RUN)
			found = find_request(boot, argv + first);
	}
	if (boot->options.debug)
		log_set_level(LOG_DEBUG);
	else if (boot->options.quiet)
		log_set_level(LOG_WARNING);
	return result < 0 ? result : found;
}

static int set_witness(unsigned long starts)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lu", starts);
	return setenv(WITNESS, text, 1) != 0 ? log_error(errno, "setenv " WITNESS) : 0;
}

static int execute(const struct boot *boot)
{
	char **init = boot->request.init;

	if (boot->options.drop_capabilities && runinit_drop(boot->options.drop_capabilities) < 0)
		return -EPERM;
	if (boot->options.applet == APPLET_RUN_INIT)
		runinit_console(boot->options.console);
	(void)execve(init[0], init, environ);
	return log_error(errno, "executing %s", init[0]);
}

/* Asked again on the finished root: init is all that is left; but one that asks for itself again
 * and again would do so for ever. */
static int start_again(const struct boot *boot)
{
	unsigned long starts = starts_before();

	if (starts >= STARTS_MAX)
		return log_error(0,
				"init has asked for itself %lu times: let it ask only "
				"where " WITNESS " is not in its environment",
				starts);
	if (set_witness(starts + 1) < 0)
		return -ENOMEM;
	return execute(boot);
}

/* move, where something is to be moved, and switch. */
static int move_and_switch(struct boot *boot)
{
	struct move_result moved = { 0 };
	struct report report = { .plan = &boot->plan, .move = &moved };
	bool copies = plan_copies(&boot->plan);
	int result = copies ? move_tree(&boot->plan, &boot->options, &moved) : 0;
	double start = seconds_now();

	if (result == 0) {
		result = plan_check_moved(&boot->plan, &boot->options);
		if (result == 0)
			result = switch_to(&boot->plan, &boot->options);
		if (result < 0 && copies && move_back(&boot->plan) < 0)
			moved.split = true;
	}
	boot->split = moved.split;
	if (result < 0)
		return result;
	if (boot->plan.source == SOURCE_NEW_ROOT)
		return 0;
	report.switch_seconds = seconds_now() - start;
	report.total_seconds = seconds_now() - boot->start;
	report_write(&report);
	return boot->plan.source == SOURCE_INITRAMFS ? set_witness(1) : 0;
}

static int check_caller(const struct boot *boot)
{
	const char *witness = getenv(WITNESS);

	if (getpid() != 1)
		return log_error(0,
				"this is process %d, expected PID 1 of a system that boots: start "
				"it by "
				"rdinit= or exec, or use --dry-run",
				(int)getpid());
	if (boot->plan.source == SOURCE_INITRAMFS && witness && strcmp(witness, "0") == 0)
		return log_error(0, "the move has failed, init was started where it is and asks "
				    "again: let "
				    "it ask only where " WITNESS " is not in its environment");
	return 0;
}

/* rd.tmpfsroot=auto, or yes with onfail=continue: what does not fit boots from where it is. */
static bool stay(struct boot *boot)
{
	if (boot->plan.source != SOURCE_REAL_ROOT ||
			(boot->options.real_root != REAL_ROOT_AUTO &&
					boot->options.onfail != ONFAIL_CONTINUE))
		return false;
	log_message(LOG_WARNING, "the real root is not moved: booting from where it is");
	plan_stay(&boot->plan);
	return true;
}

/* Returns only where it cannot go on. */
static int run(struct boot *boot)
{
	int result = plan_make(&boot->options, &boot->request, boot->proc, &boot->plan);

	if (result == 0 && boot->options.drop_capabilities)
		result = runinit_check(boot->options.drop_capabilities);
	if (boot->options.action == ACTION_DRY_RUN) {
		if (result == 0 && boot->options.applet == APPLET_TMPFSROOT)
			plan_print(&boot->plan, stdout);
		return result < 0 ? result : plan_check(&boot->plan);
	}
	if (result == 0)
		result = check_caller(boot);
	if (result < 0)
		return result;
	if (boot->plan.source == SOURCE_FINISHED)
		return start_again(boot);
	result = plan_check(&boot->plan);
	if (result < 0 && stay(boot))
		result = 0;
	if (result == 0)
		result = move_and_switch(boot);
	return result < 0 ? result : execute(boot);
}

/* rd.tmpfsroot.onfail=continue: init, where it is. */
static void try_untouched(struct boot *boot)
{
	const char *witness = getenv(WITNESS);

	if (boot->options.onfail != ONFAIL_CONTINUE || boot->request.new_root || witness ||
			boot->split || !boot->request.init || !boot->request.init[0])
		return;
	log_message(LOG_WARNING, "going on without the move");
	if (set_witness(0) == 0)
		(void)execute(boot);
}

/* In a crash kernel nothing is moved, whatever the words say: init is started where it is. */
static void stay_inactive(struct boot *boot)
{
	if (!boot->options.crash_kernel || boot->request.new_root || !boot->request.init ||
			!boot->request.init[0] || getenv(WITNESS))
		return;
	if (set_witness(0) == 0)
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
	return true;
}

int main(int argc, char **argv)
{
	struct boot boot = { .plan = PLAN_EMPTY, .proc = -1, .start = seconds_now() };
	struct options about;
	bool first = getpid() == 1;
	int result;

	open_standard_streams();
	options_init(&boot.options, applet_of(argc > 0 ? argv[0] : ""));
	options_init(&about, boot.options.applet);
	log_set_name(boot.options.applet == APPLET_SWITCH_ROOT	 ? "switch_root"
			: boot.options.applet == APPLET_RUN_INIT ? "run-init"
								 : "tmpfsroot");
	if (first)
		log_to_kernel();
	else if (options_parse_program(&about, argv) < 0)
		return 2;
	else if (print_about(&about))
		return 0;
	result = find_options(&boot, argc, argv);
	if (first && boot.options.action == ACTION_RUN)
		stay_inactive(&boot);
	if (result == 0 && print_about(&boot.options))
		result = 0;
	else if (result == 0 && boot.options.action >= ACTION_STATUS)
		result = report_status(
				boot.proc, boot.options.action == ACTION_STATUS_JSON, stdout);
	else if (result == 0)
		result = run(&boot);
	if (first) {
		if (boot.options.action == ACTION_RUN)
			try_untouched(&boot);
		else
			(void)log_error(0, "PID 1 does not end: ask this from a shell");
		failure_act(&boot.options, boot.proc, argv);
	}
	plan_free(&boot.plan);
	close_fd(&boot.proc);
	free(boot.kernel);
	free(boot.conf);
	free(boot.init);
	return result < 0 || fflush(stdout) != 0 ? 1 : 0;
}
