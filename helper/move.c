/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The move: passes over the lists of the tree (tree.h). The target gets all directories; large
 * files are moved, then all others, directory by directory (file.h); the target's directories get
 * their metadata. The directories of the source stay until the old root is removed.
 *
 * A file with several names keeps them all, whole, until then; the first name that is met is
 * copied, the others are linked to it. So the way back is the same pass with the trees exchanged,
 * over names that are missing in the source.
 */
#include "move.h"

#include "file.h"
#include "log.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct move {
	const struct plan *plan;
	int from, to; /* the tops */
	struct file_move files;
};

static int failed(const struct tree_item *item, const char *operation, int error)
{
	char path[TREE_PATH];

	return log_error(error, "moving %s: %s", tree_path(item, "", path), operation);
}

/* Parents come before their children in the list, and brothers one behind the other. */
static int make_directories(struct move *move)
{
	const struct tree_list *list = &move->plan->tree.directories;
	const struct tree_item *at = NULL;
	auto_close int parent = -1;

	for (size_t i = 1; i < list->count; i++) {
		const struct tree_item *item = list->items[i];

		if (item->parent != at) {
			close_fd(&parent);
			at = item->parent;
			parent = tree_open(move->to, at);
			if (parent < 0)
				return failed(at, "open in the target", parent);
		}
		if (mkdirat(parent, item->name, 0700) != 0)
			return failed(item, "mkdir in the target", errno);
		progress_add(&move->files.progress, 1, 0);
	}
	return 0;
}

/* A worker's own. */
struct mover {
	struct file_worker files;
	int from, to; /* the directory in both trees */
};

static int move_begin(struct tree_worker *worker)
{
	struct move *move = worker->context;

	return file_begin(worker->own, &move->files);
}

static void move_end(struct tree_worker *worker)
{
	file_end(worker->own);
}

/* A directory that was not there when the tree was scanned is left behind: late workers of udevd
 * make /run/udev, where dracut's init has moved /run away. */
static int check_listed(const struct move *move, const struct tree_item *directory,
		const struct mover *mover, const char *name)
{
	char path[TREE_PATH];
	struct sys_stat st;
	int result = move->files.back ? 0 : sys_stat(mover->to, name, &st);

	if (result == -ENOENT)
		(void)log_warning(0, "%s has appeared while the tree was moved, and is left behind",
				tree_path(directory, name, path));
	else if (result < 0)
		return log_error(result, "moving %s: stat", tree_path(directory, name, path));
	return 0;
}

/* On the way back the source still has what was not moved. Large files were items of their own
 * before the directories: one that is still there was copied, or a mount is on it. */
static bool is_done(const struct move *move, const struct mover *mover, const char *name,
		const struct sys_stat *st)
{
	bool large = S_ISREG(st->mode) && st->size > TREE_LARGE && st->nlink == 1;
	struct sys_stat there;

	return (move->files.back || large) && sys_stat(mover->to, name, &there) == 0;
}

static int move_name(
		struct tree_worker *worker, const struct tree_item *directory, const char *name)
{
	struct move *move = worker->context;
	struct mover *mover = worker->own;
	struct sys_stat st;
	struct file file = { &mover->files, directory, name, &st, mover->from, mover->to };
	char path[TREE_PATH];
	int result = sys_stat(mover->from, name, &st);

	if (result == -ENOENT) /* it has gone, or is a whiteout that overlayfs shows */
		return 0;
	if (result < 0)
		return log_error(result, "moving %s: stat", tree_path(directory, name, path));
	if (S_ISDIR(st.mode))
		return check_listed(move, directory, mover, name);
	return is_done(move, mover, name, &st) ? 0 : file_move(&file);
}

static int move_entry(struct tree_worker *worker, const struct tree_item *directory, int fd,
		const char *name)
{
	const struct move *move = worker->context;

	(void)fd;
	if (!move->files.back && tree_passes_over(&move->plan->tree, directory, name))
		return 0;
	return move_name(worker, directory, name);
}

/* Opens the directory in both trees, and moves what NAME, or where that is NULL the directory, has.
 */
static int move_in(struct tree_worker *worker, const struct tree_item *directory, const char *name)
{
	struct move *move = worker->context;
	struct mover *mover = worker->own;
	auto_close int from = tree_open(move->from, directory), to = tree_open(move->to, directory);
	int result, flushed;

	if (from == -ENOENT && move->files.back) /* it was not made */
		return 0;
	if (from < 0 || to < 0)
		return failed(directory, "open", from < 0 ? from : to);
	mover->from = from;
	mover->to = to;
	result = name ? move_name(worker, directory, name)
		      : tree_read(worker, directory, from, move_entry);
	flushed = result == 0 ? file_flush(&mover->files, directory, from) : 0;
	return result < 0 ? result : flushed;
}

static int move_directory(struct tree_worker *worker, const struct tree_item *directory)
{
	return move_in(worker, directory, NULL);
}

static int move_file(struct tree_worker *worker, const struct tree_item *file)
{
	return move_in(worker, file->parent, file->name);
}

