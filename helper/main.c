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
#include "failure.h"
#include "interrupt.h"
#include "log.h"
#include "memory.h"
#include "mounts.h"
#include "move.h"
#include "options.h"
#include "plan.h"
#include "report.h"
#include "runinit.h"
#include "switch.h"
#include "sys.h"
#include "systemd.h"
#include "util.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

/* In init's environment: how often the helper has started it on the new root; 0, that the move
 * failed and init was started where it is (rd.tmpfsroot.onfail=continue). */
#define WITNESS	   "TMPFSROOT"
#define STARTS_MAX 4

/* The old root is gone by then: what fails for a moment is no reason not to boot. */
#define EXECUTE_TRIES 2

extern char **environ;

struct boot {
	struct options options;
	struct request request;
	struct plan plan;
	struct memory_settings memory;
	int proc;
	bool split; /* a move has failed and could not be given back, or nobody has looked yet */
	double start;
	char *kernel, *conf; /* the texts that the options point into */
	char **init; /* the argument vector where it is made here */
	char *found[2]; /* the same where init was looked for in NEWROOT */
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
	if (faccessat(boot->proc, "vmcore", F_OK, 0) == 0)
		boot->options.crash_kernel = true;
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
	bool tmpfsroot = boot->options.applet == APPLET_TMPFSROOT;
	int named = !arguments[0] ? 0 : tmpfsroot ? is_directory(arguments[0]) : 1;
	int service = getpid() == 1 ? 0 : systemd_in_initrd();

	if (named < 0 || service < 0)
		return named < 0 ? named : service;
	if (named)
		boot->request.new_root = *arguments++;
	boot->request.init = arguments;
	boot->request.started = starts_before() > 0;
	boot->request.service = service;
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

/* options: the program's own, the kernel's, the conf file's; and what to start, which
 * onfail=continue needs even where a word is wrong. Who only asks leaves wrong words, and what is
 * wanted of the move, to the run that acts. */
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
		if (asks_for_init(&boot->options))
			log_set_level(LOG_INFO);
		if (first < 0)
			found = first;
		else if (boot->options.action <= ACTION_SOURCE)
			found = find_request(boot, argv + first);
	}
	if (boot->options.crash_kernel || asks_for_init(&boot->options)) {
		options_ignore(&boot->options);
		result = 0;
	}
	if (asks_for_init(&boot->options))
		boot->options.persist = true; /* it may be a part of the initramfs, to be moved */
	if (boot->options.action == ACTION_SOURCE)
		result = 0;
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
	for (int tries = 0; tries < EXECUTE_TRIES; tries++)
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

/* A service may be killed, and with it would go what only a descriptor holds: its target can be
 * found. */
static int move(struct boot *boot, struct move_result *moved)
{
	struct plan *plan = &boot->plan;
	int result = boot->request.service ? tmpfs_attach(plan->target) : 0;

	plan->attached = boot->request.service && result == 0;
	if (result == 0)
		result = move_tree(plan, &boot->options, moved);
	return result;
}

/* PID 1, or its systemd, gets the new root. The report comes before systemd's switch, which is the
 * end of this process. */
static int make_switch(struct boot *boot, struct report *report)
{
	struct plan *plan = &boot->plan;
	double start = seconds_now();
	struct release before = { .to = "" };
	int result = 0;

	if (!boot->request.service)
		result = switch_to(plan, &boot->options);
	else if (plan_copies(plan))
		result = switch_place(plan);
	if (result < 0)
		return result;
	report->switch_seconds = seconds_now() - start;
	report->total_seconds = seconds_now() - boot->start;
	if (plan->source != SOURCE_NEW_ROOT)
		report_write(report);
	if (!boot->request.service)
		return 0;
	/* PID 1 sends SIGTERM to all that is left when it switches; a unit that dies of it has
	 * failed. */
	interrupt_ignore(true);
	if (plan->source == SOURCE_INITRAMFS)
		switch_mend_release(plan->new_root_path, &before);
	memory_end(&boot->memory, boot->proc);
	result = systemd_switch_root(boot->request.new_root, plan->switch_init);
	if (result < 0) {
		interrupt_ignore(false);
		switch_restore_release(plan->new_root_path, &before);
		if (plan_moves(plan))
			switch_displace(plan);
	}
	return result;
}

static int give_back(struct boot *boot, const struct plan *plan)
{
	if (plan_is_tight(plan))
		memory_begin(&boot->memory, boot->proc);
	return move_back(plan);
}

