/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan.h"

#include "copy.h"
#include "inuse.h"
#include "links.h"
#include "log.h"
#include "sys.h"
#include "systemd.h"
#include "util.h"
#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* Where systemd is in a tree; PID 1 looks for it here, too. */
#define SYSTEMD "/usr/lib/systemd/systemd"

#define KIB 1024ULL
#define MIB (1024ULL * 1024)

/* Kernel memory of an inode with its name, counted generously. */
#define ENTRY_COST KIB
/* What a worker holds twice of a large file: little, so that the pages that were just freed, still
 * in its processor's own list and cache, are the next ones written to. */
#define CHUNK_MIN (256 * KIB) /* chunks begin at pages of any size */
#define CHUNK_MAX (2 * MIB)
/* Small files are released in batches of this size: see move.c. */
#define BATCH	  MIB
#define BUSY_FROM MIB
/* MemAvailable is an estimate: of 3 MB that it told Linux 6.12 has once not found 1. */
#define SPARE MIB

/* tmpfs keeps a symlink's target in the inode up to this length, else in a page. */
#define SHORT_SYMLINK 127

struct scan {
	pthread_mutex_t lock;
	struct plan *plan;
	struct inuse inuse;
	uint64_t page;
	bool memory; /* the tree is on a ramfs or tmpfs */
	bool attributes; /* they count */
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

/* Is it a further name of a file that was counted? Returns 1, 0 with its new *ENTRY, or a negative
 * errno. */
static int count_link(struct scan *scan, const struct sys_stat *st, struct link_entry **entry)
{
	struct links *links = &scan->plan->links;
	int result = 0;

	(void)pthread_mutex_lock(&scan->lock);
	*entry = links_find(links, sys_stat_dev(st), st->ino);
	if (*entry) {
		scan->plan->hard_links++;
		(*entry)->missing -= (*entry)->missing > 0;
		result = 1;
	} else {
		*entry = links_add(links, sys_stat_dev(st), st->ino, NULL, "");
		if (*entry)
			(*entry)->missing = st->nlink - 1;
		else
			result = -ENOMEM;
	}
	(void)pthread_mutex_unlock(&scan->lock);
	return result;
}

/* A worker's own sums: what needs no table is added up without a lock. */
struct scan_sums {
	uint64_t entries, directories, sparse, bytes, largest, busy, attribute_bytes;
	struct attributes attributes;
};

static int count_attributes(
		struct walk_worker *worker, struct walk_node *directory, const char *name, bool own)
{
	const struct scan *scan = worker->walk->request->context;
	struct attributes_of file = { worker->cursor.fd[WALK_SOURCE], own ? "." : name };
	struct scan_sums *sums = worker->own;
	char path[WALK_PATH];
	int result = scan->attributes ? attributes_load(&sums->attributes, file) : 0;

