#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# rd.tmpfsroot.method=bind: limits that are asked for, and those that are refused. Containers on it are in
# runtimes.bats.

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

setup_file() {
	need "$helper"
}

@test "limits are those asked for, where the rootfs is a tmpfs; what was open to all is closed" {
	tiny limits opts=size=100M,nr_inodes=5000 "$vm/guest/bind:/init"
	ended limits
	shows limits 'RESULT witness=1'
	shows limits "RESULT limits=$((100 << 20)) 5000"
	shows limits 'RESULT root_has_parent=yes'
	shows limits 'RESULT root_mode=755 0:0'
	mounted_once limits / rootfs size=102400k nr_inodes=5000
	matches limits '^REPORT  *"method": "bind",$'
}

# refused NAME WORDS SENTENCE: and that sentence is all that is said about it.
refused() {
	tiny "$1" "rdinit=/usr/bin/tmpfsroot rd.tmpfsroot.method=bind $2" "$vm/guest/bind:/init"
	matches "$1" "^([[].*[]] )?tmpfsroot: $3\$"
	never "$1" 'Kernel panic|Attempted to kill init'
	[ "$(grep 'tmpfsroot: ' "$logs/$1.log" | grep -vcE 'powering off|going on without')" = 1 ]
}

@test "limits are refused where the rootfs is a ramfs" {
	refused ramfs 'root=/dev/ram0 rd.tmpfsroot.opts=size=100M rd.tmpfsroot.onfail=poweroff' \
		'rd\.tmpfsroot\.opts=size=100M: the initramfs is a ramfs, which has no limits: use method=copy, .*'
	matches ramfs 'reboot: Power down'
	never ramfs '^RESULT'
}

@test "a limit below what is used is refused, and init can go on with all as it was" {
	refused small 'rd.tmpfsroot.opts=nr_inodes=5000,size=1M rd.tmpfsroot.onfail=continue' \
		'limiting the initramfs to nr_inodes=5000,size=1M: .*; is it larger already\? change rd\.tmpfsroot\.opts='
	shows small 'GUEST DONE'
	shows small 'RESULT witness=0'
	shows small 'RESULT root_has_parent=no'
	[[ $(result small limits) != *' 5000' ]]
	[[ $(result small mount) == '/ rootfs '* ]]
}