/* move, where something is to be moved, and switch. */
static int move_and_switch(struct boot *boot)
{
	struct move_result moved = { 0 };
	struct report report = { .plan = &boot->plan, .move = &moved };
	bool copies = plan_copies(&boot->plan);
	int result = copies ? move(boot, &moved) : 0;

	if (result == 0) {
		result = plan_check_moved(&boot->plan, &boot->options);
		if (result == 0)
			result = make_switch(boot, &report);
		if (result < 0 && copies && give_back(boot, &boot->plan) < 0)
			moved.split = true;
		switch_replace_mounts(&boot->plan);
	}
	boot->split = moved.split;
	if (result < 0) {
		if (boot->plan.attached && !boot->split)
			tmpfs_detach();
		return result;
	}
	return boot->plan.source == SOURCE_INITRAMFS && !boot->request.new_root ? set_witness(1)
										: 0;
}

/* The service was killed after it had mounted the target on NEWROOT. */
static bool is_in_place(const struct plan *plan)
{
	struct sys_stat target, place;

	return !plan_copies(plan) && plan->new_root >= 0 &&
	       sys_stat(plan->target, "", &target) == 0 &&
	       sys_stat(plan->new_root, "", &place) == 0 && sys_stat_is_same(&target, &place) &&
	       target.mnt_id != place.mnt_id;
}

/* A service that was killed, or a way back that has failed, has left things in two places: then all
 * goes back, and it begins anew. */
static int undo_interrupted(struct boot *boot)
{
	struct plan plan = PLAN_EMPTY;
	sigset_t before;
	int result = interrupt_block(&before);

	if (result < 0)
		return result;
	result = plan_interrupted(&boot->options, &boot->request, boot->proc, &plan);
	if (result == 0)
		boot->split = plan.target >= 0 && plan_copies(&plan);
	if (result == 0 && plan.target >= 0 && is_in_place(&plan))
		tmpfs_detach();
	if (result == 0 && boot->split) {
		log_message(LOG_WARNING, "a move was interrupted: its tmpfs is on " TMPFS_REFUGE);
		result = give_back(boot, &plan);
		memory_end(&boot->memory, boot->proc);
		close_fd(&plan.target);
		if (result == 0) {
			boot->split = false;
			tmpfs_detach();
		}
	}
	plan_free(&plan);
	interrupt_restore(&before);
	return result;
}

static int check_caller(const struct boot *boot)
{
	const char *witness = getenv(WITNESS);

	if (getpid() != 1 && !boot->request.service)
		return log_error(0,
				"this is process %d, expected PID 1 of a system that boots, or a "
				"service of systemd's initrd: start it by rdinit= or exec, or use "
				"--dry-run",
				(int)getpid());
	if (boot->plan.source == SOURCE_INITRAMFS && witness && strcmp(witness, "0") == 0)
		return log_error(0, "the move has failed, init was started where it is and asks "
				    "again: let "
				    "it ask only where " WITNESS " is not in its environment");
	return 0;
}

static int make_plan(struct boot *boot)
{
	int result = plan_make(&boot->options, &boot->request, boot->proc, &boot->plan);

	if (result == 0 && boot->options.drop_capabilities)
		result = runinit_check(boot->options.drop_capabilities);
	if (result == 0 && !boot->request.init[0]) {
		boot->found[0] = (char *)boot->plan.init;
		boot->request.init = boot->found;
	}
	return result;
}

/* The signals that would end the move are held back until all is done or given back. */
static int check_move_and_switch(struct boot *boot)
{
	sigset_t before;
	int result = interrupt_block(&before);

	if (result < 0)
		return result;
	if (plan_copies(&boot->plan) && plan_is_tight(&boot->plan)) {
		memory_begin(&boot->memory, boot->proc);
		result = plan_measure_again(&boot->options, &boot->plan);
	}
	if (result == 0)
		result = plan_check(&boot->plan);
	if (result == 0)
		result = move_and_switch(boot);
	memory_end(&boot->memory, boot->proc);
	interrupt_restore(&before);
	return result;
}

