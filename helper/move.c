/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The move. Both trees are walked side by side (walk.h). A directory is made when it is found, gets
 * its owner, mode, attributes and times when all below it is done, and stays in the source.
 *
 * A small file is copied through a buffer that stays in the cache, and released: unlinked, in
 * batches, so that the pages just freed are the next ones written to. A large file is put off, for
 * any worker to take, and copied in chunks from its end, each cut off the source once it is copied.
 * So little is ever held twice, and releasing costs less than it saves.
 *
 * A file that somebody has open or mapped, be it a process or a loop device, is never cut: it is
 * copied whole and unlinked (inuse.h). A file with several names loses its content, but its names
 * stay until the end; the first one that is met is copied, the others are linked to it.
 *
 * What is not on a ramfs or tmpfs is copied in the same way, and nothing of it is released.
 *
 * The way back is the same walk with the trees exchanged. It needs no notes, since the two trees
 * tell all: what is missing in the source is in the target; a file that is in both is whole in the
 * source, unless it is shorter there, and then the rest is in the target.
 */
#include "move.h"

#include "copy.h"
#include "inuse.h"
#include "links.h"
#include "log.h"
#include "progress.h"
#include "sys.h"
#include "util.h"
#include "walk.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define BATCH_NAMES 32
#define BATCH_BYTES (1024UL * 1024)
#define PRESIZE	    (64UL * 1024) /* from this size on the target is made as long at once */

struct move {
	int roots[WALK_TREES], target_alone[WALK_TREES];
	bool ramfs; /* the source is one */
	bool attributes; /* the source may have extended attributes */
	bool inherits; /* the target's top is setgid: what is made has its group */
	bool release; /* the source is emptied on the way: a move, not a copy */
	bool back; /* giving back: what is in the target already is not an error */
	uint64_t chunk;
	struct links links;
	struct inuse inuse;
	struct progress progress;
	atomic_uint_fast64_t held, peak;
	atomic_uint lost;
};

/* A worker's own: the names that wait to be unlinked are all in its current directory. */
struct mover {
	char *buffer;
	struct attributes attributes;
	struct walk_cursor links;
	unsigned count;
	size_t used;
	uint64_t bytes;
	char names[BATCH_NAMES * (NAME_MAX + 1)];
};

static int failed(const char *operation, const struct walk_node *directory, const char *name,
		int error)
{
	char path[WALK_PATH];

	return log_error(error, "moving %s: %s", walk_path(directory, name, path), operation);
}

static struct move *move_of(const struct walk_worker *worker)
{
	return worker->walk->request->context;
}

static void hold(struct move *move, uint64_t bytes)
{
	uint64_t held = atomic_fetch_add(&move->held, bytes) + bytes,
		 peak = atomic_load(&move->peak);

	progress_add(&move->progress, 0, bytes);
	while (held > peak && !atomic_compare_exchange_weak(&move->peak, &peak, held))
		;
}

static int move_begin(struct walk_worker *worker)
{
	struct mover *mover = worker->own;

	mover->links.roots = move_of(worker)->target_alone;
	mover->buffer = malloc(COPY_BUFFER);
	return mover->buffer ? 0 : log_error(ENOMEM, "starting the move");
}

static void move_end(struct walk_worker *worker)
{
	struct mover *mover = worker->own;

	walk_cursor_close(&mover->links);
	attributes_free(&mover->attributes);
	free(mover->buffer);
}

/* The last names that were copied are taken from the source. */
static int move_flush(struct walk_worker *worker, struct walk_node *directory)
{
	struct mover *mover = worker->own;
	const char *name = mover->names;

	for (unsigned i = 0; i < mover->count; i++, name += strlen(name) + 1)
		if (unlinkat(worker->cursor.fd[WALK_SOURCE], name, 0) != 0 &&
				errno != EBUSY) /* a mount is on it; it goes with the old root */
			return failed("unlink in the source", directory, name, errno);
	atomic_fetch_sub(&move_of(worker)->held, mover->bytes);
	mover->count = 0;
	mover->used = 0;
	mover->bytes = 0;
	return 0;
}

static int release(struct walk_worker *worker, struct walk_node *directory, const char *name,
		uint64_t bytes)
{
	struct mover *mover = worker->own;
	size_t length = strlen(name) + 1;

	if (!move_of(worker)->release)
		return 0;
	if (mover->used + length > sizeof(mover->names))
		return failed("its name is too long", directory, name, ENAMETOOLONG);
	memcpy(mover->names + mover->used, name, length);
	mover->used += length;
	mover->bytes += bytes;
	mover->count++;
	if (mover->count == BATCH_NAMES || mover->bytes >= BATCH_BYTES)
		return move_flush(worker, directory);
	return 0;
}

