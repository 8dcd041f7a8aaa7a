/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan.h"

#include "copy.h"
#include "inuse.h"
#include "links.h"
#include "log.h"
#include "sys.h"
#include "util.h"
#include "walk.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define KIB 1024ULL
#define MIB (1024ULL * 1024)

/* Kernel memory of an inode with its name, counted generously. */
#define ENTRY_COST KIB
/* What all workers together hold twice, and the least that one can work with. */
#define WINDOW	  (16 * MIB)
#define CHUNK_MIN (256 * KIB) /* chunks begin at pages of any size */
#define CHUNK_MAX (8 * MIB)
/* Small files are released in batches of this size: see move.c. */
#define BATCH	  MIB
#define BUSY_FROM MIB

/* tmpfs keeps a symlink's target in the inode up to this length, else in a page. */
#define SHORT_SYMLINK 127

struct scan {
	pthread_mutex_t lock;
	struct links links;
	struct plan *plan;
	struct inuse inuse;
	uint64_t page;
	bool memory; /* the tree is on a ramfs or tmpfs */
};

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

/* What a file will take in a tmpfs: whole pages, holes left out. st_blocks counts the pages on
 * ramfs and tmpfs; elsewhere less than the size may be a hole, or compression. */
static int count_bytes(const struct scan *scan, int directory, const char *name,
		const struct sys_stat *st, uint64_t *bytes)
{
	uint64_t whole = round_up(st->size, scan->page),
		 present = round_up(st->blocks * 512, scan->page);
	struct copy copy = { .size = st->size };
	auto_close int fd = -1;

	*bytes = S_ISREG(st->mode) ? whole : 0;
	if (S_ISLNK(st->mode))
		*bytes = st->size > SHORT_SYMLINK ? scan->page : 0;
	if (!S_ISREG(st->mode) || present >= whole)
		return 0;
	*bytes = present;
	if (scan->memory)
		return 0;
	fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NOATIME | O_NONBLOCK | O_CLOEXEC);
	copy.source = fd;
	return fd < 0 ? -errno : copy_count(&copy, bytes);
}

/* Is it a further name of a file that was counted? Returns 1, 0 or a negative errno. */
static int count_link(struct scan *scan, const struct sys_stat *st)
{
	int result = 0;

	(void)pthread_mutex_lock(&scan->lock);
	if (links_find(&scan->links, sys_stat_dev(st), st->ino)) {
		scan->plan->hard_links++;
		result = 1;
	} else {
		result = links_add(&scan->links, sys_stat_dev(st), st->ino, NULL, "");
	}
	(void)pthread_mutex_unlock(&scan->lock);
	return result;
}

/* A worker's own sums: what needs no table is added up without a lock. */
struct scan_sums {
	uint64_t entries, directories, bytes, largest, busy;
};

static int scan_enter(struct walk_worker *worker, struct walk_node *directory)
{
	struct scan_sums *sums = worker->own;

	sums->directories += directory->parent != NULL;
	sums->entries += directory->parent != NULL;
	return 0;
}

/* What somebody has open or mapped is held by them, and will be there twice. Small files do not
 * matter much. */
