// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dumptree: prints a canonical description of a directory tree, to compare trees with diff(1).
 *
 * One line an entry, sorted bytewise by path. Left out is what depends on the file system and not
 * on the tree: inode numbers, ctime, allocated blocks, and directories' sizes and link counts.
 * Other file systems mounted below DIR are named and not entered.
 *
 * Nothing is changed: access times stay (that of a symlink, which no flag protects from
 * readlink(2), is put back), and no hole is read. On ramfs reading a hole would allocate its pages,
 * which reclaim does not give back, and lseek(2) sees no holes, so mincore(2) tells what exists.
 */
#define _FILE_OFFSET_BITS 64
#define _TIME_BITS	  64
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define RAMFS_TYPE    0x858458f6U
#define WINDOW	      ((off_t)64 << 20)
#define BLOCK	      4096
#define EXTENTS_SHOWN 64

struct entry {
	char *path;
	char *fields;
	ino_t inode; /* 0 where it is the only name */
	size_t position;
	const struct entry *first; /* in its hard link group */
};

struct extents {
	struct {
		off_t start, end;
	} * list;
	size_t count;
};

struct hash {
	uint64_t a, b;
};

struct dump {
	struct entry *entries;
	size_t count, allocated;
	char *const *excluded;
	size_t excluded_count;
	dev_t device;
	bool ramfs, atime;
	off_t page;
};

static void die(const char *op, const char *name)
{
	fprintf(stderr, "dumptree: %s %s: %s\n", op, name, strerror(errno));
	exit(1);
}

static void *grow(void *list, size_t count, size_t size)
{
	void *grown = reallocarray(list, count, size);

	if (!grown)
		die("allocate", "memory");
	return grown;
}

static void put_escaped(FILE *out, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c <= ' ' || c >= 0x7f || c == '\\')
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
}

/* Two hashes of 64 bits, each near to one kind of FNV, but of eight bytes at once: the shifts take
 * the high bits to the low ones. */
static void hash_word(struct hash *hash, uint64_t word)
{
	hash->a = (hash->a ^ word) * 0x100000001b3U;
	hash->a ^= hash->a >> 29;
	hash->b = (hash->b * 0x100000001b3U) ^ word;
	hash->b = hash->b << 27 | hash->b >> 37;
}

static void hash_bytes(struct hash *hash, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	uint64_t word;

	for (; size >= sizeof(word); bytes += sizeof(word), size -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash_word(hash, word);
	}
	for (; size > 0; size--)
		hash_word(hash, *bytes++);
}

static struct hash hash_start(void)
{
	return (struct hash){ 0xcbf29ce484222325U, 0x9e3779b97f4a7c15U };
}

static void put_hash(FILE *out, const struct hash *hash)
{
	fprintf(out, "%016llx%016llx", (unsigned long long)hash->a, (unsigned long long)hash->b);
}

/* Which parts of a file are data */

/* Adds a range in whole pages; it may touch the one before. */
static void add_extent(struct extents *extents, off_t start, off_t end, off_t page)
{
	start -= start % page;
	end += (page - end % page) % page;
	if (extents->count > 0 && extents->list[extents->count - 1].end >= start) {
		extents->list[extents->count - 1].end = end;
		return;
	}
	extents->list = grow(extents->list, extents->count + 1, sizeof(*extents->list));
	extents->list[extents->count].start = start;
	extents->list[extents->count].end = end;
	extents->count++;
}

static void find_by_seek(int fd, const char *path, off_t size, off_t page, struct extents *extents)
{
	off_t start, end = 0;

	while (end < size) {
		start = lseek(fd, end, SEEK_DATA);
		if (start < 0 && errno == ENXIO)
			return;
		if (start < 0)
			die("seek data", path);
		end = lseek(fd, start, SEEK_HOLE);
		if (end < 0)
			die("seek hole", path);
		add_extent(extents, start, end, page);
	}
}

/* The mapping is never touched: a page fault would allocate as read(2) does. */
static void find_in_window(int fd, const char *path, off_t offset, size_t size, size_t page,
		struct extents *extents)
{
	size_t pages = (size + page - 1) / page;
	unsigned char *present = grow(NULL, pages, 1);
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, offset);

	if (map == MAP_FAILED)
		die("mmap", path);
	if (mincore(map, size, present) < 0)
		die("mincore", path);
	if (munmap(map, size) < 0)
		die("munmap", path);
	for (size_t i = 0; i < pages; i++)
		if (present[i] & 1)
			add_extent(extents, offset + (off_t)(i * page),
					offset + (off_t)((i + 1) * page), (off_t)page);
	free(present);
}