static int move_enter(struct walk_worker *worker, struct walk_node *directory)
{
	struct move *move = move_of(worker);
	int target = worker->cursor.fd[WALK_TARGET];

	if (!directory->parent)
		return 0;
	progress_add(&move->progress, 1, 0);
	if (mkdirat(target, directory->name, 0700) == 0 || (errno == EEXIST && move->back))
		return 0;
	return failed("mkdir in the target", directory, "", errno);
}

static void timespecs(const struct sys_stat *st, struct timespec times[static 2])
{
	times[0] = (struct timespec){ .tv_sec = (time_t)st->atime.tv_sec,
		.tv_nsec = st->atime.tv_nsec };
	times[1] = (struct timespec){ .tv_sec = (time_t)st->mtime.tv_sec,
		.tv_nsec = st->mtime.tv_nsec };
}

/* Reads the attributes of the source, to be set by set_metadata(). */
static int load_attributes(struct walk_worker *worker, int source, const char *name)
{
	struct mover *mover = worker->own;

	return move_of(worker)->attributes ? attributes_load(&mover->attributes,
							     (struct attributes_of){ source, name })
					   : 0;
}

static int store_attributes(struct walk_worker *worker, int target, const char *name)
{
	struct mover *mover = worker->own;
	struct attributes_of file = { target, name };
	unsigned lost = 0;
	int result = 0;

	if (move_of(worker)->back) /* into directories that have all their attributes */
		result = attributes_disinherit(file);
	if (result == 0 && move_of(worker)->attributes)
		result = attributes_store(&mover->attributes, file, &lost);
	atomic_fetch_add(&move_of(worker)->lost, lost);
	errno = -result;
	return result;
}

static const char *set_owner_and_mode(
		struct walk_worker *worker, int target, const struct sys_stat *st)
{
	const struct move *move = move_of(worker);
	bool made_so = st->uid == 0 && st->gid == 0 && !move->back && !move->inherits;

	if (!made_so && fchown(target, st->uid, st->gid) != 0)
		return "chown";
	return fchmod(target, st->mode & 07777) != 0 ? "chmod" : NULL;
}

/* Owner, mode, attributes, times: chown takes away setuid and security.capability, and each of
 * them changes no time that is set last. Returns what failed, with errno, or NULL; the rest is done
 * all the same. */
static const char *set_metadata(
		struct walk_worker *worker, int target, const struct sys_stat *st, bool own_mode)
{
	const char *operation = own_mode ? set_owner_and_mode(worker, target, st) : NULL;
	struct timespec times[2];
	int error = operation ? errno : 0;

	if (store_attributes(worker, target, NULL) < 0 && !error) {
		operation = "setting its attributes";
		error = errno;
	}
	timespecs(st, times);
	if (futimens(target, times) != 0 && !error) {
		operation = "setting its times";
		error = errno;
	}
	errno = error;
	return operation;
}

/* Tries once more where it fails: the way back reads owner, mode and times there. */
static const char *seal(
		struct walk_worker *worker, int target, const struct sys_stat *st, bool own_mode)
{
	const char *operation = set_metadata(worker, target, st, own_mode);
	int error = errno;

	if (operation)
		(void)set_metadata(worker, target, st, own_mode);
	errno = error;
	return operation;
}

/* The same for what cannot be opened: symlinks, devices, fifos and sockets. */
static const char *set_metadata_by_name(
		struct walk_worker *worker, const char *name, const struct sys_stat *st)
{
	int target = worker->cursor.fd[WALK_TARGET];
	struct timespec times[2];

	if (fchownat(target, name, st->uid, st->gid, AT_SYMLINK_NOFOLLOW) != 0)
		return "chown";
	if (!S_ISLNK(st->mode) && fchmodat(target, name, st->mode & 07777, 0) != 0)
		return "chmod";
	errno = -load_attributes(worker, worker->cursor.fd[WALK_SOURCE], name);
	if (errno)
		return "reading its attributes";
	if (store_attributes(worker, target, name) < 0)
		return "setting its attributes";
	timespecs(st, times);
	return utimensat(target, name, times, AT_SYMLINK_NOFOLLOW) != 0 ? "setting its times"
									: NULL;
}

/* The top keeps the mode and owner it was mounted with. After a failure the directory gets its
 * metadata all the same: the way back reads the times there. It takes no more, since the source's
 * directories stay, and lose nothing else. */
