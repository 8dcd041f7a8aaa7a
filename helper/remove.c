/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "remove.h"

#include "log.h"
#include "sys.h"
#include "walk.h"

#include <errno.h>

static int remove_name(struct walk_worker *worker, struct walk_node *directory, const char *name,
		int flags)
{
	char path[WALK_PATH];

	if (unlinkat(worker->cursor.fd[WALK_SOURCE], name, flags) == 0)
		return 0;
	if (errno == ENOENT || errno == EBUSY ||
			errno == ENOTEMPTY) /* a mount is on it, or below */
		return 0;
	return log_error(errno, "deleting %s of the old root", walk_path(directory, name, path));
}

static int remove_entry(struct walk_worker *worker, struct walk_node *directory, const char *name,
		const struct sys_stat *st, bool mounted, bool put_off)
{
	(void)st, (void)put_off;
	return mounted ? 0 : remove_name(worker, directory, name, 0);
}

static int remove_leave(struct walk_worker *worker, struct walk_node *directory)
{
	int result;

	if (!directory->parent)
		return 0;
	result = walk_go(&worker->cursor, directory->parent);
	return result < 0 ? result
			  : remove_name(worker, directory->parent, directory->name, AT_REMOVEDIR);
}

int remove_tree(int tree, unsigned workers)
{
	static const struct walk_operations operations = {
		.entry = remove_entry,
		.leave = remove_leave,
	};
	struct walk_request request = {
		.roots = { tree, -1 }, .operations = &operations, .workers = workers
	};

	if (!sys_is_memory(tree))
		return log_error(0, "the old root is not an initramfs (ramfs or tmpfs): it stays "
				    "as it is");
	return walk_run(&request);
}