static bool is_busy(struct scan *scan, int directory, const char *name)
{
	auto_close int fd = openat(
			directory, name, O_RDWR | O_NOFOLLOW | O_NOATIME | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? errno == ETXTBSY : !inuse_is_free(&scan->inuse, fd);
}

static int scan_entry(struct walk_worker *worker, struct walk_node *directory, const char *name,
		const struct sys_stat *st, bool mounted, bool put_off)
{
	struct scan *scan = worker->walk->request->context;
	struct scan_sums *sums = worker->own;
	char path[WALK_PATH];
	uint64_t bytes;
	int result;

	(void)put_off;
	sums->entries++;
	if (mounted)
		return 0;
	result = st->nlink > 1 ? count_link(scan, st) : 0;
	if (result == 1)
		return 0;
	if (result == 0)
		result = count_bytes(scan, worker->cursor.fd[WALK_SOURCE], name, st, &bytes);
	if (result < 0)
		return log_error(result, "counting %s", walk_path(directory, name, path));
	sums->bytes += bytes;
	if (bytes > sums->largest)
		sums->largest = bytes;
	if (bytes >= BUSY_FROM && scan->memory && S_ISREG(st->mode) &&
			is_busy(scan, worker->cursor.fd[WALK_SOURCE], name))
		sums->busy += bytes;
	return 0;
}

static void scan_end(struct walk_worker *worker)
{
	struct scan *scan = worker->walk->request->context;
	const struct scan_sums *sums = worker->own;
	struct plan *plan = scan->plan;

	(void)pthread_mutex_lock(&scan->lock);
	plan->entries += sums->entries;
	plan->directories += sums->directories;
	plan->bytes += sums->bytes;
	plan->busy += sums->busy;
	if (sums->largest > plan->largest)
		plan->largest = sums->largest;
	(void)pthread_mutex_unlock(&scan->lock);
}

static int scan_tree(const struct options *options, struct plan *plan)
{
	static const struct walk_operations operations = {
		.own_size = sizeof(struct scan_sums),
		.enter = scan_enter,
		.entry = scan_entry,
		.end = scan_end,
	};
	struct scan scan = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.links = LINKS_EMPTY,
		.plan = plan,
		.inuse = INUSE_EMPTY(plan->proc),
		.page = (uint64_t)sysconf(_SC_PAGESIZE),
		.memory = plan->source == SOURCE_INITRAMFS };
	struct walk_request request = { .roots = { plan->tree, -1 },
		.operations = &operations,
		.context = &scan,
		.exclude = options->exclude,
		.workers = plan->workers };
	int result = walk_run(&request);

	links_free(&scan.links);
	inuse_free(&scan.inuse);
	return result;
}

static uint64_t meminfo(const char *text, const char *key)
{
	const char *line = strstr(text, key);

	return line ? strtoull(line + strlen(key), NULL, 10) * KIB : 0;
}

static int read_memory(const struct options *options, int proc, struct plan *plan)
{
	auto_free char *text = NULL;
	int result = read_file(proc, "meminfo", &text, NULL);

	if (result < 0)
		return log_error(result, "reading /proc/meminfo");
	plan->memory = meminfo(text, "MemTotal:");
	plan->memory_available = meminfo(text, "MemAvailable:");
	if (plan->memory == 0)
		return log_error(0, "/proc/meminfo does not tell MemTotal");
	plan->memory_minimum = size_bytes(options->minmem, plan->memory);
	return 0;
}

/* How many workers, and how much each may hold twice, so that even little memory will do. The
 * directories, and the names of files with several, stay until the move is complete; a real root
 * stays all. */
static void plan_memory(struct plan *plan)
{
	bool moves = plan->source == SOURCE_INITRAMFS;
	uint64_t kept = moves ? (plan->directories + plan->hard_links + 1) * ENTRY_COST + plan->busy
			      : plan->bytes + plan->entries * ENTRY_COST;
	uint64_t free = plan->memory_available > kept ? plan->memory_available - kept : 0;
	uint64_t window;

	plan->chunk = WINDOW / plan->workers;
	while (plan->chunk > CHUNK_MIN && plan->workers * (plan->chunk + BATCH) > free / 2)
		plan->chunk /= 2;
	if (plan->chunk > CHUNK_MAX)
		plan->chunk = CHUNK_MAX;
	plan->chunk -= plan->chunk % CHUNK_MIN;
	if (plan->chunk < CHUNK_MIN)
		plan->chunk = CHUNK_MIN;
	window = plan->workers * (plan->chunk + BATCH);
	plan->memory_needed = kept + (!moves ? 0 : plan->bytes < window ? plan->bytes : window);
}

bool plan_copies(const struct plan *plan)
{
	return plan->source == SOURCE_REAL_ROOT ||
	       (plan->source == SOURCE_INITRAMFS && plan->method == METHOD_COPY);
}

const char *plan_carries(const struct plan *plan, const struct mount *mount)
{
	const struct mount *new_root = mounts_find(&plan->mounts, plan->new_root_mount);

	if (mount == plan->root_mount || mount == new_root)
		return NULL;
	if (plan->source == SOURCE_REAL_ROOT && new_root && mount->parent == new_root->id)
		return mount->point + strlen(new_root->point) + 1;
	if (mount->parent != plan->root_mount->id)
		return NULL;
	if (plan->source == SOURCE_INITRAMFS)
		return mount->point + 1;
	for (size_t i = 0; i < api_mounts_count; i++)
		if (strcmp(mount->point, api_mounts[i].point) == 0)
			return mount->point + 1;
	return NULL;
}

