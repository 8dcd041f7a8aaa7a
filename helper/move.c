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
 * stay until the end; the first one that is met is copied, the others are linked to it. Where one
 * of them is outside the tree, as in an image that has what initramfs and NEWROOT share but once,
 * it keeps its content, too.
 *
 * What is not on a ramfs or tmpfs is copied in the same way, and nothing of it is released.
 *
 * The way back is the same walk with the trees exchanged. The two trees tell what is to be done:
 * what is missing in the source is in the target; a file that is in both is whole in the source,
 * unless it is shorter there, and then the rest is in the target. Notes in the target (copy.h) tell
 * more: where the cutting of a file has stopped, for somebody may write to it since; and where the
 * way back may be killed, that owner, mode and times of what it makes come from there.
 */
#include "move.h"

#include "copy.h"
#include "interrupt.h"
#include "inuse.h"
#include "links.h"
#include "log.h"
#include "progress.h"
#include "sys.h"
#include "tmpfs.h"
#include "util.h"
#include "walk.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define BATCH_NAMES 32
#define BATCH_BYTES (1024UL * 1024)
#define LOOK_MS	    20 /* between two looks for a signal that ends the move */

struct move {
	int roots[WALK_TREES], target_alone[WALK_TREES];
	bool ramfs; /* the source is one */
	bool attributes; /* the source may have extended attributes */
	bool inherits; /* the target's top is setgid: what is made has its group */
	bool release; /* the source is emptied on the way: a move, not a copy */
	bool back; /* giving back: what is in the target already is not an error */
	bool notes; /* it may be killed, and the new tmpfs has notes of times */
	uint64_t chunk;
	struct links links;
	const struct links *names; /* that the plan has found */
	struct inuse inuse;
	struct progress progress;
	atomic_uint_fast64_t held, peak, next_look;
	atomic_uint lost;
	atomic_bool torn; /* only both trees together have all of a file */
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
	while (move->release && held > peak &&
			!atomic_compare_exchange_weak(&move->peak, &peak, held))
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
	unsigned count = mover->count;

