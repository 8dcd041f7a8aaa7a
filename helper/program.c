/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "program.h"

#include "log.h"
#include "sys.h"
#include "util.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SCRIPTS_MAX 5 /* the kernel follows no more #! lines */

int script_interpreter(const char *head, size_t length, char path[static PROGRAM_PATH])
{
	size_t start = 2, end;

	if (length < 2 || memcmp(head, "#!", 2) != 0)
		return -ENOEXEC;
	while (start < length && (head[start] == ' ' || head[start] == '\t'))
		start++;
	for (end = start; end < length && !strchr(" \t\n", head[end]);) /* a NUL ends it, too */
		end++;
	if (end == start ||
			end >= PROGRAM_PATH) /* what is behind the end of a file counts as NUL */
		return -ENOEXEC;
	memcpy(path, head + start, end - start);
	path[end - start] = '\0';
	return 0;
}

int elf_parse(const unsigned char *head, size_t length, struct elf_headers *headers)
{
	static const unsigned char order =
			__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
	Elf64_Ehdr wide;
	Elf32_Ehdr narrow;

	if (length < sizeof(narrow) || memcmp(head, ELFMAG, SELFMAG) != 0 || head[EI_DATA] != order)
		return -ENOEXEC;
	headers->wide = head[EI_CLASS] == ELFCLASS64;
	if (headers->wide) {
		if (length < sizeof(wide))
			return -ENOEXEC;
		memcpy(&wide, head, sizeof(wide));
		headers->offset = wide.e_phoff;
		headers->size = wide.e_phentsize;
		headers->count = wide.e_phnum;
		headers->machine = wide.e_machine;
		return headers->size == sizeof(Elf64_Phdr) ? 0 : -ENOEXEC;
	}
	memcpy(&narrow, head, sizeof(narrow));
	headers->offset = narrow.e_phoff;
	headers->size = narrow.e_phentsize;
	headers->count = narrow.e_phnum;
	headers->machine = narrow.e_machine;
	return headers->size == sizeof(Elf32_Phdr) ? 0 : -ENOEXEC;
}

bool elf_machines_agree(unsigned a, unsigned b)
{
	static const unsigned siblings[][2] = { { EM_386, EM_X86_64 }, { EM_ARM, EM_AARCH64 },
		{ EM_PPC, EM_PPC64 }, { EM_SPARC, EM_SPARCV9 } };

	for (size_t i = 0; i < ARRAY_SIZE(siblings); i++)
		if ((a == siblings[i][0] && b == siblings[i][1]) ||
				(a == siblings[i][1] && b == siblings[i][0]))
			return true;
	return a == b;
}

int elf_interpreter(const unsigned char *table, size_t length, const struct elf_headers *headers,
		uint64_t *offset, uint64_t *size)
{
	*offset = *size = 0;
	if (length / headers->size < headers->count)
		return -ENOEXEC;
	for (size_t i = 0; i < headers->count; i++, table += headers->size) {
		Elf64_Phdr wide;
		Elf32_Phdr narrow;

		if (headers->wide) {
			memcpy(&wide, table, sizeof(wide));
		} else {
			memcpy(&narrow, table, sizeof(narrow));
			wide.p_type = narrow.p_type;
			wide.p_offset = narrow.p_offset;
			wide.p_filesz = narrow.p_filesz;
		}
		if (wide.p_type != PT_INTERP)
			continue;
		*offset = wide.p_offset;
		*size = wide.p_filesz;
		return 0;
	}
	return 0;
}

/* Reads exactly LENGTH bytes at OFFSET, or fails with -ENOEXEC: the file is cut short. */
static int read_at(int fd, void *buffer, size_t length, uint64_t offset)
{
	ssize_t got = pread(fd, buffer, length, (off_t)offset);

	return got < 0 ? -errno : (size_t)got == length ? 0 : -ENOEXEC;
}

/* Is it for the machine that this program is for? */
static bool runs_here(int proc, const struct elf_headers *headers)
{
	auto_close int self = openat(proc, "self/exe", O_RDONLY | O_CLOEXEC);
	unsigned char head[sizeof(Elf64_Ehdr)];
	struct elf_headers own;

	if (self < 0 || read_at(self, head, sizeof(head), 0) < 0 ||
			elf_parse(head, sizeof(head), &own) < 0)
		return true; /* execve will tell */
	return elf_machines_agree(own.machine, headers->machine);
}

