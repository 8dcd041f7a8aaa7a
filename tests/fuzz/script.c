// SPDX-License-Identifier: GPL-2.0-or-later
/* The first line of a script: its interpreter is one word of it. */
#include "fuzz.h"
#include "program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *head = malloc(size ? size : 1), path[PROGRAM_PATH];

	if (!head)
		abort();
	if (size > 0)
		memcpy(head, data, size);
	memset(path, '?', sizeof(path));
	if (script_interpreter(head, size, path) == 0) {
		size_t length = strnlen(path, sizeof(path));

		CHECK(length > 0 && length < sizeof(path) && length + 2 <= size);
		CHECK(head[0] == '#' && head[1] == '!' && strcspn(path, " \t\n") == length);
	}
	free(head);
	return 0;
}
