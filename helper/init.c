/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "init.h"

#include "log.h"
#include "sys.h"
#include "util.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

/* Where systemd is in a tree; PID 1 looks for it here, too. */
#define SYSTEMD "/usr/lib/systemd/systemd"

static bool is_there(int tree, const char *path)
{
	auto_close int fd = path ? sys_open_in_root(tree, path, O_PATH | O_CLOEXEC) : -1;
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
}

/* The init that the command line named; else, as the generators do it, the first of init= and the
 * usual paths that can be executed. The last is tried in any case, to say that it is not there. */
static const char *choose(const struct options *options, const struct request *request, int tree)
{
	const char *const paths[] = { options->init, request->role == ROLE_SERVICE ? SYSTEMD : NULL,
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

static bool is_same(int a, int b)
{
	struct stat one, other;

	return a >= 0 && b >= 0 && fstat(a, &one) == 0 && fstat(b, &other) == 0 &&
	       one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* Is it on a mount that will be carried as it is? */
static bool is_on_other_mount(const struct source *source, int program)
{
	const struct mount *tree = source->new_root_mount;
	struct sys_stat st;

	return sys_stat(program, "", &st) == 0 && st.mnt_id != source->root_mount->id &&
	       (!tree || st.mnt_id != tree->id);
}

int init_find(const struct options *options, const struct request *request, int proc,
		const struct source *source, struct init *init)
{
	int tree = source_top(source);
	auto_close int self = openat(proc, "self/exe", O_PATH | O_CLOEXEC), program = -1,
		       systemd = sys_open_in_root(tree, SYSTEMD, O_PATH | O_CLOEXEC);
	struct statvfs fs;

	init->path = choose(options, request, tree);
	program = program_check(tree, init->path,
			tree == source->new_root ? request->new_root : "the initramfs",
			init->interpreter);
	if (program < 0)
		return program;
	if ((!source_copies(source) || is_on_other_mount(source, program)) &&
			fstatvfs(program, &fs) == 0 && (fs.f_flag & ST_NOEXEC))
		return log_error(0,
				"%s is on a mount with noexec: mount -o remount,exec what it is on",
				init->path);
	/* The helper as its own init would start itself for ever. */
	if (is_same(self, program))
		return log_error(0, "%s is tmpfsroot itself: name another init", init->path);
	/* The systemd of the new root is named by "": then it takes over what PID 1 knows. */
	init->for_systemd = is_same(systemd, program) ? "" : init->path;
	return 0;
}

int init_check(const struct init *init, int root)
{
	char interpreter[PROGRAM_PATH];
	auto_close int program = program_check(
			root, init->path, "what rd.tmpfsroot.exclude= leaves", interpreter);

	return program < 0 ? program : 0;
}
