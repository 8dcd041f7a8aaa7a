#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Real containers.  A Debian with runc, crun, bubblewrap and runsc is the initramfs, on three kernels,
# with the rootfs a tmpfs (no root= on the command line) and a ramfs (root= there), booted as it is
# and by way of the helper.

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

# Boots a pair of machines that differ in rdinit= alone, when a test first asks for them.
pair() {
	local suite=$1 kind=$2 words='hello colour=green -- one two' pid base
	before=$suite-$kind-before after=$suite-$kind-after
	if ! [ -e "$BATS_FILE_TMPDIR/$suite-$kind" ]; then
		need "$helper"
		rm -f "$logs/$before.log" "$logs/$after.log"
		base=$("$vm/tree" "$suite")/root.cpio
		[ "$kind" = tmpfs ] || words="root=/dev/ram0 $words"
		debian "$before" "$suite" "$words" "$base" &
		pid=$!
		debian "$after" "$suite" "rdinit=/usr/bin/tmpfsroot $words" "$base"
		wait "$pid"
		touch "$BATS_FILE_TMPDIR/$suite-$kind"
	fi
	shows "$before" 'GUEST DONE'
	shows "$after" 'GUEST DONE'
	[[ $(result "$before" rootfs) == "$kind" ]]
}

debian() {
	local oldroot=()
	[ -x "$tools/oldroot" ] && oldroot=("$tools/oldroot:/usr/bin/oldroot")
	boot "$@" "$vm/guest/runtimes:/init" "$vm/guest/lib.sh:/usr/lib/guest.sh" \
		"$helper:/usr/bin/tmpfsroot" "${oldroot[@]}" </dev/null
}

# cells SUITE KIND WORKS: the runtimes before, refused by pivot_root itself or not, and after.
cells() {
	local name
	pair "$1" "$2"
	for name in runc crun bubblewrap runsc; do
		shows "$after" "RESULT $name=ok: container $name pid 1"
		[ "$3" = no ] || shows "$before" "RESULT $name=ok: container $name pid 1"
	done
	matches "$after" '^RESULT status=.*"pivot_root": true'
	matches "$before" "^RESULT status=.*\"pivot_root\": $([ "$3" = yes ] && echo true || echo false)"
	[ "$3" = yes ] && return
	matches "$before" '^RESULT runc=fail: .*pivot_root \.: invalid argument"$'
	matches "$before" '^RESULT crun=fail: .*pivot_root: Invalid argument$'
	matches "$before" '^RESULT bubblewrap=fail: bwrap: pivot_root: Invalid argument$'
	matches "$before" '^RESULT runsc=fail: .*cannot create sandbox'
	matches "$before" '^RESULT runsc_reason=.*pivot_root failed, .*: invalid argument$'
}

# each CHECK: CHECK for every pair, with $before and $after set.
each() {
	local suite kind
	for suite in bookworm trixie forky; do
		for kind in tmpfs ramfs; do
			pair "$suite" "$kind"
			"$1"
		done
	done
}

@test "6.1, rootfs a tmpfs: four runtimes fail before and work after" { cells bookworm tmpfs no; }
@test "6.1, rootfs a ramfs: four runtimes fail before and work after" { cells bookworm ramfs no; }
@test "6.12, rootfs a tmpfs: four runtimes fail before and work after" { cells trixie tmpfs no; }
@test "6.12, rootfs a ramfs: four runtimes fail before and work after" { cells trixie ramfs no; }
@test "7.2, rootfs a tmpfs: four runtimes work before and after" { cells forky tmpfs yes; }
@test "7.2, rootfs a ramfs: four runtimes work before and after" { cells forky ramfs yes; }

@test "the kernels are those that the names say" {
	pair bookworm tmpfs && [[ $(result "$after" kernel) == 6.1.* ]]
	pair trixie tmpfs && [[ $(result "$after" kernel) == 6.12.* ]]
	pair forky tmpfs && [[ $(result "$after" kernel) == 7.* ]]
}

the_root() {
	shows "$after" 'RESULT findmnt=tmpfs tmpfsroot'
	shows "$after" 'RESULT root_mode=755 0:0'
	shows "$after" 'RESULT root_has_parent=yes'
	[ "$(result "$before" root_entries)" = "$(result "$after" root_entries)" ]
}
@test "the root is a tmpfs with a parent, mode 0755, owner root, and has all entries" { each the_root; }

the_mounts() {
	mounted_once "$after" / tmpfs rw
	mounted_once "$after" /proc proc nosuid nodev noexec
	mounted_once "$after" /sys sysfs nosuid nodev noexec
	mounted_once "$after" /dev devtmpfs nosuid
	mounted_once "$after" /dev/pts devpts gid=5 mode=620 ptmxmode=000
	mounted_once "$after" /run tmpfs nosuid nodev mode=755
	[ "$(result "$after" mount | wc -l)" = 6 ]
}
@test "the API file systems are mounted once each, with their flags, and nothing else is" { each the_mounts; }

the_memory() {
	local lost
	lost=$(($(result "$before" available_kb) - $(result "$after" available_kb)))
	echo "# $after: $lost KiB less memory available than before" >&3
	[ "$lost" -le 16384 ]
}
@test "no more than 16 MiB of memory is lost" { each the_memory; }

the_old_root() {
	[ -x "$tools/oldroot" ] || skip 'build/tools/oldroot is not built'
	shows "$after" 'RESULT oldroot='
}
@test "the old rootfs is empty" { each the_old_root; }

the_process() {
	[ "$(result "$before" argv)" = '/bin/sh|/init|hello|one|two|' ]
	[ "$(result "$after" argv)" = "$(result "$before" argv)" ]
	[ "$(result "$before" env)" = 'HOME=/|TERM=linux|colour=green|' ]
	[ "$(result "$after" env)" = 'HOME=/|TERM=linux|TMPFSROOT=1|colour=green|' ]
}
@test "init gets the kernel's arguments and environment, and the witness" { each the_process; }

the_report() {
	local key
	for key in version source method entries bytes hard_links seconds plan move switch total peak_bytes warnings; do
		matches "$after" "^REPORT .*\"$key\":"
	done
	[ "$(grep -c '^KMSG tmpfsroot: ' "$logs/$after.log")" = 1 ]
}
@test "the boot has a report, and one line in the kernel's log" { each the_report; }
