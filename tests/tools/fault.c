// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fault [-cm] [-l LOG] [-n NAME] [FAULT...] -- COMMAND [ARG...]: runs COMMAND, and lets system
 * calls fail that the program NAME (tmpfsroot) makes, its children and threads included, from its
 * start until it executes another program. With -m from its mark (tests/asan/start.c), and none
 * that is made from the range of addresses that the mark names.
 *
 * A FAULT is CALL:N:ERROR. At the N-th CALL ("any" for all together) that call is not made and
 * returns the error; with SHORT it is made for half of the bytes; with SIGTERM and the like that
 * signal is sent to the program. Of several FAULTs each is for one more start of NAME. With -c the
 * calls are counted, and LOG gets "CALL COUNT" lines; else it gets a line for each fault.
 *
 * COMMAND keeps this process's id: that of PID 1, perhaps. A child traces it, by ptrace(2).
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define CALLS	      512
#define TRACEES	      1024
#define FAULTS	      64
#define MARK	      0x746d7066

#define CALL(name)                                                                                 \
	{                                                                                          \
#name, SYS_##name                                                                  \
	}

static const struct name {
	const char *name;
	int number;
} calls[] = {
#ifdef __x86_64__
	CALL(access),
	CALL(arch_prctl),
	CALL(chmod),
	CALL(chown),
	CALL(dup2),
	CALL(fork),
	CALL(lchown),
	CALL(link),
	CALL(lstat),
	CALL(mkdir),
	CALL(mknod),
	CALL(open),
	CALL(pipe),
	CALL(poll),
	CALL(readlink),
	CALL(rmdir),
	CALL(stat),
	CALL(symlink),
	CALL(unlink),
	CALL(vfork),
#endif
	CALL(brk),
	CALL(capget),
	CALL(capset),
	CALL(chdir),
	CALL(chroot),
	CALL(clock_gettime),
	CALL(clock_nanosleep),
	CALL(clone),
	CALL(clone3),
	CALL(close),
	CALL(close_range),
	CALL(connect),
	CALL(dup),
	CALL(dup3),
	CALL(execve),
	CALL(exit),
	CALL(exit_group),
	CALL(faccessat),
	CALL(faccessat2),
	CALL(fadvise64),
	CALL(fallocate),
	CALL(fchdir),
	CALL(fchmod),
	CALL(fchmodat),
	CALL(fchown),
	CALL(fchownat),
	CALL(fcntl),
	CALL(fgetxattr),
	CALL(flistxattr),
	CALL(fremovexattr),
	CALL(fsconfig),
	CALL(fsetxattr),
	CALL(fsmount),
	CALL(fsopen),
	CALL(fspick),
	CALL(fstat),
	CALL(fstatfs),
	CALL(ftruncate),
	CALL(futex),
	CALL(getdents64),
	CALL(geteuid),
	CALL(getpid),
	CALL(getrandom),
	CALL(gettid),
	CALL(ioctl),
	CALL(kill),
	CALL(lgetxattr),
	CALL(linkat),
	CALL(llistxattr),
	CALL(lremovexattr),
	CALL(lseek),
	CALL(lsetxattr),
	CALL(madvise),
	CALL(mincore),
	CALL(mkdirat),
	CALL(mknodat),
	CALL(mmap),
	CALL(mount),
	CALL(move_mount),
	CALL(mprotect),
	CALL(mremap),
	CALL(munmap),
	CALL(nanosleep),
	CALL(newfstatat),
	CALL(open_tree),
	CALL(openat),
	CALL(openat2),
	CALL(pivot_root),
	CALL(prctl),
	CALL(prlimit64),
	CALL(pread64),
	CALL(pwrite64),
	CALL(read),
	CALL(readlinkat),
	CALL(readv),
	CALL(reboot),
	CALL(renameat),
	CALL(rseq),
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	CALL(rt_sigtimedwait),
	CALL(sched_getaffinity),
	CALL(sendfile),
	CALL(sendto),
	CALL(set_robust_list),
	CALL(set_tid_address),
	CALL(setsid),
	CALL(setxattr),
	CALL(sigaltstack),
	CALL(socket),
	CALL(statx),
	CALL(symlinkat),
	CALL(sync),
	CALL(sysinfo),
	CALL(syslog),
	CALL(umask),
	CALL(umount2),
	CALL(uname),
	CALL(unlinkat),
	CALL(unshare),
	CALL(utimensat),
	CALL(wait4),
	CALL(write),
	CALL(writev),
};

