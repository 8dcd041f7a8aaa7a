#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Images of initramfs-tools: what is in them; boots that are refused, or interrupted by their user. Debian
# 12's has klibc's shell, Debian 13's busybox's.

export MAKER=initramfs-tools
# shellcheck source=SCRIPTDIR/image.bash
source "$BATS_TEST_DIRNAME/image.bash"

small=rd.tmpfsroot.opts=size=1M
prompt='\(initramfs\) '
# shellcheck disable=SC2016 # for the shell over there
asks='echo SHELL $((6 * 7))
echo $rootmnt/*
cat /proc/cmdline
exit'

@test "an image has what it asked for, and no other has anything of it" {
	made=$("$vm/$maker-image" "$suite")
	diff "$made/before.list" "$made/without.list"
	diff <(grep -vx conf/conf.d/tmpfsroot "$made/after.list") "$made/disk.list"
	# busybox has a run-init of its own
	[ "$(comm -3 <(sort "$made/without.list") <(sort "$made/disk.list") | tr -d '\t' | grep -vx usr/sbin/run-init)" = \
		"$(printf '%s\n' conf/conf.d/tmpfsroot.boot scripts/init-bottom/tmpfsroot scripts/tmpfsroot \
			usr/bin/tmpfsroot usr/lib/tmpfsroot usr/lib/tmpfsroot/emergency)" ]
	case $suite in
	bookworm) run -1 grep -x usr/bin/ash "$made/disk.list" ;;
	trixie) grep -qx usr/bin/ash "$made/disk.list" ;;
	esac
}

@test "what does not fit: the reason, and what panic= says" {
	left_to_check_all 'one more refusal'
	machine no-fit disk disk.ext4 "$disk" rd.tmpfsroot=yes $small
	refused no-fit 'the tree needs .* raise size= in rd.tmpfsroot.opts='
	shows no-fit 'tmpfsroot could not switch root: see above'
	matches no-fit '^Rebooting automatically due to panic= boot argument'
}

@test "a wrong word: the reason once, and what panic= says" {
	left_to_check_all 'one more refusal'
	machine wrong tree - root=tmpfsroot rd.tmpfsroot=maybe
	refused wrong 'kernel command line: rd.tmpfsroot=maybe is wrong: expected no, yes or auto$'
	[ "$(grep -c 'run-init: kernel command line' "$logs/wrong.log")" = 1 ]
	shows wrong 'tmpfsroot could not switch root: see above'
}

@test "no init: initramfs-tools says so" {
	left_to_check_all "initramfs-tools' own refusal"
	machine no-init disk empty.ext4 "$disk" rd.tmpfsroot=yes
	matches no-init '^No init found'
	never no-init 'GUEST DONE|Kernel panic'
	unwritten no-init
}

@test "the shell has what it had, and when it is left the switch is tried again" {
	expect=$prompt typed=$asks$'\n\necho AGAIN $((7 * 6))\npoweroff -f' \
		machine shell disk disk.ext4 "$disk" rd.tmpfsroot=yes $small panic=
	shows shell 'tmpfsroot could not switch root: see above'
	# The kernel's own lines: it writes them into the middle of others.
	[ "$(grep -c '\] tmpfsroot: the tree needs .* raise size= in rd.tmpfsroot.opts=' "$logs/shell.log")" = 2 ]
	matches shell '^SHELL 42'
	matches shell 'AGAIN 42'
	matches shell '/root/etc .*/root/usr'
	matches shell '^console=ttyS0 .* panic=$'
	matches shell 'reboot: Power down'
	unwritten shell
}

@test "break= and debug: a shell before us, the way of the boot is told, and then the move" {
	left_to_check_all "initramfs-tools' own words"
	expect=$prompt typed=$asks machine break disk disk.ext4 "$disk" rd.tmpfsroot=yes break=bottom debug=1 panic=
	matches break '^\+ exec /sbin/run-init /root /sbin/init$'
	expect=$prompt typed="cat /root/run/initramfs/initramfs.debug
$asks" machine break-init image - root=tmpfsroot "init=$program" break=init debug loglevel=4 panic=
	matches break-init "^\+ /sbin/run-init -n /root $program\$"
	for name in break break-init; do
		shows "$name" 'Spawning shell within the initramfs'
		matches "$name" '^(\(initramfs\) )?SHELL 42' # behind what the shell shows, or in its place
	done
	in_memory break realroot
	in_memory break-init initramfs
}
