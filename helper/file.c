/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "file.h"

#include "copy.h"
#include "interrupt.h"
#include "log.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_MS	  20 /* between two looks for a signal that ends the move */
#define OPEN_FILE (O_NOFOLLOW | O_CLOEXEC | O_NOATIME | O_NONBLOCK)

static int failed(const struct file *file, const char *operation, int error)
{
	char path[TREE_PATH];

	return log_error(error, "moving %s: %s", tree_path(file->directory, file->name, path),
			operation);
}

int file_begin(struct file_worker *worker, struct file_move *move)
{
	worker->move = move;
	worker->buffer = malloc(COPY_BUFFER);
	return worker->buffer ? 0 : log_error(ENOMEM, "starting the move");
}

/* Leaves the descriptor open until the batch ends, if it follows the others of the batch. */
static void close_later(struct file_worker *worker, int *fd)
{
	if (worker->open == 0)
		worker->first = (unsigned)*fd;
	if ((unsigned)*fd != worker->first + worker->open)
		return;
	worker->open++;
	*fd = -1;
}

static void close_batch(struct file_worker *worker)
{
	unsigned end = worker->first + worker->open;

	if (worker->open > 0 && sys_close_range(worker->first, end - 1) < 0)
		for (unsigned fd = worker->first; fd < end; fd++)
			(void)close((int)fd);
	worker->open = 0;
}

void file_end(struct file_worker *worker)
{
	close_batch(worker);
	attributes_free(&worker->attributes);
	free(worker->buffer);
}

/* BYTES more are in both trees. */
static void hold(struct file_move *move, uint64_t bytes)
{
	uint64_t held = atomic_fetch_add(&move->held, bytes) + bytes,
		 peak = atomic_load(&move->peak);

	progress_add(&move->progress, 0, bytes);
	while (move->release && held > peak &&
			!atomic_compare_exchange_weak(&move->peak, &peak, held))
		;
}

int file_flush(struct file_worker *worker, const struct tree_item *directory, int from)
{
	const char *name = worker->names;
	unsigned count = worker->count;
	char path[TREE_PATH];

	worker->count = 0; /* after a failure the names are in both trees, which the way back knows
			    */
	worker->used = 0;
	close_batch(worker);
	for (; count > 0; count--, name += strlen(name) + 1)
		if (unlinkat(from, name, 0) != 0 &&
				errno != EBUSY && /* a mount is on it; it goes with the old root */
				errno != ENOENT) /* it has just gone */
			return log_error(errno, "moving %s: unlink in the source",
					tree_path(directory, name, path));
	atomic_fetch_sub(&worker->move->held, worker->bytes);
	worker->bytes = 0;
	return 0;
}

/* The target has all of the file. Its name leaves the source in a batch, so that the pages just
 * freed are the next ones written to; COPY's descriptors (or NULL) are closed together, too. */
static int release(const struct file *file, struct copy *copy)
{
	struct file_worker *worker = file->worker;
	size_t length = strlen(file->name) + 1;

	if (!worker->move->release || file->st->nlink > 1)
		return 0;
	if (copy) {
		close_later(worker, &copy->source);
		close_later(worker, &copy->target);
		worker->bytes += copy->copied;
	}
	memcpy(worker->names + worker->used, file->name, length);
	worker->used += length;
	worker->count++;
	if (worker->count < FILE_BATCH_NAMES && worker->bytes < FILE_BATCH_BYTES)
		return 0;
	return file_flush(worker, file->directory, file->from);
}

/* A new file is root's from the beginning: does it belong to root in the end, too? */
static bool has_owner(const struct file_move *move, uint32_t uid, uint32_t gid)
{
	return uid == 0 && gid == 0 && !move->back && !move->inherits;
}

/* Most files are root's, and can be made with their own mode. Others have none at first, so that
 * nobody reads them who may not in the end; so have those with an access list, where the mode gives
 * the group what the list may not. */
static bool has_mode(const struct file_worker *worker, const struct metadata *metadata)
{
	const struct file_move *move = worker->move;

	return S_ISREG(metadata->mode) && has_owner(move, metadata->uid, metadata->gid) &&
	       !(metadata->mode & 07000) &&
	       !(move->attributes && attributes_list_access(&worker->attributes));
}

/* One of the attributes cannot be read or set. */
static int failed_attribute(const struct file *file, const char *doing, int error)
{
	const char *key = file->worker->attributes.key;
	char path[TREE_PATH];

	return log_error(error, "moving %s: %s its attribute%s%s",
			tree_path(file->directory, file->name, path), doing, key ? " " : "s",
			key ? key : "");
}