	if (result < 0)
		return log_error(result, "reading the attributes of %s",
				walk_path(directory, own ? "" : name, path));
	sums->attribute_bytes += attributes_space(&sums->attributes);
	return 0;
}

static int scan_enter(struct walk_worker *worker, struct walk_node *directory)
{
	struct scan_sums *sums = worker->own;

	sums->directories += directory->parent != NULL;
	sums->entries += directory->parent != NULL;
	return 0;
}

/* All names of the directory were read. */
static int scan_flush(struct walk_worker *worker, struct walk_node *directory)
{
	return count_attributes(worker, directory, "", true);
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
	struct link_entry *link = NULL;
	uint64_t bytes;
	int result;

	(void)put_off;
	sums->entries++;
	if (mounted)
		return 0;
	result = st->nlink > 1 ? count_link(scan, st, &link) : 0;
	if (result == 1)
		return 0;
	if (result == 0)
		result = count_bytes(scan, worker->cursor.fd[WALK_SOURCE], name, st, &bytes);
	if (result < 0)
		return log_error(result, "counting %s", walk_path(directory, name, path));
	result = count_attributes(worker, directory, name, false);
	if (result < 0)
		return result;
	sums->bytes += bytes;
	sums->sparse += S_ISREG(st->mode) && bytes < st->size;
	if (bytes > sums->largest)
		sums->largest = bytes;
	if (bytes >= BUSY_FROM && plan_moves(scan->plan) && S_ISREG(st->mode) &&
			is_busy(scan, worker->cursor.fd[WALK_SOURCE], name))
		sums->busy += bytes;
	else if (link)
		link->bytes = bytes;
	return 0;
}

static void scan_end(struct walk_worker *worker)
{
	struct scan *scan = worker->walk->request->context;
	struct scan_sums *sums = worker->own;
	struct plan *plan = scan->plan;

	(void)pthread_mutex_lock(&scan->lock);
	plan->entries += sums->entries;
	plan->directories += sums->directories;
	plan->sparse += sums->sparse;
	plan->bytes += sums->bytes;
	plan->busy += sums->busy;
	plan->attribute_bytes += sums->attribute_bytes;
	if (sums->largest > plan->largest)
		plan->largest = sums->largest;
	(void)pthread_mutex_unlock(&scan->lock);
	attributes_free(&sums->attributes);
}

/* Will there be NOTES (copy.h)? */
static int scan_tree(const struct options *options, bool notes, struct plan *plan)
{
	static const struct walk_operations operations = {
		.own_size = sizeof(struct scan_sums),
		.enter = scan_enter,
		.entry = scan_entry,
		.flush = scan_flush,
		.end = scan_end,
	};
	struct scan scan = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.plan = plan,
		.inuse = INUSE_EMPTY(plan->proc),
		.page = (uint64_t)sysconf(_SC_PAGESIZE) };
	struct walk_request request = { .roots = { plan->tree, -1 },
		.operations = &operations,
		.context = &scan,
		.exclude = plan->exclude,
		.workers = plan->workers };
	auto_close int here = open(".", O_PATH | O_CLOEXEC); /* attributes change it */
	uint32_t magic = sys_fs_magic(plan->tree);
	int result;

	if (!magic)
		return log_error(errno, "statfs of the tree");
	scan.attributes = tmpfs_charges_attributes(options->tmpfs_options);
	scan.memory = magic == RAMFS_FS_MAGIC || magic == TMPFS_FS_MAGIC;
	result = walk_run(&request);
	if (scan.attributes &&
			notes) /* for a while of all directories, and of a file each worker */
		plan->attribute_bytes += (plan->directories + 1 + plan->workers) * NOTE_SPACE;
	if (here >= 0 && fchdir(here) != 0)
		(void)log_warning(errno, "returning to the current directory");
	plan->busy += links_missing_bytes(&plan->links);
	inuse_free(&scan.inuse);
	return result;
}

static uint64_t meminfo(const char *text, const char *key)
{
	const char *line = strstr(text, key);

	return line ? strtoull(line + strlen(key), NULL, 10) * KIB : 0;
}

/* In pages; si_mem_available() of the kernel's mm/show_mem.c calls it wmark_low. */
static uint64_t low_watermarks(const char *zones)
{
	static const char key[] = " low ";
	uint64_t pages = 0;

	for (const char *at = zones; (at = strstr(at, key)); at += sizeof(key) - 1)
		pages += strtoull(at + sizeof(key) - 1, NULL, 10);
	return pages;
}

/* MemAvailable counts on inodes and dentries being reclaimed, but for half of them or for the low
 * watermarks, whichever is less; those of an initramfs cannot be. */
static uint64_t memory_counted_on(const char *text, int proc)
{
	auto_free char *zones = NULL;
	uint64_t all = meminfo(text, "KReclaimable:"), left = 0;

	if (read_file(proc, "zoneinfo", &zones, NULL) == 0)
		left = low_watermarks(zones) * (uint64_t)sysconf(_SC_PAGESIZE);
	return all - (left < all / 2 ? left : all / 2);
}