static void find_by_mincore(
		int fd, const char *path, off_t size, off_t page, struct extents *extents)
{
	for (off_t at = 0; at < size; at += WINDOW)
		find_in_window(fd, path, at, (size_t)(size - at < WINDOW ? size - at : WINDOW),
				(size_t)page, extents);
}

/* The lines that are printed */

static void read_fully(int fd, const char *path, unsigned char *buffer, size_t size, off_t at)
{
	for (size_t got = 0; got < size;) {
		ssize_t n = pread(fd, buffer + got, size - got, at + (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			die("read", path);
		got += (size_t)n;
	}
}

/* The blocks that are not all zeros, with their offsets: the same whatever is a hole. */
static void hash_blocks(struct hash *hash, const unsigned char *data, size_t size, off_t at)
{
	static const unsigned char zeros[BLOCK];

	for (size_t i = 0; i < size; i += BLOCK) {
		size_t length = size - i < BLOCK ? size - i : BLOCK;

		if (memcmp(data + i, zeros, length) == 0)
			continue;
		hash_word(hash, (uint64_t)at + i);
		hash_bytes(hash, data + i, length);
	}
}

static void hash_content(int fd, const char *path, off_t at, off_t end, struct hash *hash)
{
	static unsigned char buffer[16 * BLOCK];

	while (at < end) {
		size_t size = sizeof(buffer);

		if ((off_t)size > end - at)
			size = (size_t)(end - at);
		read_fully(fd, path, buffer, size, at);
		hash_blocks(hash, buffer, size, at);
		at += (off_t)size;
	}
}

static void put_extents(FILE *out, const struct extents *extents, off_t size)
{
	struct hash hash = hash_start();

	if (size == 0 || (extents->count == 1 && extents->list[0].start == 0 &&
					 extents->list[0].end >= size)) {
		fputs(" data=all", out);
		return;
	}
	fputs(extents->count == 0 ? " data=none" : " data=", out);
	for (size_t i = 0; i < extents->count; i++) {
		long long start = extents->list[i].start, end = extents->list[i].end;

		hash_word(&hash, (uint64_t)start);
		hash_word(&hash, (uint64_t)end);
		if (extents->count <= EXTENTS_SHOWN)
			fprintf(out, "%s%lld+%lld", i > 0 ? "," : "", start, end - start);
	}
	if (extents->count > EXTENTS_SHOWN) {
		fprintf(out, "%zu:", extents->count);
		put_hash(out, &hash);
	}
}

/* O_NOATIME is for the owner and for CAP_FOWNER. */
static int open_quietly(int dir, const char *name, int flags)
{
	int fd;

	flags |= O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	fd = openat(dir, name, flags | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = openat(dir, name, flags);
	return fd;
}

static void put_content(const struct dump *dump, FILE *out, int dir, const char *name,
		const char *path, off_t size)
{
	struct extents extents = { NULL, 0 };
	struct hash hash = hash_start();
	int fd = open_quietly(dir, name, 0);

	if (fd < 0)
		die("open", path);
	if (dump->ramfs)
		find_by_mincore(fd, path, size, dump->page, &extents);
	else
		find_by_seek(fd, path, size, dump->page, &extents);
	for (size_t i = 0; i < extents.count; i++)
		hash_content(fd, path, extents.list[i].start,
				extents.list[i].end < size ? extents.list[i].end : size, &hash);
	if (close(fd) < 0)
		die("close", path);
	put_extents(out, &extents, size);
	fputs(" sum=", out);
	put_hash(out, &hash);
	free(extents.list);
}

static void put_target(
		FILE *out, int dir, const char *name, const char *path, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, { .tv_nsec = UTIME_OMIT } };
	char target[4097];
	ssize_t size = readlinkat(dir, name, target, sizeof(target));

	if (size < 0)
		die("readlink", path);
	if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 && errno != EROFS &&
			errno != EPERM && errno != EACCES)
		die("utimensat", path);
	fputs(" target=", out);
	put_escaped(out, target, (size_t)size);
}

static void put_xattr(FILE *out, const char *name, const char *path, const char *key)
{
	static unsigned char value[65536]; /* XATTR_SIZE_MAX */
	ssize_t size = lgetxattr(name, key, value, sizeof(value));

	if (size < 0)
		die("getxattr", path);
	fputs(" xattr:", out);
	put_escaped(out, key, strlen(key));
	fputc('=', out);
	for (ssize_t i = 0; i < size; i++)
		fprintf(out, "%02x", value[i]);
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* There is no listxattrat(2) before Linux 6.13, so the directory becomes the working directory. */
static void put_xattrs(FILE *out, int dir, const char *name, const char *path)
{
	static char list[65536]; /* XATTR_LIST_MAX */
	char **keys = NULL;
	size_t count = 0;
	ssize_t size;

	if (fchdir(dir) < 0)
		die("chdir for", path);
	size = llistxattr(name, list, sizeof(list));
	if (size < 0 && errno != ENOTSUP)
		die("listxattr", path);
	for (char *key = list; size > 0 && key < list + size; key += strlen(key) + 1) {
		keys = grow(keys, count + 1, sizeof(*keys));
		keys[count++] = key;
	}
	if (count > 0)
		qsort(keys, count, sizeof(*keys), compare_strings);
	for (size_t i = 0; i < count; i++)
		put_xattr(out, name, path, keys[i]);
	free(keys);
}

static char type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return 'f';
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	default:
		return '?';
	}
}

