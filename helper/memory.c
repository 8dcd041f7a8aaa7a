/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory.h"

#include "log.h"
#include "util.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

/* Where blocks of free pages are split between kinds of memory the kernel raises its watermarks, to
 * reclaim more, and where nothing can be reclaimed they stay raised, which no figure of what is
 * available tells: they are made anew whenever the factor for their distance is set, to what it
 * was. And each processor has lists of free pages, megabytes of them, that are in no figure and
 * that nobody else gets where nothing can be reclaimed. The lists are at their shortest with any
 * fraction that is large. */
static const struct {
	const char *path, *name, *value; /* NULL: as it is */
} settings_table[MEMORY_SETTINGS] = {
	{ "sys/vm/watermark_boost_factor", "vm.watermark_boost_factor", "0" },
	{ "sys/vm/watermark_scale_factor", "vm.watermark_scale_factor", NULL },
	{ "sys/vm/percpu_pagelist_high_fraction", "vm.percpu_pagelist_high_fraction", "100000" },
};

/* A processor shortens its lists when a page comes back to them. */
#define PAGES 128

static void free_pages(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	volatile char *page = mmap(
			NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return;
	for (int i = 0; i < PAGES; i++) {
		*page = 1;
		if (madvise((void *)page, size, MADV_DONTNEED) != 0)
			break;
	}
	(void)munmap((void *)page, size);
}

/* A thread: where it may run ends with it. */
static void *shorten_lists(void *unused)
{
	cpu_set_t all, one;

	if (sched_getaffinity(0, sizeof(all), &all) != 0)
		return unused;
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (CPU_ISSET(cpu, &all) && sched_setaffinity(0, sizeof(one), &one) == 0)
			free_pages();
	}
	return unused;
}

void memory_begin(struct memory_settings *settings, int proc)
{
	pthread_t thread;

	if (settings->begun)
		return;
	settings->begun = true;
	for (size_t i = 0; i < MEMORY_SETTINGS; i++) {
		const char *value = settings_table[i].value;
		char **before = &settings->before[i];
		int result = read_file(proc, settings_table[i].path, before, NULL);

		if (result == 0) {
			(*before)[strcspn(*before, "\n")] = '\0';
			result = write_file(proc, settings_table[i].path, value ? value : *before);
		}
		if (result != 0 && result != -ENOENT)
			(void)log_warning(result, "memory may run out: setting %s",
					settings_table[i].name);
		if (result == 0 && value)
			continue;
		free(*before);
		*before = NULL;
	}
	if (pthread_create(&thread, NULL, shorten_lists, NULL) == 0)
		(void)pthread_join(thread, NULL);
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
	settings->begun = false;
}
