/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages: one line each, on standard error; as PID 1 what matters also goes to the kernel log. */
#ifndef TMPFSROOT_LOG_H
#define TMPFSROOT_LOG_H

#include <stdbool.h>

/* The kernel's own numbers (printk): lower is worse. */
enum log_level { LOG_NOTHING = 0, LOG_ERROR = 3, LOG_WARNING = 4, LOG_INFO = 6, LOG_DEBUG = 7 };

/* Messages above LEVEL are not printed. The default is LOG_INFO. */
void log_set_level(enum log_level level);

/* The name that messages begin with; the default is "tmpfsroot". Not copied. */
void log_set_name(const char *name);

/* From now on the summary goes to the kernel log where it can be opened, and where ALL is true so
 * do errors, warnings and progress: a service's standard error is in the journal already. */
void log_to_kernel(bool all);

/* The kernel's log, for writing: a descriptor of the caller's, or -1. */
int log_open_kernel(void);

/* Prints one line. Safe in threads: each message is one write. */
void log_message(enum log_level level, const char *format, ...)
		__attribute__((format(printf, 2, 3)));

/*
 * Prints an error with the text of ERROR, an errno, negative or not: where the format has "%m",
 * else behind it. 0 means that there is none to name. Returns it as a negative errno (-EINVAL for
 * 0), to be propagated.
 */
int log_error(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
int log_warning(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One line at LOG_INFO for the kernel log: the summary of a boot, or how far the move is, which a
 * service has on standard error instead. */
void log_event(bool progress, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* How many warnings were given so far, and the text of the first ones: for the report. */
#define LOG_KEPT 16
unsigned log_warnings(const char *texts[static LOG_KEPT]);

#endif
