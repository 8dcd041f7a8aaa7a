/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory.h"

#include "log.h"
#include "util.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>

/* Where blocks of free pages are split between kinds of memory the kernel raises its watermarks for
 * a while, to reclaim more; and each processor has lists of free pages, megabytes of them, that are
 * in no figure and that nobody else gets where nothing can be reclaimed. The lists are at their
 * shortest with any fraction that is large. */
static const struct {
	const char *path, *name, *value;
} settings_table[MEMORY_SETTINGS] = {
	{ "sys/vm/watermark_boost_factor", "vm.watermark_boost_factor", "0" },
	{ "sys/vm/percpu_pagelist_high_fraction", "vm.percpu_pagelist_high_fraction", "100000" },
};

/* More than a list may keep back: a processor shortens its own when a page comes to it. */
#define SOME_PAGES (256UL * 1024)

static void shorten_lists(void)
{
	cpu_set_t all, one;

	if (sched_getaffinity(0, sizeof(all), &all) != 0)
		return;
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		void *pages;

		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (!CPU_ISSET(cpu, &all) || sched_setaffinity(0, sizeof(one), &one) != 0)
			continue;
		pages = mmap(NULL, SOME_PAGES, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (pages != MAP_FAILED)
			(void)munmap(pages, SOME_PAGES);
	}
	if (sched_setaffinity(0, sizeof(all), &all) != 0)
		(void)log_warning(errno, "sched_setaffinity");
}

void memory_begin(struct memory_settings *settings, int proc)
{
	for (size_t i = 0; i < MEMORY_SETTINGS; i++) {
		char **before = &settings->before[i];
		int result;

		if (*before)
			continue;
		result = read_file(proc, settings_table[i].path, before, NULL);
		if (result == 0)
			result = write_file(proc, settings_table[i].path, settings_table[i].value);
		if (result == 0)
			continue;
		free(*before);
		*before = NULL;
		(void)log_warning(result, "memory may run out: setting %s", settings_table[i].name);
	}
	shorten_lists();
}

void memory_end(struct memory_settings *settings, int proc)
{
	for (size_t i = 0; i < MEMORY_SETTINGS; i++) {
		char **before = &settings->before[i];
		int result = *before ? write_file(proc, settings_table[i].path, *before) : 0;

		if (result < 0)
			(void)log_warning(result, "%s stays %s: setting it to %s",
					settings_table[i].name, settings_table[i].value, *before);
		free(*before);
		*before = NULL;
	}
}
