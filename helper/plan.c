/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan.h"

#include "carry.h"
#include "log.h"
#include "sidecar.h"
#include "sys.h"
#include "systemd.h"
#include "util.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define KIB 1024ULL
#define MIB (1024ULL * 1024)

/* Kernel memory of an inode with its name, counted generously. */
#define ENTRY_COST KIB
/* Memory that SELinux's programs and policy need. */
#define POLICY_COST (64 * MIB)
/* Bytes that a worker holds twice of a large file: few, so that the pages that were just freed,
 * still in its processor's own list and cache, are the next ones written to. Chunks begin at pages
 * of any size. */
#define CHUNK_MIN (256 * KIB)
#define CHUNK_MAX (2 * MIB)
/* Bytes that it holds twice of small files: a batch, and the file that makes it full (file.h). */
#define BATCH (2 * MIB)
/* Memory that must stay available where rd.tmpfsroot.minmem= does not say: MemAvailable is an
 * estimate. Of what a move frees the kernel (since Linux 6.7) keeps up to an eighth of the memory
 * on lists of single processors, in mm/page_alloc.c, and takes it from there for no other one. */
#define RESERVE_SHARE 32
#define RESERVE_MIN   (16 * MIB)
#define LISTS_SHARE   8

static uint64_t meminfo(const char *text, const char *key)
{
	const char *line = strstr(text, key);

	return line ? strtoull(line + strlen(key), NULL, 10) * KIB : 0;
}

/* MemAvailable counts on inodes and dentries being reclaimed; those of an initramfs cannot be. */
static int read_memory(const struct options *options, struct plan *plan)
{
	auto_free char *text = NULL;
	uint64_t reclaimed;
	int result = read_file(plan->proc, "meminfo", &text, NULL);

	if (result < 0)
		return log_error(result, "reading /proc/meminfo");
	plan->memory = meminfo(text, "MemTotal:");
	plan->memory_available = meminfo(text, "MemAvailable:");
	reclaimed = plan_moves(plan) ? meminfo(text, "KReclaimable:") : 0;
	plan->memory_available -=
			reclaimed < plan->memory_available ? reclaimed : plan->memory_available;
	if (plan->memory == 0)
		return log_error(0, "/proc/meminfo does not tell MemTotal");
	plan->memory_minimum = plan->memory / RESERVE_SHARE;
	if (plan->memory_minimum < RESERVE_MIN)
		plan->memory_minimum = RESERVE_MIN;
	if (plan_moves(plan))
		plan->memory_minimum += plan->memory / LISTS_SHARE;
	if (options->minmem.value != SIZE_UNSET)
		plan->memory_minimum = size_bytes(options->minmem, plan->memory);
	return 0;
}

/* How many workers, and how much each may hold twice, so that even little memory will do. The
 * directories and the files with several names stay until the move is complete; a real root stays
 * all. */
static void plan_memory(struct plan *plan)
{
	const struct scan_sums *sums = &plan->sums;
	uint64_t names = plan->tree.directories.count + sums->hard_links;
	uint64_t kept = plan_moves(plan) ? names * ENTRY_COST + sums->twice
					 : sums->bytes + sums->entries * ENTRY_COST;
	uint64_t policy = *plan->selinux ? POLICY_COST : 0;
	uint64_t spare = plan->memory_available > kept + plan->memory_minimum
					 ? plan->memory_available - kept - plan->memory_minimum
					 : 0;
	uint64_t window;

	plan->chunk = CHUNK_MAX;
	while (plan->chunk > CHUNK_MIN && plan->tree.workers * (plan->chunk + BATCH) > spare)
		plan->chunk /= 2;
	while (plan->tree.workers > 1 && plan->tree.workers * (plan->chunk + BATCH) > spare)
		plan->tree.workers--;
	window = plan->tree.workers * (plan->chunk + BATCH);
	plan->memory_needed = kept + policy;
	if (plan_moves(plan))
		plan->memory_needed += sums->bytes < window ? sums->bytes : window;
}

/* Names and inodes that the target must hold: tmpfs counts each name of a file, its own top, and
 * the mount points that will be made in it. */
static uint64_t count_inodes(const struct plan *plan)
{
	/* Since Linux 6.6 attributes count: labels of about 100 bytes, of which 1024 are one inode.
	 */
	uint64_t labels = *plan->selinux ? plan->sums.entries / 8 : 0,
		 inodes = plan->sums.entries + 1 + labels;

	for (size_t i = 0; i < api_mounts_count; i++) {
		struct stat st;

		if (strchr(api_mounts[i].point + 1, '/') == NULL &&
				fstatat(plan->clone, api_mounts[i].point + 1, &st, 0) != 0)
			inodes++;
	}
	return inodes;
}

static int plan_target(const struct options *options, struct plan *plan)
{
	plan->need = (struct tmpfs_space){ plan->sums.bytes, count_inodes(plan) };
	if (options->action == ACTION_DRY_RUN && geteuid() != 0)
		return 0; /* mounts are root's to make: the limits stay unknown */
	plan->target = tmpfs_make(options->tmpfs_options, &plan->need, plan->memory, &plan->limit);
	return plan->target < 0 ? plan->target : 0;
}

