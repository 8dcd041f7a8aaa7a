// SPDX-License-Identifier: GPL-2.0-or-later
/* /etc/tmpfsroot.xattrs, and the kernel's log. */
#include "sidecar.h"
#include "fuzz.h"
#include "whole.h"

/* The names are not empty, and no longer than what they were read from. */
static int look(void *context, const char *path, const char *key, const char *value, size_t length)
{
	const size_t *size = context;

	CHECK(*path && strchr(key, '.') && strlen(path) + strlen(key) + length <= *size);
	CHECK(length == 0 || value);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), said[WHOLE_TEXT];
	size_t number, again;
	int result = sidecar_parse(text, look, &size, &number);

	CHECK(result == sidecar_parse(text, NULL, NULL, &again) && number == again);
	(void)whole_in_log(text, said);
	CHECK(strlen(said) < WHOLE_TEXT && !strchr(said, '\n'));
	free(text);
	return 0;
}
