// SPDX-License-Identifier: GPL-2.0-or-later
/* /etc/tmpfsroot.conf, and the kernel's words, which are read after it and win. */
#include "fuzz.h"
#include "options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	char words[] = "rd.tmpfsroot.minmem=77k rd.tmpfsroot.method=bind rd.tmpfsroot.exclude=*.o";
	struct options options;

	options_init(&options, APPLET_TMPFSROOT);
	(void)options_parse_conf(&options, text);
	CHECK(options_parse_kernel(&options, words) == 0);
	CHECK(options.minmem.value == 77 * 1024 && options.method == METHOD_BIND);
	CHECK(strcmp(options.exclude, "*.o") == 0);
	free(text);
	return 0;
}
