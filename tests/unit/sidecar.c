// SPDX-License-Identifier: GPL-2.0-or-later
/* Tests of the parser for what getfattr(1) writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sidecar.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define A "# file: a\n"

/* Writes what was found, "PATH KEY VALUE;" each, with the value in hexadecimal digits. */
static int write_down(
		void *context, const char *path, const char *key, const char *value, size_t length)
{
	FILE *out = context;

	(void)fprintf(out, "%s %s ", path, key);
	for (size_t i = 0; i < length; i++)
		(void)fprintf(out, "%02x", (unsigned char)value[i]);
	(void)fputc(';', out);
	return 0;
}

static void texts(void **state)
{
	static const struct {
		const char *text, *found;
	} tests[] = {
		{ "", "" },
		{ "\n\n", "" },
		{ A, "" },
		{ A "user.a=\"b\"", "a user.a 62;" },
		{ A "user.a=\"b\"\nuser.c=\"\"\nuser.d\n\n# file: e/f\nuser.g=\"h\"\n",
				"a user.a 62;a user.c ;a user.d ;e/f user.g 68;" },
		{ A "user.a=\"\\\"\\\\\\012\\000\\3777\"\n", "a user.a 225c0a00ff37;" },
		{ A "user.a=\"=# file\"\n", "a user.a 3d232066696c65;" },
		{ A "user.a=0x\nuser.b=0x00fFAb\n", "a user.a ;a user.b 00ffab;" },
		{ A "user.a=0s\nuser.b=0sAP8Q\nuser.c=0sYg==\nuser.d=0sYmM=\n",
				"a user.a ;a user.b 00ff10;a user.c 62;a user.d 6263;" },
		{ "# file: a b\\012c\\134d\nuser.k\\075v=\"1\"\n", "a b\nc\\d user.k=v 31;" },
		{ "# file: .\nsystem.posix_acl_default=0sAg==\n",
				". system.posix_acl_default 02;" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		auto_free char *found = NULL;
		size_t length, number;
		FILE *out = open_memstream(&found, &length);

		assert_non_null(out);
		assert_int_equal(sidecar_parse(tests[i].text, write_down, out, &number), 0);
		(void)fclose(out);
		assert_string_equal(found, tests[i].found);
		assert_int_equal(sidecar_parse(tests[i].text, NULL, NULL, &number), 0);
	}
}

static void what_is_wrong_is_told_by_its_line(void **state)
{
	static const struct {
		const char *text;
		size_t line;
	} tests[] = {
		{ "user.a=\"b\"\n", 1 }, /* of no file */
		{ A "user.a=\"b\"\nuser.c=\"d\n", 3 },
		{ A "user.a=b\n", 2 },
		{ A "user.a=\"\n", 2 },
		{ A "user.a=\"b\\\"\n", 2 },
		{ A "\nuser\n", 3 },
		{ A "=\"b\"\n", 2 },
		{ A "user.a=0x0\n", 2 },
		{ A "user.a=0x0g\n", 2 },
		{ A "user.a=0sY\n", 2 },
		{ A "user.a=0sY-==\n", 2 },
		{ A "user.\\000=\"b\"\n", 2 },
		{ "# file: \n", 1 },
		{ "# file: a\\000b\nuser.a=\"b\"\n", 1 },
		{ "# owner: 0\n", 1 },
		{ A "# owner: a.b\n", 2 },
		{ A "user.a=0sYg==junk\n", 2 },
		{ A "user.a=0xab=zz\n", 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		size_t number;

		if (sidecar_parse(tests[i].text, NULL, NULL, &number) != -EINVAL ||
				number != tests[i].line)
			fail_msg("{%s}: line %zu", tests[i].text, number);
	}
}

static int stop(void *context, const char *path, const char *key, const char *value, size_t length)
{
	(void)context, (void)path, (void)key, (void)value, (void)length;
	return -EINTR;
}

static void the_callee_ends_it(void **state)
{
	size_t number;

	(void)state;
	assert_int_equal(sidecar_parse(A "user.a=\"b\"\nuser\n", stop, NULL, &number), -EINTR);
	assert_int_equal(number, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(texts),
		cmocka_unit_test(what_is_wrong_is_told_by_its_line),
		cmocka_unit_test(the_callee_ends_it) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
