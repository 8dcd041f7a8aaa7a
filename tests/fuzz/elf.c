// SPDX-License-Identifier: GPL-2.0-or-later
/* ELF headers, with the table of the program headers behind them wherever they say. */
#include "fuzz.h"
#include "program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ElfW(Ehdr) elf;
	uint64_t offset, length;
	unsigned char *table;
	size_t room;

	if (elf_parse(data, size, &elf) < 0 || elf.e_phoff > size)
		return 0;
	room = size - elf.e_phoff;
	table = malloc(room ? room : 1);
	if (!table)
		abort();
	memcpy(table, data + elf.e_phoff, room);
	if (elf_interpreter(table, room, elf.e_phnum, &offset, &length) == 0)
		CHECK(elf.e_phnum * sizeof(ElfW(Phdr)) <= room);
	free(table);
	return 0;
}