static int move_leave(struct walk_worker *worker, struct walk_node *directory)
{
	const int *fd = worker->cursor.fd;
	int result = walk_go(&worker->cursor, directory);
	const char *operation;

	if (result < 0)
		return result;
	if (move_of(worker)->back) {
		struct timespec times[2];

		timespecs(&directory->st, times);
		return futimens(fd[WALK_TARGET], times) != 0
				       ? failed("restoring its times", directory, "", errno)
				       : 0;
	}
	result = load_attributes(worker, fd[WALK_SOURCE], NULL);
	operation = seal(worker, fd[WALK_TARGET], &directory->st, directory->parent != NULL);
	if (result < 0)
		return failed("reading its attributes", directory, "", result);
	return operation ? failed(operation, directory, "", errno) : 0;
}

/* Reading a symlink changes its access time, which would matter if it stayed in the source. */
static const char *make_symlink(
		struct walk_worker *worker, const char *name, const struct sys_stat *st)
{
	const int *fd = worker->cursor.fd;
	struct mover *mover = worker->own;
	ssize_t length = readlinkat(fd[WALK_SOURCE], name, mover->buffer, COPY_BUFFER - 1);
	struct timespec times[2];

	if (length < 0)
		return "readlink";
	mover->buffer[length] = '\0';
	timespecs(st, times);
	if (move_of(worker)->release &&
			utimensat(fd[WALK_SOURCE], name, times, AT_SYMLINK_NOFOLLOW) != 0)
		return "restoring its times in the source";
	return symlinkat(mover->buffer, fd[WALK_TARGET], name) != 0 ? "symlink" : NULL;
}

/* Makes the file, empty and without permissions; a regular one is left open in *FD. Returns what
 * failed, with errno, or NULL. */
static const char *make_file(
		struct walk_worker *worker, const char *name, const struct sys_stat *st, int *fd)
{
	int target = worker->cursor.fd[WALK_TARGET];

	if (S_ISREG(st->mode)) {
		*fd = openat(target, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0);
		return *fd < 0 ? "create" : NULL;
	}
	if (S_ISLNK(st->mode))
		return make_symlink(worker, name, st);
	return mknodat(target, name, st->mode & S_IFMT, sys_stat_rdev(st)) != 0 ? "mknod" : NULL;
}

/* Makes NAME one more name of the file whose first one is FIRST. */
static const char *link_file(
		struct walk_worker *worker, const char *name, const struct link_entry *first)
{
	struct mover *mover = worker->own;
	int result = walk_go(&mover->links, first->directory);

	errno = -result;
	if (result < 0)
		return "opening the directory of its first name";
	return linkat(mover->links.fd[WALK_TARGET], first->name, worker->cursor.fd[WALK_TARGET],
			       name, 0) != 0
			       ? "link"
			       : NULL;
}

/* Makes the file or, where another of its names was met before, the link; *LINKED tells. The lock
 * is held until the first name exists. */
static const char *make_name(struct walk_worker *worker, struct walk_node *directory,
		const char *name, const struct sys_stat *st, int *fd, bool *linked)
{
	struct links *links = &move_of(worker)->links;
	const struct link_entry *first;
	const char *operation;

	*linked = false;
	if (st->nlink == 1)
		return make_file(worker, name, st, fd);
	(void)pthread_mutex_lock(&links->lock);
	first = links_find(links, sys_stat_dev(st), st->ino);
	*linked = first != NULL;
	operation = first ? link_file(worker, name, first) : make_file(worker, name, st, fd);
	if (!operation && !first &&
			links_add(links, sys_stat_dev(st), st->ino, directory, name) < 0) {
		errno = ENOMEM;
		operation = "noting its name";
	}
	(void)pthread_mutex_unlock(&links->lock);
	return operation;
}

/* Opens it for reading, and where *CUT for writing, too, if nobody else has it open: *CUT tells
 * whether it may be cut. Running programs refuse to be opened for writing (ETXTBSY). */
static int open_source(struct move *move, int directory, const char *name, bool *cut)
{
	const int flags = O_NOFOLLOW | O_CLOEXEC | O_NOATIME | O_NONBLOCK;
	int fd = *cut ? openat(directory, name, O_RDWR | flags) : -1;

	*cut = fd >= 0 && inuse_is_free(&move->inuse, fd);
	return fd >= 0 ? fd : openat(directory, name, O_RDONLY | flags);
}

/* Copies from the end, chunk by chunk; what is copied is cut off the source. What is below FROM is
 * in the target already. */
