// SPDX-License-Identifier: GPL-2.0-or-later
/* Tests of what the kernel says of an initramfs that it could not unpack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util.h"
#include "whole.h"

#include <string.h>

#define BEFORE "<5>[    0.000000] Linux version 6.12\n<6>[    1.2] Unpacking initramfs...\n"
#define AFTER  "\n<6>[    1.5] Freeing initrd memory: 12K\n"

static void logs(void **state)
{
	static const struct {
		const char *log, *said;
		bool whole;
	} tests[] = {
		{ "", "", true },
		{ BEFORE, "", true },
		{ BEFORE "<0>[    1.3] Initramfs unpacking failed: write error" AFTER,
				"Initramfs unpacking failed: write error", false },
		{ BEFORE "<0>[    1.3][    T1] Initramfs unpacking failed: read error",
				"Initramfs unpacking failed: read error", false },
		{ "<0>Initramfs unpacking failed: junk within compressed archive",
				"Initramfs unpacking failed: junk within compressed archive",
				false },
		{ "Initramfs unpacking failed: cut off", "", true },
		{ BEFORE "<6>[    1.3] rootfs image is not initramfs (no cpio magic); looks like "
			 "an initrd" AFTER,
				"rootfs image is not initramfs (no cpio magic); looks like an "
				"initrd",
				false },
		{ BEFORE "<0>[    1.3] Initramfs unpacking failed: invalid magic at start of "
			 "compressed archive" AFTER,
				"Initramfs unpacking failed: invalid magic at start of compressed "
				"archive",
				true },
		{ BEFORE "<11>[    2.3] tmpfsroot: the initramfs is not whole: \"Initramfs "
			 "unpacking failed: write error\": give it room",
				"", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		char said[WHOLE_TEXT];

		if (whole_in_log(tests[i].log, said) != tests[i].whole)
			fail_msg("{%s}: not %d", tests[i].log, tests[i].whole);
		assert_string_equal(said, tests[i].said);
	}
}

static void a_long_line_is_cut(void **state)
{
	char log[400] = "<0>Initramfs unpacking failed: ", said[WHOLE_TEXT];

	(void)state;
	memset(log + strlen(log), 'x', 300);
	assert_false(whole_in_log(log, said));
	assert_int_equal(strlen(said), WHOLE_TEXT - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(logs),
		cmocka_unit_test(a_long_line_is_cut) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
