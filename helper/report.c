/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report.h"

#include "log.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>

static void put_json_string(FILE *out, const char *text)
{
	(void)fputc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			(void)fprintf(out, "\\%c", c);
		else if (c < 0x20 || c > 0x7e) /* bytes that need not be UTF-8, as Latin-1 */
			(void)fprintf(out, "\\u%04x", c);
		else
			(void)fputc(c, out);
	}
	(void)fputc('"', out);
}

static void put_summary(FILE *out, const struct report *report)
{
	const struct move_result *move = report->move;
	char size[SIZE_TEXT];

	if (plan_copies(report->plan))
		(void)fprintf(out, "/ is a tmpfs: %llu entries, %s, moved in %.2f s, %.2f s in all",
				(unsigned long long)move->entries, size_text(move->bytes, size),
				move->seconds, report->total_seconds);
	else
		(void)fprintf(out, "/ is the initramfs, bound over itself, %.6f s in all",
				report->total_seconds);
	if (report->plan->sidecar)
		(void)fprintf(out, ", %u attributes set", report->sidecar.set);
	if (*report->selinux)
		(void)fprintf(out, ", SELinux %s, labelled in %.2f s", report->selinux,
				report->selinux_seconds);
	if (report->plan->incomplete[0])
		(void)fprintf(out, ", not whole: %s", report->plan->incomplete);
}

static void put_text(FILE *out, const char *name, const char *text)
{
	(void)fprintf(out, "  \"%s\": ", name);
	put_json_string(out, text);
	(void)fputs(",\n", out);
}

static void put_number(FILE *out, const char *name, uint64_t number)
{
	(void)fprintf(out, "  \"%s\": %llu,\n", name, (unsigned long long)number);
}

static void put_report(FILE *out, const struct report *report, const char *summary)
{
	const struct move_result *move = report->move;
	const struct plan *plan = report->plan;
	const char *warnings[LOG_KEPT];
	unsigned count = log_warnings(warnings);
	size_t directories = plan->tree.directories.count;

	(void)fputs("{\n", out);
	put_text(out, "version", TMPFSROOT_VERSION);
	put_text(out, "summary", summary);
	put_text(out, "source", source_name(&plan->source));
	put_text(out, "source_type", source_type(&plan->source));
	put_text(out, "method", plan->source.method == METHOD_BIND ? "bind" : "copy");
	put_number(out, "entries", move->entries);
	put_number(out, "directories", directories ? directories - 1 : 0);
	put_number(out, "hard_links", plan->sums.hard_links);
	put_number(out, "bytes", move->bytes);
	put_number(out, "peak_bytes", move->peak);
	put_number(out, "attributes_lost", move->attributes_lost + report->sidecar.lost);
	put_number(out, "attributes_set", report->sidecar.set);
	put_text(out, "incomplete", plan->incomplete);
	put_text(out, "selinux", report->selinux);
	put_number(out, "workers", plan->tree.workers);
	(void)fprintf(out, "  \"limits\": { \"bytes\": %llu, \"inodes\": %llu },\n",
			(unsigned long long)plan->limit.bytes,
			(unsigned long long)plan->limit.inodes);
	put_number(out, "memory_available_before", plan->memory_available);
	(void)fprintf(out,
			"  \"seconds\": { \"plan\": %.6f, \"move\": %.6f, \"selinux\": %.6f, "
			"\"switch\": %.6f, \"total\": %.6f },\n  \"warnings\": [",
			plan->seconds, move->seconds, report->selinux_seconds,
			report->switch_seconds, report->total_seconds);
	for (unsigned i = 0; i < count && i < LOG_KEPT; i++) {
		(void)fputs(i ? ", " : " ", out);
		put_json_string(out, warnings[i]);
	}
	(void)fputs(count ? " ]\n}\n" : "]\n}\n", out);
}

