// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel command line: whatever it is, what is found in it lies in it. */
#include "fuzz.h"
#include "options.h"

static void check_inside(const char *value, const char *text, size_t size)
{
	CHECK(!value || !*value || (value >= text && value + strlen(value) <= text + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct options options;

	options_init(&options, APPLET_TMPFSROOT);
	(void)options_parse_kernel(&options, text);
	check_inside(options.rdinit, text, size);
	check_inside(options.init, text, size);
	check_inside(options.exclude, text, size);
	check_inside(options.tmpfs_options, text, size);
	check_inside(options.emergency, text, size);
	CHECK(options.method <= 1 && options.onfail <= 3 && options.real_root <= 2);
	CHECK(!options.minmem.percent || options.minmem.value <= 100);
	free(text);
	return 0;
}