/* Not together with the files: each that is made changes the directory's times, and one that is
 * made in a directory with a default access list inherits that. The top keeps the owner and mode it
 * was mounted with. */
static int finish_directory(struct tree_worker *worker, const struct tree_item *directory)
{
	struct move *move = worker->context;
	struct mover *mover = worker->own;
	auto_close int to = tree_open(move->to, directory), from = -1;
	int result = 0;

	if (to < 0)
		return failed(directory, "open in the target", to);
	if (move->files.attributes) {
		from = tree_open(move->from, directory);
		if (from < 0)
			return failed(directory, "open", from);
		result = attributes_load(
				&mover->files.attributes, (struct attributes_of){ from, NULL });
		if (result < 0)
			return failed(directory, "reading its attributes", result);
	}
	return file_set_metadata(&(struct file){ .worker = &mover->files,
						 .directory = directory,
						 .name = "" },
			to, &directory->metadata, directory->parent != NULL);
}

/* Taking files from the source's directories, and giving them back, has changed their times. */
static int restore_times(struct tree_worker *worker, const struct tree_item *directory)
{
	struct move *move = worker->context;
	auto_close int fd = tree_open(move->to, directory);
	struct timespec times[2];

	if (fd < 0)
		return failed(directory, "open in the source", fd);
	metadata_times(&directory->metadata, times);
	return futimens(fd, times) != 0 ? failed(directory, "restoring its times", errno) : 0;
}

/* The source is told by its file system: what is deleted from must be in memory. */
static int begin(struct move *move, const struct plan *plan, int from, int to)
{
	uint32_t magic = sys_fs_magic(from);
	struct sys_stat st;
	int result = sys_stat(to, "", &st);

	if (!magic || result < 0)
		return log_error(!magic ? errno : result, "looking at the tree and its target");
	*move = (struct move){ .plan = plan,
		.from = from,
		.to = to,
		.files = { .release = plan_moves(plan),
				.ramfs = magic == RAMFS_FS_MAGIC,
				.attributes = magic != RAMFS_FS_MAGIC,
				.inherits = st.mode & S_ISGID,
				.chunk = plan->chunk,
				.target = to,
				.lock = PTHREAD_MUTEX_INITIALIZER,
				.inuse = INUSE_EMPTY(plan->proc) } };
	if (move->files.release && magic != RAMFS_FS_MAGIC && magic != TMPFS_FS_MAGIC)
		return log_error(0, "the tree is on no ramfs or tmpfs any more: nothing is deleted "
				    "there");
	return 0;
}

static void end(struct move *move)
{
	progress_end(&move->files.progress);
	inuse_free(&move->files.inuse);
	if (chdir("/") != 0) /* attributes are set by the directory that a worker is in */
		(void)log_warning(errno, "chdir /");
}

/* Large files before the directories: no worker is to meet one that another is cutting. */
static int move_files(struct move *move)
{
	static const struct tree_pass large = { .own_size = sizeof(struct mover),
		.begin = move_begin,
		.item = move_file,
		.end = move_end };
	static const struct tree_pass rest = { .own_size = sizeof(struct mover),
		.begin = move_begin,
		.item = move_directory,
		.end = move_end };
	const struct tree *tree = &move->plan->tree;
	int result = move->files.back ? 0 : tree_run(tree, &tree->large, &large, move);

	return result == 0 ? tree_run(tree, &tree->directories, &rest, move) : result;
}

int move_tree(const struct plan *plan, int target, bool quiet, struct move_result *result)
{
	static const struct tree_pass finish = { .own_size = sizeof(struct mover),
		.begin = move_begin,
		.item = finish_directory,
		.end = move_end };
	double start = seconds_now();
	struct links links = { 0 };
	struct move move;
	int error = begin(&move, plan, plan->tree.root, target);
	mode_t mask;

	if (error < 0)
		return error;
	mask = umask(0); /* files are made with their own mode */
	move.files.links = &links;
	progress_start(&move.files.progress, plan->sums.entries, plan->sums.bytes, quiet);
	error = make_directories(&move);
	if (error == 0)
		error = move_files(&move);
	if (error == 0)
		error = tree_run(&plan->tree, &plan->tree.directories, &finish, &move);
	(void)umask(mask);
	end(&move);
	links_free(&links);
	*result = (struct move_result){ .entries = atomic_load(&move.files.progress.entries),
		.bytes = atomic_load(&move.files.progress.bytes),
		.peak = atomic_load(&move.files.peak),
		.attributes_lost = atomic_load(&move.files.lost),
		.torn = atomic_load(&move.files.torn),
		.seconds = seconds_now() - start };
	return error;
}

int move_back(const struct plan *plan, int target)
{
	static const struct tree_pass restore = { .item = restore_times };
	struct move move;
	int error = begin(&move, plan, target, plan->tree.root);

	if (error < 0)
		return error;
	move.files.back = true;
	progress_start(&move.files.progress, plan->sums.entries, plan->sums.bytes, true);
	error = move_files(&move);
	if (error == 0)
		error = tree_run(&plan->tree, &plan->tree.directories, &restore, &move);
	end(&move);
	return error < 0 ? error : atomic_load(&move.files.torn) ? -EIO : 0;
}
