// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * noleases COMMAND [ARG...]: runs COMMAND where no file has leases: fcntl(F_SETLEASE) is EINVAL, as
 * on a ramfs of Linux 7.2.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_fcntl64
#define CALL SYS_fcntl64
#else
#define CALL SYS_fcntl
#endif

/* The lower half of an argument. */
#define ARGUMENT(n)                                                                                \
	(offsetof(struct seccomp_data, args) + 8 * (n) +                                           \
			(__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0))

int main(int argc, char *argv[])
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALL, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(1)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_SETLEASE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	if (argc < 2) {
		fputs("usage: noleases COMMAND [ARG...]\n", stderr);
		return 2;
	}
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		perror("noleases: seccomp");
		return 1;
	}
	execvp(argv[1], argv + 1);
	perror("noleases: execvp");
	return 1;
}
