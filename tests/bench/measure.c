/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs one contender; prints its seconds, the megabytes that it took at most, and the share of the
 * processors' time that others had meanwhile.
 *
 *   [PATIENCE=SECONDS] [TOUCH=MB] measure [-b ROOT] [-s SERIES] COMMAND [ARG...]
 *
 * The time runs from the exec of COMMAND to its end. With -b COMMAND is started as PID 1 in ROOT,
 * in namespaces of its own, and the time ends where init begins: this program itself, as /init.
 *
 * Every 5 ms a thread adds up what is in use: files in memory, memory of programs, slabs, page
 * tables and stacks. MemFree and MemAvailable would not do: they miss the free pages that each
 * processor keeps for itself, tens of megabytes. The peak is what was in use above the beginning;
 * SERIES gets every sample, in seconds and megabytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PERIOD	    5000000L /* ns */
#define SAMPLES_MAX 65536
#define STAMP	    3 /* the descriptor that init writes the time to */

struct sample {
	double time;
	double used; /* MB */
};

struct sampler {
	int meminfo;
	atomic_bool end;
	size_t count;
	struct sample *samples;
};

static void die(const char *what)
{
	(void)fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void wait_a_period(void)
{
	(void)nanosleep(&(struct timespec){ .tv_nsec = PERIOD }, NULL);
}

static double used(int meminfo)
{
	static const char *const keys[] = { "\nCached:", "\nBuffers:", "\nAnonPages:", "\nSlab:",
		"\nKernelStack:", "\nPageTables:" };
	char text[4096];
	ssize_t length = pread(meminfo, text, sizeof(text) - 1, 0);
	double sum = 0;

	if (length <= 0)
		die("reading /proc/meminfo");
	text[length] = '\0';
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *line = strstr(text, keys[i]);

		if (line)
			sum += (double)strtoul(line + strlen(keys[i]), NULL, 10);
	}
	return sum * 1024 / 1e6;
}

/* Tasks that run now, this one among them. */
static unsigned long running(void)
{
	FILE *file = fopen("/proc/loadavg", "re");
	unsigned long count = 1;

	if (!file || fscanf(file, "%*s %*s %*s %lu", &count) != 1)
		die("/proc/loadavg");
	(void)fclose(file);
	return count;
}

/* What ended before is freed a while later, and others use the machine: until nothing changes and
 * nobody else runs, or for so many seconds. */
static void settle(int meminfo, double patience)
{
	double last = used(meminfo), end = now() + patience;

	for (int calm = 0; calm < 6 && now() < end;) {
		double next;

		wait_a_period();
		next = used(meminfo);
		calm = next - last < 0.5 && last - next < 0.5 && running() == 1 ? calm + 1 : 0;
		last = next;
	}
}

/* In a virtual machine the host may back the free pages only when they are touched, which costs far
 * more than all that is measured here: has them touched before. */
static void touch_free_pages(double most)
{
	size_t bytes = (size_t)(most * 1e6);
	char *pages = mmap(NULL, bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	if (pages == MAP_FAILED)
		die("touching free pages");
	(void)madvise(pages, bytes + 1, MADV_HUGEPAGE); /* faster, if the kernel has them */
	for (size_t i = 0; i < bytes; i += 4096)
		pages[i] = 1;
	if (munmap(pages, bytes + 1) != 0)
		die("touching free pages");
}

/* Seconds that all processors have worked, and those of this program and its children. */
static double busy(void)
{
	FILE *file = fopen("/proc/stat", "re");
	unsigned long user, nice, system, irq, softirq, steal;

	if (!file || fscanf(file, "cpu %lu %lu %lu %*u %*u %lu %lu %lu", &user, &nice, &system,
				     &irq, &softirq, &steal) != 6)
		die("/proc/stat");
	(void)fclose(file);
	return (double)(user + nice + system + irq + softirq + steal) /
	       (double)sysconf(_SC_CLK_TCK);
}

static double own(void)
{
	static const int who[] = { RUSAGE_SELF, RUSAGE_CHILDREN };
	double seconds = 0;

	for (size_t i = 0; i < 2; i++) {
		struct rusage usage;

		(void)getrusage(who[i], &usage);
		seconds += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	}
	return seconds;
}

static void *sample(void *argument)
{
	struct sampler *sampler = argument;

	while (!atomic_load(&sampler->end) && sampler->count < SAMPLES_MAX) {
		sampler->samples[sampler->count++] =
				(struct sample){ now(), used(sampler->meminfo) };
		wait_a_period();
	}
	return NULL;
}

/* The child becomes COMMAND, and dies with this program. *START gets the time of the exec. */
static _Noreturn void become(const char *root, char **command, double *start)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		die("prctl");
	if (root && (chdir(root) != 0 || chroot(".") != 0))
		die(root);
	*start = now();
	(void)execvp(command[0], command);
	die(command[0]);
	abort();
}