void plan_stay(struct plan *plan)
{
	plan->source = SOURCE_NEW_ROOT;
	close_fd(&plan->target);
	close_fd(&plan->clone);
	close_fd(&plan->tree);
}

bool plan_has_mount(const struct plan *plan, const char *point)
{
	for (size_t i = 0; i < plan->mounts.count; i++)
		if (strcmp(plan->mounts.list[i].point, point) == 0)
			return true;
	return false;
}

/* Names and inodes that the target must hold: tmpfs counts each name of a file, its own top, and
 * the mount points that will be made in it. */
static uint64_t count_inodes(const struct plan *plan)
{
	uint64_t inodes = plan->entries + 1;

	for (size_t i = 0; i < api_mounts_count; i++) {
		struct stat st;

		if (strchr(api_mounts[i].point + 1, '/') == NULL &&
				fstatat(plan->tree, api_mounts[i].point + 1, &st, 0) != 0)
			inodes++;
	}
	return inodes;
}

static int plan_target(const struct options *options, struct plan *plan)
{
	plan->need = (struct tmpfs_space){ plan->bytes, count_inodes(plan) };
	if (options->action == ACTION_DRY_RUN && geteuid() != 0)
		return 0; /* mounts are root's to make: the limits stay unknown */
	plan->target = tmpfs_make(options->tmpfs_options, &plan->need, plan->memory, &plan->limit);
	return plan->target < 0 ? plan->target : 0;
}

/* A tmpfs made here is known by its source; an initramfs that was bound looks as it did before, and
 * only its init can tell. */
static bool is_ours(const struct options *options, const struct request *request,
		const struct mount *root)
{
	return (strcmp(root->type, "tmpfs") == 0 && strcmp(root->source, TMPFS_SOURCE) == 0) ||
	       (options->method == METHOD_BIND && request->started);
}

static int find_source(const struct options *options, const struct request *request, int proc,
		struct plan *plan)
{
	struct sys_stat st;
	int result = mounts_read(proc, &plan->mounts);

	if (result < 0)
		return result;
	plan->root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (plan->root < 0)
		return log_error(errno, "opening /");
	result = sys_stat(plan->root, "", &st);
	if (result < 0)
		return log_error(result, "stat /");
	plan->root_mount = mounts_find(&plan->mounts, st.mnt_id);
	if (!plan->root_mount)
		return log_error(0,
				"/ is not the root of a mount: /proc/self/mountinfo has no mount "
				"%llu",
				(unsigned long long)st.mnt_id);
	plan->ramfs = sys_fs_magic(plan->root) == RAMFS_FS_MAGIC;
	plan->source = SOURCE_INITRAMFS;
	if (request->new_root)
		plan->source = options->real_root != REAL_ROOT_NO && !options->crash_kernel
					       ? SOURCE_REAL_ROOT
					       : SOURCE_NEW_ROOT;
	else if (is_ours(options, request, plan->root_mount))
		plan->source = SOURCE_FINISHED;
	else if (!sys_is_memory(plan->root))
		return log_error(0,
				"/ is %s (%s), expected an initramfs (ramfs or tmpfs): boot with "
				"rdinit=, or name a NEWROOT",
				plan->root_mount->type, plan->root_mount->source);
	return 0;
}

/* The tree as a mount of its own, attached nowhere and without the mounts that lie on it: so
 * nothing hides what is below them, and no mount is entered. */