static const char *copy_chunks(struct move *move, struct copy *copy, uint64_t from)
{
	uint64_t end = copy->size;

	while (end > from) {
		uint64_t start = (end - 1) / move->chunk * move->chunk, before = copy->copied;
		int result = copy_range(copy, start > from ? start : from, end);

		errno = -result;
		if (result < 0)
			return copy->operation;
		hold(move, copy->copied - before);
		if (ftruncate(copy->source, (off_t)start) != 0)
			return "truncate in the source";
		atomic_fetch_sub(&move->held, copy->copied - before);
		end = start;
	}
	return NULL;
}

/* Copies the data of an open file from offset FROM on, and cuts the source where it may; *HELD gets
 * the bytes that are held twice after it. */
static const char *copy_content(struct walk_worker *worker, int source, int target,
		const struct sys_stat *st, uint64_t from, bool cut, uint64_t *held)
{
	struct move *move = move_of(worker);
	struct copy copy = { .source = source,
		.target = target,
		.size = st->size,
		.dense = st->blocks * 512 >= st->size,
		.ramfs = move->ramfs,
		.drop = !move->release,
		.buffer = ((struct mover *)worker->own)->buffer };
	bool small = copy.dense && st->size < PRESIZE && from == 0 && !cut;
	int result;

	*held = 0;
	if (st->size == 0)
		return NULL;
	if (!small && ftruncate(target, (off_t)st->size) != 0)
		return "truncate in the target";
	if (cut)
		return copy_chunks(move, &copy, from);
	result = small ? copy_small(&copy) : copy_range(&copy, from, st->size);
	errno = -result;
	if (result < 0)
		return copy.operation;
	hold(move, copy.copied);
	*held = copy.copied;
	return NULL;
}

/* Cutting is for what is large, and for what keeps its name in the source. */
static bool wants_cut(const struct move *move, const struct sys_stat *st)
{
	return move->release && st->size > 0 && (st->size > move->chunk || st->nlink > 1);
}

static int move_regular(struct walk_worker *worker, struct walk_node *directory, const char *name,
		const struct sys_stat *st, int made, uint64_t from)
{
	struct move *move = move_of(worker);
	bool cut = wants_cut(move, st);
	auto_close int target = made;
	auto_close int source = open_source(move, worker->cursor.fd[WALK_SOURCE], name, &cut);
	const char *operation, *metadata;
	uint64_t held;
	int error;

	if (source < 0)
		return failed("open", directory, name, errno);
	error = load_attributes(worker, source, NULL);
	if (error < 0)
		return failed("reading its attributes", directory, name, error);
	if (cut) { /* before anything is taken: the way back relies on it */
		metadata = set_metadata(worker, target, st, true);
		if (metadata)
			return failed(metadata, directory, name, errno);
	}
	operation = copy_content(worker, source, target, st, from, cut, &held);
	error = errno;
	metadata = seal(worker, target, st, true); /* writing has changed the times */
	if (operation)
		return failed(operation, directory, name, error);
	if (metadata)
		return failed(metadata, directory, name, errno);
	return st->nlink > 1 ? 0 : release(worker, directory, name, held);
}

/* On the way back the name may be there still. A regular file that is shorter than the one to be
 * given back was cut: *FROM is where, and *FD is open. Returns 1 where nothing is left to do. */