/* Reads the attributes of the source, to be set by store_attributes(). */
static int load_attributes(const struct file *file, int source, const char *name)
{
	struct file_worker *worker = file->worker;
	int result = worker->move->attributes
				     ? attributes_load(&worker->attributes,
						       (struct attributes_of){ source, name })
				     : 0;

	return result < 0 ? failed_attribute(file, "reading", result) : 0;
}

static int store_attributes(const struct file *file, int target, const char *name)
{
	struct file_worker *worker = file->worker;
	struct attributes_of of = { target, name };
	unsigned lost = 0;
	int result = worker->move->back ? attributes_disinherit(of) : 0;

	if (result == 0 && worker->move->attributes)
		result = attributes_store(&worker->attributes, of, &lost);
	atomic_fetch_add(&worker->move->lost, lost);
	return result < 0 ? failed_attribute(file, "setting", result) : 0;
}

/* Owner, attributes, mode, times: chown takes away setuid and security.capability, an access list
 * has to be there before the mode gives its group anything, and each of them changes no time that
 * is set last. */
int file_set_metadata(
		const struct file *file, int target, const struct metadata *metadata, bool own)
{
	struct file_worker *worker = file->worker;
	struct timespec times[2];
	int result;

	if (own && !has_owner(worker->move, metadata->uid, metadata->gid) &&
			fchown(target, metadata->uid, metadata->gid) != 0)
		return failed(file, "chown", errno);
	result = store_attributes(file, target, NULL);
	if (result < 0)
		return result;
	if (own && !has_mode(worker, metadata) && fchmod(target, metadata->mode & 07777) != 0)
		return failed(file, "chmod", errno);
	metadata_times(metadata, times);
	return futimens(target, times) != 0 ? failed(file, "setting its times", errno) : 0;
}

/* Sets what a symlink, device, fifo or socket has of metadata, by its name: it is not opened. */
static int set_metadata_by_name(const struct file *file)
{
	const struct metadata metadata = metadata_of(file->st);
	const char *name = file->name;
	struct timespec times[2];
	int result;

	if (fchownat(file->to, name, metadata.uid, metadata.gid, AT_SYMLINK_NOFOLLOW) != 0)
		return failed(file, "chown", errno);
	result = load_attributes(file, file->from, name);
	if (result < 0)
		return result;
	result = store_attributes(file, file->to, name);
	if (result < 0)
		return result;
	if (!S_ISLNK(metadata.mode) && fchmodat(file->to, name, metadata.mode & 07777, 0) != 0)
		return failed(file, "chmod", errno);
	metadata_times(&metadata, times);
	return utimensat(file->to, name, times, AT_SYMLINK_NOFOLLOW) != 0
			       ? failed(file, "setting its times", errno)
			       : 0;
}

/* Reading a symlink changes its access time, which matters if it stays in the source. */
static int make_symlink(const struct file *file)
{
	const struct metadata metadata = metadata_of(file->st);
	char *text = file->worker->buffer;
	ssize_t length = readlinkat(file->from, file->name, text, COPY_BUFFER - 1);
	struct timespec times[2];

	if (length < 0)
		return failed(file, "readlink", errno);
	text[length] = '\0';
	metadata_times(&metadata, times);
	if (file->worker->move->release &&
			utimensat(file->from, file->name, times, AT_SYMLINK_NOFOLLOW) != 0 &&
			utimensat(file->from, file->name, times, AT_SYMLINK_NOFOLLOW) != 0)
		return failed(file, "restoring its times in the source", errno);
	if (symlinkat(text, file->to, file->name) != 0)
		return failed(file, "symlink", errno);
	file->worker->made = true;
	return 0;
}

/* Symlinks, devices, fifos and sockets. */
static int make_special(const struct file *file)
{
	const struct sys_stat *st = file->st;
	int result;

	if (S_ISLNK(st->mode)) {
		result = make_symlink(file);
		return result == 0 ? set_metadata_by_name(file) : result;
	}
	if (mknodat(file->to, file->name, st->mode & S_IFMT, sys_stat_rdev(st)) != 0)
		return failed(file, "mknod", errno);
	file->worker->made = true;
	return set_metadata_by_name(file);
}

/* Has a signal come that ends the move? */
static bool is_ended(struct file_move *move)
{
	return !move->back && is_due(&move->next_look, LOOK_MS) && interrupt_take();
}

/* Returns 0, or an error, logged, where what is copied now is not what was there at first. */
static int check_size(const struct file *file, int source)
{
	struct sys_stat now;
	int result = sys_stat(source, "", &now);

	if (result < 0)
		return failed(file, "stat", result);
	return now.size != file->st->size ? failed(file, COPY_CHANGED, ESTALE) : 0;
}

