// SPDX-License-Identifier: GPL-2.0-or-later
/* ELF headers, with the table of the program headers behind them wherever they say. */
#include "fuzz.h"
#include "program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_headers headers;
	uint64_t offset, length;
	unsigned char *table;
	size_t room;

	if (elf_parse(data, size, &headers) < 0)
		return 0;
	(void)elf_machines_agree(headers.machine, 62);
	if (headers.offset > size)
		return 0;
	room = size - headers.offset;
	table = malloc(room ? room : 1);
	if (!table)
		abort();
	memcpy(table, data + headers.offset, room);
	if (elf_interpreter(table, room, &headers, &offset, &length) == 0)
		CHECK(headers.count * headers.size <= room);
	free(table);
	return 0;
}
