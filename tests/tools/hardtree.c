// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hardtree: makes a directory tree of everything that is hard to copy.
 *
 * Before: DIR does not exist. After: DIR holds the same tree on every run, file system permitting:
 * content, owners, modes, xattrs and times to the nanosecond are derived from names alone. An xattr
 * which the file system does not take is left out without a word. Must run as root.
 *
 * Owner, mode, xattrs and times are set in this order, as chown(2) clears setuid, setgid and
 * security.capability; those of a directory once its children are complete.
 */
#define _FILE_OFFSET_BITS 64
#define _TIME_BITS	  64
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

#define KIB	      1024LL
#define MIB	      (1024LL * KIB)
#define GIB	      (1024LL * MIB)
#define BLOCK	      4096LL
#define NESTED	      600
#define SMALL_PARTS   3
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct owner {
	uid_t uid;
	gid_t gid;
};

static void die(const char *op, const char *name)
{
	fprintf(stderr, "hardtree: %s %s: %s\n", op, name, strerror(errno));
	exit(1);
}

static uint64_t name_hash(const char *name)
{
	uint64_t h = 0xcbf29ce484222325U;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3U;
	return h;
}

/* The n-th pseudo-random number of a seed (splitmix64). */
static uint64_t noise(uint64_t seed, uint64_t n)
{
	uint64_t z = seed + (n + 1) * 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

static const char *label(char *buf, size_t size, const char *format, int number)
{
	int n = snprintf(buf, size, format, number);

	if (n < 0 || (size_t)n >= size) {
		errno = EOVERFLOW;
		die("name", format);
	}
	return buf;
}

/* Attributes */

static void set_owner(int dir, const char *name, struct owner owner)
{
	if (fchownat(dir, name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) < 0)
		die("chown", name);
}

static void set_mode(int dir, const char *name, mode_t mode)
{
	if (fchmodat(dir, name, mode, 0) < 0)
		die("chmod", name);
}

static bool xattr_refused(int error)
{
	return error == ENOTSUP || error == EOPNOTSUPP || error == EPERM;
}

/* There is no setxattrat(2) before Linux 6.13, so the directory becomes the working directory. */
static int try_xattr(int dir, const char *name, const char *key, const void *value, size_t size)
{
	if (fchdir(dir) < 0)
		die("chdir for", name);
	return lsetxattr(name, key, value, size, 0) < 0 ? -errno : 0;
}

static void set_xattr(int dir, const char *name, const char *key, const void *value, size_t size)
{
	int r = try_xattr(dir, name, key, value, size);

	if (r < 0 && !xattr_refused(-r)) {
		errno = -r;
		die(key, name);
	}
}

/* For values that exceed what some file systems have room for. */
static void set_large_xattr(int dir, const char *name, const char *key, size_t size)
{
	unsigned char *value = malloc(size);
	int r;

	if (!value)
		die("allocate", key);
	for (size_t i = 0; i < size; i++)
		value[i] = (unsigned char)noise(size, i);
	r = try_xattr(dir, name, key, value, size);
	free(value);
	if (r < 0 && !xattr_refused(-r) && r != -ENOSPC && r != -E2BIG && r != -ERANGE) {
		errno = -r;
		die(key, name);
	}
}

static void set_times(int dir, const char *name, const struct timespec times[2])
{
	if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		die("utimensat", name);
}

static struct timespec some_time(uint64_t seed, uint64_t n)
{
	return (struct timespec){
		.tv_sec = (time_t)(1000000000U + noise(seed, n) % 600000000U),
		.tv_nsec = (long)(noise(seed, n + 1) % 1000000000U),
	};
}

/* Times made from the name: access and modification apart from each other, in either order. */
static void default_times(int dir, const char *name)
{
	uint64_t seed = name_hash(name);
	struct timespec times[2] = { some_time(seed, 0), some_time(seed, 2) };

	set_times(dir, name, times);
}

static struct owner default_owner(const char *name)
{
	static const struct owner owners[] = {
		{ 0, 0 },
		{ 1000, 1000 },
		{ 0, 5 },
		{ 65534, 65534 },
		{ 65536, 70000 },
		{ 100000, 0 },
		{ 4294967290U, 1 },
		{ 2147483648U, 4294967293U },
	};

	return owners[name_hash(name) % ARRAY_SIZE(owners)];
}

/* All but xattrs; mode is not set on symlinks, which have none. */
static void finish(int dir, const char *name, mode_t mode)
{
	set_owner(dir, name, default_owner(name));
	if (!S_ISLNK(mode))
		set_mode(dir, name, mode & 07777);
	default_times(dir, name);
}

/* Entries */

static int enter(int parent, const char *name)
{
	int fd;

	if (mkdirat(parent, name, 0700) < 0)
		die("mkdir", name);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		die("open", name);
	return fd;
}

static void shut(int fd, const char *name)
{
	if (close(fd) < 0)
		die("close", name);
}

static void leave(int parent, const char *name, int fd, mode_t mode)
{
	shut(fd, name);
	finish(parent, name, S_IFDIR | mode);
}

static int create(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		die("create", name);
	return fd;
}

static void write_at(int fd, const char *name, const unsigned char *data, size_t size, off_t offset)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, data, size, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("write", name);
		data += n;
		size -= (size_t)n;
		offset += n;
	}
}