/* Copies a file chunk by chunk; a disk's page cache is given back. */
static int copy_chunks(const struct file *file, struct copy *copy)
{
	struct file_move *move = file->worker->move;
	int result = 0;

	if (ftruncate(copy->target, (off_t)copy->size) != 0)
		return failed(file, "truncate in the target", errno);
	for (uint64_t from = 0, stop; result == 0 && from < copy->size; from = stop) {
		uint64_t before = copy->copied;

		stop = copy->size - from > move->chunk ? from + move->chunk : copy->size;
		if (is_ended(move))
			return failed(file, "a signal has ended the move", EINTR);
		result = copy_range(copy, from, stop);
		if (result < 0)
			return failed(file, copy->operation, result);
		hold(move, copy->copied - before);
		if (!move->release)
			(void)posix_fadvise(copy->source, (off_t)from, (off_t)(stop - from),
					POSIX_FADV_DONTNEED);
	}
	return check_size(file, copy->source);
}

static int copy_whole(const struct file *file, struct copy *copy)
{
	int result;

	if (!copy->dense || copy->size >= COPY_BUFFER)
		return copy_chunks(file, copy);
	result = copy_small(copy);
	if (result == -EINVAL && copy->copied == 0) /* a file system that has no splice(2) */
		return copy_chunks(file, copy);
	if (result < 0)
		return failed(file, copy->operation, result);
	hold(file->worker->move, copy->copied);
	return 0;
}

/* Puts what the source has lost behind END back from the target. After that the source is what it
 * was. */
static int put_end_back(const struct file *file, const struct copy *copy, uint64_t end)
{
	struct file_worker *worker = file->worker;
	const struct metadata metadata = metadata_of(file->st);
	struct copy back = { .source = copy->target,
		.target = copy->source,
		.size = copy->size,
		.dense = copy->dense,
		.buffer = copy->buffer };
	int result = ftruncate(back.target, (off_t)back.size) != 0
				     ? failed(file, "truncate in the source", errno)
				     : copy_range(&back, end, back.size);

	if (result < 0)
		(void)failed(file, "putting its end back", result);
	else
		result = file_set_metadata(file, back.target, &metadata, true);
	if (result < 0)
		atomic_store(&worker->move->torn, true);
	return result;
}

/* Copies a file that nobody else has open from its end, chunk by chunk, and cuts each chunk off the
 * source. *END is what the source has left. Returns -EAGAIN, not logged, where somebody waits to
 * open the file. */
static int cut(const struct file *file, struct copy *copy, bool leased, uint64_t *end)
{
	struct file_move *move = file->worker->move;
	int result = check_size(file, copy->source); /* from here on nobody else has it open */

	if (result == 0 && ftruncate(copy->target, (off_t)copy->size) != 0)
		result = failed(file, "truncate in the target", errno);
	while (result == 0 && *end > 0) {
		uint64_t start = (*end - 1) / move->chunk * move->chunk, before = copy->copied;

		if (is_ended(move))
			return failed(file, "a signal has ended the move", EINTR);
		result = copy_range(copy, start, *end);
		if (result < 0)
			return failed(file, copy->operation, result);
		if (leased && inuse_is_awaited(copy->source))
			return -EAGAIN;
		hold(move, copy->copied - before);
		if (ftruncate(copy->source, (off_t)start) != 0)
			return failed(file, "truncate in the source", errno);
		*end = start;
		atomic_fetch_sub(&move->held, copy->copied - before);
	}
	return result;
}

/* The whole file is in the target, and the source's is empty: its name goes at once. Who has found
 * the name before that, and waits, gets a file that is whole. One that a mount is on keeps its name
 * (as in file_flush()), and so all that it had. */
static int release_cut(const struct file *file, const struct copy *copy, bool leased)
{
	bool gone = unlinkat(file->from, file->name, 0) == 0;

	if (!gone && errno != EBUSY)
		return failed(file, "unlink in the source", errno);
	return !gone || (leased && inuse_is_awaited(copy->source)) ? put_end_back(file, copy, 0)
								   : 0;
}

/* Copies the content and sets the metadata, by cutting if LEASE lets it. */
static int fill(const struct file *file, struct copy *copy, enum lease lease)
{
	const struct metadata metadata = metadata_of(file->st);
	bool may_cut = lease != LEASE_REFUSED, leased = lease == LEASE_HELD;
	uint64_t end = copy->size;
	int result = may_cut ? cut(file, copy, leased, &end) : copy_whole(file, copy);

	if (result == -EAGAIN) { /* the process that waits must find the file whole */
		may_cut = false;
		copy->copied = 0;
		result = put_end_back(file, copy, end);
		end = copy->size;
		if (result == 0)
			result = copy_whole(file, copy);
	}
	if (result == 0)
		result = file_set_metadata(file, copy->target, &metadata, true);
	if (result == 0)
		result = may_cut ? release_cut(file, copy, leased) : release(file, copy);
	if (result < 0 && end < copy->size)
		(void)put_end_back(file, copy, end);
	return result;
}

