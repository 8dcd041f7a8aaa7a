// SPDX-License-Identifier: GPL-2.0-or-later
/* Tests of fstab: the line of "/" is commented out, and nothing else is changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fstab.h"
#include "util.h"

#include <string.h>

#define SAYS "# tmpfsroot has copied this root to memory: "

static void texts(void **state)
{
	static const struct {
		const char *text, *mended; /* or NULL: it stays */
	} tests[] = {
		{ "", NULL },
		{ "\n\n", NULL },
		{ "# / is here\n", NULL },
		{ "tmpfs /tmp tmpfs\n/dev/sda2 /home ext4\n", NULL },
		{ "/ /mnt none bind\n", NULL },
		{ "/dev/sda1", NULL },
		{ "/dev/sda1 ", NULL },
		{ "/dev/sda1 / ext4\n", SAYS "/dev/sda1 / ext4\n" },
		{ "/dev/sda1\t/\text4", SAYS "/dev/sda1\t/\text4" },
		{ " /dev/sda1  /\n", SAYS " /dev/sda1  /\n" },
		{ "/dev/sda1 /", SAYS "/dev/sda1 /" },
		{ "a /a\nb / c\n\nd / e\n#f / g", "a /a\n" SAYS "b / c\n\n" SAYS "d / e\n#f / g" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		auto_free char *mended = fstab_comment_out(tests[i].text);

		if (!tests[i].mended != !mended)
			fail_msg("{%s}: got {%s}", tests[i].text, mended);
		if (mended)
			assert_string_equal(mended, tests[i].mended);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(texts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