static int find_rest(struct walk_worker *worker, const char *name, const struct sys_stat *st,
		int *fd, uint64_t *from)
{
	struct sys_stat there;
	int result = sys_stat(worker->cursor.fd[WALK_TARGET], name, &there);

	*from = 0;
	if (result == -ENOENT)
		return 0;
	if (result < 0)
		return result;
	if (!S_ISREG(st->mode) || there.size >= st->size)
		return 1;
	*from = there.size;
	*fd = openat(worker->cursor.fd[WALK_TARGET], name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

static int move_file(struct walk_worker *worker, struct walk_node *directory, const char *name,
		const struct sys_stat *st)
{
	struct move *move = move_of(worker);
	const char *operation = NULL;
	bool linked = false;
	uint64_t from = 0;
	int fd = -1;

	if (move->back) {
		int result = find_rest(worker, name, st, &fd, &from);

		if (result < 0)
			return failed("looking for it in the target", directory, name, result);
		if (result == 1)
			return 0;
	}
	if (fd < 0)
		operation = make_name(worker, directory, name, st, &fd, &linked);
	if (operation)
		return failed(operation, directory, name, errno);
	progress_add(&move->progress, 1, 0);
	if (linked)
		return 0;
	if (S_ISREG(st->mode))
		return move_regular(worker, directory, name, st, fd, from);
	operation = set_metadata_by_name(worker, name, st);
	if (operation)
		return failed(operation, directory, name, errno);
	return st->nlink > 1 ? 0 : release(worker, directory, name, 0);
}

static int move_entry(struct walk_worker *worker, struct walk_node *directory, const char *name,
		const struct sys_stat *st, bool mounted, bool put_off)
{
	(void)mounted; /* the tree is a mount of its own, without those that lie on it */
	if (!put_off && S_ISREG(st->mode) && st->size > move_of(worker)->chunk)
		return WALK_PUT_OFF;
	return move_file(worker, directory, name, st);
}

static int run(struct move *move, const char *patterns, unsigned workers)
{
	static const struct walk_operations operations = {
		.own_size = sizeof(struct mover),
		.begin = move_begin,
		.end = move_end,
		.enter = move_enter,
		.entry = move_entry,
		.flush = move_flush,
		.leave = move_leave,
	};
	struct walk_request request = { .roots = { move->roots[0], move->roots[1] },
		.operations = &operations,
		.context = move,
		.exclude = patterns,
		.workers = workers };
	struct sys_stat top;
	int result = sys_stat(move->roots[WALK_TARGET], "", &top);

	if (result < 0)
		return log_error(result, "stat of the target");
	if (move->release && !sys_is_memory(move->roots[WALK_SOURCE]))
		return log_error(0, "the tree is not on a ramfs or tmpfs: only that is moved");
	move->ramfs = sys_fs_magic(move->roots[WALK_SOURCE]) == RAMFS_FS_MAGIC;
	move->inherits = top.mode & S_ISGID;
	move->target_alone[WALK_SOURCE] = -1;
	move->target_alone[WALK_TARGET] = move->roots[WALK_TARGET];
	move->attributes = !move->ramfs || flistxattr(move->roots[WALK_SOURCE], NULL, 0) > 0;
	return walk_run(&request);
}

#define REFUGE "/run/tmpfsroot/target"

/* Nothing is lost even then: the target is mounted where it can be seen. */
static void keep_target(const struct plan *plan)
{
	int result;

	if ((mkdir("/run", 0755) != 0 && errno != EEXIST) ||
			(mkdir("/run/tmpfsroot", 0700) != 0 && errno != EEXIST) ||
			(mkdir(REFUGE, 0700) != 0 && errno != EEXIST))
		result = -errno;
	else
		result = sys_move_mount(plan->target, "", AT_FDCWD, REFUGE);
	if (result < 0)
		(void)log_error(result, "mounting the target on " REFUGE);
	else
		log_message(LOG_ERROR, "what is missing in the tree is in " REFUGE);
}

static struct move new_move(const struct plan *plan, int source, int target)
{
	return (struct move){ .roots = { source, target },
		.release = plan->source == SOURCE_INITRAMFS,
		.chunk = plan->chunk,
		.links = LINKS_EMPTY,
		.inuse = INUSE_EMPTY(plan->proc) };
}

static void end_move(struct move *move)
{
	progress_end(&move->progress);
	links_free(&move->links);
	inuse_free(&move->inuse);
}

/* One worker: two could meet in one file. */
int move_back(const struct plan *plan)
{
	struct move back = new_move(plan, plan->target, plan->tree);
	int result;

	if (plan->source != SOURCE_INITRAMFS)
		return 0; /* nothing was taken */
	back.back = true;
	progress_start(&back.progress, plan->entries, plan->bytes, true);
	result = run(&back, NULL, 1);
	end_move(&back);
	if (result < 0) {
		(void)log_error(result, "giving back what was moved failed");
		keep_target(plan);
	} else {
		log_message(LOG_WARNING, "all that was moved is back in its place");
	}
	return result;
}

int move_tree(const struct plan *plan, const struct options *options, struct move_result *result)
{
	struct move move = new_move(plan, plan->tree, plan->target);
	auto_close int directory = open(".", O_PATH | O_CLOEXEC);
	double start = seconds_now();
	bool split;
	int error;

	progress_start(&move.progress, plan->entries, plan->bytes, options->quiet);
	error = run(&move, options->exclude, plan->workers);
	end_move(&move);
	split = error < 0 && move_back(plan) < 0;
	if (directory >= 0 && fchdir(directory) != 0)
		(void)log_warning(errno, "returning to the current directory");
	*result = (struct move_result){ .entries = atomic_load(&move.progress.entries),
		.bytes = atomic_load(&move.progress.bytes),
		.peak = atomic_load(&move.peak),
		.attributes_lost = atomic_load(&move.lost),
		.split = split,
		.seconds = seconds_now() - start };
	return error;
}