static int open_tree_alone(
		const struct options *options, const struct request *request, struct plan *plan)
{
	plan->clone = sys_clone_tree(AT_FDCWD, request->new_root ? request->new_root : "/");
	if (plan->clone < 0 && options->action == ACTION_DRY_RUN && geteuid() != 0)
		plan->clone = fcntl(request->new_root ? plan->new_root : plan->root,
				F_DUPFD_CLOEXEC, 0);
	if (plan->clone < 0)
		return log_error(plan->clone, "open_tree %s",
				request->new_root ? request->new_root : "/");
	plan->tree = openat(plan->clone, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return plan->tree < 0 ? log_error(errno, "opening the tree") : 0;
}

static int open_new_root(const struct request *request, struct plan *plan)
{
	struct sys_stat st, root;
	int result;

	plan->new_root = open(request->new_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (plan->new_root < 0)
		return log_error(errno, "opening NEWROOT %s: %m; mount the new root there",
				request->new_root);
	result = sys_stat(plan->new_root, "", &st);
	if (result == 0)
		result = sys_stat(plan->root, "", &root);
	if (result < 0)
		return log_error(result, "stat NEWROOT %s", request->new_root);
	if (!(st.attributes & SYS_STAT_ATTR_MOUNT_ROOT) || st.mnt_id == root.mnt_id)
		return log_error(0, "NEWROOT %s is not a mount point: mount the new root there",
				request->new_root);
	plan->new_root_mount = st.mnt_id;
	return 0;
}

/* The helper as its own init would start itself for ever. */
static int check_not_self(int proc, int init, const char *path)
{
	struct stat self, st;

	if (fstatat(proc, "self/exe", &self, 0) != 0 || fstat(init, &st) != 0)
		return 0;
	if (self.st_dev == st.st_dev && self.st_ino == st.st_ino)
		return log_error(0, "%s is tmpfsroot itself: name another init", path);
	return 0;
}

/* The path, or one of the directories on it, is excluded; PATH is changed. */
static bool is_excluded(const struct options *options, char *path)
{
	for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
		if (walk_excluded(options->exclude, path, slash + 1))
			return true;
		*slash = '\0';
	}
	return false;
}

/* Would init, by the path it really has, be left behind? */
static int check_not_excluded(const struct options *options, int proc, int init, const char *path)
{
	char link[32], real[PATH_MAX];
	ssize_t length;

	(void)snprintf(link, sizeof(link), "self/fd/%d", init);
	length = readlinkat(proc, link, real, sizeof(real) - 1);
	if (length < 0)
		return log_error(errno, "readlink /proc/%s", link);
	real[length] = '\0';
	if (is_excluded(options, real))
		return log_error(0, "%s is left out by rd.tmpfsroot.exclude=%s: change that", path,
				options->exclude);
	return 0;
}

/* A mount that is carried needs its place. */
static int check_mounts_not_excluded(const struct options *options, const struct plan *plan)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < plan->mounts.count; i++) {
		const char *to = plan_carries(plan, &plan->mounts.list[i]);

		if (!to || snprintf(path, sizeof(path), "/%s", to) >= (int)sizeof(path))
			continue;
		if (is_excluded(options, path))
			return log_error(0,
					"/%s is a mount point and left out by "
					"rd.tmpfsroot.exclude=%s: "
					"change that (what is mounted is not copied anyway)",
					to, options->exclude);
	}
	return 0;
}

/* Then init, its symlinks and interpreters are all in the tree, and not on a mount that is carried.
 */
static bool only_api_mounts(const struct plan *plan)
{
	for (size_t i = 0; i < plan->mounts.count; i++) {
		const char *to = plan_carries(plan, &plan->mounts.list[i]);
		bool api = false;

		for (size_t j = 0; to && j < api_mounts_count; j++)
			api |= strcmp(to, api_mounts[j].point + 1) == 0;
		if (to && !api)
			return false;
	}
	return true;
}

static int check_init(const struct options *options, const struct request *request, int proc,
		struct plan *plan)
{
	int tree = request->new_root ? plan->new_root : plan->root;
	auto_close int init = -1;
	int result;

	plan->init = request->init[0];
	init = program_check(proc, tree, plan->init,
			request->new_root ? request->new_root : "the initramfs", plan->interpreter);
	if (init < 0)
		return init;
	plan->init_inside = only_api_mounts(plan);
	result = check_not_self(proc, init, plan->init);
	if (result == 0 && plan_copies(plan) && options->exclude)
		result = check_not_excluded(options, proc, init, plan->init);
	if (result == 0 && plan_copies(plan) && options->exclude)
		result = check_mounts_not_excluded(options, plan);
	return result;
}

/* What cannot be had here is refused by name, not passed over. */
static int check_words(const struct options *options, const struct plan *plan)
{
	bool bind = options->method == METHOD_BIND;

	if (bind && plan->source != SOURCE_INITRAMFS && plan->source != SOURCE_FINISHED)
		return log_error(0,
				"rd.tmpfsroot.method=bind is for an initramfs, not for a mounted "
				"root: leave it out");
	if (bind && plan->ramfs && options->tmpfs_options)
		return log_error(0,
				"rd.tmpfsroot.opts=%s: the initramfs is a ramfs, which has no "
				"limits: "
				"use method=copy, or boot without root= on the command line",
				options->tmpfs_options);
	if (plan->source == SOURCE_NEW_ROOT && options->root_tmpfsroot)
		return log_error(0,
				"root=tmpfsroot: this version moves the whole initramfs alone, by "
				"rdinit=");
	return 0;
}

