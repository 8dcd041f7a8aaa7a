# SPDX-License-Identifier: GPL-2.0-or-later
# Of "CALL COUNT" lines, how often a run makes each system call, makes "WAY FAULT" lines (tests/ns/fault):
# each call fails at as many points as "points" says, spread over the run (one: in the middle), and with each of
# the errors that it may return, one after the other, but as often as "most" says, at most.
BEGIN {
	disk = "ENOSPC EIO ENOMEM EPERM"
	look = "EIO ENOMEM EACCES"
	mounting = "EINVAL EPERM ENOMEM"
	errors["open"] = errors["openat"] = errors["openat2"] = "EIO ENOMEM EMFILE EPERM EINTR"
	errors["read"] = errors["pread64"] = "EIO SHORT EINTR"
	errors["write"] = errors["pwrite64"] = "ENOSPC SHORT EINTR EIO"
	errors["getdents64"] = "EIO ENOMEM"
	errors["mkdir"] = errors["mkdirat"] = errors["mknodat"] = errors["symlinkat"] = disk
	errors["renameat"] = disk
	errors["linkat"] = disk " EMLINK"
	errors["unlinkat"] = errors["rmdir"] = "EIO EPERM EBUSY"
	errors["ftruncate"] = errors["fallocate"] = "EIO EINTR EPERM"
	errors["chmod"] = errors["fchown"] = errors["fchownat"] = "EPERM EIO"
	errors["fchmod"] = errors["fchmodat"] = errors["utimensat"] = "EPERM EIO"
	errors["fsetxattr"] = errors["lsetxattr"] = "ENOSPC ENOMEM EPERM"
	errors["fgetxattr"] = errors["lgetxattr"] = "EIO ENOMEM"
	errors["flistxattr"] = errors["llistxattr"] = "EIO ENOMEM"
	errors["fremovexattr"] = errors["lremovexattr"] = "EIO EPERM"
	errors["stat"] = errors["fstat"] = errors["lstat"] = errors["statx"] = look
	errors["newfstatat"] = errors["access"] = errors["faccessat"] = errors["faccessat2"] = look
	errors["readlink"] = errors["readlinkat"] = errors["chdir"] = errors["fchdir"] = errors["fstatfs"] = look
	errors["chroot"] = "EPERM ENOMEM"
	errors["mmap"] = errors["brk"] = errors["mprotect"] = errors["madvise"] = "ENOMEM"
	errors["munmap"] = "EINVAL"
	errors["mincore"] = "EAGAIN ENOMEM"
	errors["lseek"] = "EIO EINVAL"
	errors["fcntl"] = "EINVAL EAGAIN ENOMEM"
	errors["fsopen"] = errors["fsconfig"] = errors["fsmount"] = errors["fspick"] = mounting
	errors["open_tree"] = errors["move_mount"] = errors["mount"] = mounting
	errors["umount2"] = "EBUSY EPERM"
	errors["fork"] = errors["clone"] = errors["clone3"] = "EAGAIN ENOMEM"
	errors["wait4"] = "EINTR"
	errors["unshare"] = "EPERM ENOMEM"
	errors["execve"] = "ENOMEM EIO"
	errors["rt_sigprocmask"] = errors["rt_sigaction"] = "EINVAL"
	errors["rt_sigtimedwait"] = "EINTR"
	errors["sched_getaffinity"] = "EINVAL"
	errors["fadvise64"] = "EINVAL"
	errors["ioctl"] = "EIO"
	errors["close_range"] = "EINVAL ENOMEM"
	errors["close"] = "EIO EINTR"
	errors["socket"] = "EMFILE ENOMEM"
	errors["connect"] = "EAGAIN EACCES"
	# These cannot fail, or are made by the libc alone before main(), or by the address sanitizer.
	never = "^(any|arch_prctl|exit|exit_group|futex|geteuid|getpid|getrandom|gettid|prlimit64|rseq|" \
		"set_robust_list|set_tid_address|sigaltstack|umask|uname)$"
}

$1 ~ never { next }

!($1 in errors) {
	print "faults.awk: no error is known for " $1 >"/dev/stderr"
	unknown = 1
	next
}

{
	count = split(errors[$1], list, " ")
	number = $2 < points ? $2 : points
	for (i = 0; (i < number || i < count) && (!most || i < most); i++) {
		at = i % number + 1
		if ($2 > points)
			at = number > 1 ? int(($2 - 1) * (at - 1) / (number - 1)) + 1 : int(($2 + 1) / 2)
		print way " " $1 ":" at ":" list[i % count + 1]
		total++
	}
}

END { exit unknown || !total }