static enum lease lease_of(const struct file *file, int source)
{
	struct file_move *move = file->worker->move;
	bool may_cut = move->release && file->st->nlink == 1 && file->st->size > TREE_LARGE;

	/* a program that has just ended may have been opened for reading, and could not be cut */
	may_cut = may_cut && (fcntl(source, F_GETFL) & O_ACCMODE) == O_RDWR;
	return may_cut ? inuse_hold(&move->inuse, source) : LEASE_REFUSED;
}

/* Running programs refuse to be opened for writing (ETXTBSY). */
static int open_source(const struct file *file)
{
	bool writes = file->worker->move->release && file->st->nlink == 1 &&
		      file->st->size > TREE_LARGE;
	int fd = writes ? openat(file->from, file->name, O_RDWR | OPEN_FILE) : -1;

	return fd >= 0 ? fd : openat(file->from, file->name, O_RDONLY | OPEN_FILE);
}

static int make_regular(const struct file *file, int *target)
{
	const struct metadata metadata = metadata_of(file->st);
	mode_t mode = has_mode(file->worker, &metadata) ? metadata.mode & 0777 : 0;

	*target = openat(file->to, file->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			mode);
	if (*target < 0)
		return failed(file, "create", errno);
	file->worker->made = true;
	return 0;
}

static int move_open(const struct file *file, struct copy *copy)
{
	int result = load_attributes(file, copy->source, NULL);

	if (result == 0)
		result = make_regular(file, &copy->target);
	return result == 0 ? fill(file, copy, lease_of(file, copy->source)) : result;
}

static int move_regular(const struct file *file)
{
	struct file_worker *worker = file->worker;
	struct copy copy = { .source = open_source(file),
		.target = -1,
		.size = file->st->size,
		.dense = file->st->blocks * 512 >= file->st->size &&
			 (worker->move->release || file->st->size <= TREE_LARGE),
		.ramfs = worker->move->ramfs,
		.buffer = worker->buffer };
	char path[TREE_PATH];
	int result;

	if (copy.source < 0 && errno == ENOENT) {
		(void)log_warning(0, "%s has gone while the tree was moved",
				tree_path(file->directory, file->name, path));
		return 0;
	}
	if (copy.source < 0)
		return failed(file, "open", errno);
	result = move_open(file, &copy);
	close_fd(&copy.source);
	close_fd(&copy.target);
	return result;
}

/* Makes the file, or where another of its names was made before, a link to that. The lock is held
 * until the first name exists. */
static int move_linked(const struct file *file)
{
	struct file_move *move = file->worker->move;
	struct link *link;
	auto_close int directory = -1;
	int result = 0;

	(void)pthread_mutex_lock(&move->lock);
	link = links_find(move->links, sys_stat_dev(file->st), file->st->ino);
	if (!link)
		link = links_add(move->links, sys_stat_dev(file->st), file->st->ino);
	if (!link) {
		result = failed(file, "noting its name", ENOMEM);
	} else if (link->name) {
		directory = tree_open(move->target, link->directory);
		if (directory < 0)
			result = failed(file, "opening the directory of its first name", directory);
		else if (linkat(directory, link->name, file->to, file->name, 0) != 0)
			result = failed(file, "link", errno);
	} else {
		result = S_ISREG(file->st->mode) ? move_regular(file) : make_special(file);
		link->directory = file->directory;
		link->name = file->worker->made && result == 0 ? strdup(file->name) : NULL;
		if (result == 0 && file->worker->made && !link->name)
			result = failed(file, "noting its name", ENOMEM);
	}
	(void)pthread_mutex_unlock(&move->lock);
	return result;
}

static int move_single(const struct file *file)
{
	int result;

	if (S_ISREG(file->st->mode))
		return move_regular(file);
	result = make_special(file);
	return result == 0 ? release(file, NULL) : result;
}

int file_move(const struct file *file)
{
	struct file_move *move = file->worker->move;
	int result;

	if (is_ended(move))
		return failed(file, "a signal has ended the move", EINTR);
	progress_add(&move->progress, 1, 0);
	file->worker->made = false;
	result = file->st->nlink > 1 && !move->back ? move_linked(file) : move_single(file);
	/* The source has the whole file: the way back shall not take a part of it for the file. */
	if (result < 0 && file->worker->made && !atomic_load(&move->torn))
		(void)unlinkat(file->to, file->name, 0);
	return result;
}