/* PID 1 refuses these, or does with them what is not wanted, once all has been moved. */
static int check_service(const struct request *request, const struct source *source)
{
	int result;

	if (!request->new_root)
		return log_error(0, "systemd does the switch, to a NEWROOT: name it");
	if (source->kind == SOURCE_INITRAMFS && source->method == METHOD_BIND)
		return log_error(0, "rd.tmpfsroot.method=bind: systemd deletes the initramfs that "
				    "it leaves, and that is bound: use method=copy");
	result = systemd_takes(source_top(source), request->new_root);
	return result == 0 ? -EINVAL : result < 0 ? result : 0;
}

/* What marks an initramfs as one: systemd looks at the first, the second holds what dracut's hooks
 * have set, and the third is in dracut's images a symlink to the first: the target gets another
 * one. */
#define INITRD_RELEASE "etc/initrd-release"
#define INITRD_MARKS   "/" INITRD_RELEASE ":/dracut-state.sh"
#define OS_RELEASE     "etc/os-release"

static bool is_initrd_release(const struct source *source)
{
	auto_close int own = sys_open_in_root(source->root, OS_RELEASE, O_PATH | O_CLOEXEC);
	auto_close int mark = sys_open_in_root(source->root, INITRD_RELEASE, O_PATH | O_CLOEXEC);
	struct sys_stat a, b;

	return own >= 0 && mark >= 0 && sys_stat(own, "", &a) == 0 && sys_stat(mark, "", &b) == 0 &&
	       sys_stat_is_same(&a, &b);
}

static int set_exclude(
		const struct options *options, const struct request *request, struct plan *plan)
{
	bool initrd = request->new_root && plan->source.kind == SOURCE_INITRAMFS,
	     sidecar = plan->sidecar && plan->source.kind == SOURCE_INITRAMFS;
	const char *own = options->exclude ? options->exclude : "";
	const char *release = initrd && is_initrd_release(&plan->source) ? ":/" OS_RELEASE : "";
	size_t size = strlen(own) + sizeof(":" SIDECAR_FILE ":" INITRD_MARKS ":/" OS_RELEASE);

	if (!*own && !initrd && !sidecar)
		return 0;
	plan->exclude = malloc(size);
	if (!plan->exclude)
		return log_error(ENOMEM, "noting what is not moved");
	(void)snprintf(plan->exclude, size, "%s%s%s%s", own, sidecar ? ":" SIDECAR_FILE : "",
			initrd ? ":" INITRD_MARKS : "", release);
	return 0;
}

/* What init's path leads to by links, and its interpreter, are looked for after the move. */
static int check_init_stays(const struct options *options, const struct init *init)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s", init->path);
	for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
		if (tree_excludes(options->exclude, path, slash + 1))
			return log_error(0,
					"%s is left out by rd.tmpfsroot.exclude=%s: change that",
					init->path, options->exclude);
		*slash = '\0';
	}
	return 0;
}

static int plan_move(
		const struct options *options, const struct request *request, struct plan *plan)
{
	int result = check_init_stays(options, &plan->init);
	const char *moved = plan->source.kind == SOURCE_DIRECTORY ? plan->source.path : "/";
	struct statvfs fs;

	if (result == 0)
		result = set_exclude(options, request, plan);
	if (result < 0)
		return result;
	plan->clone = source_clone(&plan->source, options);
	if (plan->clone < 0)
		return plan->clone;
	if (plan_moves(plan) && fstatvfs(plan->clone, &fs) == 0 && (fs.f_flag & ST_RDONLY))
		return log_error(0,
				"%s is read-only, and a move takes its files away: mount -o "
				"remount,rw %s",
				moved, moved);
	plan->tree = (struct tree){
		.root = plan->clone, .exclude = plan->exclude, .workers = tree_workers()
	};
	result = scan_tree(&plan->tree, plan_moves(plan), plan->proc, &plan->sums);
	if (result == 0)
		result = plan_target(options, plan);
	if (result == 0)
		plan_memory(plan);
	return result;
}

/* Finds out whether the initramfs is whole, and which attributes and labels the new root will need.
 */
static int look_for_losses(const struct options *options, struct plan *plan)
{
	const struct source *source = &plan->source;
	int result = 0;

	if (source->kind == SOURCE_INITRAMFS || source->kind == SOURCE_DIRECTORY)
		result = whole_check(source->root, options->incomplete, plan->incomplete);
	if (result == 0 && plan_moves(plan))
		result = sidecar_read(&plan->sidecar);
	if (result == 0 && (plan_copies(plan) || selinux_is_unfinished()))
		result = selinux_plan(options, plan->proc, source_top(source), &plan->selinux);
	return result;
}

int plan_make(const struct options *options, const struct request *request, int proc,
		struct plan *plan)
{
	double start = seconds_now();
	int result;