static int read_memory(const struct options *options, struct plan *plan)
{
	auto_free char *text = NULL;
	uint64_t counted;
	int result = read_file(plan->proc, "meminfo", &text, NULL);

	if (result < 0)
		return log_error(result, "reading /proc/meminfo");
	plan->memory = meminfo(text, "MemTotal:");
	plan->memory_available = meminfo(text, "MemAvailable:");
	counted = plan_moves(plan) ? memory_counted_on(text, plan->proc) : 0;
	plan->memory_available -=
			counted < plan->memory_available ? counted : plan->memory_available;
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
	bool moves = plan_moves(plan);
	uint64_t kept = moves ? (plan->directories + plan->hard_links + 1) * ENTRY_COST + plan->busy
			      : plan->bytes + plan->entries * ENTRY_COST;
	uint64_t free = plan->memory_available > kept ? plan->memory_available - kept : 0;
	uint64_t window;

	plan->chunk = CHUNK_MAX;
	while (plan->chunk > CHUNK_MIN && plan->workers * (plan->chunk + BATCH) > free / 2)
		plan->chunk /= 2;
	window = plan->workers * (plan->chunk + BATCH);
	plan->memory_needed = kept;
	if (moves)
		plan->memory_needed += (plan->bytes < window ? plan->bytes : window) + SPARE;
}

bool plan_moves(const struct plan *plan)
{
	return plan->method == METHOD_COPY &&
	       (plan->source == SOURCE_INITRAMFS || plan->source == SOURCE_DIRECTORY);
}

/* That is at most 2.25 times its min_free_kbytes, and a block of pages a zone. */
bool plan_is_tight(const struct plan *plan)
{
	return plan->memory_available < plan->memory_needed + plan->memory / 16 + 16 * MIB;
}

bool plan_copies(const struct plan *plan)
{
	return plan->source == SOURCE_REAL_ROOT || plan_moves(plan);
}

/* The path of POINT below NEWROOT, without a leading slash, or NULL where it is not below it. */
static const char *below_new_root(const struct plan *plan, const char *point)
{
	size_t length = plan->new_root_path ? strlen(plan->new_root_path) : 0;

	if (length == 0 || strncmp(point, plan->new_root_path, length) != 0)
		return NULL;
	return point[length] == '/' && point[length + 1] ? point + length + 1 : NULL;
}

/* Does NEWROOT have the same at the same path? */
static bool is_on_new_root(const struct plan *plan, const struct mount *mount)
{
	for (size_t i = 0; i < plan->mounts.count; i++) {
		const struct mount *other = &plan->mounts.list[i];
		const char *path = below_new_root(plan, other->point);

		if (other->parent == plan->new_root_mount && path &&
				strcmp(path, mount->point + 1) == 0 &&
				strcmp(other->device, mount->device) == 0 &&
				strcmp(other->root, mount->root) == 0)
			return true;
	}
	return false;
}

/* Where mounts are shared, and NEWROOT shows something of the initramfs, what is mounted on one of
 * the two is on the other as well: it is carried once. */
const char *plan_carries(const struct plan *plan, const struct mount *mount)
{
	bool plain = plan->source == SOURCE_NEW_ROOT, api = mounts_is_api(mount->point + 1);

	if (mount == plan->root_mount || mount->id == plan->new_root_mount)
		return NULL;
	if (plan->new_root_mount && mount->parent == plan->new_root_mount)
		return plain ? NULL : below_new_root(plan, mount->point);
	if (mount->parent != plan->root_mount->id ||
			(plan->new_root_mount && below_new_root(plan, mount->point)))
		return NULL;
	if (plan->source == SOURCE_INITRAMFS)
		return !api && mount->shared && is_on_new_root(plan, mount) ? NULL
									    : mount->point + 1;
	if (plan->source == SOURCE_DIRECTORY && below_new_root(plan, mount->point))
		return below_new_root(plan, mount->point);
	return api ? mount->point + 1 : NULL;
}

