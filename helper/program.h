/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Can the kernel execute this file: the checks of execve(2) that can be made beforehand. */
#ifndef TMPFSROOT_PROGRAM_H
#define TMPFSROOT_PROGRAM_H

#include <link.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRAM_PATH 256 /* BINPRM_BUF_SIZE: a "#!" line is no longer */

/* The interpreter that a "#!" line names: 0, or -ENOEXEC where HEAD begins with no such line. */
int script_interpreter(const char *head, size_t length, char path[static PROGRAM_PATH]);

/* Returns 0, or -ENOEXEC where HEAD is no ELF header (elf(5)) of this program's machine. One of the
 * other class, 32 bits beside 64, leaves *ELF empty: execve(2) will tell. */
int elf_parse(const unsigned char *head, size_t length, ElfW(Ehdr) * elf);

/* Finds PT_INTERP in the COUNT program headers of TABLE: its place in the file, *SIZE is 0 where
 * there is none (a static program). Returns 0 or -ENOEXEC. */
int elf_interpreter(const unsigned char *table, size_t length, size_t count, uint64_t *offset,
		uint64_t *size);

/*
 * Checks that PATH, in the tree ROOT as its "/", leads through its symlinks to a regular file that
 * may be executed, is a "#!" script or an ELF program, and that its interpreter holds the same.
 * INTERPRETER gets the last one's path, or "". WHERE is the tree's name in messages. Returns a
 * descriptor of the file, or a negative errno, logged.
 */
int program_check(int root, const char *path, const char *where,
		char interpreter[static PROGRAM_PATH]);

#endif
