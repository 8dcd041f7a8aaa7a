#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# On a kernel's own rootfs, as its PID 1, one system call after the other fails. The initramfs is what it
# was, each time, and goes on; then the move is let through. The namespace tests have many more calls.

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

setup_file() {
	need "$helper" "$tools/hardtree" "$tools/dumptree" "$tools/oldroot" "$tools/fault"
	# Before the move, in it, and when the target is to become the root.
	printf '%s\n' fsopen:1:EPERM mkdirat:3:ENOSPC write:3:ENOSPC pwrite64:4:EIO ftruncate:4:EIO unlinkat:2:EIO \
		fchown:2:EPERM move_mount:1:EINVAL chroot:1:ENOMEM >"$BATS_FILE_TMPDIR/faults"
}

# survives SUITE KIND WORDS
survives() {
	local name=faults-$1-$2 fault seconds=300 # each call of a program that is traced takes long there
	[ "$(uname -m)" = x86_64 ] || skip 'tests/tools/fault.c knows the registers of x86-64 alone'
	tiny "$name" "$1" "$3" "$vm/guest/faults:/init" "$BATS_FILE_TMPDIR/faults:/faults" \
		"$tools/hardtree:/usr/bin/hardtree" "$tools/dumptree:/usr/bin/dumptree" \
		"$tools/oldroot:/usr/bin/oldroot" "$tools/fault:/usr/bin/fault" </dev/null
	shows "$name" 'GUEST DONE'
	never "$name" 'Kernel panic'
	shows "$name" "RESULT rootfs=$2"
	while read -r fault; do
		shows "$name" "RESULT fault $fault: as before"
	done <"$BATS_FILE_TMPDIR/faults"
	shows "$name" 'RESULT moved: all is there'
	mounted_once "$name" / tmpfs rw mode=755
	shows "$name" 'RESULT oldroot='
	echo "# $name: $(grep -c ': as before$' "$logs/$name.log") faults" >&3
}

@test "6.1, rootfs a ramfs: calls fail, and the initramfs is what it was" { survives bookworm ramfs root=/dev/ram0; }
@test "6.12, rootfs a tmpfs: calls fail, and the initramfs is what it was" { survives trixie tmpfs ''; }
