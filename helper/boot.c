/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "boot.h"

#include "carry.h"
#include "fstab.h"
#include "interrupt.h"
#include "layers.h"
#include "log.h"
#include "move.h"
#include "plan.h"
#include "remove.h"
#include "report.h"
#include "sidecar.h"
#include "switch.h"
#include "sys.h"
#include "systemd.h"
#include "tmpfs.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STARTS_MAX 4

unsigned long boot_starts(void)
{
	const char *witness = getenv(WITNESS);

	return witness ? strtoul(witness, NULL, 10) : 0;
}

int boot_set_witness(unsigned long starts)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lu", starts);
	return setenv(WITNESS, text, 1) != 0 ? log_error(errno, "setenv " WITNESS) : 0;
}

/* The state of one boot. The plan does not change; all else here does. */
struct attempt {
	struct boot *boot;
	const struct plan *plan;
	int target, clone; /* owned descriptors of the new tmpfs, and of the tree that is moved, or
			      -1 */
	struct carried carried;
	struct move_result moved;
	struct report report;
};

/* A service may be killed, and with it would go what only a descriptor holds: its target can be
 * found. */
static int move(struct attempt *attempt)
{
	struct boot *boot = attempt->boot;
	bool service = boot->request.role == ROLE_SERVICE;
	int result = service ? tmpfs_attach(attempt->target) : 0;

	if (result < 0)
		return result;
	boot->place = PLACE_MOVING;
	result = move_tree(attempt->plan, attempt->target, boot->options.quiet, &attempt->moved);
	if (result < 0)
		return result;
	boot->place = PLACE_TARGET;
	switch_mend_release(attempt->plan, attempt->target);
	if (attempt->plan->source.kind == SOURCE_REAL_ROOT)
		fstab_mend(attempt->target);
	if (boot->options.exclude && carry_is_api_only(&attempt->plan->source))
		result = init_check(&attempt->plan->init, attempt->target);
	if (result < 0)
		return result;
	sidecar_apply(attempt->plan->sidecar, attempt->target, attempt->plan->proc,
			&attempt->report.sidecar);
	return 0;
}

/* Gives the moved files back. If that fails the target stays where it can be found. */
static void give_back(struct attempt *attempt)
{
	struct boot *boot = attempt->boot;
	bool attached = sys_is_mount_point(TMPFS_REFUGE);

	if (!plan_moves(attempt->plan)) {
		boot->place = PLACE_SOURCE;
	} else if (boot->place != PLACE_SOURCE) {
		int result = move_back(attempt->plan, attempt->target);

		boot->place = result < 0 || attempt->moved.torn ? PLACE_SPLIT : PLACE_SOURCE;
		if (boot->place == PLACE_SOURCE)
			log_message(LOG_WARNING, "all that was moved is back in its place");
	}
	if (boot->place == PLACE_SPLIT) {
		bool kept = !attached && tmpfs_attach(attempt->target) < 0 &&
			    fcntl(attempt->target, F_SETFD, 0) == 0;

		(void)log_error(0,
				"giving back what was moved failed: what is missing in the tree is "
				"in %s; nothing is lost until the machine restarts",
				kept ? "a descriptor of this process" : TMPFS_REFUGE);
		if (kept)
			(void)take_fd(&attempt->target);
	} else if (attached) {
		tmpfs_detach();
	}
}

static void write_report(struct attempt *attempt)
{
	attempt->report.total_seconds = seconds_now() - attempt->boot->start;
	if (attempt->plan->source.kind != SOURCE_NEW_ROOT)
		report_write(&attempt->report);
}

/* The tree is whole where it belongs: nothing holds what it was on. */
static void release_tree(struct attempt *attempt)
{
	close_fd(&attempt->clone);
	layers_check_free(&attempt->plan->source);
}

/* Labels the new root, which has all its files and is mounted on PATH. */
static int give_labels(struct attempt *attempt, const char *path)
{
	double start = seconds_now();
	int result = *attempt->plan->selinux ? selinux_label(attempt->plan->selinux, path) : 0;

	attempt->report.selinux_seconds = seconds_now() - start;
	if (result > 0)
		attempt->report.selinux = attempt->plan->selinux;
	return result < 0 ? result : 0;
}

static int switch_as_pid1(struct attempt *attempt)
{
	struct boot *boot = attempt->boot;
	double start = seconds_now();
	int result = switch_to(
			attempt->plan, &attempt->carried, &attempt->target, boot->options.persist);

	attempt->report.switch_seconds = seconds_now() - start;
	if (result < 0)
		return result;
	boot->place = PLACE_NEW_ROOT;
	release_tree(attempt);
	result = give_labels(attempt, "/");
	if (result == 0)
		write_report(attempt);
	return result;
}

/* PID 1 sends SIGTERM to all that is left when it switches; a unit that dies of it has failed. What
 * PID 1 can refuse was asked for before the move: if it does so now the tree stays where it will
 * look for it again. */
