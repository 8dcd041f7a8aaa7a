// SPDX-License-Identifier: GPL-2.0-or-later
/* /proc/self/mountinfo, and a line of /proc/PID/maps. */
#include "fuzz.h"
#include "mounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct mounts mounts;

	if (mounts_parse(text, &mounts) < 0) {
		free(text);
		return 0;
	}
	for (size_t i = 0; i < mounts.count; i++) {
		const struct mount *mount = &mounts.list[i];

		CHECK(mount->device && mount->options && strlen(mount->root) <= size);
		CHECK(strlen(mount->point) + strlen(mount->type) + strlen(mount->source) <= size);
		CHECK(mount->data >= text && mount->data <= text + size);
		CHECK(mounts_find(&mounts, mount->id) != NULL);
	}
	mounts_free(&mounts);
	return 0;
}