bool plan_has_mount(const struct plan *plan, const char *point)
{
	for (size_t i = 0; i < plan->mounts.count; i++) {
		const struct mount *mount = &plan->mounts.list[i];
		const char *to = plan_carries(plan, mount);

		if (!to && mount->parent == plan->root_mount->id)
			continue;
		if (!to) /* it lies on one that is carried */
			to = below_new_root(plan, mount->point);
		if (strcmp(to ? to : mount->point + 1, point + 1) == 0)
			return true;
	}
	return false;
}

/* Names and inodes that the target must hold: tmpfs counts each name of a file, its own top, and
 * the mount points that will be made in it. */
static uint64_t count_inodes(const struct plan *plan)
{
	uint64_t inodes =
			plan->entries + 1 + (plan->attribute_bytes + TMPFS_INODE - 1) / TMPFS_INODE;

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

static bool is_made_here(const struct mount *mount)
{
	return strcmp(mount->type, "tmpfs") == 0 && strcmp(mount->source, TMPFS_SOURCE) == 0;
}

/* A tmpfs made here is known by its source; an initramfs that was bound looks as it did before, and
 * only its init can tell. */
static bool is_ours(const struct options *options, const struct request *request,
		const struct mount *root)
{
	return is_made_here(root) || (options->method == METHOD_BIND && request->started);
}

static int open_root(int proc, struct plan *plan)
{
	struct sys_stat st;
	uint32_t magic;
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
	magic = sys_fs_magic(plan->root);
	if (!magic)
		return log_error(errno, "statfs /");
	plan->ramfs = magic == RAMFS_FS_MAGIC;
	plan->initramfs = plan->ramfs || magic == TMPFS_FS_MAGIC;
	return 0;
}

static int open_new_root(const struct request *request, struct plan *plan)
{
	const struct mount *mount;
	struct sys_stat st;
	int result;

	plan->new_root = open(request->new_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (plan->new_root < 0)
		return log_error(errno, "opening NEWROOT %s: %m; mount the new root there",
				request->new_root);
	result = sys_stat(plan->new_root, "", &st);
	if (result < 0)
		return log_error(result, "stat NEWROOT %s", request->new_root);
	if ((st.attributes & SYS_STAT_ATTR_MOUNT_ROOT) && st.mnt_id != plan->root_mount->id)
		plan->new_root_mount = st.mnt_id;
	mount = mounts_find(&plan->mounts, plan->new_root_mount);
	plan->new_root_path = mount ? mount->point : request->new_root;
	return 0;
}

/* A directory is empty where it has no entries but "." and "..": 1, 0 or a negative errno. */
static int is_empty(int directory)
{
	auto_close int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	unsigned entries = 0;
	int error;

	if (!stream)
		return -errno;
	(void)take_fd(&fd);
	errno = 0;
	while (entries <= 2 && readdir(stream))
		entries++;
	error = errno;
	(void)closedir(stream);
	return error ? -error : entries <= 2;
}

/* root=tmpfsroot with a NEWROOT: the generators want something mounted there early, and get a bind
 * mount of what will be moved. It is known again by device and inode. */
static int find_tree(const struct request *request, struct plan *plan)
{
	const struct mount *mount = mounts_find(&plan->mounts, plan->new_root_mount);
	struct sys_stat root, st;
	int result = sys_stat(plan->root, "", &root);

	if (result == 0)
		result = sys_stat(plan->new_root, "", &st);
	if (result < 0)
		return log_error(result, "stat / or NEWROOT %s", request->new_root);
	if (!plan->initramfs)
		return log_error(0,
				"root=tmpfsroot: / is %s (%s), expected an initramfs (ramfs or "
				"tmpfs)",
				plan->root_mount->type, plan->root_mount->source);
	if (mount && is_made_here(mount)) /* by a run before this one */
		plan->source = SOURCE_NEW_ROOT;
	else if (mount && strcmp(mount->device, plan->root_mount->device) != 0)
		return log_error(0,
				"root=tmpfsroot: NEWROOT %s is %s (%s), expected a part of the "
				"initramfs: mount nothing else there",
				request->new_root, mount->type, mount->source);
	else {
		result = sys_stat_is_same(&st, &root) ? 1 : mount ? 0 : is_empty(plan->new_root);
		if (result < 0)
			return log_error(result, "reading NEWROOT %s", request->new_root);
		plan->source = result ? SOURCE_INITRAMFS : SOURCE_DIRECTORY;
	}
	return 0;
}

static int find_mounted_root(
		const struct options *options, const struct request *request, struct plan *plan)
{
	const struct mount *mount = mounts_find(&plan->mounts, plan->new_root_mount);

	if (!mount)
		return log_error(0, "NEWROOT %s is not a mount point: mount the new root there",
				request->new_root);
	if (strcmp(mount->device, plan->root_mount->device) == 0 && plan->initramfs &&
			!options->persist)
		return log_error(0,
				"NEWROOT %s is a part of the initramfs, which a switch deletes: "
				"move it by root=tmpfsroot",
				request->new_root);
	plan->source = options->real_root != REAL_ROOT_NO && !is_made_here(mount) ? SOURCE_REAL_ROOT
										  : SOURCE_NEW_ROOT;
	return 0;
}

static int find_source(const struct options *options, const struct request *request, int proc,
		struct plan *plan)
{
	int result = open_root(proc, plan);

	if (result < 0)
		return result;
	plan->source = SOURCE_INITRAMFS;
	if (request->new_root) {
		result = open_new_root(request, plan);
		if (result < 0)
			return result;
		return options->root_tmpfsroot ? find_tree(request, plan)
					       : find_mounted_root(options, request, plan);
	}
	if (is_ours(options, request, plan->root_mount))
		plan->source = SOURCE_FINISHED;
	else if (!plan->initramfs)
		return log_error(0,
				"/ is %s (%s), expected an initramfs (ramfs or tmpfs): boot with "
				"rdinit=, or name a NEWROOT",
				plan->root_mount->type, plan->root_mount->source);
	return 0;
}

const char *plan_find_tree(const struct options *options, const char *new_root, int proc)
{
	struct plan plan = PLAN_EMPTY;
	const struct request request = { .new_root = new_root };
	const char *tree = NULL;

	if (find_source(options, &request, proc, &plan) == 0)
		tree = plan.source == SOURCE_INITRAMFS ? "/" : new_root;
	plan_free(&plan);
	return tree;
}

/* The tree as it can be seen, with all that is mounted on it. */
static int tree_of(const struct plan *plan)
{
	return plan->source == SOURCE_INITRAMFS || plan->source == SOURCE_FINISHED ? plan->root
										   : plan->new_root;
}

/* The tree as a mount of its own, attached nowhere and without the mounts that lie on it: so
 * nothing hides what is below them, and no mount is entered. */
static int open_tree_alone(
		const struct options *options, const struct request *request, struct plan *plan)
{
	const char *path = plan->source == SOURCE_INITRAMFS ? "/" : request->new_root;

	plan->clone = sys_clone_tree(AT_FDCWD, path);
	if (plan->clone < 0 && options->action == ACTION_DRY_RUN && geteuid() != 0)
		plan->clone = fcntl(tree_of(plan), F_DUPFD_CLOEXEC, 0);
	if (plan->clone < 0)
		return log_error(plan->clone, "open_tree %s", path);
	plan->tree = openat(plan->clone, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return plan->tree < 0 ? log_error(errno, "opening the tree") : 0;
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
static int check_not_excluded(
		const struct options *options, const struct plan *plan, int init, const char *path)
{
	char link[32], real[PATH_MAX];
	const char *below;
	ssize_t length;

	(void)snprintf(link, sizeof(link), "self/fd/%d", init);
	length = readlinkat(plan->proc, link, real, sizeof(real) - 1);
	if (length < 0)
		return log_error(errno, "readlink /proc/%s", link);
	real[length] = '\0';
	below = plan->source == SOURCE_INITRAMFS ? NULL : below_new_root(plan, real);
	if (below)
		memmove(real + 1, below, strlen(below) + 1);
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

		if (to && !mounts_is_api(to))
			return false;
	}
	return true;
}

static bool is_there(int tree, const char *path)
{
	auto_close int fd = path ? sys_open_in_root(tree, path, O_PATH | O_CLOEXEC) : -1;
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
}

/* What was named; else as the generators look for it: init=, where that can be executed, and what
 * is usual. The last is tried in any case, to say that it is not there. */
static const char *find_init(const struct options *options, const struct request *request, int tree)
{
	const char *const paths[] = { options->init, request->service ? SYSTEMD : NULL,
		"/sbin/init" };
	size_t i = 0;

	if (request->init[0])
		return request->init[0];
	while (i + 1 < ARRAY_SIZE(paths) && !is_there(tree, paths[i]))
		i++;
	if (options->init && *options->init && i > 0)
		log_message(LOG_WARNING, "init=%s is no program in %s: %s is started instead",
				options->init, request->new_root, paths[i]);
	return paths[i];
}

/* The systemd of the new root is named by "": then it takes over what PID 1 knows. */
static const char *init_for_systemd(int tree, int init, const char *path)
{
	auto_close int fd = sys_open_in_root(tree, SYSTEMD, O_PATH | O_CLOEXEC);
	struct stat own, st;

	if (fd >= 0 && fstat(fd, &st) == 0 && fstat(init, &own) == 0 && st.st_dev == own.st_dev &&
			st.st_ino == own.st_ino)
		return "";
	return path;
}

static int check_init(
		const struct options *options, const struct request *request, struct plan *plan)
{
	int tree = tree_of(plan);
	auto_close int init = -1;
	int result;

	plan->init = find_init(options, request, tree);
	init = program_check(plan->proc, tree, plan->init,
			tree == plan->new_root ? request->new_root : "the initramfs",
			plan->interpreter);
	if (init < 0)
		return init;
	plan->switch_init = init_for_systemd(tree, init, plan->init);
	plan->init_inside = only_api_mounts(plan);
	result = check_not_self(plan->proc, init, plan->init);
	if (result == 0 && plan_copies(plan) && options->exclude)
		result = check_not_excluded(options, plan, init, plan->init);
	if (result == 0 && plan_copies(plan) && options->exclude)
		result = check_mounts_not_excluded(options, plan);
	return result;
}

/* PID 1 refuses these, or does with them what is not wanted, once all has been moved. */
static int check_service(const struct request *request, const struct plan *plan)
{
	int result;

	if (!request->new_root)
		return log_error(0, "systemd does the switch, to a NEWROOT: name it");
	if (plan->source == SOURCE_INITRAMFS && plan->method == METHOD_BIND)
		return log_error(0, "rd.tmpfsroot.method=bind: systemd deletes the initramfs that "
				    "it leaves, and that is bound: use method=copy");
	result = systemd_takes(tree_of(plan), request->new_root);
	return result == 0 ? -EINVAL : result < 0 ? result : 0;
}

/* What cannot be had here is refused by name, not passed over. */
static int check_words(const struct options *options, const struct plan *plan)
{
	bool bind = options->method == METHOD_BIND;

	if (bind && plan->source != SOURCE_INITRAMFS && plan->source != SOURCE_FINISHED)
		return log_error(0,
				"rd.tmpfsroot.method=bind is for an initramfs, not for a mounted "
				"root or a directory: leave it out");
	if (bind && plan->ramfs && options->tmpfs_options)
		return log_error(0,
				"rd.tmpfsroot.opts=%s: the initramfs is a ramfs, which has no "
				"limits: "
				"use method=copy, or boot without root= on the command line",
				options->tmpfs_options);
	return 0;
}

/* What marks an initramfs as one: systemd looks at the first, and the second holds what dracut's
 * hooks have set. */
#define INITRD_MARKS "/etc/initrd-release:/dracut-state.sh"

static int set_exclude(
		const struct options *options, const struct request *request, struct plan *plan)
{
	bool marks = request->new_root && plan->source == SOURCE_INITRAMFS;
	const char *own = options->exclude ? options->exclude : "";
	size_t size = strlen(own) + sizeof(INITRD_MARKS) + 1;

	if (!marks && !*own)
		return 0;
	plan->exclude = malloc(size);
	if (!plan->exclude)
		return log_error(ENOMEM, "noting what is not moved");
	(void)snprintf(plan->exclude, size, "%s%s%s", own, marks && *own ? ":" : "",
			marks ? INITRD_MARKS : "");
	return 0;
}

/* The tmpfs of a move that was interrupted becomes the target, if there is one. */
static int open_refuge(struct plan *plan)
{
	for (size_t i = 0; plan->target < 0 && i < plan->mounts.count; i++) {
		if (strcmp(plan->mounts.list[i].point, TMPFS_REFUGE) != 0 ||
				!is_made_here(&plan->mounts.list[i]))
			continue;
		plan->target = open(TMPFS_REFUGE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (plan->target < 0)
			return log_error(errno, "opening " TMPFS_REFUGE);
	}
	return 0;
}

int plan_interrupted(const struct options *options, const struct request *request, int proc,
		struct plan *plan)
{
	bool torn;
	int result;

	plan->proc = proc;
	plan->chunk = CHUNK_MIN;
	result = find_source(options, request, proc, plan);
	if (result == 0)
		result = open_refuge(plan);
	if (plan->target >= 0 && plan_copies(plan)) {
		plan->attached = true;
		torn = access(TMPFS_TORN, F_OK) == 0;
		if (torn || errno != ENOENT)
			return log_error(torn ? 0 : errno,
					"a file is in two parts: join the tree's and that "
					"in " TMPFS_REFUGE ", then remove " TMPFS_TORN);
		result = open_tree_alone(options, request, plan);
		if (result == 0)
			result = read_memory(options, plan);
	}
	return result;
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
	if (result == 0 && request->service)
		result = check_service(request, plan);
	if (result == 0)
		result = check_init(options, request, plan);
	if (result == 0)
		result = set_exclude(options, request, plan);
	if (result == 0)
		result = read_memory(options, plan);
	if (result == 0 && plan_copies(plan)) {
		result = open_tree_alone(options, request, plan);
		if (result == 0)
			result = scan_tree(options, request->service && plan_moves(plan), plan);
		if (result == 0)
			result = plan_target(options, plan);
		if (result == 0)
			plan_memory(plan);
	}
	plan->seconds = seconds_now() - start;
	return result;
}

int plan_measure_again(const struct options *options, struct plan *plan)
{
	int result = read_memory(options, plan);

	if (result == 0)
		plan_memory(plan);
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
	static const char *const names[] = { "finished", "initramfs", "directory", "realroot",
		"newroot" };

	return names[plan->source];
}

const char *plan_source_type(const struct plan *plan)
{
	const struct mount *new_root = mounts_find(&plan->mounts, plan->new_root_mount);

	if (new_root && (plan->source == SOURCE_REAL_ROOT || plan->source == SOURCE_NEW_ROOT))
		return new_root->type;
	return plan->ramfs ? "ramfs" : "tmpfs";
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
		"a directory of the initramfs, moved to a new tmpfs",
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
	links_free(&plan->links);
	free(plan->exclude);
	plan->exclude = NULL;
}
