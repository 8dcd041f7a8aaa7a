/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "interrupt.h"

#include "log.h"
#include "util.h"

#include <pthread.h>
#include <time.h>

static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };

static void fill(sigset_t *signals)
{
	(void)sigemptyset(signals);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		(void)sigaddset(signals, numbers[i]);
}

int interrupt_block(sigset_t *before)
{
	sigset_t signals;
	int error;

	fill(&signals);
	error = pthread_sigmask(SIG_BLOCK, &signals, before);
	return error ? log_error(error, "blocking signals for the move") : 0;
}

int interrupt_take(void)
{
	sigset_t signals;
	int number;

	fill(&signals);
	number = sigtimedwait(&signals, NULL, &(struct timespec){ 0 });
	return number > 0 ? number : 0;
}

void interrupt_ignore(bool ignore)
{
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		(void)signal(numbers[i], ignore ? SIG_IGN : SIG_DFL);
}

void interrupt_restore(const sigset_t *before)
{
	int error = pthread_sigmask(SIG_SETMASK, before, NULL);

	if (error)
		(void)log_warning(error, "restoring the mask of signals");
}