#define ERROR(name)                                                                                \
	{                                                                                          \
#name, name                                                                        \
	}

static const struct name errors[] = {
	ERROR(E2BIG),
	ERROR(EACCES),
	ERROR(EAGAIN),
	ERROR(EBUSY),
	ERROR(EINTR),
	ERROR(EINVAL),
	ERROR(EIO),
	ERROR(EMFILE),
	ERROR(EMLINK),
	ERROR(ENFILE),
	ERROR(ENOMEM),
	ERROR(ENOSPC),
	ERROR(EPERM),
	ERROR(EROFS),
};

static const struct name signals[] = {
	ERROR(SIGTERM),
	ERROR(SIGINT),
	ERROR(SIGHUP),
	ERROR(SIGKILL),
	ERROR(SIGSEGV),
	ERROR(SIGBUS),
};

enum action { ACTION_ERROR, ACTION_SHORT, ACTION_SIGNAL };

struct fault {
	const char *text;
	int call; /* -1: any */
	unsigned long at;
	enum action action;
	int number; /* of the error or signal */
};

struct tracee {
	pid_t pid;
	bool counted; /* it is the program, or came from it */
	bool skipped; /* its system call was not made, and returns RESULT */
	bool launches; /* by no path: what stands for the program (tests/valgrind/launch.c) */
	long result;
	char path[256]; /* what it executes */
};

static struct {
	const char *name;
	int log;
	bool count, marked;
	uint64_t start, end; /* from the mark on: what calls from there is not the program */
	struct fault faults[FAULTS];
	size_t fault_count, round; /* round: starts of the program */
	pid_t program; /* 0 where it does not run */
	unsigned long calls[CALLS], any;
	struct tracee tracees[TRACEES];
	size_t tracee_count;
} state = { .name = "tmpfsroot", .log = -1 };

static void die(const char *what, const char *object)
{
	(void)fprintf(stderr, "fault: %s %s: %s\n", what, object, strerror(errno));
	exit(2);
}

static int find(const struct name *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].name, name) == 0)
			return list[i].number;
	return -1;
}

/* CALL:N:ERROR */
static void parse(const char *text, struct fault *fault)
{
	char word[128], *call = word, *at, *action;

	(void)snprintf(word, sizeof(word), "%s", text);
	at = strchr(call, ':');
	action = at ? strchr(at + 1, ':') : NULL;
	errno = EINVAL;
	if (!action)
		die("not CALL:N:ERROR", text);
	*at++ = *action++ = '\0';
	*fault = (struct fault){ .text = text, .call = -1, .at = strtoul(at, NULL, 10) };
	if (strcmp(call, "any") != 0)
		fault->call = find(calls, ARRAY_SIZE(calls), call);
	if (fault->at == 0 || (fault->call < 0 && strcmp(call, "any") != 0))
		die("unknown call in", text);
	if (strcmp(action, "SHORT") == 0) {
		fault->action = ACTION_SHORT;
		return;
	}
	fault->action = strncmp(action, "SIG", 3) == 0 ? ACTION_SIGNAL : ACTION_ERROR;
	fault->number = fault->action == ACTION_SIGNAL ? find(signals, ARRAY_SIZE(signals), action)
						       : find(errors, ARRAY_SIZE(errors), action);
	if (fault->number < 0)
		die("unknown error in", text);
}

static void write_log(const char *line)
{
	if (state.log >= 0 && write(state.log, line, strlen(line)) < 0)
		die("writing", "the log");
}

