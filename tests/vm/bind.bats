#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# rd.tmpfsroot.method=bind: nothing is moved, the rootfs is bound over itself.  The same Debian and
# the same runtimes as in runtimes.bats, which also shows that they fail without the helper.

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

setup_file() {
	need "$helper"
}

# Boots a pair of machines, with either kind of rootfs, when a test first asks for one of them.
pair() {
	local suite=$1 pid
	[ -e "$BATS_FILE_TMPDIR/$suite" ] && return
	debian "$suite" tmpfs '' &
	pid=$!
	debian "$suite" ramfs root=/dev/ram0
	wait "$pid"
	touch "$BATS_FILE_TMPDIR/$suite"
}

debian() {
	local name=bind-$1-$2
	rm -f "$logs/$name.log"
	boot "$name" "$1" "rdinit=/usr/bin/tmpfsroot rd.tmpfsroot.method=bind $3" \
		"$("$vm/tree" "$1")/root.cpio" "$vm/guest/bind:/init" "$vm/guest/runtimes:/usr/lib/runtimes" \
		"$vm/guest/lib.sh:/usr/lib/guest.sh" "$helper:/usr/bin/tmpfsroot" </dev/null
}

# bound SUITE KIND
bound() {
	local name=bind-$1-$2 runtime seconds
	pair "$1"
	shows "$name" 'GUEST DONE'
	never "$name" 'Kernel panic'
	shows "$name" "RESULT rootfs=$2"
	for runtime in runc crun bubblewrap runsc; do
		shows "$name" "RESULT $runtime=ok: container $runtime pid 1"
	done
	matches "$name" '^RESULT status=.*"pivot_root": true'
	shows "$name" 'RESULT root_has_parent=yes'
	shows "$name" 'RESULT root_mode=755 0:0'
	shows "$name" 'RESULT findmnt=rootfs rootfs'

	mounted_once "$name" / rootfs rw
	mounted_once "$name" /proc proc nosuid nodev noexec
	mounted_once "$name" /sys sysfs nosuid nodev noexec
	mounted_once "$name" /dev devtmpfs nosuid
	mounted_once "$name" /dev/pts devpts gid=5 mode=620 ptmxmode=000
	mounted_once "$name" /run tmpfs nosuid nodev mode=755
	[ "$(result "$name" mount | wc -l)" = 6 ]

	# Asked again, it has only executed: the mount on / is still the first one.
	shows "$name" "RESULT first=1 $(result "$name" root_mount)"
	[ "$(result "$name" argv)" = '/bin/sh|/usr/lib/runtimes|x|y z|' ]
	[[ $(result "$name" env) == *'|TMPFSROOT=2|'* ]]
	[ "$(grep -c '^KMSG tmpfsroot: ' "$logs/$name.log")" = 1 ]

	matches "$name" '^REPORT  *"method": "bind",$'
	matches "$name" '^REPORT  *"source": "initramfs",$'
	matches "$name" '^REPORT  *"warnings": \[\]$'
	matches "$name" '^REPORT  *"bytes": 0,$'
	matches "$name" '^REPORT  *"peak_bytes": 0,$'
	# An emulated processor pays for every instruction that is new to it; a real one needs less than
	# a millisecond.
	seconds=$(sed -n 's/^REPORT .*"total": \([0-9.]*\).*/\1/p' "$logs/$name.log")
	echo "# $name: $seconds s from the helper's start to init" >&3
	awk -v seconds="$seconds" 'BEGIN { exit !(seconds > 0 && seconds < 0.5) }'
}

@test "6.1, rootfs a tmpfs: bound over itself, four runtimes work" { bound bookworm tmpfs; }
@test "6.1, rootfs a ramfs: bound over itself, four runtimes work" { bound bookworm ramfs; }
@test "6.12, rootfs a tmpfs: bound over itself, four runtimes work" { bound trixie tmpfs; }
@test "6.12, rootfs a ramfs: bound over itself, four runtimes work" { bound trixie ramfs; }
@test "7.2, rootfs a tmpfs: bound over itself, four runtimes work" { bound forky tmpfs; }
@test "7.2, rootfs a ramfs: bound over itself, four runtimes work" { bound forky ramfs; }

# limited SUITE: an init of one's own asks for limits; what it left open to all is closed.
limited() {
	local name=bind-limits-$1
	tiny "$name" "$1" opts=size=100M,nr_inodes=5000 "$vm/guest/bind:/init" </dev/null
	shows "$name" 'GUEST DONE'
	shows "$name" 'RESULT witness=1'
	shows "$name" "RESULT limits=$((100 << 20)) 5000"
	shows "$name" 'RESULT root_has_parent=yes'
	shows "$name" 'RESULT root_mode=755 0:0'
	mounted_once "$name" / rootfs size=102400k nr_inodes=5000
	matches "$name" '^REPORT  *"method": "bind",$'
}

@test "limits are those asked for, where the rootfs is a tmpfs" {
	limited bookworm
	limited forky
}

# refused NAME WORDS SENTENCE: and that sentence is all that is said about it.
refused() {
	tiny "$1" bookworm "rdinit=/usr/bin/tmpfsroot rd.tmpfsroot.method=bind $2" "$vm/guest/bind:/init" \
		</dev/null
	matches "$1" "^([[].*[]] )?tmpfsroot: $3\$"
	never "$1" 'Kernel panic|Attempted to kill init'
}

# said NAME WORD...: how many sentences are on the console, but for those on what follows.
said() {
	grep 'tmpfsroot: ' "$logs/$1.log" | grep -vcE 'powering off|going on without'
}

@test "limits are refused where the rootfs is a ramfs" {
	refused bind-ramfs 'root=/dev/ram0 rd.tmpfsroot.opts=size=100M rd.tmpfsroot.onfail=poweroff' \
		'rd\.tmpfsroot\.opts=size=100M: the initramfs is a ramfs, which has no limits: use method=copy, .*'
	[ "$(said bind-ramfs)" = 1 ]
	matches bind-ramfs 'reboot: Power down'
	never bind-ramfs '^RESULT'
}

@test "a limit below what is used is refused, and init can go on with all as it was" {
	refused bind-small 'rd.tmpfsroot.opts=nr_inodes=5000,size=1M rd.tmpfsroot.onfail=continue' \
		'limiting the initramfs to nr_inodes=5000,size=1M: .*; is it larger already\? change rd\.tmpfsroot\.opts='
	[ "$(said bind-small)" = 1 ]
	shows bind-small 'GUEST DONE'
	shows bind-small 'RESULT witness=0'
	shows bind-small 'RESULT root_has_parent=no'
	[[ $(result bind-small limits) != *' 5000' ]]
	[[ $(result bind-small mount) == '/ rootfs '* ]]
}
