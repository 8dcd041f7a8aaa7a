// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of util: whole files read and buffers written, sizes as people write them, and the cleanup
 * attributes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void size_texts(void **state)
{
	static const struct {
		unsigned long long bytes;
		const char *text;
	} tests[] = {
		{ 0, "0 B" },
		{ 1, "1 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.00 KiB" },
		{ 1536, "1.50 KiB" },
		{ 10239, "10.0 KiB" },
		{ 10230, "9.99 KiB" },
		{ 102348, "99.9 KiB" },
		{ 102390, "100 KiB" },
		{ 1ULL << 20, "1.00 MiB" },
		{ 1ULL << 30, "1.00 GiB" },
		{ 3ULL << 29, "1.50 GiB" },
		{ 1ULL << 40, "1.00 TiB" },
		{ 1ULL << 50, "1.00 PiB" },
		{ 1ULL << 60, "1.00 EiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};
	char text[SIZE_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		assert_ptr_equal(size_text(tests[i].bytes, text), text);
		assert_string_equal(text, tests[i].text);
	}
}

/* Nothing is 1024 of a unit that has a next one. */
static void size_texts_round_up(void **state)
{
	char text[SIZE_TEXT];

	(void)state;
	for (unsigned shift = 20; shift <= 60; shift += 10)
		if (strncmp(size_text((1ULL << shift) - 1, text), "1024", 4) == 0)
			fail_msg("2^%u - 1: %s", shift, text);
}

static void read_proc(void **state)
{
	auto_close int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_free char *text = NULL;
	size_t length = 0;

	(void)state;
	assert_int_equal(read_file(proc, "self/status", &text, &length), 0);
	assert_int_equal(length, strlen(text));
	assert_int_equal(strncmp(text, "Name:", 5), 0);
	assert_int_equal(text[length - 1], '\n');
}

static void read_empty(void **state)
{
	auto_free char *text = NULL;
	size_t length = 1;

	(void)state;
	assert_int_equal(read_file(AT_FDCWD, "/dev/null", &text, &length), 0);
	assert_int_equal(length, 0);
	assert_string_equal(text, "");
}

/* Lengths around those at which the buffer grows; a NUL is content like any other. */
static void read_lengths(void **state)
{
	static const size_t lengths[] = { 0, 1, 4094, 4095, 4096, 4097, 8190, 8191, 8192, 100000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		auto_close int file = memfd_create("file", MFD_CLOEXEC);
		auto_free char *content = calloc(1, lengths[i] + 1), *text = NULL;
		size_t length = 1;
		char path[32];

		for (size_t at = 0; at < lengths[i]; at++)
			content[at] = (char)(at * 7);
		assert_int_equal(write_all(file, content, lengths[i]), 0);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
		assert_int_equal(read_file(AT_FDCWD, path, &text, &length), 0);
		assert_int_equal(length, lengths[i]);
		assert_memory_equal(text, content, lengths[i] + 1);
		free(text);
		text = NULL;
		assert_int_equal(read_file(AT_FDCWD, path, &text, NULL), 0);
	}
}

static void read_fails(void **state)
{
	static const struct {
		const char *path;
		int result;
	} tests[] = {
		{ "/", -EISDIR },
		{ "/missing/file", -ENOENT },
		{ "", -ENOENT },
		{ "/dev/null/file", -ENOTDIR },
		{ "/proc/self/mem", -EIO },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		char *text = NULL;

		assert_int_equal(read_file(AT_FDCWD, tests[i].path, &text, NULL), tests[i].result);
		assert_null(text);
	}
}

struct drain {
	int fd;
	pthread_t writer;
	size_t length;
	bool equal;
};

/* No period is that of pages, by which pipes are filled. */
static char byte_at(size_t i)
{
	return (char)(i % 251);
}

/* Whoever writes is interrupted by a signal after each part, and its writes end short. */
static void *drain_pipe(void *argument)
{
	struct drain *drain = argument;
	char part[1000];
	ssize_t got;

	drain->equal = true;
	while ((got = read(drain->fd, part, sizeof(part))) > 0) {
		(void)pthread_kill(drain->writer, SIGUSR1);
		(void)usleep(100);
		for (ssize_t i = 0; i < got; i++)
			drain->equal &= part[i] == byte_at(drain->length++);
	}
	return NULL;
}

static void on_signal(int number)
{
	(void)number;
}

/* Far more than a pipe holds. */
static void write_pipe(void **state)
{
	static char content[1000003];
	struct sigaction action = { .sa_handler = on_signal };
	struct drain drain = { .writer = pthread_self() };
	pthread_t reader;
	int ends[2];

	(void)state;
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = byte_at(i);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	drain.fd = ends[0];
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	assert_int_equal(pthread_create(&reader, NULL, drain_pipe, &drain), 0);
	assert_int_equal(write_all(ends[1], content, sizeof(content)), 0);
	assert_int_equal(write_all(ends[1], content, 0), 0);
	close_fd(&ends[1]);
	assert_int_equal(pthread_join(reader, NULL), 0);
	assert_int_equal(drain.length, sizeof(content));
	assert_true(drain.equal);
	close_fd(&ends[0]);
}

static void write_fails(void **state)
{
	static char content[1 << 20];
	auto_close int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int ends[2];

	(void)state;
	assert_int_equal(write_all(full, "x", 1), -ENOSPC);
	assert_int_equal(write_all(-1, "x", 1), -EBADF);
	assert_int_equal(write_all(-1, "x", 0), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(write_all(ends[1], content, sizeof(content)), -EAGAIN);
	close_fd(&ends[0]);
	assert_int_equal(write_all(ends[1], "x", 1), -EPIPE);
	close_fd(&ends[1]);
}

static void cleanup(void **state)
{
	int kept, closed, ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	{
		auto_close int first = ends[0];
		auto_close int second = ends[1];
		auto_close int none = -1;
		auto_free char *memory = strdup("freed");

		assert_non_null(memory);
		assert_int_equal(none, -1);
		closed = first;
		kept = take_fd(&second);
		assert_int_equal(second, -1);
		errno = E2BIG;
	}
	assert_int_equal(errno, E2BIG);
	assert_false(is_open(closed));
	assert_true(is_open(kept));
	errno = E2BIG;
	close_fd(&kept);
	assert_int_equal(kept, -1);
	close_fd(&closed); /* closed already */
	assert_int_equal(closed, -1);
	assert_int_equal(errno, E2BIG);
}

static void time_passes(void **state)
{
	double first = seconds_now(), second;

	(void)state;
	(void)usleep(10000);
	second = seconds_now();
	assert_true(first > 0);
	assert_true(second - first >= 0.009 && second - first < 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_texts),
		cmocka_unit_test(size_texts_round_up),
		cmocka_unit_test(read_proc),
		cmocka_unit_test(read_empty),
		cmocka_unit_test(read_lengths),
		cmocka_unit_test(read_fails),
		cmocka_unit_test(write_pipe),
		cmocka_unit_test(write_fails),
		cmocka_unit_test(cleanup),
		cmocka_unit_test(time_passes),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