static void write_counts(void)
{
	char line[128], number[32];

	for (size_t i = 0; state.count && i < CALLS; i++) {
		const char *name = number;

		(void)snprintf(number, sizeof(number), "call-%zu", i);
		for (size_t k = 0; k < ARRAY_SIZE(calls); k++)
			if (calls[k].number == (int)i)
				name = calls[k].name;
		if (state.calls[i] == 0)
			continue;
		(void)snprintf(line, sizeof(line), "%s %lu\n", name, state.calls[i]);
		write_log(line);
	}
	(void)snprintf(line, sizeof(line), "any %lu\n", state.any);
	if (state.count)
		write_log(line);
}

static struct tracee *tracee_of(pid_t pid)
{
	for (size_t i = 0; i < state.tracee_count; i++)
		if (state.tracees[i].pid == pid)
			return &state.tracees[i];
	errno = ENOBUFS;
	if (state.tracee_count == TRACEES)
		die("tracing", "so many processes");
	state.tracees[state.tracee_count] =
			(struct tracee){ .pid = pid, .counted = state.program != 0 };
	return &state.tracees[state.tracee_count++];
}

static void forget(pid_t pid)
{
	struct tracee *tracee = tracee_of(pid);

	*tracee = state.tracees[--state.tracee_count];
}

/* The program ends by executing another, or by its exit. */
static void stop_counting(void)
{
	write_counts();
	state.program = 0;
	for (size_t i = 0; i < state.tracee_count; i++)
		state.tracees[i].counted = false;
}

/* Word by word: not every kernel has process_vm_readv(2). */
static void note_path(struct tracee *tracee, uint64_t address)
{
	size_t at = 0;

	memset(tracee->path, 0, sizeof(tracee->path));
	for (; at + sizeof(long) < sizeof(tracee->path); at += sizeof(long)) {
		long word;

		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, tracee->pid, (void *)(uintptr_t)(address + at),
				NULL);
		if (errno != 0)
			break;
		memcpy(tracee->path + at, &word, sizeof(word));
		if (memchr(&word, 0, sizeof(word)))
			break;
	}
}

static void executed(struct tracee *tracee)
{
	const char *slash = strrchr(tracee->path, '/');
	bool program = strcmp(slash ? slash + 1 : tracee->path, state.name) == 0;

	if (tracee->launches)
		return;
	if (state.program == 0 && program) {
		state.program = tracee->pid;
		state.round++;
		memset(state.calls, 0, sizeof(state.calls));
		state.any = 0;
		state.start = state.end = 0;
		tracee->counted = true;
	} else if (state.program == tracee->pid) {
		stop_counting();
		if (program) /* it starts over */
			executed(tracee);
	} else {
		tracee->counted = false;
	}
}

#ifdef __x86_64__
static void change(struct tracee *tracee, const struct fault *fault)
{
	struct user_regs_struct registers;

	if (ptrace(PTRACE_GETREGS, tracee->pid, NULL, &registers) != 0)
		return;
	if (fault->action == ACTION_SHORT) {
		unsigned long long *bytes = registers.orig_rax == SYS_sendfile ? &registers.r10
									       : &registers.rdx;

		*bytes = *bytes > 1 ? *bytes / 2 : *bytes;
	} else {
		registers.orig_rax = (unsigned long long)-1;
		tracee->skipped = true;
		tracee->result = -fault->number;
	}
	if (ptrace(PTRACE_SETREGS, tracee->pid, NULL, &registers) != 0)
		die("setting registers for", fault->text);
}

static void set_result(struct tracee *tracee)
{
	struct user_regs_struct registers;

	tracee->skipped = false;
	if (ptrace(PTRACE_GETREGS, tracee->pid, NULL, &registers) != 0)
		return;
	registers.rax = (unsigned long long)tracee->result;
	(void)ptrace(PTRACE_SETREGS, tracee->pid, NULL, &registers);
}
#else
static void change(struct tracee *tracee, const struct fault *fault)
{
	(void)tracee;
	errno = ENOSYS;
	die("not on this machine:", fault->text);
}

static void set_result(struct tracee *tracee)
{
	tracee->skipped = false;
}
#endif

/* Whether the call is the program's, from its mark on. */
static bool is_own(const struct __ptrace_syscall_info *info)
{
	if (!state.marked)
		return true;
	if (info->entry.nr == SYS_prctl && info->entry.args[0] == MARK) {
		state.start = info->entry.args[1];
		state.end = info->entry.args[2];
		return false;
	}
	return state.end != 0 &&
	       (info->instruction_pointer < state.start || info->instruction_pointer >= state.end);
}