/* Returns only where it cannot go on, or as a service. */
static int run(struct boot *boot)
{
	bool dry = boot->options.action == ACTION_DRY_RUN;
	bool boots = !dry && (boot->request.service || getpid() == 1);
	int result = boots ? undo_interrupted(boot) : 0;

	if (result == 0)
		result = make_plan(boot);
	if (dry) {
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
	result = check_move_and_switch(boot);
	return result < 0 || boot->request.service ? result : execute(boot);
}

/* --source: for the hooks, which ask and say nothing of their own. */
static int print_source(const struct boot *boot)
{
	const char *tree = NULL;

	if (boot->options.root_tmpfsroot && boot->request.new_root)
		tree = plan_find_tree(&boot->options, boot->request.new_root, boot->proc);
	if (tree)
		(void)puts(tree);
	return tree ? 0 : -ENOENT;
}

/* What is mounted on NEWROOT, as it is: with rd.tmpfsroot=auto, or onfail=continue. A part of the
 * initramfs stays in it, which systemd would delete. */
static int switch_untouched(struct boot *boot)
{
	struct options *options = &boot->options;
	bool part = options->root_tmpfsroot;

	if (boot->split || (part && boot->request.service) ||
			(options->onfail != ONFAIL_CONTINUE &&
					(part || options->real_root != REAL_ROOT_AUTO)))
		return -EINVAL;
	log_message(LOG_WARNING, part ? "the tree is not moved: booting from the initramfs"
				      : "the real root is not moved: booting from where it is");
	plan_free(&boot->plan);
	boot->plan = (struct plan)PLAN_EMPTY;
	options_ignore(options);
	options->persist = options->persist || part;
	return run(boot);
}

/* rd.tmpfsroot.onfail=continue: init, where it is. Returns 0 where a service has done all. */
static int try_untouched(struct boot *boot)
{
	if (boot->request.new_root)
		return switch_untouched(boot);
	if (boot->options.onfail != ONFAIL_CONTINUE || getenv(WITNESS) || boot->split ||
			!boot->request.init || !boot->request.init[0])
		return -EINVAL;
	log_message(LOG_WARNING, "going on without the move");
	return set_witness(0) == 0 ? execute(boot) : -ENOMEM;
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

/* What was asked for, where no words were wrong. */
static int act(struct boot *boot)
{
	enum action action = boot->options.action;

	if ((action == ACTION_RUN || action == ACTION_SOURCE) && geteuid() != 0)
		return log_error(EPERM, "only root may ask for this: use --dry-run or --status");
	switch (action) {
	case ACTION_RUN:
	case ACTION_DRY_RUN:
		return run(boot);
	case ACTION_SOURCE:
		return print_source(boot);
	default:
		return report_status(
				boot->proc, boot->options.action == ACTION_STATUS_JSON, stdout);
	}
}

/* PID 1 has come to an end that is none. */
__attribute__((noreturn)) static void fail(struct boot *boot, char **argv)
{
	if (boot->options.action != ACTION_RUN)
		(void)log_error(0, "PID 1 does not end: ask this from a shell");
	failure_act(&boot->options, boot->proc, argv);
}

int main(int argc, char **argv)
{
	struct boot boot = { .plan = PLAN_EMPTY,
		.proc = -1,
		.split = sys_is_mount_point(TMPFS_REFUGE),
		.start = seconds_now() };
	struct options about;
	bool first = getpid() == 1, stopped;
	int result;

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
	options_init(&boot.options, applet_of(argc > 0 ? argv[0] : ""));
	options_init(&about, boot.options.applet);
	log_set_name(boot.options.applet == APPLET_SWITCH_ROOT	 ? "switch_root"
			: boot.options.applet == APPLET_RUN_INIT ? "run-init"
								 : "tmpfsroot");
	if (first)
		log_to_kernel(true);
	else if (options_parse_program(&about, argv) < 0)
		return 2;
	else if (print_about(&about))
		return 0;
	else if (about.action == ACTION_SOURCE || asks_for_init(&about))
		log_set_level(LOG_NOTHING);
	result = find_options(&boot, argc, argv);
	if (boot.request.service && boot.options.action == ACTION_RUN)
		log_to_kernel(false);
	if (first && boot.options.action == ACTION_RUN)
		stay_inactive(&boot);
	if (result == 0 && !print_about(&boot.options))
		result = act(&boot);
	/* A service that was told to stop has nothing more to do, nor has a hook that asked. */
	stopped = boot.request.service && (result == -EINTR || boot.options.action != ACTION_RUN);
	if ((first || (boot.request.service && result < 0 && !stopped)) &&
			boot.options.action == ACTION_RUN)
		result = try_untouched(&boot);
	if (first || (boot.request.service && result < 0 && !stopped &&
				     failure_ends(&boot.options)))
		fail(&boot, argv);
	plan_free(&boot.plan);
	close_fd(&boot.proc);
	free(boot.kernel);
	free(boot.conf);
	free(boot.init);
	return result < 0 || fflush(stdout) != 0 ? 1 : 0;
}