static void write_noise(int fd, const char *name, off_t offset, off_t size)
{
	uint64_t seed = name_hash(name) ^ (uint64_t)offset, n = 0;
	uint64_t words[8192];

	while (size > 0) {
		size_t chunk = sizeof(words);

		if ((off_t)chunk > size)
			chunk = (size_t)size;
		for (size_t i = 0; i * sizeof(words[0]) < chunk; i++)
			words[i] = noise(seed, n++);
		write_at(fd, name, (const unsigned char *)words, chunk, offset);
		offset += (off_t)chunk;
		size -= (off_t)chunk;
	}
}

static void make_file(int dir, const char *name, off_t size, mode_t mode)
{
	int fd = create(dir, name);

	write_noise(fd, name, 0, size);
	shut(fd, name);
	finish(dir, name, S_IFREG | mode);
}

static void make_node(int dir, const char *name, mode_t type, mode_t mode, dev_t device)
{
	if (mknodat(dir, name, type | 0600, device) < 0)
		die("mknod", name);
	finish(dir, name, type | mode);
}

static void make_symlink(int dir, const char *name, const char *target)
{
	if (symlinkat(target, dir, name) < 0)
		die("symlink", name);
	finish(dir, name, S_IFLNK);
}

static void make_link(int from, const char *old, int to, const char *new)
{
	if (linkat(from, old, to, new, 0) < 0)
		die("link", new);
}

/* The parts of the tree: each fills the directory it is given. */

