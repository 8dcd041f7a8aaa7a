/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scan.h"

#include "copy.h"
#include "inuse.h"
#include "log.h"
#include "util.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* tmpfs keeps a symlink's target in the inode up to this length, else in a page. */
#define SHORT_SYMLINK 127

#define OPEN_FILE (O_NOFOLLOW | O_NOATIME | O_NONBLOCK | O_CLOEXEC)

struct scan {
	struct tree *tree;
	struct scan_sums *sums;
	struct inuse inuse;
	pthread_mutex_t lock; /* of the sums and the tree's links */
	uint64_t mount_id, page;
	bool moved;
	bool memory; /* a ramfs or tmpfs, whose st_blocks are the pages that there are */
};

/* The bytes that a file will take in a tmpfs. Elsewhere than in memory, less blocks than the size
 * may be a hole, or compression; of a large file as many may be blocks that were preallocated and
 * never written (fallocate(1)), which the file system shows as holes. */
static int count_bytes(const struct scan *scan, int directory, const char *name,
		const struct sys_stat *st, uint64_t *bytes)
{
	uint64_t whole = (st->size + scan->page - 1) / scan->page * scan->page,
		 present = (st->blocks * 512 + scan->page - 1) / scan->page * scan->page;
	struct copy copy = { .size = st->size };
	auto_close int fd = -1;

	*bytes = S_ISREG(st->mode) ? whole : 0;
	if (S_ISLNK(st->mode))
		*bytes = st->size > SHORT_SYMLINK ? scan->page : 0;
	if (!S_ISREG(st->mode) || (present >= whole && (scan->memory || st->size <= TREE_LARGE)))
		return 0;
	*bytes = present;
	if (scan->memory)
		return 0;
	fd = openat(directory, name, O_RDONLY | OPEN_FILE);
	copy.source = fd;
	return fd < 0 ? -errno : copy_count(&copy, bytes);
}

/* Returns 1 for a further name of a file that was counted, 0 for its first one, or a negative
 * errno. */
static int count_link(struct scan *scan, const struct sys_stat *st)
{
	struct links *links = &scan->tree->links;
	uint64_t device = sys_stat_dev(st);
	int result;

	(void)pthread_mutex_lock(&scan->lock);
	result = links_find(links, device, st->ino)  ? 1
		 : links_add(links, device, st->ino) ? 0
						     : -ENOMEM;
	scan->sums->hard_links += result == 1;
	(void)pthread_mutex_unlock(&scan->lock);
	return result;
}

/* Only where nobody else has a large file open can the move release it piece by piece. */
static bool is_held(struct scan *scan, int directory, const char *name)
{
	auto_close int fd = openat(directory, name, O_RDONLY | OPEN_FILE);

	return fd < 0 || !inuse_is_free(&scan->inuse, fd);
}

static void add_sums(struct scan_sums *sums, uint64_t bytes, bool twice)
{
	sums->bytes += bytes;
	sums->twice += twice ? bytes : 0;
	if (bytes > sums->largest)
		sums->largest = bytes;
}

static int count_file(struct tree_worker *worker, const struct tree_item *directory, int fd,
		const char *name, const struct sys_stat *st)
{
	struct scan *scan = worker->context;
	bool large = S_ISREG(st->mode) && st->size > TREE_LARGE && st->nlink == 1;
	bool twice = scan->moved && st->nlink > 1;
	uint64_t bytes;
	int result = st->nlink > 1 ? count_link(scan, st) : 0;

	if (result == 1)
		return 0;
	if (result == 0 && large)
		result = tree_add(worker, true, directory, name, st);
	if (result == 0)
		result = count_bytes(scan, fd, name, st, &bytes);
	if (result < 0)
		return result;
	if (scan->moved && large && bytes > 0)
		twice = is_held(scan, fd, name);
	add_sums(worker->own, bytes, twice);
	return 0;
}

static int scan_entry(struct tree_worker *worker, const struct tree_item *directory, int fd,
		const char *name)
{
	struct scan *scan = worker->context;
	struct scan_sums *sums = worker->own;
	struct sys_stat st;
	char path[TREE_PATH];
	bool mounted;
	int result;

	if (tree_passes_over(scan->tree, directory, name))
		return 0;
	result = sys_stat(fd, name, &st);
	if (result == -ENOENT) /* a whiteout that overlayfs shows in its list of names */
		return 0;
	if (result < 0)
		return log_error(result, "stat %s", tree_path(directory, name, path));
	sums->entries++;
	mounted = st.mnt_id != scan->mount_id;
	if (S_ISDIR(st.mode) && !mounted)
		result = tree_add(worker, false, directory, name, &st);
	else if (!mounted)
		result = count_file(worker, directory, fd, name, &st);
	return result < 0 ? log_error(result, "counting %s", tree_path(directory, name, path)) : 0;
}

static int scan_directory(struct tree_worker *worker, const struct tree_item *directory)
{
	struct scan *scan = worker->context;
	auto_close int fd = tree_open(scan->tree->root, directory);
	char path[TREE_PATH];

	if (fd < 0)
		return log_error(fd, "opening the directory %s", tree_path(directory, "", path));
	return tree_read(worker, directory, fd, scan_entry);
}

static void scan_end(struct tree_worker *worker)
{
	struct scan *scan = worker->context;
	const struct scan_sums *own = worker->own;
	struct scan_sums *sums = scan->sums;

	(void)pthread_mutex_lock(&scan->lock);
	sums->entries += own->entries;
	sums->bytes += own->bytes;
	sums->twice += own->twice;
	if (own->largest > sums->largest)
		sums->largest = own->largest;
	(void)pthread_mutex_unlock(&scan->lock);
}

int scan_tree(struct tree *tree, bool moved, int proc, struct scan_sums *sums)
{
	static const struct tree_pass pass = {
		.own_size = sizeof(struct scan_sums),
		.item = scan_directory,
		.end = scan_end,
	};
	struct scan scan = { .tree = tree,
		.sums = sums,
		.inuse = INUSE_EMPTY(proc),
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.page = (uint64_t)sysconf(_SC_PAGESIZE),
		.moved = moved,
		.memory = sys_is_memory(tree->root) };
	struct sys_stat st;
	int result = sys_stat(tree->root, "", &st);

	if (result < 0)
		return log_error(result, "stat of the tree");
	scan.mount_id = st.mnt_id;
	result = tree_top(tree, &st);
	if (result == 0)
		result = tree_grow(tree, &pass, &scan);
	inuse_free(&scan.inuse);
	return result;
}
