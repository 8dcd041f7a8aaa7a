// SPDX-License-Identifier: GPL-2.0-or-later
/* Sizes, compared with another way to read them; and lists of tmpfs options. */
#include "fuzz.h"
#include "options.h"

static const char units[] = "kmgtpe";

/* Digits, then a unit or, where PERCENT, "%". */
static bool expected(const char *text, bool percent, unsigned __int128 *value)
{
	size_t digits = strspn(text, "0123456789");
	const char *unit = NULL;

	*value = 0;
	if (digits == 0)
		return false;
	for (size_t i = 0; i < digits; i++) {
		*value = *value * 10 + (unsigned)(text[i] - '0');
		if (*value > UINT64_MAX)
			return false;
	}
	text += digits;
	if (*text == '%')
		return percent && *value <= 100 && text[1] == '\0';
	if (*text) {
		for (size_t i = 0; units[i]; i++)
			if (*text == units[i] || *text == units[i] - 'a' + 'A')
				unit = &units[i];
		if (!unit || text[1] != '\0')
			return false;
		*value <<= 10 * (unit - units + 1);
	}
	return *value <= UINT64_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	unsigned __int128 value;

	for (int percent = 0; percent <= 1; percent++) {
		struct size parsed;
		bool right = expected(text, percent, &value);

		CHECK((size_parse(text, percent, &parsed) == 0) == right);
		CHECK(!right || parsed.value == value);
	}
	free(text);
	return 0;
}