/* The report goes to /run by way of one stream in memory, so that it is there whole or not. */
void report_write(const struct report *report)
{
	auto_free char *summary = NULL, *text = NULL;
	auto_close int fd = -1;
	size_t size, length;
	FILE *line = open_memstream(&summary, &size), *whole = open_memstream(&text, &length);

	if (line) {
		put_summary(line, report);
		(void)fclose(line);
	}
	if (whole) {
		put_report(whole, report, summary ? summary : "");
		(void)fclose(whole);
	}
	if (!text || !summary) {
		(void)log_warning(ENOMEM, "no memory to write /" REPORT_FILE);
		return;
	}
	(void)mkdir("/run", 0755);
	if (mkdir("/" REPORT_DIRECTORY, 0755) != 0 && errno != EEXIST) {
		(void)log_warning(errno, "mkdir /" REPORT_DIRECTORY);
		return;
	}
	fd = open("/" REPORT_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || write_all(fd, text, length) < 0)
		(void)log_warning(errno, "writing /" REPORT_FILE);
	log_event(false, "%s", summary);
}

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };

/* In a mount namespace of its own: pivot_root into a tmpfs on the first of the API file systems'
 * mount points that is there. */
__attribute__((noreturn)) static void try_pivot_root(void)
{
	int flags = geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;

	if (unshare(flags) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		_exit(ANSWER_UNKNOWN);
	for (size_t i = 0; i < api_mounts_count; i++) {
		if (mount("tmpfs", api_mounts[i].point, "tmpfs", 0, NULL) != 0)
			continue;
		if (chdir(api_mounts[i].point) != 0)
			_exit(ANSWER_UNKNOWN);
		if (sys_pivot_root(".", ".") == 0)
			_exit(ANSWER_YES);
		_exit(errno == EINVAL ? ANSWER_NO : ANSWER_UNKNOWN);
	}
	_exit(ANSWER_UNKNOWN);
}

static enum answer pivot_root_works(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		try_pivot_root();
	if (child < 0)
		return ANSWER_UNKNOWN;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return ANSWER_UNKNOWN;
	return WIFEXITED(status) ? (enum answer)WEXITSTATUS(status) : ANSWER_UNKNOWN;
}

/* All that --status tells. */
struct status {
	struct mounts mounts;
	const struct mount *root; /* or NULL: "/" is not the root of a mount */
	struct stat st;
	struct statfs fs;
	struct utsname kernel;
	bool ours, parent;
	enum answer pivot_root;
	char *report; /* or NULL */
};

static int find_status(int proc, struct status *status)
{
	int result = mounts_read(proc, &status->mounts);
	struct sys_stat st;

	if (result == 0)
		result = sys_stat(AT_FDCWD, "/", &st);
	if (result == 0 && (stat("/", &status->st) != 0 || statfs("/", &status->fs) != 0 ||
					   uname(&status->kernel) != 0))
		result = -errno;
	if (result < 0)
		return log_error(result, "looking at /");
	status->root = mounts_find(&status->mounts, st.mnt_id);
	status->ours = status->root && strcmp(status->root->type, "tmpfs") == 0 &&
		       strcmp(status->root->source, TMPFS_SOURCE) == 0;
	status->parent = status->root && status->root->parent != status->root->id;
	status->pivot_root = pivot_root_works();
	if (read_file(AT_FDCWD, "/" REPORT_FILE, &status->report, NULL) < 0)
		status->report = NULL;
	return 0;
}

/* The kernel calls its first root rootfs, be it a ramfs or a tmpfs. NULL: / is not in memory. */
static const char *memory_type(const struct status *status)
{
	uint32_t type = (uint32_t)status->fs.f_type;

	return type == RAMFS_FS_MAGIC ? "ramfs" : type == TMPFS_FS_MAGIC ? "tmpfs" : NULL;
}

/* Since Linux 7.0 the kernel's first root lies on an empty file system, nullfs. */
static bool has_nullfs(const struct status *status)
{
	return strtoul(status->kernel.release, NULL, 10) >= 7;
}

static void print_json(const struct status *status, FILE *out)
{
	static const char *const answers[] = { "false", "true", "null" };
	const char *memory = memory_type(status);

	(void)fprintf(out, "{\n\"version\": \"%s\",\n\"root\": { \"type\": ", TMPFSROOT_VERSION);
	put_json_string(out, status->root ? status->root->type : "");
	(void)fputs(", \"memory\": ", out);
	put_json_string(out, memory ? memory : "");
	(void)fputs(", \"source\": ", out);
	put_json_string(out, status->root ? status->root->source : "");
	(void)fprintf(out,
			", \"mode\": \"%04o\", \"has_parent\": %s, \"tmpfsroot\": %s,\n"
			"  \"bytes\": %llu, \"bytes_free\": %llu, \"inodes\": %llu, "
			"\"inodes_free\": "
			"%llu },\n",
			status->st.st_mode & 07777U, answers[status->parent], answers[status->ours],
			(unsigned long long)status->fs.f_blocks *
					(unsigned long long)status->fs.f_bsize,
			(unsigned long long)status->fs.f_bfree *
					(unsigned long long)status->fs.f_bsize,
			(unsigned long long)status->fs.f_files,
			(unsigned long long)status->fs.f_ffree);
	(void)fprintf(out,
			"\"kernel\": { \"release\": \"%s\", \"nullfs\": %s },\n\"pivot_root\": "
			"%s,\n"
			"\"boot\": %s}\n",
			status->kernel.release, answers[has_nullfs(status)],
			answers[status->pivot_root], status->report ? status->report : "null\n");
}

/* The summary is the one string of the report that people read. */
static void print_summary(const char *report, FILE *out)
{
	const char *summary = strstr(report, "\"summary\": \"");

	if (summary) {
		summary += strlen("\"summary\": \"");
		(void)fprintf(out, "boot: %.*s (/" REPORT_FILE ")\n", (int)strcspn(summary, "\""),
				summary);
	}
}

static void print_text(const struct status *status, FILE *out)
{
	static const char *const answers[] = { "does not work here", "works",
		"could not be tried" };
	unsigned long long block = (unsigned long long)status->fs.f_bsize;
	bool rootfs = status->root && strcmp(status->root->type, "rootfs") == 0 &&
		      memory_type(status);
	char all[SIZE_TEXT], left[SIZE_TEXT];

	(void)fprintf(out, "root: %s%s%s (%s), mode %04o, %s%s\n",
			status->root ? status->root->type : "unknown", rootfs ? ", a " : "",
			rootfs ? memory_type(status) : "",
			status->root ? status->root->source : "not a mount",
			status->st.st_mode & 07777U,
			status->parent ? "a mount with a parent" : "a mount without a parent",
			status->ours ? ", made by tmpfsroot" : "");
	(void)fprintf(out, "space: %s, %s free\n", size_text(status->fs.f_blocks * block, all),
			size_text(status->fs.f_bfree * block, left));
	(void)fprintf(out, "pivot_root: %s\nkernel: Linux %s%s\n", answers[status->pivot_root],
			status->kernel.release,
			has_nullfs(status) ? ", which has a nullfs below its first root" : "");
	if (status->report)
		print_summary(status->report, out);
	else
		(void)fputs(status->ours ? "boot: /" REPORT_FILE " is not there any more\n"
					 : "boot: not by tmpfsroot, there is no /" REPORT_FILE "\n",
				out);
}

int report_status(int proc, bool json, FILE *out)
{
	struct status status = { .pivot_root = ANSWER_UNKNOWN };
	int result = find_status(proc, &status);

	if (result == 0) {
		if (json)
			print_json(&status, out);
		else
			print_text(&status, out);
	}
	free(status.report);
	mounts_free(&status.mounts);
	return result;
}
