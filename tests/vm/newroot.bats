#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The helper by its two other names: an initramfs mounts a root of its own and switches to it.

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

setup_file() {
	need "$helper" "$tools/oldroot"
}

# newroot NAME WORDS FILE:PATH...
newroot() {
	local name=$1
	tiny "$@" "$vm/guest/newroot:/init" "$tools/oldroot:/usr/bin/oldroot" \
		@tmpfsroot:/usr/bin/switch_root @tmpfsroot:/usr/bin/run-init
	shows "$name" 'GUEST DONE'
	never "$name" 'Kernel panic'
	[ "$(result "$name" argv)" = '/bin/sh|/sbin/init|a|b c|' ]
	mounted_once "$name" /proc proc
	mounted_once "$name" /sys sysfs
	mounted_once "$name" /dev devtmpfs
	mounted_once "$name" /dev/pts devpts
	mounted_once "$name" /run tmpfs
	shows "$name" 'RESULT root_has_parent=yes'
	# The initramfs is deleted; what is mounted in it is unmounted, and not entered.
	shows "$name" 'RESULT oldroot='
	shows "$name" 'RESULT other=kept'
}

@test "switch_root to a tmpfs, rootfs a tmpfs" {
	left_to_check_all 'the squashfs shows the same'
	newroot switch-tmpfs 'on=tmpfs by=switch_root'
	[[ $(result switch-tmpfs mount) == *'/ tmpfs new '* ]]
}

@test "switch_root to a read-only squashfs, rootfs a ramfs" {
	local tree new=$BATS_TEST_TMPDIR/new
	tree=$("$vm/tree" "$suite")
	mkdir -p "$new"/{bin,sbin,usr/bin,usr/lib,dev,proc,sys,run}
	cp "$tree/busybox" "$new/bin/busybox"
	ln -s busybox "$new/bin/sh"
	cp "$vm/guest/newroot" "$new/sbin/init"
	cp "$vm/guest/lib.sh" "$new/usr/lib/guest.sh"
	cp "$tools/oldroot" "$new/usr/bin/oldroot"
	mksquashfs "$new" "$BATS_TEST_TMPDIR/new.squashfs" -quiet -no-progress -all-root
	newroot switch-squashfs 'root=/dev/loop0 on=squashfs by=switch_root' \
		"$BATS_TEST_TMPDIR/new.squashfs:/newroot.squashfs" \
		"$tree/modules/loop.ko:/modules/loop.ko" "$tree/modules/squashfs.ko:/modules/squashfs.ko"
	mounted_once switch-squashfs / squashfs ro
}

@test "run-init to a tmpfs: a dry run changes nothing" {
	newroot run-init 'on=tmpfs by=run-init'
	shows run-init 'RESULT dry_run_good=0'
	matches run-init '^RESULT dry_run_bad=[1-9]'
	matches run-init '^RESULT dry_run_left=1[0-9]$'
}