	plan->proc = proc;
	result = source_find(options, request, proc, &plan->source);
	if (result == 0 && request->role == ROLE_SERVICE)
		result = check_service(request, &plan->source);
	if (result == 0)
		result = look_for_losses(options, plan);
	if (result == 0)
		result = init_find(options, request, proc, &plan->source, &plan->init);
	if (result == 0)
		result = read_memory(options, plan);
	if (result == 0)
		result = carry_plan(&plan->source);
	if (result == 0 && plan_copies(plan))
		result = plan_move(options, request, plan);
	if (plan_copies(plan)) /* what is copied is unmounted, and nothing of it may be in use */
		close_fd(&plan->source.new_root);
	plan->seconds = seconds_now() - start;
	return result;
}

int plan_check(const struct plan *plan)
{
	char need[SIZE_TEXT], have[SIZE_TEXT], keep[SIZE_TEXT];

	if (!plan_copies(plan))
		return 0;
	if (plan->limit.bytes && plan->need.bytes > plan->limit.bytes)
		return log_error(0,
				"the tree needs %s (%llu bytes), the tmpfs holds %s (%llu): raise "
				"size= in rd.tmpfsroot.opts=",
				size_text(plan->need.bytes, need),
				(unsigned long long)plan->need.bytes,
				size_text(plan->limit.bytes, have),
				(unsigned long long)plan->limit.bytes);
	if (plan->limit.inodes && plan->need.inodes > plan->limit.inodes)
		return log_error(0,
				"the tree needs %llu inodes, the tmpfs holds %llu: raise "
				"nr_inodes= in rd.tmpfsroot.opts=",
				(unsigned long long)plan->need.inodes,
				(unsigned long long)plan->limit.inodes);
	if (plan->memory_available < plan->memory_needed ||
			plan->memory_available - plan->memory_needed < plan->memory_minimum)
		return log_error(0,
				"%s of memory are available, the move needs %s and %s must stay "
				"available: lower rd.tmpfsroot.minmem=, or give more memory",
				size_text(plan->memory_available, have),
				size_text(plan->memory_needed, need),
				size_text(plan->memory_minimum, keep));
	return 0;
}

static void print_move(const struct plan *plan, FILE *out)
{
	char a[SIZE_TEXT], b[SIZE_TEXT], c[SIZE_TEXT];

	(void)fprintf(out, "entries: %llu, of them %zu directories, %llu further hard links\n",
			(unsigned long long)plan->sums.entries, plan->tree.directories.count - 1,
			(unsigned long long)plan->sums.hard_links);
	(void)fprintf(out, "bytes to allocate: %llu (%s), the largest file %s\n",
			(unsigned long long)plan->sums.bytes, size_text(plan->sums.bytes, a),
			size_text(plan->sums.largest, b));
	if (plan->target < 0)
		(void)fputs("limits of the target: unknown, only root may ask for them\n", out);
	else
		(void)fprintf(out,
				"limits of the target: %llu bytes (%s), %llu inodes; needed: %llu "
				"inodes\n",
				(unsigned long long)plan->limit.bytes,
				size_text(plan->limit.bytes, a),
				(unsigned long long)plan->limit.inodes,
				(unsigned long long)plan->need.inodes);
	(void)fprintf(out, "memory: %s available, %s needed for the move, %s must stay available\n",
			size_text(plan->memory_available, a), size_text(plan->memory_needed, b),
			size_text(plan->memory_minimum, c));
	(void)fprintf(out, "workers: %u, each with a window of %s\n", plan->tree.workers,
			size_text(plan->chunk, a));
}

void plan_print(const struct plan *plan, FILE *out)
{
	const struct source *source = &plan->source;
	const char *const what[] = {
		"/ was made before: only init is started",
		source->method == METHOD_BIND ? "the whole initramfs, bound over itself"
					      : "the whole initramfs, moved to a new tmpfs",
		"a directory of the initramfs, moved to a new tmpfs",
		"a mounted root, copied to a new tmpfs and unmounted",
		"a mounted root, switched to as it is",
	};

	(void)fprintf(out, "source: %s (/ is %s)\n", what[source->kind], source->root_mount->type);
	if (plan_copies(plan))
		print_move(plan, out);
	if (source->kind != SOURCE_FINISHED)
		carry_print(source, out);
	(void)fprintf(out,
			"unpacked whole: %s\nattributes to set: %s\nSELinux policy to load: %s\n",
			plan->incomplete[0] ? plan->incomplete : "yes",
			plan->sidecar ? SIDECAR_FILE : "none",
			*plan->selinux ? plan->selinux : "none");
	(void)fprintf(out, "init: %s, interpreter: %s\n", plan->init.path,
			plan->init.interpreter[0] ? plan->init.interpreter : "none");
}

void plan_free(struct plan *plan)
{
	tree_free(&plan->tree);
	close_fd(&plan->clone);
	close_fd(&plan->target);
	source_free(&plan->source);
	free(plan->exclude);
	free(plan->sidecar);
	plan->exclude = plan->sidecar = NULL;
}
