/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "program.h"

#include "log.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SCRIPTS_MAX 5 /* the kernel follows no more #! lines */

/* The header of this program, which the linker knows. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

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

int elf_parse(const unsigned char *head, size_t length, ElfW(Ehdr) * elf)
{
	const unsigned char *own = __ehdr_start.e_ident;

	memset(elf, 0, sizeof(*elf));
	if (length < sizeof(Elf32_Ehdr) || memcmp(head, ELFMAG, SELFMAG) != 0 ||
			head[EI_DATA] != own[EI_DATA])
		return -ENOEXEC;
	if (head[EI_CLASS] == (ELFCLASS32 ^ ELFCLASS64 ^ own[EI_CLASS]))
		return 0;
	if (head[EI_CLASS] != own[EI_CLASS] || length < sizeof(*elf))
		return -ENOEXEC;
	memcpy(elf, head, sizeof(*elf));
	return elf->e_machine == __ehdr_start.e_machine && elf->e_phentsize == sizeof(ElfW(Phdr))
			       ? 0
			       : -ENOEXEC;
}

int elf_interpreter(const unsigned char *table, size_t length, size_t count, uint64_t *offset,
		uint64_t *size)
{
	ElfW(Phdr) row;

	*offset = *size = 0;
	if (length / sizeof(row) < count)
		return -ENOEXEC;
	for (size_t i = 0; i < count; i++) {
		memcpy(&row, table + i * sizeof(row), sizeof(row));
		if (row.p_type != PT_INTERP)
			continue;
		*offset = row.p_offset;
		*size = row.p_filesz;
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

static int read_elf_interpreter(
		int fd, const unsigned char *head, size_t length, char path[static PROGRAM_PATH])
{
	auto_free unsigned char *table = NULL;
	uint64_t offset = 0, size = 0;
	ElfW(Ehdr) elf;
	int result = elf_parse(head, length, &elf);
	size_t wanted = elf.e_phnum * sizeof(ElfW(Phdr));

	if (result < 0)
		return result;
	table = malloc(wanted + 1);
	if (!table)
		return -ENOMEM;
	result = read_at(fd, table, wanted, elf.e_phoff);
	if (result == 0)
		result = elf_interpreter(table, wanted, elf.e_phnum, &offset, &size);
	if (result < 0 || size == 0)
		return result;
	if (size >= PROGRAM_PATH)
		return -ENOEXEC;
	result = read_at(fd, path, (size_t)size, offset);
	path[size] = '\0';
	return result;
}

/* The interpreter of an open program, "" for none. *SCRIPT: it is one of a "#!" line. */
static int read_interpreter(int fd, char path[static PROGRAM_PATH], bool *script)
{
	unsigned char head[PROGRAM_PATH];
	ssize_t length = pread(fd, head, sizeof(head), 0);

	path[0] = '\0';
	if (length < 0)
		return -errno;
	*script = script_interpreter((const char *)head, (size_t)length, path) == 0;
	return *script ? 0 : read_elf_interpreter(fd, head, (size_t)length, path);
}

/* Where a program is looked for, and as what; for the messages, too. */
struct lookup {
	int root;
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
	result = read_interpreter(fd, interpreter, script);
	if (result < 0 && result != -ENOEXEC)
		return log_error(result, "reading %s%s in %s", path, needed_by, where);
	if (result < 0)
		return log_error(result,
				"%s%s in %s is neither a #! script nor a program for this machine "
				"(%m): name another init",
				path, needed_by, where);
	return take_fd(&fd);
}

int program_check(int root, const char *path, const char *where,
		char interpreter[static PROGRAM_PATH])
{
	char name[PROGRAM_PATH], next[PROGRAM_PATH];
	struct lookup lookup = { root, where, "" };
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