static void put_time(FILE *out, const char *key, const struct timespec *time)
{
	fprintf(out, " %s=%lld.%09ld", key, (long long)time->tv_sec, (long)time->tv_nsec);
}

static void put_stat(const struct dump *dump, FILE *out, const struct stat *st)
{
	fprintf(out, " %c mode=%04o uid=%lu gid=%lu", type_letter(st->st_mode),
			(unsigned int)st->st_mode & 07777, (unsigned long)st->st_uid,
			(unsigned long)st->st_gid);
	if (!S_ISDIR(st->st_mode))
		fprintf(out, " nlink=%lu size=%lld", (unsigned long)st->st_nlink,
				(long long)st->st_size);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		fprintf(out, " rdev=%u:%u", (unsigned int)major(st->st_rdev),
				(unsigned int)minor(st->st_rdev));
	put_time(out, "mtime", &st->st_mtim);
	if (dump->atime)
		put_time(out, "atime", &st->st_atim);
}

static void put_fields(const struct dump *dump, FILE *out, int dir, const char *name,
		const char *path, const struct stat *st)
{
	if (st->st_dev != dump->device) {
		fputs(" mount", out);
		return;
	}
	put_stat(dump, out, st);
	if (S_ISLNK(st->st_mode))
		put_target(out, dir, name, path, st);
	put_xattrs(out, dir, name, path);
	if (S_ISREG(st->st_mode))
		put_content(dump, out, dir, name, path, st->st_size);
}

/* The walk */

static void add_entry(
		struct dump *dump, int dir, const char *name, char *path, const struct stat *st)
{
	bool linked = st->st_dev == dump->device && !S_ISDIR(st->st_mode) && st->st_nlink > 1;
	char *fields = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&fields, &size);

	if (!out)
		die("allocate", path);
	put_fields(dump, out, dir, name, path, st);
	if (ferror(out) || fclose(out) != 0)
		die("format", path);
	if (dump->count == dump->allocated) {
		dump->allocated = dump->allocated * 2 + 64;
		dump->entries = grow(dump->entries, dump->allocated, sizeof(*dump->entries));
	}
	dump->entries[dump->count++] = (struct entry){
		.path = path,
		.fields = fields,
		.inode = linked ? st->st_ino : 0,
	};
}

static bool is_excluded(const struct dump *dump, const char *path)
{
	for (size_t i = 0; i < dump->excluded_count; i++)
		if (strcmp(dump->excluded[i], path) == 0)
			return true;
	return false;
}

static char *join(const char *parent, const char *name)
{
	size_t length = strlen(parent);
	char *path;

	if (strcmp(parent, ".") == 0)
		length = 0;
	path = grow(NULL, length + strlen(name) + 2, 1);
	if (length > 0) {
		memcpy(path, parent, length);
		path[length++] = '/';
	}
	strcpy(path + length, name);
	return path;
}

static void walk(struct dump *dump, int dir, const char *name, char *path);

