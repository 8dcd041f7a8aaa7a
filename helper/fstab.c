/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fstab.h"

#include "log.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <string.h>

#define BLANK "\t "
#define SAYS  "# tmpfsroot has copied this root to memory: "

/* Is it a line of "/": the second field? */
static bool is_of_root(const char *line)
{
	const char *point = line + strspn(line, BLANK);

	if (*point == '#')
		return false;
	point += strcspn(point, BLANK "\n");
	point += strspn(point, BLANK);
	return point[0] == '/' && strchr(BLANK "\n", point[1]);
}

char *fstab_comment_out(const char *text)
{
	size_t lines = 1, used = 0;
	bool found = false;
	char *mended;

	for (const char *at = text; *at; at++)
		lines += *at == '\n';
	mended = malloc(strlen(text) + lines * strlen(SAYS) + 1);
	while (mended && *text) {
		size_t length = strcspn(text, "\n") + (strchr(text, '\n') != NULL);

		if (is_of_root(text)) {
			memcpy(mended + used, SAYS, strlen(SAYS));
			used += strlen(SAYS);
			found = true;
		}
		memcpy(mended + used, text, length);
		used += length;
		text += length;
	}
	if (!found) {
		free(mended);
		return NULL;
	}
	mended[used] = '\0';
	return mended;
}

void fstab_mend(int root)
{
	auto_close int fd = sys_open_in_root(root, "etc/fstab", O_RDWR | O_CLOEXEC);
	auto_free char *text = NULL, *mended = NULL;
	int result = fd < 0 ? fd : read_fd(fd, &text, NULL), error;

	if (result == -ENOENT || result == -ENOTDIR)
		return;
	mended = result == 0 ? fstab_comment_out(text) : NULL;
	/* longer than before: where there is no room for it the file stays what it was */
	error = mended ? posix_fallocate(fd, 0, (off_t)strlen(mended)) : 0;
	if (error != 0)
		result = ftruncate(fd, (off_t)strlen(text)) != 0 ? -errno : -error;
	else if (mended && lseek(fd, 0, SEEK_SET) != 0)
		result = -errno;
	if (mended && result == 0)
		result = write_all(fd, mended, strlen(mended));
	if (result < 0)
		(void)log_warning(result, "commenting out the line of / in /etc/fstab");
}
