/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options: the program's own arguments, the kernel command line and /etc/tmpfsroot.conf,
 * by one table into one struct. An option of the program is the kernel's word without "rd." and
 * "tmpfsroot.": rd.tmpfsroot.opts=size=2G is --opts=size=2G. The last word holds: so the conf file
 * is parsed first, then the kernel command line, then the program's own options.
 *
 * The parsers take buffers, change them in place and keep pointers into them, so a buffer must
 * live as long as the options do. Each wrong word is logged by name with what was expected, and
 * parsing goes on behind it; the result is then -EINVAL.
 */
#ifndef TMPFSROOT_OPTIONS_H
#define TMPFSROOT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum applet { APPLET_TMPFSROOT, APPLET_SWITCH_ROOT, APPLET_RUN_INIT };
enum action {
	ACTION_RUN,
	ACTION_DRY_RUN,
	ACTION_SOURCE,
	ACTION_STATUS,
	ACTION_STATUS_JSON,
	ACTION_HELP,
	ACTION_VERSION
};
enum real_root { REAL_ROOT_NO, REAL_ROOT_YES, REAL_ROOT_AUTO };
enum method { METHOD_COPY, METHOD_BIND };
enum onfail { ONFAIL_SHELL, ONFAIL_CONTINUE, ONFAIL_REBOOT, ONFAIL_POWEROFF };

/* An amount of memory: bytes, or a share of all memory. */
struct size {
	uint64_t value;
	bool percent;
};

/* The value of "minmem" where no word has set it. */
#define SIZE_UNSET UINT64_MAX

struct options {
	enum applet applet;
	enum action action;
	bool root_tmpfsroot;
	int real_root; /* enum real_root */
	int method; /* enum method */
	const char *tmpfs_options; /* or NULL */
	struct size minmem;
	const char *exclude; /* or NULL */
	int onfail; /* enum onfail */
	int mounts; /* 1: API file systems are made; or 0 */
	int incomplete, selinux; /* 1 or 0 */
	const char *init; /* init=, or NULL */
	const char *break_at; /* "" for rd.break without a value, or NULL */
	bool quiet, debug, shell;
	const char *emergency; /* what follows a failure's shell, or takes its place; or NULL */

	/* run-init alone */
	const char *console; /* a device */
	bool persist; /* the old root is not deleted */

	/* facts of the kernel command line */
	const char *rdinit;
	const char *enforcing; /* SELinux's, or NULL */
	bool crash_kernel;
};

void options_init(struct options *options, enum applet applet);

/* The kernel command line: words between spaces, double quotes as the kernel takes them; what
 * follows "--" is init's. Words that are not ours are passed over, but not a misspelt
 * rd.tmpfsroot one. */
int options_parse_kernel(struct options *options, char *text);

/* /etc/tmpfsroot.conf: one word a line, '#' begins a comment; every word must be known. */
int options_parse_conf(struct options *options, char *text);

/* The program's own, by the applet's command line. Returns the index in ARGV of the first
 * argument that is not an option, or -EINVAL. */
int options_parse_program(struct options *options, char **argv);

/* "12", "64k", "1.5G" is not one, "2G", "10%" (only where PERCENT is allowed): 0 or -EINVAL. */
int size_parse(const char *text, bool percent, struct size *size);

/* The amount in bytes, of TOTAL bytes where it is a share. */
uint64_t size_bytes(struct size size, uint64_t total);

/* Takes away every word that asks for a move, or says how. */
void options_ignore(struct options *options);

void options_help(const struct options *options, FILE *out);

#endif