static int switch_by_systemd(struct attempt *attempt, int manager)
{
	struct boot *boot = attempt->boot;
	const struct plan *plan = attempt->plan;
	const char *new_root = plan->source.path;
	double start = seconds_now();
	int result = plan_copies(plan) ? switch_place(plan, &attempt->carried, attempt->target) : 0;

	if (result < 0)
		return result;
	if (plan_copies(plan))
		boot->place = PLACE_NEW_ROOT;
	release_tree(attempt);
	result = give_labels(attempt, new_root);
	interrupt_ignore(true);
	if (result == 0)
		result = systemd_switch_root(manager, new_root, plan->init.for_systemd);
	attempt->report.switch_seconds = seconds_now() - start - attempt->report.selinux_seconds;
	if (result == 0) {
		write_report(attempt);
		if (plan->source.initramfs && !plan->source.needs_initramfs &&
				systemd_has_switched(boot->proc, plan->source.root)) {
			carry_detach(&plan->source, plan->source.root, true);
			(void)remove_tree(plan->source.root, tree_workers());
		}
		return 0;
	}
	interrupt_ignore(false);
	if (plan_copies(plan))
		log_message(LOG_ERROR,
				"the whole tree is in the tmpfs on %s: start "
				"initrd-switch-root.service again",
				new_root);
	return result;
}

static int move_and_switch(struct attempt *attempt)
{
	const struct plan *plan = attempt->plan;
	struct boot *boot = attempt->boot;
	bool service = boot->request.role == ROLE_SERVICE,
	     again = plan->source.kind == SOURCE_INITRAMFS && !boot->request.new_root;
	auto_close int manager = service ? systemd_connect() : -1;
	int result = service && manager < 0 ? manager : again ? boot_set_witness(1) : 0;

	if (result == 0)
		result = carry_begin(&plan->source, &attempt->carried, attempt->clone);
	if (result == 0 && plan_copies(plan))
		result = move(attempt);
	if (result == 0 && plan_copies(plan))
		result = carry_anew(&plan->source, &attempt->carried, attempt->target);
	if (result == 0)
		result = service ? switch_by_systemd(attempt, manager) : switch_as_pid1(attempt);
	if (result < 0 && plan_copies(plan) &&
			(boot->place == PLACE_MOVING || boot->place == PLACE_TARGET))
		give_back(attempt);
	if (result < 0 && again)
		(void)unsetenv(WITNESS);
	carry_free(&plan->source, &attempt->carried);
	return result;
}

/* The signals that would end the move are held back until all is done or given back. */
static int act_on(struct boot *boot, struct plan *plan)
{
	struct attempt attempt = { .boot = boot,
		.plan = plan,
		.target = take_fd(&plan->target),
		.clone = take_fd(&plan->clone) };
	sigset_t before;
	int result = plan_check(plan);

	attempt.report = (struct report){ .plan = plan, .move = &attempt.moved, .selinux = "" };
	if (result == 0)
		result = interrupt_block(&before);
	if (result == 0) {
		result = move_and_switch(&attempt);
		interrupt_restore(&before);
	}
	close_fd(&attempt.target);
	close_fd(&attempt.clone);
	return result;
}

/* Asked again on the finished root: init is all that is left; but one that asks for itself again
 * and again would do so for ever. */
static int start_again(void)
{
	unsigned long starts = boot_starts();

	if (starts >= STARTS_MAX)
		return log_error(0,
				"init has asked for itself %lu times: let it ask only "
				"where " WITNESS " is not in its environment",
				starts);
	return boot_set_witness(starts + 1);
}

static int check_caller(const struct boot *boot, const struct plan *plan)
{
	const char *witness = getenv(WITNESS);

	if (boot->request.role == ROLE_QUERY)
		return log_error(0,
				"this is process %d, expected PID 1 of a system that boots, or a "
				"service of systemd's initrd: start it by rdinit= or exec, or use "
				"--dry-run",
				(int)getpid());
	if (plan->source.kind == SOURCE_INITRAMFS && witness && strcmp(witness, "0") == 0)
		return log_error(0, "the move has failed, init was started where it is and asks "
				    "again: let it ask only where " WITNESS
				    " is not in its environment");
	return 0;
}

/* A move that was killed has left its target. */
static int check_leftover(struct boot *boot)
{
	if (!sys_is_mount_point(TMPFS_REFUGE) ||
			(boot->request.new_root &&
					strcmp(boot->request.new_root, TMPFS_REFUGE) == 0))
		return 0;
	boot->place = PLACE_SPLIT;
	return log_error(0,
			"a move was interrupted: what is missing in the tree is in " TMPFS_REFUGE
			"; restart the machine to begin anew");
}

int boot_run(struct boot *boot)
{
	struct plan plan = PLAN_EMPTY;
	bool dry = boot->options.action == ACTION_DRY_RUN;
	int result = dry ? 0 : check_leftover(boot);

	if (result == 0)
		result = plan_make(&boot->options, &boot->request, boot->proc, &plan);
	if (result == 0 && dry) {
		if (boot->options.applet == APPLET_TMPFSROOT)
			plan_print(&plan, stdout);
		result = plan_check(&plan);
	} else if (result == 0) {
		result = check_caller(boot, &plan);
		if (result == 0 && !boot->request.init[0]) {
			boot->found[1] = (char *)plan.init.path;
			boot->request.init = boot->found + 1;
		}
		if (result == 0 && plan.source.kind == SOURCE_FINISHED && *plan.selinux)
			result = selinux_label(plan.selinux, "/");
		if (result >= 0)
			result = plan.source.kind == SOURCE_FINISHED ? start_again()
								     : act_on(boot, &plan);
	}
	plan_free(&plan);
	return result;
}
