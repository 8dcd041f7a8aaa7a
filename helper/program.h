/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Can the kernel execute this file: the checks of execve(2) that can be made beforehand. */
#ifndef TMPFSROOT_PROGRAM_H
#define TMPFSROOT_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRAM_PATH 256 /* BINPRM_BUF_SIZE: a "#!" line is no longer */

/* Where an ELF file keeps its program headers (elf(5)): offset and sizes in bytes. */
struct elf_headers {
	uint64_t offset;
	size_t size, count;
	unsigned machine; /* EM_* */
	bool wide; /* 64 bits */
};

/* The interpreter that a "#!" line names: 0, or -ENOEXEC where HEAD begins with no such line. */
int script_interpreter(const char *head, size_t length, char path[static PROGRAM_PATH]);

/* Returns 0, or -ENOEXEC where HEAD is no ELF header of this machine's byte order. */
int elf_parse(const unsigned char *head, size_t length, struct elf_headers *headers);

/* Finds PT_INTERP in the program headers TABLE: its place in the file, *SIZE is 0 where there is
 * none (a static program). Returns 0 or -ENOEXEC. */
int elf_interpreter(const unsigned char *table, size_t length, const struct elf_headers *headers,
		uint64_t *offset, uint64_t *size);

/* Can a kernel that runs programs for machine A run those for B: the same, or its 32-bit sibling.
 */
bool elf_machines_agree(unsigned a, unsigned b);

/*
 * Checks that PATH, in the tree ROOT as its "/", leads through its symlinks to a regular file that
 * may be executed, is a "#!" script or an ELF program, and that its interpreter holds the same.
 * INTERPRETER gets the last one's path, or "". PROC is a descriptor of /proc. WHERE is the tree's
 * name in messages. Returns a descriptor of the file, or a negative errno, logged.
 */
int program_check(int proc, int root, const char *path, const char *where,
		char interpreter[static PROGRAM_PATH]);

#endif