int plan_make(const struct options *options, const struct request *request, int proc,
		struct plan *plan)
{
	double start = seconds_now();
	int result;

	plan->proc = proc;
	plan->method = (enum method)options->method;
	plan->workers = walk_workers();
	result = find_source(options, request, proc, plan);
	if (result == 0)
		result = check_words(options, plan);
	if (result == 0 && request->new_root)
		result = open_new_root(request, plan);
	if (result == 0)
		result = check_init(options, request, proc, plan);
	if (result == 0)
		result = read_memory(options, proc, plan);
	if (result == 0 && plan_copies(plan)) {
		result = open_tree_alone(options, request, plan);
		if (result == 0)
			result = scan_tree(options, plan);
		if (result == 0)
			result = plan_target(options, plan);
		if (result == 0)
			plan_memory(plan);
	}
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
				"nr_inodes= "
				"in rd.tmpfsroot.opts=",
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

int plan_check_moved(const struct plan *plan, const struct options *options)
{
	char interpreter[PROGRAM_PATH];
	int fd;

	if (!plan_copies(plan) || !options->exclude || !plan->init_inside)
		return 0;
	fd = program_check(plan->proc, plan->target, plan->init,
			"what rd.tmpfsroot.exclude= leaves", interpreter);
	if (fd < 0)
		return fd;
	close_fd(&fd);
	return 0;
}

const char *plan_source_name(const struct plan *plan)
{
	static const char *const names[] = { "finished", "initramfs", "realroot", "newroot" };

	return names[plan->source];
}

const char *plan_source_type(const struct plan *plan)
{
	const struct mount *new_root = mounts_find(&plan->mounts, plan->new_root_mount);

	return new_root ? new_root->type : plan->ramfs ? "ramfs" : "tmpfs";
}

static void print_mounts(const struct plan *plan, FILE *out)
{
	(void)fputs("mounts to carry:", out);
	for (size_t i = 0; i < plan->mounts.count; i++)
		if (plan_carries(plan, &plan->mounts.list[i]))
			(void)fprintf(out, " /%s", plan_carries(plan, &plan->mounts.list[i]));
	(void)fputs("\nmounts to make:", out);
	for (size_t i = 0; i < api_mounts_count && plan->source != SOURCE_NEW_ROOT; i++)
		if (!plan_has_mount(plan, api_mounts[i].point))
			(void)fprintf(out, " %s", api_mounts[i].point);
	(void)fputs("\n", out);
}

static void print_move(const struct plan *plan, FILE *out)
{
	char a[SIZE_TEXT], b[SIZE_TEXT], c[SIZE_TEXT];

	(void)fprintf(out, "entries: %llu, of them %llu directories, %llu further hard links\n",
			(unsigned long long)plan->entries, (unsigned long long)plan->directories,
			(unsigned long long)plan->hard_links);
	(void)fprintf(out, "bytes to allocate: %llu (%s), the largest file %s\n",
			(unsigned long long)plan->bytes, size_text(plan->bytes, a),
			size_text(plan->largest, b));
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
	(void)fprintf(out, "workers: %u, each with a window of %s\n", plan->workers,
			size_text(plan->chunk, a));
}

void plan_print(const struct plan *plan, FILE *out)
{
	const char *const what[] = {
		"/ was made before: only init is started",
		plan->method == METHOD_BIND ? "the whole initramfs, bound over itself"
					    : "the whole initramfs, moved to a new tmpfs",
		"a mounted root, copied to a new tmpfs and unmounted",
		"a mounted root, switched to as it is",
	};

	(void)fprintf(out, "source: %s (/ is %s)\n", what[plan->source], plan->root_mount->type);
	if (plan_copies(plan))
		print_move(plan, out);
	if (plan->source != SOURCE_FINISHED)
		print_mounts(plan, out);
	(void)fprintf(out, "init: %s, interpreter: %s\n", plan->init,
			plan->interpreter[0] ? plan->interpreter : "none");
}

void plan_free(struct plan *plan)
{
	close_fd(&plan->root);
	close_fd(&plan->new_root);
	close_fd(&plan->clone);
	close_fd(&plan->tree);
	close_fd(&plan->target);
	mounts_free(&plan->mounts);
}
