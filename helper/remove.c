/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "remove.h"

#include "log.h"
#include "sys.h"
#include "tree.h"
#include "util.h"

#include <errno.h>
#include <sys/stat.h>

struct removal {
	const struct tree *tree;
	uint64_t mount_id;
};

static int remove_name(const struct tree_item *directory, int fd, const char *name, int flags)
{
	char path[TREE_PATH];

	if (unlinkat(fd, name, flags) == 0 || errno == ENOENT || errno == EBUSY ||
			errno == ENOTEMPTY) /* a mount is on it, or below */
		return 0;
	return log_error(errno, "deleting %s of the old root", tree_path(directory, name, path));
}

/* Directories are listed, all else is deleted at once. */
static int remove_entry(struct tree_worker *worker, const struct tree_item *directory, int fd,
		const char *name)
{
	const struct removal *removal = worker->context;
	struct sys_stat st;
	char path[TREE_PATH];
	int result = sys_stat(fd, name, &st);

	if (result == -ENOENT || (result == 0 && st.mnt_id != removal->mount_id))
		return 0;
	if (result == 0 && !S_ISDIR(st.mode))
		return remove_name(directory, fd, name, 0);
	if (result == 0)
		result = tree_add(worker, false, directory, name, &st);
	return result < 0 ? log_error(result, "deleting %s of the old root",
					    tree_path(directory, name, path))
			  : 0;
}

static int remove_in(struct tree_worker *worker, const struct tree_item *directory)
{
	const struct removal *removal = worker->context;
	auto_close int fd = tree_open(removal->tree->root, directory);
	char path[TREE_PATH];

	if (fd < 0)
		return log_error(fd, "opening the directory %s", tree_path(directory, "", path));
	return tree_read(worker, directory, fd, remove_entry);
}

/* Children come behind their parents in the list, and brothers one behind the other. */
static int remove_directories(const struct tree *tree)
{
	const struct tree_item *at = NULL;
	auto_close int parent = -1;
	int result = 0;

	for (size_t i = tree->directories.count; result == 0 && i-- > 1;) {
		const struct tree_item *item = tree->directories.items[i];
		char path[TREE_PATH];

		if (item->parent != at) {
			close_fd(&parent);
			at = item->parent;
			parent = tree_open(tree->root, at);
		}
		if (parent < 0)
			return log_error(parent, "opening the directory %s",
					tree_path(at, "", path));
		result = remove_name(item->parent, parent, item->name, AT_REMOVEDIR);
	}
	return result;
}

int remove_tree(int root, unsigned workers)
{
	static const struct tree_pass pass = { .item = remove_in };
	struct tree tree = { .root = root, .workers = workers };
	struct removal removal = { .tree = &tree };
	struct sys_stat st;
	int result = sys_stat(root, "", &st);

	if (result < 0)
		return log_error(result, "stat of the old root");
	if (!sys_is_memory(root))
		return log_error(0, "the old root is not an initramfs (ramfs or tmpfs): it stays "
				    "as it is");
	removal.mount_id = st.mnt_id;
	result = tree_top(&tree, &st);
	if (result == 0)
		result = tree_grow(&tree, &pass, &removal);
	if (result == 0)
		result = remove_directories(&tree);
	tree_free(&tree);
	return result;
}