	mover->count = 0; /* what fails is in both trees, and no name of another directory's */
	mover->used = 0;
	for (unsigned i = 0; i < count; i++, name += strlen(name) + 1)
		if (unlinkat(worker->cursor.fd[WALK_SOURCE], name, 0) != 0 &&
				errno != EBUSY && /* a mount is on it; it goes with the old root */
				errno != ENOENT) /* it has just gone */
			return failed("unlink in the source", directory, name, errno);
	atomic_fetch_sub(&move_of(worker)->held, mover->bytes);
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

/* While a directory is moved, or a file is cut, its times change in both trees, and a file's
 * capability is taken from both. Where the move may be killed the new tmpfs has a note of them
 * until that is done. */
static int note_times(const struct move *move, struct attributes_of file, const struct sys_stat *st,
		const struct attributes *attributes)
{
	return move->notes ? attributes_note(file, st, attributes) : 0;
}

static bool is_same_time(struct sys_time a, struct sys_time b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Without a note, too, it is a directory between mkdir and that: nothing was moved to it yet, and
 * the source's has the right times. */
static bool is_new(const struct sys_stat *st)
{
	return (st->mode & 0777) == 0700 && is_same_time(st->mtime, st->ctime) &&
	       is_same_time(st->atime, st->ctime);
}

static int move_enter(struct walk_worker *worker, struct walk_node *directory)
{
	struct move *move = move_of(worker);
	const char *name = directory->parent ? directory->name : ".";
	const int *fd = worker->cursor.fd;
	struct attributes_of tmpfs = { fd[move->back ? WALK_SOURCE : WALK_TARGET], name };
	int result;

	if (directory->parent) {
		progress_add(&move->progress, 1, 0);
		if (mkdirat(fd[WALK_TARGET], name, 0700) != 0 && (errno != EEXIST || !move->back))
			return failed("mkdir in the target", directory, "", errno);
	}
	result = move->back && is_new(&directory->st)
				 ? 0
				 : note_times(move, tmpfs, &directory->st, NULL);
	return result < 0 ? failed("noting its times", directory, "", -result) : 0;
}

static void timespecs(const struct sys_stat *st, struct timespec times[static 2])
{
	times[0] = (struct timespec){ .tv_sec = (time_t)st->atime.tv_sec,
		.tv_nsec = (long)st->atime.tv_nsec };
	times[1] = (struct timespec){ .tv_sec = (time_t)st->mtime.tv_sec,
		.tv_nsec = (long)st->mtime.tv_nsec };
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

/* What is made here is root's from the beginning. */
static bool has_owner(const struct move *move, const struct sys_stat *st)
{
	return st->uid == 0 && st->gid == 0 && !move->back && !move->inherits;
}

/* Most files are root's, and can be made with their own mode. Others have none at first, so that
 * nobody reads them who may not in the end; so have those with an access list, where the mode gives
 * the group what the list may not, and, as their attributes are read later, those with more names.
 */
static bool has_mode(const struct walk_worker *worker, const struct sys_stat *st)
{
	const struct move *move = move_of(worker);
	const struct mover *mover = worker->own;

	return S_ISREG(st->mode) && has_owner(move, st) && !(st->mode & 07000) &&
	       (!move->attributes ||
			       (st->nlink == 1 && !attributes_list_access(&mover->attributes)));
}

/* Owner, attributes, mode, times: chown takes away setuid and security.capability, an access list
 * has to be there before the mode gives its group anything, and each of them changes no time that
 * is set last. Returns what failed, with errno, or NULL; where that is owner or attributes the mode
 * stays as it is. */
static const char *set_metadata(
		struct walk_worker *worker, int target, const struct sys_stat *st, bool own_mode)
{
	const char *operation = NULL;
	struct timespec times[2];
	int error = 0;

	if (own_mode && !has_owner(move_of(worker), st) && fchown(target, st->uid, st->gid) != 0) {
		operation = "chown";
		error = errno;
	}
	if (store_attributes(worker, target, NULL) < 0 && !error) {
		operation = "setting its attributes";
		error = errno;
	}
	if (own_mode && !error && !has_mode(worker, st) && fchmod(target, st->mode & 07777) != 0) {
		operation = "chmod";
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
	errno = -load_attributes(worker, worker->cursor.fd[WALK_SOURCE], name);
	if (errno)
		return "reading its attributes";
	if (store_attributes(worker, target, name) < 0)
		return "setting its attributes";
	if (!S_ISLNK(st->mode) && fchmodat(target, name, st->mode & 07777, 0) != 0)
		return "chmod";
	timespecs(st, times);
	return utimensat(target, name, times, AT_SYMLINK_NOFOLLOW) != 0 ? "setting its times"
									: NULL;
}

/* The top keeps the mode and owner it was mounted with. After a failure the directory gets its
 * metadata all the same, and is gone to once more: the way back reads the times there. It takes no
 * more, since the source's directories stay, and lose nothing else. */
static int move_leave(struct walk_worker *worker, struct walk_node *directory)
{
	const int *fd = worker->cursor.fd;
	int gone = walk_go(&worker->cursor, directory), result;
	const char *operation;

	if (gone < 0 && walk_go(&worker->cursor, directory) < 0)
		return gone;
	if (move_of(worker)->back) {
		struct timespec times[2];

		if (!attributes_noted((struct attributes_of){ fd[WALK_SOURCE], NULL },
				    &directory->st) &&
				is_new(&directory->st))
			return gone;
		timespecs(&directory->st, times);
		return futimens(fd[WALK_TARGET], times) != 0
				       ? failed("restoring its times", directory, "", errno)
				       : gone;
	}
	result = load_attributes(worker, fd[WALK_SOURCE], NULL);
	operation = seal(worker, fd[WALK_TARGET], &directory->st, directory->parent != NULL);
	if (result < 0)
		return failed("reading its attributes", directory, "", result);
	if (operation)
		return failed(operation, directory, "", errno);
	if (move_of(worker)->notes)
		result = attributes_forget(fd[WALK_TARGET], NULL);
	return result < 0 ? failed("forgetting its times", directory, "", -result) : gone;
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
			utimensat(fd[WALK_SOURCE], name, times, AT_SYMLINK_NOFOLLOW) != 0) {
		int error = errno;

		/* once more: it stays there, and the way back does not touch it */
		(void)utimensat(fd[WALK_SOURCE], name, times, AT_SYMLINK_NOFOLLOW);
		errno = error;
		return "restoring its times in the source";
	}
	return symlinkat(mover->buffer, fd[WALK_TARGET], name) != 0 ? "symlink" : NULL;
}

/* Makes the file, empty; a regular one is left open in *FD. Returns what
 * failed, with errno, or NULL. */
static const char *make_file(
		struct walk_worker *worker, const char *name, const struct sys_stat *st, int *fd)
{
	int target = worker->cursor.fd[WALK_TARGET];

	if (S_ISREG(st->mode)) {
		*fd = openat(target, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				has_mode(worker, st) ? st->mode & 0777 : 0);
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

	if (result < 0) {
		walk_cursor_close(&mover->links); /* it may be where no way leads on */
		errno = -result;
		return "opening the directory of its first name";
	}
	return linkat(mover->links.fd[WALK_TARGET], first->name, worker->cursor.fd[WALK_TARGET],
			       name, 0) != 0
			       ? "link"
			       : NULL;
}

/* What is known of a file with several names, or NULL. */
static struct link_entry *names_of(const struct move *move, const struct sys_stat *st)
{
	return links_find(move->names, sys_stat_dev(st), st->ino);
}

/* Is it what others have left of the names of a file that was, or is now, cut by another one? */
static bool is_last_name(struct move *move, const struct sys_stat *st)
{
	const struct link_entry *names = st->nlink == 1 ? names_of(move, st) : NULL;
	bool met;

	if (!names || atomic_load(&names->content) == LINK_WHOLE)
		return false;
	(void)pthread_mutex_lock(&move->links.lock);
	met = links_find(&move->links, sys_stat_dev(st), st->ino) != NULL;
	(void)pthread_mutex_unlock(&move->links.lock);
	return met;
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
	if (st->nlink == 1 && !S_ISREG(st->mode))
		return make_file(worker, name, st, fd);
	(void)pthread_mutex_lock(&links->lock);
	first = links_find(links, sys_stat_dev(st), st->ino);
	*linked = first != NULL;
	operation = first ? link_file(worker, name, first) : make_file(worker, name, st, fd);
	if (!operation && !first && !links_add(links, sys_stat_dev(st), st->ino, directory, name)) {
		close_fd(fd);
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

/* Has a signal come that ends the move? The way back is not to be ended. */
static bool is_ended(struct move *move)
{
	return !move->back && is_due(&move->next_look, LOOK_MS) && interrupt_take();
}

#define ENDED "a signal has ended the move"

/* Takes a chunk that was copied from the source. On the way back that is the new tmpfs, and from
 * the front: so the file that gets it is at any moment as long as it is whole, and the way back can
 * be taken again from where it was left. */
static const char *release_chunk(
		const struct move *move, const struct copy *copy, uint64_t start, uint64_t stop)
{
	int result = move->back ? fallocate(copy->source,
						  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
						  (off_t)start, (off_t)(stop - start))
				: ftruncate(copy->source, (off_t)start);

	return result != 0 ? "truncate in the source" : NULL;
}

/* What somebody has written behind END, where the source was cut, follows what the target has; and
 * so does what is written meanwhile. */
static const char *copy_appended(struct copy *copy, uint64_t end)
{
	struct sys_stat now;
	uint64_t at = end;
	int result;

	copy->operation = "stat";
	copy->shift = copy->size - end;
	while ((result = sys_stat(copy->source, "", &now)) == 0 && now.size > at) {
		result = copy_range(copy, at, now.size);
		if (result < 0)
			break;
		at = now.size;
		if (ftruncate(copy->target, (off_t)(at + copy->shift)) != 0) {
			copy->operation = "truncate in the target"; /* it may end with a hole */
			result = -errno;
			break;
		}
	}
	if (result == 0 && now.size < end) {
		copy->operation = COPY_CHANGED;
		result = -ESTALE;
	}
	copy->size = at + copy->shift;
	copy->shift = 0;
	errno = -result;
	return result < 0 ? copy->operation : NULL;
}

static const char *copy_chunk(
		struct move *move, struct copy *copy, uint64_t start, uint64_t stop, bool cut)
{
	uint64_t before = copy->copied;
	const char *operation = NULL;
	int result;

	errno = EINTR;
	if (is_ended(move))
		return ENDED;
	result = copy_range(copy, start, stop);
	errno = -result;
	if (result < 0)
		return copy->operation;
	if (cut && !move->back)
		operation = copy_appended(copy, stop);
	if (operation)
		return operation;
	hold(move, copy->copied - before);
	if (!move->release)
		(void)posix_fadvise(copy->source, (off_t)start, (off_t)(stop - start),
				POSIX_FADV_DONTNEED);
	operation = cut ? release_chunk(move, copy, start, stop) : NULL;
	if (!operation && cut)
		atomic_fetch_sub(&move->held, copy->copied - before);
	return operation;
}

/* Copies chunk by chunk what is not in the target yet, from FROM on. Where the source is CUT what
 * is copied is taken from it, from the end; a disk's page cache is given back. */
static const char *copy_chunks(struct move *move, struct copy *copy, uint64_t from, bool cut)
{
	bool last = cut && !move->back;
	const char *operation = NULL;

	while (!operation && from < copy->end) {
		uint64_t end = copy->end, whole = copy->size;
		uint64_t start = last ? (end - 1) / move->chunk * move->chunk : from;
		uint64_t stop = last ? end : (from / move->chunk + 1) * move->chunk;

		start = start > from ? start : from;
		stop = stop < end ? stop : end;
		operation = copy_chunk(move, copy, start, stop, cut);
		if (operation)
			copy->size = whole; /* what was appended is to be copied once more */
		else
			*(last ? &copy->end : &from) = last ? start : stop;
	}
	return operation;
}

/* What has been written behind the size that is copied would be lost. */
static bool is_longer(int source, const struct sys_stat *st)
{
	struct sys_stat now;
	int result = sys_stat(source, "", &now);

	errno = result < 0 ? -result : ESTALE;
	return result < 0 || now.size != st->size;
}

/* Copies the data of an open file from offset FROM on, and cuts the source where it may; *HELD gets
 * the bytes that are held twice after it. */
static const char *copy_content(struct move *move, struct copy *copy, const struct sys_stat *st,
		uint64_t from, bool cut, uint64_t *held)
{
	bool small = copy->dense && st->size < COPY_BUFFER && from == 0 && !cut;
	const char *operation = NULL;

	*held = 0;
	if (cut && is_longer(copy->source, st)) /* from here on nobody else has it open */
		return COPY_CHANGED;
	if (small) {
		int result = copy_small(copy);

		errno = -result;
		if (result < 0)
			return copy->operation;
		hold(move, copy->copied);
	} else {
		if (!move->back && ftruncate(copy->target, (off_t)st->size) != 0)
			return "truncate in the target";
		operation = copy_chunks(move, copy, from, cut);
		if (!operation && move->back && ftruncate(copy->target, (off_t)st->size) != 0)
			return "truncate in the target"; /* there may be a hole at the end */
	}
	*held = cut ? 0 : copy->copied;
	if (!operation && !small && !cut && is_longer(copy->source, st))
		return COPY_CHANGED;
	return operation;
}

/* By a name outside the tree somebody may want to use it until the end. */
static bool has_name_outside(const struct move *move, const struct sys_stat *st)
{
	const struct link_entry *entry;

	if (st->nlink == 1 || move->back)
		return false;
	entry = links_find(move->names, sys_stat_dev(st), st->ino);
	return !entry || entry->missing > 0;
}

/* Cutting is for what is large, and for what keeps its name in the source. */
static bool may_be_cut(const struct move *move, const struct sys_stat *st)
{
	return S_ISREG(st->mode) && (st->size > move->chunk || st->nlink > 1);
}

static bool wants_cut(const struct move *move, const struct sys_stat *st)
{
	return move->release && st->size > 0 && may_be_cut(move, st) && !has_name_outside(move, st);
}

/* The OPERATION has failed, with errno. The names of the tree are others', too. One that has gone
 * from it while it was moved is taken from the target: the way back would make it anew. One that
 * was made in it since the way back looked for it is kept, as one that is found there; but it may
 * be the tree's own, renamed twice, if that is a file that was cut. Returns 0 where nothing is left
 * to do, else a negative errno, logged. */
static int settle(struct walk_worker *worker, const char *operation, struct walk_node *directory,
		const char *name, const struct sys_stat *st)
{
	const struct move *move = move_of(worker);
	const int *fd = worker->cursor.fd;
	char path[WALK_PATH];
	struct sys_stat now;
	int error = errno;
	bool settled = error == EEXIST && !may_be_cut(move, st);

	if (!move->back) {
		settled = sys_stat(fd[WALK_SOURCE], name, &now) == -ENOENT &&
			  (unlinkat(fd[WALK_TARGET], name, 0) == 0 || errno == ENOENT) &&
			  st->nlink == 1;
		if (settled)
			(void)log_warning(0,
					"%s has gone while it was moved: it is not in the new root",
					walk_path(directory, name, path));
	}
	return settled ? 0 : failed(operation, directory, name, error);
}

/* Before the way back makes anything: it may be killed before that has its owner, mode and times.
 * All but that goes well without a note, too, for which there may be no room. */
static void note_back(
		struct walk_worker *worker, const char *name, int fd, const struct sys_stat *st)
{
	(void)note_times(move_of(worker), (struct attributes_of){ fd, name }, st, NULL);
}

/* Takes a copy that is not whole from the target, for the way back would believe it. */
static void drop(
		struct walk_worker *worker, const char *name, int target, const struct sys_stat *st)
{
	int result = st->nlink == 1 ? unlinkat(worker->cursor.fd[WALK_TARGET], name, 0)
				    : ftruncate(target, 0);

	if (result != 0)
		(void)log_warning(errno, "taking %s from the target", name);
}

/* Has another file taken the name of a large one meanwhile? It is not to be unlinked. */
static bool is_replaced(struct walk_worker *worker, const char *name, const struct sys_stat *st)
{
	const struct move *move = move_of(worker);
	struct sys_stat now;

	if (!move->release || move->back || st->size <= move->chunk)
		return false;
	errno = ESTALE;
	return sys_stat(worker->cursor.fd[WALK_SOURCE], name, &now) == 0 && now.ino != st->ino;
}

/* For the way back, or the next one. Where there is no room for the note, what was appended is
 * taken now: then the length of the tree's file is the place of the cut. */
static void note_cut(struct move *move, const struct sys_stat *st, struct link_entry *names,
		struct copy *copy)
{
	struct cut cut = { .inode = st->ino, .whole = copy->size, .end = copy->end };
	struct sys_stat given;

	if (move->back) {
		if (sys_stat(copy->target, "", &given) == 0) {
			cut.inode = given.ino;
			cut.end = given.size;
			(void)attributes_note_cut(copy->source, &cut);
		}
	} else if (attributes_note_cut(copy->target, &cut) < 0) {
		if (names)
			names->content = LINK_NEW;
		if (cut.end < cut.whole &&
				(copy_appended(copy, cut.end) ||
						ftruncate(copy->source, (off_t)cut.end) != 0))
			atomic_store(&move->torn, true);
	}
}

/* Before anything is taken: the way back relies on it. HELD is the file that has the note. */
static const char *prepare_cut(
		struct walk_worker *worker, int target, int held, const struct sys_stat *noted)
{
	const struct mover *mover = worker->own;
	const char *operation = set_metadata(worker, target, noted, true);
	int result;

	if (operation)
		return operation;
	result = note_times(move_of(worker), (struct attributes_of){ held, NULL }, noted,
			&mover->attributes);
	errno = -result;
	return result < 0 ? "noting its times" : NULL;
}

/* The target has all of it, and its metadata: the source goes. HELD bytes are in both. */
static int finish_regular(struct walk_worker *worker, struct walk_node *directory, const char *name,
		const struct sys_stat *st, const struct copy *copy, bool cut, uint64_t held)
{
	const struct move *move = move_of(worker);
	const struct mover *mover = worker->own;
	int error;

	if (cut && move->notes && !move->back) {
		error = attributes_forget(copy->target, &mover->attributes);
		if (error < 0)
			return failed("forgetting its times", directory, name, -error);
	}
	if (st->nlink > 1) /* with what was given back its names in the new tmpfs have nothing */
		return move->back && cut && ftruncate(copy->source, 0) != 0
				       ? failed("truncate in the source", directory, name, errno)
				       : 0;
	error = release(worker, directory, name, held);
	return error == 0 && cut ? move_flush(worker, directory) : error; /* nobody is to find it */
}

/* MADE is the open target, or -1 where it is to be made. */
static int move_regular(struct walk_worker *worker, struct walk_node *directory, const char *name,
		const struct sys_stat *st, int made, uint64_t from, bool may_cut)
{
	struct move *move = move_of(worker);
	struct mover *mover = worker->own;
	bool cut = may_cut && wants_cut(move, st);
	struct link_entry *names = move->back || st->nlink == 1 ? NULL : names_of(move, st);
	struct sys_stat noted = *st;
	auto_close int target = made;
	auto_close int source = open_source(move, worker->cursor.fd[WALK_SOURCE], name, &cut);
	struct copy copy = { .source = source,
		.size = st->size,
		.end = st->size,
		.dense = st->blocks * 512 >= st->size,
		.ramfs = move->ramfs,
		.buffer = mover->buffer };
	const char *operation, *metadata;
	uint64_t held;
	int error;

	if (source < 0)
		return settle(worker, "open", directory, name, st);
	error = load_attributes(worker, source, NULL);
	if (error < 0)
		return failed("reading its attributes", directory, name, error);
	if (move->back) {
		(void)attributes_noted((struct attributes_of){ source, NULL }, &noted);
		note_back(worker, NULL, source, &noted);
	}
	if (target < 0) {
		operation = make_file(worker, name, st, &target);
		if (operation)
			return settle(worker, operation, directory, name, st);
		progress_add(&move->progress, 1, 0);
	}
	operation = cut ? prepare_cut(worker, target, move->back ? source : target, &noted) : NULL;
	if (operation)
		return failed(operation, directory, name, errno);
	if (names)
		names->content = cut ? LINK_CUT : LINK_WHOLE;
	copy.target = target;
	operation = copy_content(move, &copy, st, from, cut, &held);
	if (!operation && is_replaced(worker, name, st))
		operation = COPY_CHANGED;
	error = errno;
	metadata = seal(worker, target, &noted, true); /* writing has changed the times */
	if (!operation)
		error = errno;
	if (cut && (operation || (metadata && !move->back)))
		note_cut(move, st, names, &copy);
	if (operation && !cut && !move->back) /* the source has all: what was made here has not */
		drop(worker, name, target, st);
	if (operation || metadata)
		return failed(operation ? operation : metadata, directory, name, error);
	error = finish_regular(worker, directory, name, st, &copy, cut, held);
	if (error < 0 && cut && !move->back)
		note_cut(move, st, names, &copy);
	return error;
}

/* What somebody has written to the tree's file behind the place where it was cut goes to the end of
 * the one in the new tmpfs, *ST, so that all of it can be given back from there on. */
static const char *take_appended(struct walk_worker *worker, const char *name,
		const struct cut *cut, struct sys_stat *st)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC, *fd = worker->cursor.fd;
	auto_close int given = openat(fd[WALK_SOURCE], name, flags);
	auto_close int there = openat(fd[WALK_TARGET], name, flags);
	struct copy copy = { .source = there,
		.target = given,
		.size = cut->whole,
		.dense = true,
		.buffer = ((struct mover *)worker->own)->buffer };
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const char *operation;

	if (given < 0 || there < 0)
		return "open";
	/* The tree has that, and there may be no room for both. Whole pages are copied later. */
	(void)fallocate(given, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			(off_t)(cut->end - cut->end % page));
	operation = copy_appended(&copy, cut->end);
	if (operation)
		return operation;
	st->size = copy.size;
	return ftruncate(there, (off_t)cut->end) != 0 ? "truncate" : NULL;
}

/* Finds out about a regular file that THERE is in the tree, too, and *ST in the new tmpfs: where it
 * was cut what has been appended is taken, and THERE gets the length of that place. *WHOLE tells
 * whether the tree has all of it: it was copied whole, or its writer has made it shorter, or put
 * another in its place. Returns what failed, with errno, or NULL. */
static const char *find_cut(struct walk_worker *worker, const char *name, struct sys_stat *st,
		struct sys_stat *there, bool *whole)
{
	struct attributes_of given = { worker->cursor.fd[WALK_SOURCE], name };
	struct link_entry *names = names_of(move_of(worker), there);
	struct cut cut = { .inode = there->ino, .whole = st->size };
	int content = names ? names->content : LINK_NEW;
	bool noted = attributes_cut(given, &cut), was_cut = noted || content == LINK_CUT;
	const char *operation = NULL;

	*whole = was_cut ? there->ino != cut.inode || there->size < cut.end || cut.end == cut.whole
			 : content == LINK_WHOLE;
	if (was_cut && !*whole && there->size > cut.end) {
		operation = take_appended(worker, name, &cut, st);
		there->size = cut.end;
	}
	if (operation)
		return operation;
	/* The length of a file that was cut tells its other names what is missing, from now on. */
	if (names && was_cut && there->ino == cut.inode)
		names->content = *whole ? LINK_WHOLE : LINK_NEW;
	if (!noted)
		return NULL;
	errno = -attributes_forget_cut(given);
	return errno ? "forgetting where it was cut" : NULL;
}

/* On the way back the name may be there still. A regular file that is shorter than the one to be
 * given back was cut, unless the tree has all of it: *FROM is where, and *FD is open. Returns
 * REST_NONE where nothing is left to do, REST_METADATA where a way back that was killed had made
 * it, or a negative errno, logged. */
enum { REST_NONE = 1, REST_METADATA };
static int find_rest(struct walk_worker *worker, struct walk_node *directory, const char *name,
		struct sys_stat *st, int *fd, uint64_t *from)
{
	struct attributes_of given = { worker->cursor.fd[WALK_SOURCE], name };
	struct sys_stat there, noted;
	const char *operation = NULL;
	bool whole = true;
	int result = sys_stat(worker->cursor.fd[WALK_TARGET], name, &there);
	struct cut cut;

	*from = 0;
	if (result == -ENOENT) /* what is before the cut may have another name now */
		return S_ISREG(st->mode) && attributes_cut(given, &cut) && cut.end > 0
				       ? failed("looking for its first part", directory, name,
							 ESTALE)
				       : 0;
	if (result < 0)
		return failed("looking for it in the target", directory, name, result);
	if (S_ISREG(st->mode) && S_ISREG(there.mode))
		operation = find_cut(worker, name, st, &there, &whole);
	if (operation)
		return failed(operation, directory, name, errno);
	if (whole || there.size >= st->size)
		return attributes_noted(given, &noted) ? REST_METADATA : REST_NONE;
	*from = there.size;
	*fd = openat(worker->cursor.fd[WALK_TARGET], name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	return *fd < 0 ? failed("open", directory, name, errno) : 0;
}

/* Of a file to which the rest was given back: its names that have gone from the tree are made anew
 * as links to this one. */
static int note_name(struct walk_worker *worker, struct walk_node *directory, const char *name,
		const struct sys_stat *st)
{
	struct links *links = &move_of(worker)->links;

	return links_add(links, sys_stat_dev(st), st->ino, directory, name)
			       ? 0
			       : failed("noting its name", directory, name, ENOMEM);
}

/* Of what is there already. Nobody need write to it: it may be a program that runs. */
static int move_metadata(struct walk_worker *worker, struct walk_node *directory, const char *name,
		const struct sys_stat *st)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME, *fd = worker->cursor.fd;
	auto_close int source = -1, target = -1;
	struct sys_stat noted = *st;
	const char *operation;
	int result;

	(void)attributes_noted((struct attributes_of){ fd[WALK_SOURCE], name }, &noted);
	if (!S_ISREG(st->mode)) {
		operation = set_metadata_by_name(worker, name, &noted);
		return operation ? failed(operation, directory, name, errno) : 0;
	}
	source = openat(fd[WALK_SOURCE], name, flags);
	target = openat(fd[WALK_TARGET], name, flags);
	if (source < 0 || target < 0)
		return failed("open", directory, name, errno);
	result = load_attributes(worker, source, NULL);
	if (result < 0)
		return failed("reading its attributes", directory, name, result);
	operation = set_metadata(worker, target, &noted, true);
	return operation ? failed(operation, directory, name, errno) : 0;
}

static int move_file(struct walk_worker *worker, struct walk_node *directory, const char *name,
		const struct sys_stat *st)
{
	struct move *move = move_of(worker);
	struct sys_stat given = *st;
	const char *operation = NULL;
	bool linked = false, rest, alone;
	uint64_t from = 0;
	int fd = -1, result;

	if (move->back) {
		result = find_rest(worker, directory, name, &given, &fd, &from);
		st = &given;
		if (result < 0)
			return result;
		if (result == REST_METADATA)
			return move_metadata(worker, directory, name, st);
		if (result == REST_NONE)
			return 0;
		if (!S_ISREG(st->mode))
			note_back(worker, name, worker->cursor.fd[WALK_SOURCE], st);
	}
	rest = fd >= 0;
	alone = S_ISREG(st->mode) && st->nlink == 1 && !is_last_name(move, st);
	if (!rest && !alone) {
		operation = make_name(worker, directory, name, st, &fd, &linked);
		if (!operation && !linked && !S_ISREG(st->mode))
			operation = set_metadata_by_name(worker, name, st);
		if (operation)
			return settle(worker, operation, directory, name, st);
	}
	if (!alone)
		progress_add(&move->progress, 1, 0);
	if (linked)
		return 0;
	if (!S_ISREG(st->mode))
		return st->nlink > 1 ? 0 : release(worker, directory, name, 0);
	/* What the way back makes anew may have other names there that have nothing yet. One that
	 * is alone is made once it is open. */
	result = move_regular(worker, directory, name, st, fd, from, rest || alone || !move->back);
	return result == 0 && rest && st->nlink > 1 ? note_name(worker, directory, name, st)
						    : result;
}

static int move_entry(struct walk_worker *worker, struct walk_node *directory, const char *name,
		const struct sys_stat *st, bool mounted, bool put_off)
{
	struct move *move = move_of(worker);

	(void)mounted; /* the tree is a mount of its own, without those that lie on it */
	if (is_ended(move))
		return failed(ENDED, directory, name, EINTR);
	if (!put_off && S_ISREG(st->mode) && st->size > move->chunk)
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
		.workers = workers,
		.goes_on = move->back };
	struct sys_stat top;
	uint32_t magic = sys_fs_magic(move->roots[WALK_SOURCE]);
	int result = magic ? sys_stat(move->roots[WALK_TARGET], "", &top) : -errno;
	mode_t mask;

	if (result < 0)
		return log_error(result, magic ? "stat of the target" : "statfs of the tree");
	if (move->release && magic != RAMFS_FS_MAGIC && magic != TMPFS_FS_MAGIC)
		return log_error(0, "the tree is not on a ramfs or tmpfs: only that is moved");
	move->ramfs = magic == RAMFS_FS_MAGIC;
	move->inherits = top.mode & S_ISGID;
	move->target_alone[WALK_SOURCE] = -1;
	move->target_alone[WALK_TARGET] = move->roots[WALK_TARGET];
	move->attributes = !move->ramfs || flistxattr(move->roots[WALK_SOURCE], NULL, 0) > 0;
	mask = umask(0); /* files are made with their own mode */
	result = walk_run(&request);
	(void)umask(mask);
	return result;
}

/* Nothing is lost even then: the target is mounted where it can be seen. */
static void keep_target(const struct plan *plan)
{
	if (plan->attached || tmpfs_attach(plan->target) == 0)
		log_message(LOG_ERROR, "what is missing in the tree is in " TMPFS_REFUGE);
}

/* The way back would take the one part for the whole. */
static void keep_torn(const struct plan *plan)
{
	keep_target(plan);
	if (mkdir(TMPFS_TORN, 0700) != 0 && errno != EEXIST)
		(void)log_error(errno, "do not try again: mkdir " TMPFS_TORN);
}

static struct move new_move(const struct plan *plan, int source, int target)
{
	return (struct move){ .roots = { source, target },
		.release = plan_moves(plan),
		.notes = plan->attached && plan_moves(plan),
		.chunk = plan->chunk,
		.links = LINKS_EMPTY,
		.names = &plan->links,
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

	if (!plan_moves(plan))
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
	bool large = plan->sparse == 0 &&
		     tmpfs_begin_large(plan->target, options->tmpfs_options, plan->proc);
	bool split;
	int error;

	progress_start(&move.progress, plan->entries, plan->bytes, options->quiet);
	error = run(&move, plan->exclude, plan->workers);
	end_move(&move);
	if (large)
		tmpfs_end_large(plan->target);
	/* Where nothing was made the target's top has not got the times that the way back reads. */
	split = error < 0 && atomic_load(&move.torn);
	if (split)
		keep_torn(plan);
	else if (error < 0 && atomic_load(&move.progress.entries) > 0)
		split = move_back(plan) < 0;
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
