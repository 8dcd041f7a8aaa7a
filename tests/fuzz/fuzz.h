/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the targets share: an input as a string of its own size, in which a sanitizer sees every
 * step too far; and the log off. */
#ifndef TMPFSROOT_FUZZ_H
#define TMPFSROOT_FUZZ_H

#include "log.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* For free(). */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	log_set_level(LOG_NOTHING);
	return text;
}

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#endif
