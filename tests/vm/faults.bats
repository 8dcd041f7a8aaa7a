#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# On a kernel's own rootfs, as its PID 1, one system call after the other fails. The initramfs is what it
# was, each time, and goes on; then the move is let through. The namespace tests have many more calls.

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

setup_file() {
	need "$helper" "$tools/hardtree" "$tools/dumptree" "$tools/oldroot" "$tools/fault"
	# Before the move, in it, and when the target is to become the root; and what is said then.
	cat >"$BATS_FILE_TMPDIR/messages" <<-'END'
		fsopen:1:EPERM fsopen tmpfs: Operation not permitted; the kernel must have tmpfs
		mkdirat:3:ENOSPC moving /[^:]*: mkdir in the target: No space left on device
		sendfile:3:ENOSPC moving /[^:]*: sendfile: No space left on device
		pwrite64:4:EIO moving /[^:]*: write: I/O error
		ftruncate:4:EIO moving /[^:]*: truncate in the (source|target): I/O error
		unlinkat:2:EIO moving /[^:]*: unlink in the source: I/O error
		fchown:2:EPERM moving /[^:]*: chown: Operation not permitted
		move_mount:1:EINVAL moving the new root onto /: move_mount: Invalid argument
		chroot:1:ENOMEM moving the new root onto /: chroot: Out of memory
	END
}

@test "calls fail, and the initramfs is what it was" {
	local name=faults rootfs=ramfs fsopen=1 fault message seconds=300 # each call of a program that is traced takes long there
	left_to_check_all 'tests/ns/faults.py has each call'
	[ "$(uname -m)" = x86_64 ] || skip 'tests/tools/fault.c knows the registers of x86-64 alone'
	case $suite in
	trixie) rootfs=tmpfs ;;
	forky) fsopen=2 ;; # it has no leases on a ramfs, and the first is to find that out
	esac
	sed "s/^fsopen:1:/fsopen:$fsopen:/" "$BATS_FILE_TMPDIR/messages" >"$BATS_TEST_TMPDIR/messages"
	cut -d ' ' -f 1 "$BATS_TEST_TMPDIR/messages" >"$BATS_TEST_TMPDIR/faults"
	# "quiet": what tells how far a slow move is would be written, too.
	tiny "$name" "$(words_for $rootfs) quiet" "$vm/guest/faults:/init" "$BATS_TEST_TMPDIR/faults:/faults" \
		"$tools/hardtree:/usr/bin/hardtree" "$tools/dumptree:/usr/bin/dumptree" \
		"$tools/oldroot:/usr/bin/oldroot" "$tools/fault:/usr/bin/fault"
	shows "$name" 'GUEST DONE'
	never "$name" 'Kernel panic'
	shows "$name" "RESULT rootfs=$rootfs"
	while read -r fault message; do
		shows "$name" "RESULT fault $fault: as before"
		matches "$name" "^tmpfsroot: $message"
	done <"$BATS_TEST_TMPDIR/messages"
	shows "$name" 'RESULT moved: all is there'
	mounted_once "$name" / tmpfs rw mode=755
	shows "$name" 'RESULT oldroot='
	echo "# $name: $(grep -c ': as before$' "$logs/$name.log") faults" >&3
}