/* Between this program and PID 1: the parent of a PID namespace is not in it. */
static _Noreturn void become_parent(const char *root, char **command, double *start)
{
	pid_t child;
	int status;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || unshare(CLONE_NEWPID | CLONE_NEWNS) != 0 ||
			mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		die("making namespaces");
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0)
		become(root, command, start);
	if (waitpid(child, &status, 0) < 0)
		die("waiting");
	_exit(status == 0 ? 0 : 1);
}

static int init(void)
{
	double end = now();

	return write(STAMP, &end, sizeof(end)) == sizeof(end) ? 0 : 1;
}

/* Returns the seconds; *START is when it began. */
static double run(const char *root, char **command, double *start)
{
	double *begin = mmap(NULL, sizeof(*begin), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int stamp[2], status;
	double end;
	pid_t child;

	if (begin == MAP_FAILED || pipe2(stamp, O_CLOEXEC) != 0)
		die("preparing");
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0 && !root)
		become(NULL, command, begin);
	if (child == 0) {
		if (dup2(stamp[1], STAMP) < 0 || fcntl(STAMP, F_SETFD, 0) != 0)
			die("dup2");
		become_parent(root, command, begin);
	}
	(void)close(stamp[1]);
	if (root && read(stamp[0], &end, sizeof(end)) != sizeof(end)) {
		errno = ENODATA;
		die("init was not started");
	}
	if (waitpid(child, &status, 0) < 0)
		die("waiting");
	if (!root)
		end = now();
	if (status != 0) {
		(void)fprintf(stderr, "measure: %s has failed\n", command[0]);
		exit(1);
	}
	*start = *begin;
	return end - *begin;
}

static void print_series(const char *path, const struct sampler *sampler, double start, double base)
{
	FILE *series = fopen(path, "we");

	if (!series)
		die(path);
	for (size_t i = 0; i < sampler->count; i++)
		(void)fprintf(series, "%.3f %.1f\n", sampler->samples[i].time - start,
				sampler->samples[i].used - base);
	if (fclose(series) != 0)
		die(path);
}

/* The last sample but the end of the run is the last that counts. */
static double peak(const struct sampler *sampler, double end, double base)
{
	double most = 0;

	for (size_t i = 0; i < sampler->count && sampler->samples[i].time <= end; i++)
		if (sampler->samples[i].used - base > most)
			most = sampler->samples[i].used - base;
	return most;
}

static double number(const char *variable, double otherwise)
{
	const char *text = getenv(variable);

	return text ? strtod(text, NULL) : otherwise;
}

int main(int argc, char **argv)
{
	struct sampler sampler = { .meminfo = -1 };
	const char *root = NULL, *series = NULL;
	double base, seconds, start, others, wall;
	pthread_t thread;
	int option;

	if (strcmp(argv[0], "/init") == 0)
		return init();
	while ((option = getopt(argc, argv, "+b:s:")) != -1) {
		if (option == '?')
			return 2;
		*(option == 'b' ? &root : &series) = optarg;
	}
	if (optind == argc)
		return 2;
	sampler.meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	sampler.samples = calloc(SAMPLES_MAX, sizeof(*sampler.samples));
	if (sampler.meminfo < 0 || !sampler.samples)
		die("/proc/meminfo");
	memset(sampler.samples, 1, SAMPLES_MAX * sizeof(*sampler.samples)); /* not while it runs */
	settle(sampler.meminfo, number("PATIENCE", 1));
	touch_free_pages(number("TOUCH", 0));
	others = busy() - own();
	wall = now();
	base = used(sampler.meminfo);
	if (pthread_create(&thread, NULL, sample, &sampler) != 0)
		die("pthread_create");
	seconds = run(root, argv + optind, &start);
	others = (busy() - own() - others) / (now() - wall) / (double)sysconf(_SC_NPROCESSORS_ONLN);
	atomic_store(&sampler.end, true);
	(void)pthread_join(thread, NULL);
	(void)printf("%.4f %.1f %.2f\n", seconds, peak(&sampler, start + seconds, base), others);
	if (series)
		print_series(series, &sampler, start, base);
	return 0;
}