static void entered(struct tracee *tracee, const struct __ptrace_syscall_info *info)
{
	const struct fault *fault;
	unsigned long number = (unsigned long)info->entry.nr, at;
	char line[192];

	if (number == SYS_execve)
		note_path(tracee, info->entry.args[0]);
	tracee->launches = number == SYS_execveat;
	if (!tracee->counted || number >= CALLS || !is_own(info))
		return;
	at = ++state.calls[number];
	state.any++;
	if (state.count || state.round > state.fault_count)
		return;
	fault = &state.faults[state.round - 1];
	if (fault->call < 0 ? state.any != fault->at
			    : (int)number != fault->call || at != fault->at)
		return;
	(void)snprintf(line, sizeof(line), "%s\n", fault->text);
	write_log(line);
	if (fault->action == ACTION_SIGNAL)
		(void)kill(state.program, fault->number);
	else
		change(tracee, fault);
}

/* Returns the signal that the tracee goes on with. */
static int look_at(struct tracee *tracee, int status)
{
	struct __ptrace_syscall_info info;
	int number = WSTOPSIG(status);

	switch (status >> 16) {
	case PTRACE_EVENT_EXEC:
		executed(tracee);
		return 0;
	case PTRACE_EVENT_EXIT:
		if (state.program == tracee->pid)
			stop_counting();
		return 0;
	case 0:
		break;
	default:
		return 0;
	}
	if (number != (SIGTRAP | 0x80))
		return number;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, tracee->pid, sizeof(info), &info) <= 0)
		return 0;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		entered(tracee, &info);
	else if (tracee->skipped)
		set_result(tracee);
	return 0;
}

__attribute__((noreturn)) static void trace(pid_t pid, int ready)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT |
			     PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
	int status;

	if (setsid() < 0 || chdir("/") != 0 || ptrace(PTRACE_SEIZE, pid, NULL, options) != 0 ||
			ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) != 0)
		die("tracing", "the command");
	if (write(ready, "", 1) != 1)
		die("writing to", "the command");
	(void)close(ready);
	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (pid < 0)
			continue;
		if (!WIFSTOPPED(status)) {
			forget(pid);
			continue;
		}
		(void)ptrace(PTRACE_SYSCALL, pid, NULL, (long)look_at(tracee_of(pid), status));
	}
	_exit(0);
}

static void start_tracing(void)
{
	pid_t self = getpid(), child;
	int ready[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC) != 0)
		die("making", "a pipe");
	child = fork();
	if (child < 0)
		die("starting", "the tracer");
	if (child == 0) {
		(void)close(ready[0]);
		trace(self, ready[1]);
	}
	(void)prctl(PR_SET_PTRACER, child, 0, 0, 0); /* where ptrace is for descendants alone */
	(void)close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		die("waiting for", "the tracer");
	(void)close(ready[0]);
}

static void open_log(const char *path)
{
	state.log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (state.log < 0)
		die("opening", path);
}

int main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "+cl:mn:")) != -1)
		switch (option) {
		case 'c':
			state.count = true;
			break;
		case 'l':
			open_log(optarg);
			break;
		case 'm':
			state.marked = true;
			break;
		case 'n':
			state.name = optarg;
			break;
		default:
			return 2;
		}
	/* getopt() takes the "--" where no fault is named */
	argv += optind;
	if (strcmp(argv[-1], "--") != 0) {
		for (; *argv && strcmp(*argv, "--") != 0; argv++) {
			errno = E2BIG;
			if (state.fault_count == FAULTS)
				die("too many faults:", *argv);
			parse(*argv, &state.faults[state.fault_count++]);
		}
		argv += *argv != NULL;
	}
	if (!*argv) {
		(void)fputs("usage: fault [-cm] [-l LOG] [-n NAME] [FAULT...] -- COMMAND "
			    "[ARG...]\n",
				stderr);
		return 2;
	}
	start_tracing();
	(void)execvp(argv[0], argv);
	die("executing", argv[0]);
	return 127;
}