static int read_elf_interpreter(int proc, int fd, const unsigned char *head, size_t length,
		char path[static PROGRAM_PATH])
{
	auto_free unsigned char *table = NULL;
	struct elf_headers headers;
	uint64_t offset = 0, size = 0;
	int result = elf_parse(head, length, &headers);

	if (result < 0)
		return result;
	if (!runs_here(proc, &headers))
		return -ENOEXEC;
	table = malloc(headers.count * headers.size + 1);
	if (!table)
		return -ENOMEM;
	result = read_at(fd, table, headers.count * headers.size, headers.offset);
	if (result == 0)
		result = elf_interpreter(
				table, headers.count * headers.size, &headers, &offset, &size);
	if (result < 0 || size == 0)
		return result;
	if (size >= PROGRAM_PATH)
		return -ENOEXEC;
	result = read_at(fd, path, (size_t)size, offset);
	path[size] = '\0';
	return result;
}

/* The interpreter of an open program, "" for none. *SCRIPT: it is one of a "#!" line. */
static int read_interpreter(int proc, int fd, char path[static PROGRAM_PATH], bool *script)
{
	unsigned char head[PROGRAM_PATH];
	ssize_t length = pread(fd, head, sizeof(head), 0);

	path[0] = '\0';
	if (length < 0)
		return -errno;
	*script = script_interpreter((const char *)head, (size_t)length, path) == 0;
	return *script ? 0 : read_elf_interpreter(proc, fd, head, (size_t)length, path);
}

/* Where a program is looked for, and as what; for the messages, too. */
struct lookup {
	int proc, root;
	const char *where, *needed_by;
};

static int check_file(const struct lookup *lookup, const char *path,
		char interpreter[static PROGRAM_PATH], bool *script)
{
	const char *where = lookup->where, *needed_by = lookup->needed_by;
	const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
	auto_close int fd = sys_open_in_root(lookup->root, path, flags | O_NOATIME);
	struct sys_stat st;
	int result;

	if (fd == -EPERM) /* O_NOATIME is for the owner and for root */
		fd = sys_open_in_root(lookup->root, path, flags);
	result = fd < 0 ? fd : sys_stat(fd, "", &st);
	if (result < 0)
		return log_error(result, "opening %s%s in %s: %m; name an init that is there", path,
				needed_by, where);
	if (!S_ISREG(st.mode))
		return log_error(0, "%s%s in %s is not a regular file: name an init that is one",
				path, needed_by, where);
	if (!(st.mode & 0111))
		return log_error(0, "%s%s in %s is not executable (mode %04o): chmod +x it", path,
				needed_by, where, st.mode & 07777U);
	result = read_interpreter(lookup->proc, fd, interpreter, script);
	if (result < 0 && result != -ENOEXEC)
		return log_error(result, "reading %s%s in %s", path, needed_by, where);
	if (result < 0)
		return log_error(result,
				"%s%s in %s is neither a #! script nor a program for this machine "
				"(%m): name another init",
				path, needed_by, where);
	return take_fd(&fd);
}

int program_check(int proc, int root, const char *path, const char *where,
		char interpreter[static PROGRAM_PATH])
{
	char name[PROGRAM_PATH], next[PROGRAM_PATH];
	struct lookup lookup = { proc, root, where, "" };
	bool script;
	auto_close int program = check_file(&lookup, path, next, &script);

	lookup.needed_by = " (the interpreter of init)";
	interpreter[0] = '\0';
	if (program < 0)
		return program;
	for (int scripts = 0; next[0];) {
		bool last = !script; /* what loads a program needs no loader itself */
		auto_close int fd = -1;

		if (script && ++scripts > SCRIPTS_MAX)
			return log_error(0,
					"%s in %s: its interpreters name each other; mend the #! "
					"lines",
					path, where);
		memcpy(name, next, sizeof(name));
		fd = check_file(&lookup, name, next, &script);
		if (fd < 0)
			return fd;
		memcpy(interpreter, name, sizeof(name));
		if (last)
			break;
	}
	return take_fd(&program);
}