static void fill_nodes(int dir)
{
	static const struct {
		const char *name;
		mode_t type, mode;
		unsigned int major, minor;
	} nodes[] = {
		{ "fifo", S_IFIFO, 0644, 0, 0 },
		{ "fifo-0000", S_IFIFO, 0, 0, 0 },
		{ "socket", S_IFSOCK, 0755, 0, 0 },
		{ "socket-setgid", S_IFSOCK, 02711, 0, 0 },
		{ "whiteout", S_IFCHR, 0, 0, 0 },
		{ "console", S_IFCHR, 0600, 5, 1 },
		{ "null", S_IFCHR, 0666, 1, 3 },
		{ "char-minor-large", S_IFCHR, 0640, 10, 1048575 },
		{ "char-major-large", S_IFCHR, 0640, 4095, 0 },
		{ "char-both-large", S_IFCHR, 01640, 4095, 1048575 },
		{ "block-zero", S_IFBLK, 0600, 0, 0 },
		{ "block-8-1", S_IFBLK, 0660, 8, 1 },
		{ "block-259-65536", S_IFBLK, 0660, 259, 65536 },
		{ "block-minor-256", S_IFBLK, 0660, 253, 256 },
		{ "block-both-large", S_IFBLK, 04660, 4095, 1048575 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		make_node(dir, nodes[i].name, nodes[i].type, nodes[i].mode,
				makedev(nodes[i].major, nodes[i].minor));
}

static void long_symlink(int dir, const char *name, size_t length)
{
	char target[4096];

	for (size_t i = 0; i < length; i++)
		target[i] = i % 17 == 16 ? '/' : (char)('a' + i % 26);
	target[length] = '\0';
	make_symlink(dir, name, target);
}

static void fill_symlinks(int dir)
{
	static const struct {
		const char *name, *target;
	} links[] = {
		{ "relative", "../sizes/1" },
		{ "absolute", "/etc/passwd" },
		{ "absolute-root", "/" },
		{ "dangling", "no/such/target" },
		{ "loop-self", "loop-self" },
		{ "loop-a", "loop-b" },
		{ "loop-b", "loop-a" },
		{ "up", ".." },
		{ "here", "." },
		{ "to-directory", "../nodes/" },
		{ "to-device", "../nodes/null" },
		{ "escapes", "../../../../../../../../../../etc" },
		{ "proc-self", "/proc/self/fd/0" },
		{ "bytes", "new\nline\ttab \\ \x80\xff %s%n" },
		{ "one", "x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		make_symlink(dir, links[i].name, links[i].target);
	/* tmpfs keeps targets below 128 bytes inline and longer ones in a page. */
	long_symlink(dir, "length-127", 127);
	long_symlink(dir, "length-128", 128);
	long_symlink(dir, "length-129", 129);
	long_symlink(dir, "length-1000", 1000);
	long_symlink(dir, "length-4095", 4095);
}

static void fill_modes(int dir)
{
	static const mode_t modes[] = { 0, 0400, 0200, 0111, 0644, 0777, 01644, 02755, 02644, 04755,
		04711, 06755, 07777, 04000 };
	char name[32];
	int sub;

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		make_file(dir, label(name, sizeof(name), "file-%04o", (int)modes[i]), 100,
				modes[i]);
		sub = enter(dir, label(name, sizeof(name), "dir-%04o", (int)modes[i]));
		make_file(sub, "child", 10, 0640);
		shut(enter(sub, "subdir"), "subdir");
		finish(sub, "subdir", S_IFDIR | 0750);
		leave(dir, label(name, sizeof(name), "dir-%04o", (int)modes[i]), sub, modes[i]);
	}
}

static void fill_owners(int dir)
{
	static const struct owner owners[] = {
		{ 0, 0 },
		{ 0, 1 },
		{ 1, 0 },
		{ 65535, 65535 },
		{ 65536, 65537 },
		{ 2147483647, 2147483648U },
		{ 4294967200U, 7 },
		{ 4294967294U, 4294967294U },
	};
	char name[32];

	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		make_file(dir, label(name, sizeof(name), "setuid-%d", (int)i), 10, 0);
		set_owner(dir, name, owners[i]);
		set_mode(dir, name, 06755);
		default_times(dir, name);
		make_symlink(dir, label(name, sizeof(name), "symlink-%d", (int)i), "setuid-0");
		set_owner(dir, name, owners[i]);
		default_times(dir, name);
	}
}

/* security.capability: cap_net_bind_service and cap_sys_time, permitted and effective. */
static const unsigned char capability_v2[] = { 1, 0, 0, 2, 0, 4, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0 };
/* The same for the user namespace whose root is uid 100000. */
static const unsigned char capability_v3[] = { 1, 0, 0, 3, 0, 4, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0xa0, 0x86, 1, 0 };

/* POSIX ACLs: user::rw-, user:1000:r--, group::r--, group:4294967290:rw-, mask::rw-, other::--- */
static const unsigned char acl_access[] = {
	2, 0, 0, 0, /* version */
	1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* user:: */
	2, 0, 4, 0, 0xe8, 3, 0, 0, /* user:1000: */
	4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, /* group:: */
	8, 0, 6, 0, 0xfa, 0xff, 0xff, 0xff, /* group:4294967290: */
	0x10, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* mask:: */
	0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* other:: */
};
/* user::rwx, group::r-x, group:5:rwx, mask::rwx, other::r-x */
static const unsigned char acl_default[] = {
	2, 0, 0, 0, /* version */
	1, 0, 7, 0, 0xff, 0xff, 0xff, 0xff, /* user:: */
	4, 0, 5, 0, 0xff, 0xff, 0xff, 0xff, /* group:: */
	8, 0, 7, 0, 5, 0, 0, 0, /* group:5: */
	0x10, 0, 7, 0, 0xff, 0xff, 0xff, 0xff, /* mask:: */
	0x20, 0, 5, 0, 0xff, 0xff, 0xff, 0xff, /* other:: */
};

static const char selinux[] = "system_u:object_r:bin_t:s0";

static void xattr_file(int dir, const char *name, mode_t mode, const char *key, const void *value,
		size_t size)
{
	make_file(dir, name, 77, mode);
	set_xattr(dir, name, key, value, size);
	default_times(dir, name);
}

/* user.* is for regular files and directories only, trusted.* and security.* for every type. */
static void xattrs_of_types(int dir)
{
	static const struct {
		const char *name;
		mode_t type;
	} types[] = {
		{ "fifo", S_IFIFO },
		{ "socket", S_IFSOCK },
		{ "char", S_IFCHR },
		{ "block", S_IFBLK },
	};

	make_symlink(dir, "symlink", "dangling");
	set_xattr(dir, "symlink", "trusted.of-symlink", "1", 1);
	set_xattr(dir, "symlink", "security.selinux", selinux, sizeof(selinux));
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		make_node(dir, types[i].name, types[i].type, 0600, makedev(1, 3));
		set_xattr(dir, types[i].name, "trusted.of-node", "\0\1\2", 3);
		set_xattr(dir, types[i].name, "security.selinux", selinux, sizeof(selinux));
		set_xattr(dir, types[i].name, "system.posix_acl_access", acl_access,
				sizeof(acl_access));
	}
}

static void xattrs_many(int dir)
{
	char key[32];

	make_file(dir, "many", 5, 0644);
	for (int i = 0; i < 40; i++) {
		label(key, sizeof(key), "user.number-%d", i);
		set_xattr(dir, "many", key, key, strlen(key));
	}
	make_file(dir, "binary", 5, 0644);
	set_large_xattr(dir, "binary", "user.binary", 2000);
	make_file(dir, "large", 5, 0644);
	set_large_xattr(dir, "large", "trusted.large", 65536);
}

/* The children must get no ACL of their own: whoever copies must not let them inherit. */
static void xattrs_of_directories(int dir)
{
	int sub = enter(dir, "default-acl");

	make_file(sub, "child", 3, 0604);
	leave(sub, "subdir", enter(sub, "subdir"), 0705);
	leave(dir, "default-acl", sub, 02770);
	set_xattr(dir, "default-acl", "system.posix_acl_default", acl_default, sizeof(acl_default));
	set_xattr(dir, "default-acl", "system.posix_acl_access", acl_access, sizeof(acl_access));

	leave(dir, "opaque", enter(dir, "opaque"), 0755);
	set_xattr(dir, "opaque", "trusted.overlay.opaque", "y", 1);
	set_xattr(dir, "opaque", "user.of-directory", "value", 5);
	set_xattr(dir, "opaque", "security.selinux", selinux, sizeof(selinux));
}

static void fill_xattrs(int dir)
{
	xattr_file(dir, "user", 0644, "user.comment", "text", 4);
	xattr_file(dir, "user-readonly", 0444, "user.comment", "text", 4);
	xattr_file(dir, "user-bytes", 0644, "user.\n \xff=%n", "\0\n\xff", 3);
	xattr_file(dir, "empty-value", 0644, "trusted.empty", "", 0);
	xattr_file(dir, "capability-v2", 0755, "security.capability", capability_v2,
			sizeof(capability_v2));
	xattr_file(dir, "capability-v3", 04755, "security.capability", capability_v3,
			sizeof(capability_v3));
	make_link(dir, "capability-v2", dir, "capability-v2-link");
	xattr_file(dir, "selinux", 0644, "security.selinux", selinux, sizeof(selinux));
	xattr_file(dir, "acl", 0644, "system.posix_acl_access", acl_access, sizeof(acl_access));
	xattr_file(dir, "acl-setuid", 06755, "system.posix_acl_access", acl_access,
			sizeof(acl_access));
	xattrs_many(dir);
	xattrs_of_types(dir);
	xattrs_of_directories(dir);
}

static void links_of_types(int dir)
{
	int sub = enter(dir, "others");

	make_symlink(dir, "symlink", "../sizes/1");
	make_node(dir, "fifo", S_IFIFO, 0600, 0);
	make_node(dir, "socket", S_IFSOCK, 0600, 0);
	make_node(dir, "char", S_IFCHR, 0600, makedev(1, 5));
	make_node(dir, "block", S_IFBLK, 0600, makedev(7, 0));
	make_file(dir, "empty", 0, 0644);
	make_file(dir, "large", 1 * MIB + 3, 0644);
	make_link(dir, "symlink", sub, "a-symlink");
	make_link(dir, "symlink", dir, "zymlink");
	make_link(dir, "fifo", sub, "fifo");
	make_link(dir, "socket", sub, "socket");
	make_link(dir, "char", sub, "char");
	make_link(dir, "block", sub, "block");
	make_link(dir, "empty", sub, "empty");
	make_link(dir, "large", sub, "large");
	leave(dir, "others", sub, 0755);
}

static void fill_links(int dir)
{
	char name[32];
	int sub;

	make_file(dir, "two-a", 3000, 0644);
	make_link(dir, "two-a", dir, "two-b");
	make_file(dir, "many", 5000, 04755);
	for (int i = 0; i < 8; i++) {
		sub = enter(dir, label(name, sizeof(name), "dir-%d", i));
		for (int k = 0; k < 25; k++)
			make_link(dir, "many", sub, label(name, sizeof(name), "many-%02d", k));
		make_link(dir, "two-a", sub, "two");
		leave(dir, label(name, sizeof(name), "dir-%d", i), sub, 0755);
	}
	links_of_types(dir);
}

static void fill_sizes(int dir)
{
	static const off_t sizes[] = {
		0,
		1,
		2,
		100,
		4095,
		4096,
		4097,
		8192,
		64 * KIB - 1,
		64 * KIB,
		64 * KIB + 1,
		128 * KIB - 1,
		128 * KIB,
		128 * KIB + 1,
		256 * KIB - 1,
		256 * KIB,
		256 * KIB + 1,
		1 * MIB + 3,
		2 * MIB,
		12 * MIB - 1,
		12 * MIB,
		12 * MIB + 1,
		20 * MIB + 5,
	};
	char name[32];

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		make_file(dir, label(name, sizeof(name), "%d", (int)sizes[i]), sizes[i], 0644);
	leave(dir, "empty-directory", enter(dir, "empty-directory"), 0755);
}

struct sparse {
	const char *name;
	off_t size;
	struct {
		off_t offset, size;
	} data[4];
};

static void make_sparse(int dir, const struct sparse *sparse)
{
	int fd = create(dir, sparse->name);

	if (ftruncate(fd, sparse->size) < 0)
		die("truncate", sparse->name);
	for (size_t i = 0; i < ARRAY_SIZE(sparse->data); i++)
		write_noise(fd, sparse->name, sparse->data[i].offset, sparse->data[i].size);
	shut(fd, sparse->name);
	finish(dir, sparse->name, S_IFREG | 0644);
}

static void make_alternating(int dir, const char *name, off_t first, off_t step, off_t size)
{
	int fd = create(dir, name);

	if (ftruncate(fd, size) < 0)
		die("truncate", name);
	for (off_t at = first; at + BLOCK <= size; at += step)
		write_noise(fd, name, at, BLOCK);
	shut(fd, name);
	finish(dir, name, S_IFREG | 0600);
}

/* Pages that exist and hold nothing but zeros, among some that do not exist. */
static void make_zeros(int dir, const char *name)
{
	static const unsigned char zeros[BLOCK];
	int fd = create(dir, name);

	if (ftruncate(fd, 10 * BLOCK) < 0)
		die("truncate", name);
	write_at(fd, name, zeros, sizeof(zeros), 0);
	write_at(fd, name, zeros, sizeof(zeros), 4 * BLOCK);
	write_noise(fd, name, 5 * BLOCK + 17, 5);
	shut(fd, name);
	finish(dir, name, S_IFREG | 0644);
}

static void fill_sparse(int dir)
{
	static const struct sparse files[] = {
		{ "hole-start", 1 * MIB, { { 1 * MIB - 3 * BLOCK, 3 * BLOCK } } },
		{ "hole-end", 1 * MIB + 7, { { 0, 5 * BLOCK } } },
		{ "hole-middle", 3 * MIB, { { 0, 1 * MIB }, { 2 * MIB, 1 * MIB } } },
		{ "hole-large-middle", 24 * MIB, { { 0, 5 * MIB }, { 19 * MIB, 5 * MIB } } },
		{ "hole-last-byte", 2 * BLOCK + 1, { { 0, 2 * BLOCK } } },
		{ "all-hole-100", 100, { { 0, 0 } } },
		{ "all-hole-page", BLOCK, { { 0, 0 } } },
		{ "all-hole-1-gib", 1 * GIB, { { 0, 0 } } },
		{ "last-page", 16 * MIB, { { 16 * MIB - BLOCK, BLOCK } } },
		{ "last-partial-page", 16 * MIB + 9, { { 16 * MIB + 1, 8 } } },
		{ "islands", 400001,
				{ { 1000, 5000 }, { 70001, 3 }, { 200000, 12345 },
						{ 399999, 1 } } },
		{ "islands-far", 1 * GIB - 1, { { 12 * MIB - 1, 2 }, { 777 * MIB + 5, 9000 } } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		make_sparse(dir, &files[i]);
	make_alternating(dir, "alternating-even", 0, 2 * BLOCK, 256 * BLOCK);
	make_alternating(dir, "alternating-odd", BLOCK, 2 * BLOCK, 100 * BLOCK);
	make_alternating(dir, "alternating-100", 3 * BLOCK, 100 * BLOCK, 16 * MIB);
	make_zeros(dir, "zeros");
	make_link(dir, "islands", dir, "islands-link");
}

static void fill_huge(int dir)
{
	static const struct sparse file = { "3-gib", 3 * GIB, { { 3 * GIB - 2 * MIB - 6, 12 } } };

	make_sparse(dir, &file);
}

static void fill_names(int dir)
{
	static const char *const names[] = {
		"new\nline",
		"\n",
		"tab\tname",
		"-rf",
		"--help",
		"-",
		"%s%n",
		"%",
		"\x80\x81\xfe\xff",
		"\xff",
		"\xc3",
		"\xc3\xa9",
		" ",
		" leading",
		"trailing ",
		"two  spaces",
		"'",
		"\"",
		"quotes'\"`",
		"back\\slash",
		"\\x41",
		"\\",
		"*",
		"?",
		"[a-z]",
		"{a,b}",
		"$HOME",
		"$(id)",
		"`id`",
		"a;b",
		"a&b",
		"a|b",
		"a>b",
		"#",
		"!",
		"~",
		"~root",
		".hidden",
		"...",
		"..hidden",
		"\x01\x1f",
		"\x7f",
		"\r",
		"\x1b[31m",
		"a:b",
		"a=b",
		"a,b",
		"CON",
		"case",
		"CASE",
	};
	char name[256];
	int sub;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		make_file(dir, names[i], (off_t)i, 0644);
	for (int byte = 'L'; byte <= 0xff; byte += 0xff - 'L') {
		memset(name, byte, 255);
		name[255] = '\0';
		sub = enter(dir, name);
		make_file(sub, name, 255, 0644);
		make_symlink(sub, "to-long", name);
		leave(dir, name, sub, 0755);
	}
	sub = enter(dir, "-dir\n*");
	make_file(sub, "-f", 1, 0644);
	leave(dir, "-dir\n*", sub, 0755);
}

static void nest(int parent, int level)
{
	char name[32];
	int dir;

	dir = enter(parent, label(name, sizeof(name), "level%03d", level));
	if (level % 100 == 99)
		make_file(dir, "file", level, 0644);
	if (level + 1 < NESTED)
		nest(dir, level + 1);
	leave(parent, name, dir, 0755);
}

static void fill_deep(int dir)
{
	nest(dir, 0);
}

static void fill_wide(int dir)
{
	char name[32];

	for (int i = 0; i < 5000; i++)
		make_file(dir, label(name, sizeof(name), "file-%04d", i), i % 97, 0644);
}

static void fill_times(int dir)
{
	static const struct {
		const char *name;
		struct timespec times[2]; /* access, modification */
	} cases[] = {
		{ "epoch", { { 0, 0 }, { 0, 0 } } },
		{ "epoch-1ns", { { 0, 1 }, { 0, 999999999 } } },
		{ "before-1970", { { -1, 999999999 }, { -1000000000, 123456789 } } },
		{ "access-first", { { 1, 1 }, { 1700000000, 100000001 } } },
		{ "access-last", { { 1700000000, 7 }, { 1600000000, 999999999 } } },
		{ "last-32-bit", { { 2147483647, 999999999 }, { 2147483647, 999999998 } } },
		{ "after-2038", { { 2147483648, 3 }, { 2147483649, 500000005 } } },
		{ "2100", { { 4102444800, 11 }, { 4102444800, 987654321 } } },
		{ "2106", { { 4294967296, 13 }, { 4294967297, 17 } } },
	};
	char name[64];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make_file(dir, cases[i].name, 9, 0644);
		set_times(dir, cases[i].name, cases[i].times);
		make_symlink(dir, label(name, sizeof(name), "symlink-%d", (int)i), cases[i].name);
		set_times(dir, name, cases[i].times);
		make_node(dir, label(name, sizeof(name), "fifo-%d", (int)i), S_IFIFO, 0644, 0);
		set_times(dir, name, cases[i].times);
		int sub = enter(dir, label(name, sizeof(name), "dir-%d", (int)i));

		make_file(sub, "child", 1, 0644);
		leave(dir, name, sub, 0755);
		set_times(dir, name, cases[i].times);
	}
}

/* Every 20th name is that of a file in the directory before. */
static void fill_many(int dir, int count)
{
	char name[32], first[32];
	int sub, before = -1;

	for (int i = 0; i < count; i += 100) {
		sub = enter(dir, label(name, sizeof(name), "dir-%05d", i / 100));
		for (int k = i; k < count && k < i + 100; k++) {
			(void)label(name, sizeof(name), "file-%d", k);
			if (k % 20 == 0 && before >= 0)
				make_link(before, label(first, sizeof(first), "file-%d", k - 99),
						sub, name);
			else
				make_file(sub, name, k * 37 % 3000, 0644);
		}
		if (before >= 0)
			shut(before, "the directory before");
		before = dup(sub);
		if (before < 0)
			die("dup", name);
		leave(dir, label(name, sizeof(name), "dir-%05d", i / 100), sub, 0755);
	}
	if (before >= 0)
		shut(before, "the last directory");
}

/* One of each kind of regular file: in chunks, with several names, with holes, with an owner. */
static void fill_few(int dir)
{
	static const struct sparse sparse = { "islands", 5 * MIB + 1,
		{ { 1000, 5000 }, { 70001, 3 }, { 3 * MIB - 1, 12345 } } };
	int sub = enter(dir, "sub"), below = enter(sub, "below");

	make_file(dir, "chunks", 5 * MIB + 3, 0644);
	make_file(dir, "chunks-setuid", 3 * MIB - 1, 04750);
	make_file(dir, "linked", 2 * MIB + 9, 0640);
	make_link(dir, "linked", sub, "linked");
	make_link(dir, "linked", below, "linked");
	make_file(below, "two-names", 5001, 0600);
	make_link(below, "two-names", dir, "two-names");
	make_file(sub, "small", 4097, 0444);
	make_file(sub, "empty", 0, 0644);
	make_file(below, "half", 128 * KIB + 1, 02755);
	make_sparse(dir, &sparse);
	leave(sub, "below", below, 0700);
	leave(dir, "sub", sub, 01777);
}

static const struct part {
	const char *name;
	mode_t mode;
	void (*fill)(int dir);
} few = { "few", 0750, fill_few }, parts[] = {
	{ "nodes", 0755, fill_nodes },
	{ "symlinks", 0755, fill_symlinks },
	{ "xattrs", 0755, fill_xattrs },
	/* The ones before are those of a small tree. */
	{ "modes", 0711, fill_modes },
	{ "owners", 0555, fill_owners },
	{ "links", 02755, fill_links },
	{ "sizes", 0755, fill_sizes },
	{ "sparse", 0700, fill_sparse },
	{ "names", 01777, fill_names },
	{ "deep", 0755, fill_deep },
	{ "wide", 0755, fill_wide },
	{ "times", 0000, fill_times },
};

static void add_part(int root, const char *name, mode_t mode, void (*fill)(int dir))
{
	int dir = enter(root, name);

	fill(dir);
	leave(root, name, dir, mode);
}

static void make_tree(const char *path, bool huge, bool dense, bool small, int many)
{
	int root = enter(AT_FDCWD, path), dir;

	if (small)
		add_part(root, few.name, few.mode, few.fill);
	for (size_t i = 0; i < (small ? SMALL_PARTS : ARRAY_SIZE(parts)); i++)
		if (!dense || parts[i].fill != fill_sparse)
			add_part(root, parts[i].name, parts[i].mode, parts[i].fill);
	if (huge)
		add_part(root, "huge", 0755, fill_huge);
	if (many > 0) {
		dir = enter(root, "many");
		fill_many(dir, many);
		leave(root, "many", dir, 0755);
	}
	/* By its descriptor: set_xattr() has changed the working directory, and DIR any name. */
	set_owner(root, ".", (struct owner){ 0, 0 });
	set_mode(root, ".", 0755);
	set_xattr(root, ".", "trusted.root", "of the tree", 11);
	set_times(root, ".", (struct timespec[2]){ { 1234567890, 1 }, { 987654321, 123456789 } });
	shut(root, path);
}

/* One descriptor is open for each level. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("getrlimit", "RLIMIT_NOFILE");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("setrlimit", "RLIMIT_NOFILE");
}

static int usage(FILE *to, int status)
{
	fputs("usage: hardtree [--huge] [--dense] [--small] [--many N] DIR\n", to);
	return status;
}

int main(int argc, char **argv)
{
	bool huge = false, dense = false, small = false;
	long many = 0;
	int i = 1;

	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		char *end = NULL;

		if (strcmp(argv[i], "--help") == 0)
			return usage(stdout, 0);
		if (strcmp(argv[i], "--huge") == 0) {
			huge = true;
			continue;
		}
		if (strcmp(argv[i], "--dense") == 0) {
			dense = true;
			continue;
		}
		if (strcmp(argv[i], "--small") == 0) {
			small = true;
			continue;
		}
		if (strcmp(argv[i], "--many") != 0 || i + 1 == argc)
			return usage(stderr, 2);
		many = strtol(argv[++i], &end, 10);
		if (*end || end == argv[i] || many < 0 || many > 10000000)
			return usage(stderr, 2);
	}
	if (i + 1 != argc)
		return usage(stderr, 2);
	umask(0);
	raise_file_limit();
	make_tree(argv[i], huge, dense, small, (int)many);
	return 0;
}