static void walk_children(struct dump *dump, int dir, const char *name, const char *path)
{
	int fd = open_quietly(dir, name, O_DIRECTORY);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *child;

	if (!stream)
		die("open", path);
	while (errno = 0, (child = readdir(stream))) {
		char *child_path;

		if (strcmp(child->d_name, ".") == 0 || strcmp(child->d_name, "..") == 0)
			continue;
		child_path = join(path, child->d_name);
		if (is_excluded(dump, child_path))
			free(child_path);
		else
			walk(dump, fd, child->d_name, child_path);
	}
	if (errno != 0)
		die("readdir", path);
	if (closedir(stream) < 0)
		die("close", path);
}

/* Takes over path. */
static void walk(struct dump *dump, int dir, const char *name, char *path)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		die("stat", path);
	add_entry(dump, dir, name, path, &st);
	if (S_ISDIR(st.st_mode) && st.st_dev == dump->device)
		walk_children(dump, dir, name, path);
}

/* The output */

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static int compare_inodes(const void *a, const void *b)
{
	const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;

	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return x->position < y->position ? -1 : x->position > y->position;
}

/* Expects the entries sorted by path; points each of a hard link group to the first of it. */
static void find_links(struct dump *dump)
{
	struct entry **linked = grow(NULL, dump->count, sizeof(struct entry *));
	size_t count = 0;

	for (size_t i = 0; i < dump->count; i++) {
		dump->entries[i].position = i;
		if (dump->entries[i].inode != 0)
			linked[count++] = &dump->entries[i];
	}
	qsort(linked, count, sizeof(struct entry *), compare_inodes);
	for (size_t i = 0; i < count; i++)
		linked[i]->first = i > 0 && linked[i - 1]->inode == linked[i]->inode
						   ? linked[i - 1]->first
						   : linked[i];
	free(linked);
}

static void print_entries(const struct dump *dump)
{
	for (size_t i = 0; i < dump->count; i++) {
		const struct entry *entry = &dump->entries[i];

		put_escaped(stdout, entry->path, strlen(entry->path));
		fputs(entry->fields, stdout);
		if (entry->first) {
			fputs(" link=", stdout);
			put_escaped(stdout, entry->first->path, strlen(entry->first->path));
		}
		putchar('\n');
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		die("write", "standard output");
}

static void free_entries(struct dump *dump)
{
	for (size_t i = 0; i < dump->count; i++) {
		free(dump->entries[i].path);
		free(dump->entries[i].fields);
	}
	free(dump->entries);
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

/* Returns a descriptor of the directory, and learns what it is on. It is not read through this. */
static int open_root(struct dump *dump, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	struct stat st;

	if (fd < 0)
		die("open", path);
	if (fstat(fd, &st) < 0)
		die("stat", path);
	if (fstatfs(fd, &fs) < 0)
		die("statfs", path);
	dump->device = st.st_dev;
	dump->ramfs = (uint32_t)fs.f_type == RAMFS_TYPE;
	dump->page = (off_t)sysconf(_SC_PAGESIZE);
	if (dump->page <= 0)
		die("sysconf", "_SC_PAGESIZE");
	return fd;
}

static int usage(FILE *to, int status)
{
	fputs("usage: dumptree [--no-atime] [--exclude NAME]... DIR\n"
	      "NAME is a path relative to DIR; what is below it is left out as well.\n",
			to);
	return status;
}

int main(int argc, char **argv)
{
	char **excluded = grow(NULL, (size_t)argc, sizeof(char *));
	struct dump dump = { .atime = true, .excluded = excluded };
	int i = 1, fd;

	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return usage(stdout, 0);
		if (strcmp(argv[i], "--no-atime") == 0)
			dump.atime = false;
		else if (strcmp(argv[i], "--exclude") == 0 && i + 1 < argc)
			excluded[dump.excluded_count++] = argv[++i];
		else
			return usage(stderr, 2);
	}
	if (i + 1 != argc)
		return usage(stderr, 2);
	raise_file_limit();
	fd = open_root(&dump, argv[i]);
	walk(&dump, fd, ".", join(".", "."));
	if (close(fd) < 0)
		die("close", argv[i]);
	qsort(dump.entries, dump.count, sizeof(*dump.entries), compare_paths);
	find_links(&dump);
	print_entries(&dump);
	free_entries(&dump);
	free(excluded);
	return 0;
}
