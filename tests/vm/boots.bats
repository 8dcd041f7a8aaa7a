#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Small initramfs, booted in the ways that an image can ask for the move, and in those that must fail.

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

setup_file() {
	need "$helper" "$tools/oldroot"
}

# carry KIND WORDS: an /init of one's own that mounts what it likes first.
carry() {
	local name=carry-$1 dir
	tiny "$name" "$2 -- one two" "$vm/guest/carry:/init" "$tools/oldroot:/usr/bin/oldroot"
	ended "$name"
	shows "$name" "RESULT rootfs=$1"
	mounted_once "$name" / tmpfs rw
	mounted_once "$name" /proc proc nosuid nodev noexec
	mounted_once "$name" /sys sysfs nosuid nodev noexec
	mounted_once "$name" /sys/fs/cgroup cgroup2
	mounted_once "$name" /dev devtmpfs nosuid
	mounted_once "$name" /dev/pts devpts gid=5 mode=620
	mounted_once "$name" /dev/shm tmpfs
	mounted_once "$name" /run tmpfs nosuid nodev
	mounted_once "$name" /run/sub tmpfs
	mounted_once "$name" /mnt/data tmpfs
	mounted_once "$name" /mnt/data/deep tmpfs
	[ "$(result "$name" mount | wc -l)" = 11 ]
	for dir in /dev/shm /run /run/sub /mnt/data /mnt/data/deep; do
		shows "$name" "RESULT file=$dir kept"
	done
	shows "$name" 'RESULT plain=hidden'
	shows "$name" 'RESULT oldroot='
	[ "$(result "$name" argv)" = "/bin/sh|/init|one|two|" ]
	# Asked again on the finished root, it only executes.
	shows "$name" 'RESULT third=2 /bin/sh|/init|x|y z|'
	[[ $(result "$name" third_root) == 'tmpfsroot / tmpfs '* ]]
	[ "$(result "$name" third_root | wc -l)" = 1 ]
}

@test "an init of one's own, rootfs a tmpfs: its mounts are carried over; asked again, init starts at once" {
	left_to_check_all 'the ramfs shows the same'
	carry tmpfs ''
}

@test "an init of one's own, rootfs a ramfs: its mounts are carried over; asked again, init starts at once" {
	carry ramfs root=/dev/ram0
}

@test "an init that never looks at the witness is not started for ever" {
	left_to_check_all 'tests/ns/move.bats shows it'
	tiny naive rd.tmpfsroot.onfail=poweroff "$vm/guest/naive:/init"
	matches naive '^ROUND 1$'
	[ "$(grep -c '^ROUND' "$logs/naive.log")" -le 20 ]
	matches naive 'tmpfsroot: .*TMPFSROOT'
	matches naive 'reboot: Power down'
	never naive 'Kernel panic|Attempted to kill init'
}

# failing NAME WORDS: a boot that finds no /init.
failing() {
	tiny "$1" "rdinit=/usr/bin/tmpfsroot $2" "$vm/guest/carry:/not-init"
	matches "$1" 'tmpfsroot: .*/init.*(not found|No such file)'
	never "$1" 'Kernel panic|Attempted to kill init'
}

@test "onfail=reboot: the refusal is on the console, then the machine restarts" {
	left_to_check_all 'poweroff shows the same'
	failing reboot rd.tmpfsroot.onfail=reboot
	matches reboot 'reboot: Restarting system'
}

@test "onfail=poweroff: the refusal is on the console, then the machine is off" {
	failing poweroff rd.tmpfsroot.onfail=poweroff
	matches poweroff 'reboot: Power down'
}

# What a shell leaves when it exits must be a shell again, or the end of the machine, and no panic.
@test "onfail=shell, also by default: a shell on the console; when it ends there is no panic" {
	# shellcheck disable=SC2016 # for the shell over there
	expect='tmpfsroot: [^\n]*/init[^#]*# ' typed=$'echo "SHELL $((6 * 7))" /not-*\nexit\n/bin/busybox poweroff -f' failing shell ''
	matches shell '^SHELL 42 /not-init'
	matches shell 'reboot: Power down'
}

@test "onfail=continue: init starts in the initramfs as it is, and is told so" {
	tiny continue 'rdinit=/usr/bin/tmpfsroot rd.tmpfsroot.onfail=continue rd.tmpfsroot.minmem=100G' \
		"$vm/guest/continued:/init"
	ended continue
	matches continue 'tmpfsroot: .*minmem'
	shows continue 'RESULT witness=0'
	has_first_root continue
}

@test "a refusal by rdinit= is in the kernel's log, and so on every console" {
	tiny consoles 'console=tty0 rdinit=/usr/bin/tmpfsroot rd.tmpfsroot.minmem=900G rd.tmpfsroot.onfail=poweroff' "$vm/guest/carry:/init"
	matches consoles '^\[.*\] tmpfsroot: .* of memory are available, the move needs '
	matches consoles 'reboot: Power down'
}
