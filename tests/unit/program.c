// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of program: "#!" lines and ELF headers, right, wrong and cut short, as the kernel's
 * fs/binfmt_script.c and fs/binfmt_elf.c read them; and whether programs in a small tree can be
 * executed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log.h"
#include "program.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A text with its length, NULs in it included. */
#define TEXT(text) text, sizeof(text) - 1

static void script_lines(void **state)
{
	static const struct {
		const char *head;
		size_t length;
		const char *path; /* or NULL: no script */
	} tests[] = {
		{ TEXT("#!/bin/sh\n"), "/bin/sh" },
		{ TEXT("#!/bin/sh\necho\n"), "/bin/sh" },
		{ TEXT("#! /bin/sh\n"), "/bin/sh" },
		{ TEXT("#! \t \t/bin/sh\t\n"), "/bin/sh" },
		{ TEXT("#!/bin/sh -e -x\n"), "/bin/sh" },
		{ TEXT("#!/bin/sh\t-e\n"), "/bin/sh" },
		{ TEXT("#!/bin/sh -e"), "/bin/sh" },
		{ TEXT("#!/bin/sh\0 -e\n"), "/bin/sh" },
		{ TEXT("#!/bin/sh\0"), "/bin/sh" },
		{ TEXT("#!/bin/sh\r\n"), "/bin/sh\r" },
		{ TEXT("#!sh\n"), "sh" },
		{ TEXT("#!/a#!b\n"), "/a#!b" },
		{ TEXT("#!x "), "x" },
		{ TEXT(""), NULL },
		{ TEXT("#"), NULL },
		{ TEXT("!"), NULL },
		{ TEXT("#!"), NULL },
		{ TEXT("#! "), NULL },
		{ TEXT("#!\n"), NULL },
		{ TEXT("#! \t\n/bin/sh\n"), NULL },
		{ TEXT("#!\0/bin/sh\n"), NULL },
		{ TEXT("# !/bin/sh\n"), NULL },
		{ TEXT(" #!/bin/sh\n"), NULL },
		{ TEXT("!#/bin/sh\n"), NULL },
		{ TEXT("\xef\xbb\xbf#!/bin/sh\n"), NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		char path[PROGRAM_PATH] = "unset";
		int result = script_interpreter(tests[i].head, tests[i].length, path);

		if (result != (tests[i].path ? 0 : -ENOEXEC))
			fail_msg("{%s}: got %d", tests[i].head, result);
		if (tests[i].path)
			assert_string_equal(path, tests[i].path);
	}
}

/* Behind the end of a file the kernel sees NULs. */
static void script_without_newline(void **state)
{
	char path[PROGRAM_PATH] = "unset";

	(void)state;
	assert_int_equal(script_interpreter(TEXT("#!/bin/sh"), path), 0);
	assert_string_equal(path, "/bin/sh");
}

/* The kernel reads PROGRAM_PATH bytes: the path must end within them. */
static void script_lengths(void **state)
{
	static const char ends[] = { '\n', ' ', '\t', '\0' };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		for (size_t at = PROGRAM_PATH - 2; at < PROGRAM_PATH + 4; at++) {
			char head[PROGRAM_PATH + 8], path[PROGRAM_PATH];
			int result;

			memset(head, 'x', sizeof(head));
			memcpy(head, "#!/", 3);
			head[at] = ends[i];
			result = script_interpreter(head, PROGRAM_PATH, path);
			assert_int_equal(result, at < PROGRAM_PATH ? 0 : -ENOEXEC);
			if (result == 0)
				assert_int_equal(strlen(path), at - 2);
			/* More than the kernel would read does not overflow. */
			result = script_interpreter(head, sizeof(head), path);
			assert_true(result == 0 ? strlen(path) == at - 2 : result == -ENOEXEC);
		}
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ORDER_OURS  ELFDATA2LSB
#define ORDER_OTHER ELFDATA2MSB
#else
#define ORDER_OURS  ELFDATA2MSB
#define ORDER_OTHER ELFDATA2LSB
#endif

#ifdef __LP64__
#define CLASS_OURS  ELFCLASS64
#define CLASS_OTHER ELFCLASS32
#else
#define CLASS_OURS  ELFCLASS32
#define CLASS_OTHER ELFCLASS64
#endif

/* Of the program that is running; a header of 64 bits has the same two bytes there. */
static uint16_t own_machine(void)
{
	auto_close int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	uint16_t machine;

	assert_int_equal(pread(self, &machine, 2, offsetof(Elf32_Ehdr, e_machine)), 2);
	return machine;
}

/* A header of this machine's class, which has one program header behind it. */
static ElfW(Ehdr) make_elf(void)
{
	return (ElfW(Ehdr)){ .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, CLASS_OURS,
					     ORDER_OURS, EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = own_machine(),
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(ElfW(Ehdr)),
		.e_ehsize = sizeof(ElfW(Ehdr)),
		.e_phentsize = sizeof(ElfW(Phdr)),
		.e_phnum = 1 };
}

static void elf_header_right(void **state)
{
	ElfW(Ehdr) head = make_elf(), elf;

	(void)state;
	assert_int_equal(elf_parse((unsigned char *)&head, sizeof(head), &elf), 0);
	assert_memory_equal(&elf, &head, sizeof(elf));
}

/* It is the kernel's to say whether it runs them. */
static void elf_header_of_the_other_class(void **state)
{
	ElfW(Ehdr) head = make_elf(), elf;

	(void)state;
	head.e_ident[EI_CLASS] = CLASS_OTHER;
	head.e_machine = EM_VAX;
	assert_int_equal(elf_parse((unsigned char *)&head, sizeof(Elf32_Ehdr), &elf), 0);
	assert_int_equal(elf.e_phnum, 0);
}

/* Cut to any length: read by bytes that are its own, so that a sanitizer sees one too many. */
static void elf_header_cut(void **state)
{
	ElfW(Ehdr) head = make_elf(), elf;

	(void)state;
	for (size_t length = 0; length < sizeof(head); length++) {
		unsigned char *cut = malloc(length + !length);

		memcpy(cut, &head, length);
		assert_int_equal(elf_parse(cut, length, &elf), -ENOEXEC);
		free(cut);
	}
}

/* Of a size that one byte holds, where that byte is. */
#define LOW(field)                                                                                 \
	(offsetof(ElfW(Ehdr), field) +                                                             \
			(ORDER_OURS == ELFDATA2MSB ? sizeof(((ElfW(Ehdr) *)NULL)->field) - 1 : 0))

/* One byte of a header changed. */
static void elf_header_wrong(void **state)
{
	static const struct {
		size_t at;
		unsigned char byte;
	} tests[] = {
		{ 0, 0 },
		{ 3, 'f' },
		{ EI_CLASS, ELFCLASSNONE },
		{ EI_CLASS, 3 },
		{ EI_CLASS, 255 },
		{ EI_DATA, ORDER_OTHER },
		{ EI_DATA, ELFDATANONE },
		{ EI_DATA, 3 },
		{ LOW(e_machine), EM_VAX },
		{ LOW(e_phentsize), 0 },
		{ LOW(e_phentsize), 1 },
		{ LOW(e_phentsize), 40 },
		{ LOW(e_phentsize), 255 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		ElfW(Ehdr) head = make_elf(), elf;

		((unsigned char *)&head)[tests[i].at] = tests[i].byte;
		if (elf_parse((unsigned char *)&head, sizeof(head), &elf) != -ENOEXEC)
			fail_msg("row %zu: was taken", i);
	}
}

#define ROWS 4

/* A table of program headers, of these types; the place of number N is 1000 N, its size 10 N. */
static void make_table(const uint32_t types[static ROWS], ElfW(Phdr) table[static ROWS])
{
	for (unsigned i = 0; i < ROWS; i++)
		table[i] = (ElfW(Phdr)){
			.p_type = types[i], .p_offset = 1000 * i, .p_filesz = 10 * i
		};
}

static void elf_tables(void **state)
{
	static const struct {
		uint32_t types[ROWS];
		size_t count;
		unsigned found; /* row, 0 for none */
	} tests[] = {
		{ { PT_PHDR, PT_INTERP, PT_LOAD, PT_LOAD }, ROWS, 1 },
		{ { PT_PHDR, PT_LOAD, PT_LOAD, PT_INTERP }, ROWS, 3 },
		{ { PT_PHDR, PT_LOAD, PT_INTERP, PT_INTERP }, ROWS, 2 },
		{ { PT_PHDR, PT_LOAD, PT_LOAD, PT_DYNAMIC }, ROWS, 0 },
		{ { PT_PHDR, PT_LOAD, PT_LOAD, PT_INTERP }, ROWS - 1, 0 },
		{ { PT_PHDR, PT_LOAD, PT_LOAD, PT_INTERP }, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		size_t count = tests[i].count, length = count * sizeof(ElfW(Phdr));
		ElfW(Phdr) all[ROWS];
		unsigned char *table =
				malloc(length + !length); /* what is not counted is not there */
		uint64_t offset = 1, size = 1;

		make_table(tests[i].types, all);
		memcpy(table, all, length);
		assert_int_equal(elf_interpreter(table, length, count, &offset, &size), 0);
		assert_true(offset == 1000 * tests[i].found && size == 10 * tests[i].found);
		free(table);
	}
}

static void elf_tables_too_short(void **state)
{
	static const uint32_t types[ROWS] = { PT_PHDR, PT_LOAD, PT_LOAD, PT_INTERP };
	static const size_t counts[] = { 65535, SIZE_MAX / sizeof(ElfW(Phdr)) + 2 };
	ElfW(Phdr) table[ROWS];
	const unsigned char *bytes = (const unsigned char *)table;
	uint64_t offset, size;

	(void)state;
	make_table(types, table);
	for (size_t length = 0; length < sizeof(table); length++)
		assert_int_equal(elf_interpreter(bytes, length, ROWS, &offset, &size), -ENOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(counts);
			i++) /* the second times the size is small again */
		assert_int_equal(elf_interpreter(bytes, sizeof(table), counts[i], &offset, &size),
				-ENOEXEC);
}

static void put_file(int root, const char *path, const void *content, size_t length, mode_t mode)
{
	auto_close int fd = openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, content, length), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

struct elf_file {
	const char *path, *interpreter; /* NULL: it is static */
	size_t size; /* of the interpreter's name, as the table has it */
	size_t table; /* bytes of the table that are in the file */
	uint16_t machine;
};

/* An ELF program of this machine's class, its table, and at the end the interpreter's name. */
static void put_elf(int root, const struct elf_file *file)
{
	unsigned char content[4096] = { 0 };
	ElfW(Ehdr) elf = make_elf();
	ElfW(Phdr) row = { .p_type = file->interpreter ? PT_INTERP : PT_LOAD,
		.p_offset = sizeof(elf) + sizeof(row),
		.p_filesz = file->size };
	size_t length = sizeof(elf) + (file->table < sizeof(row) ? file->table : sizeof(row));

	elf.e_machine = file->machine;
	memcpy(content, &elf, sizeof(elf));
	memcpy(content + sizeof(elf), &row, sizeof(row));
	if (file->interpreter && file->table >= sizeof(row)) {
		assert_true(length + strlen(file->interpreter) < sizeof(content));
		strcpy((char *)content + length, file->interpreter);
		length += strlen(file->interpreter) + 1;
	}
	put_file(root, file->path, content, length, 0755);
}

static void put_elves(int root)
{
	const uint16_t own = own_machine();
	const struct elf_file files[] = {
		{ "bin/static", NULL, 0, SIZE_MAX, own },
		{ "bin/dynamic", "/bin/static", 12, SIZE_MAX, own },
		{ "bin/orphan", "/bin/missing", 13, SIZE_MAX, own },
		{ "bin/cut_table", "/bin/static", 12, 20, own },
		{ "bin/cut_interpreter", "/bin/static", 100, SIZE_MAX, own },
		{ "bin/long_interpreter", "/bin/static", PROGRAM_PATH, SIZE_MAX, own },
		{ "bin/foreign", NULL, 0, SIZE_MAX, EM_VAX },
		{ "bin/foreign_interpreter", "/bin/foreign", 13, SIZE_MAX, own },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		put_elf(root, &files[i]);
}

static void put_scripts(int root)
{
	put_file(root, "script", TEXT("#!/bin/static -e\n"), 0755);
	put_file(root, "relative", TEXT("#!bin/static\n"), 0755);
	put_file(root, "outside", TEXT("#!/../../bin/static\n"), 0755);
	put_file(root, "orphan", TEXT("#!/bin/missing\n"), 0755);
	put_file(root, "windows", TEXT("#!/bin/static\r\n"), 0755);
	put_file(root, "to_directory", TEXT("#!/bin\n"), 0755);
	put_file(root, "to_data", TEXT("#!/data\n"), 0755);
	put_file(root, "circle", TEXT("#!/circle\n"), 0755);
	put_file(root, "s1", TEXT("#!/bin/static\n"), 0755);
	put_file(root, "s2", TEXT("#!/s1\n"), 0755);
	put_file(root, "s3", TEXT("#!/s2\n"), 0755);
	put_file(root, "s4", TEXT("#!/s3\n"), 0755);
	put_file(root, "s5", TEXT("#!/s4\n"), 0755);
	put_file(root, "s6", TEXT("#!/s5\n"), 0755);
	put_file(root, "d1", TEXT("#!/bin/dynamic\n"), 0755);
	put_file(root, "d2", TEXT("#!/d1\n"), 0755);
	put_file(root, "d3", TEXT("#!/d2\n"), 0755);
	put_file(root, "d4", TEXT("#!/d3\n"), 0755);
	put_file(root, "d5", TEXT("#!/d4\n"), 0755);
}

static void put_others(int root)
{
	put_file(root, "data", TEXT("data\n"), 0755);
	put_file(root, "empty", "", 0, 0755);
	put_file(root, "not_executable", TEXT("#!/bin/static\n"), 0644);
	put_elves(root);
	assert_int_equal(symlinkat("/bin/dynamic", root, "absolute"), 0);
	assert_int_equal(symlinkat("../../../bin/dynamic", root, "bin/up"), 0);
	assert_int_equal(symlinkat("absolute", root, "twice"), 0);
	assert_int_equal(symlinkat("loop", root, "loop"), 0);
	assert_int_equal(symlinkat("/nowhere", root, "dangling"), 0);
	assert_int_equal(mkfifoat(root, "fifo", 0755), 0);
}

struct tree {
	char path[32];
	int root;
};

static int make_tree(void **state)
{
	struct tree *tree = malloc(sizeof(*tree));

	assert_non_null(tree);
	strcpy(tree->path, "/tmp/program.XXXXXX");
	assert_non_null(mkdtemp(tree->path));
	tree->root = open(tree->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(tree->root >= 0);
	assert_int_equal(mkdirat(tree->root, "bin", 0755), 0);
	put_scripts(tree->root);
	put_others(tree->root);
	*state = tree;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *place)
{
	(void)st, (void)type, (void)place;
	return remove(path);
}

static int remove_tree_again(void **state)
{
	struct tree *tree = *state;

	close_fd(&tree->root);
	assert_int_equal(nftw(tree->path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(tree);
	return 0;
}

/* A valgrind may be older than the call. */
static bool has_openat2(const struct tree *tree)
{
	char interpreter[PROGRAM_PATH];
	auto_close int fd = program_check(tree->root, "/bin/static", "the tree", interpreter);

	if (fd == -ENOSYS)
		print_message("# not tested: there is no openat2 here\n");
	return fd != -ENOSYS;
}

static void programs(void **state)
{
	static const struct {
		const char *path;
		int result; /* 0, or what it fails with */
		const char *interpreter;
	} tests[] = {
		{ "/bin/static", 0, "" },
		{ "bin/static", 0, "" },
		{ "/../bin/static", 0, "" },
		{ "/bin/dynamic", 0, "/bin/static" },
		{ "/absolute", 0, "/bin/static" },
		{ "/twice", 0, "/bin/static" },
		{ "/bin/up", 0, "/bin/static" },
		{ "/script", 0, "/bin/static" },
		{ "/relative", 0, "bin/static" },
		{ "/outside", 0, "/../../bin/static" },
		{ "/s5", 0, "/bin/static" },
		{ "/s6", -EINVAL, NULL },
		{ "/d4", 0, "/bin/static" },
		{ "/circle", -EINVAL, NULL },
		{ "/orphan", -ENOENT, NULL },
		{ "/windows", -ENOENT, NULL },
		{ "/to_directory", -EINVAL, NULL },
		{ "/to_data", -ENOEXEC, NULL },
		{ "/bin/orphan", -ENOENT, NULL },
		{ "/bin/cut_table", -ENOEXEC, NULL },
		{ "/bin/cut_interpreter", -ENOEXEC, NULL },
		{ "/bin/long_interpreter", -ENOEXEC, NULL },
		{ "/bin/foreign", -ENOEXEC, NULL },
		{ "/bin/foreign_interpreter", -ENOEXEC, NULL },
		{ "/data", -ENOEXEC, NULL },
		{ "/empty", -ENOEXEC, NULL },
		{ "/not_executable", -EINVAL, NULL },
		{ "/missing", -ENOENT, NULL },
		{ "/dangling", -ENOENT, NULL },
		{ "/loop", -ELOOP, NULL },
		{ "/data/x", -ENOTDIR, NULL },
		{ "/bin/static/", -ENOTDIR, NULL },
		{ "/bin", -EINVAL, NULL },
		{ "/", -EINVAL, NULL },
		{ "/fifo", -EINVAL, NULL },
	};
	const struct tree *tree = *state;

	if (!has_openat2(tree))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		char interpreter[PROGRAM_PATH] = "unset";
		auto_close int fd =
				program_check(tree->root, tests[i].path, "the tree", interpreter);

		if (tests[i].result ? fd != tests[i].result : fd < 0)
			fail_msg("%s: got %d, expected %d", tests[i].path, fd, tests[i].result);
		if (!tests[i].result)
			assert_string_equal(interpreter, tests[i].interpreter);
	}
}

/* The kernel follows five "#!" lines; the dynamic loader behind them does not count. */
static void script_of_a_dynamic_program(void **state)
{
	const struct tree *tree = *state;
	char interpreter[PROGRAM_PATH];
	auto_close int fd = program_check(tree->root, "/d5", "the tree", interpreter);

	if (!has_openat2(tree))
		return;
	assert_true(fd >= 0);
	assert_string_equal(interpreter, "/bin/static");
}

/* The descriptor is that of the program, not of its interpreter, and is not passed on. */
static void program_descriptor(void **state)
{
	const struct tree *tree = *state;
	char interpreter[PROGRAM_PATH];
	auto_close int fd = program_check(tree->root, "/script", "the tree", interpreter);
	struct stat got, expected;

	if (!has_openat2(tree))
		return;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &got), 0);
	assert_int_equal(fstatat(tree->root, "script", &expected, 0), 0);
	assert_true(got.st_ino == expected.st_ino);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(script_lines),
		cmocka_unit_test(script_without_newline),
		cmocka_unit_test(script_lengths),
		cmocka_unit_test(elf_header_right),
		cmocka_unit_test(elf_header_of_the_other_class),
		cmocka_unit_test(elf_header_cut),
		cmocka_unit_test(elf_header_wrong),
		cmocka_unit_test(elf_tables),
		cmocka_unit_test(elf_tables_too_short),
		cmocka_unit_test_setup_teardown(programs, make_tree, remove_tree_again),
		cmocka_unit_test_setup_teardown(
				script_of_a_dynamic_program, make_tree, remove_tree_again),
		cmocka_unit_test_setup_teardown(program_descriptor, make_tree, remove_tree_again),
	};

	log_set_level((enum log_level)0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
