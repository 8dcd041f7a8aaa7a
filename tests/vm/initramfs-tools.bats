#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Images of initramfs-tools, made by two suites' own and booted on their kernels, in the four ways that a
# boot can be asked for, with an ordinary boot of an image that did not ask, to compare with; and boots
# that are refused, or interrupted by their user.

maker=initramfs-tools-image
# shellcheck source=SCRIPTDIR/image.bash
source "$BATS_TEST_DIRNAME/image.bash"

# at_once NAME COMMAND... -- COMMAND...: two machines, when a test first asks for them.
at_once() {
	local name=$1 first=() pid
	shift
	[ ! -e "$BATS_FILE_TMPDIR/$name" ] || return 0
	mkdir -p "$logs"
	while [ "$1" != -- ]; do
		first+=("$1")
		shift
	done
	shift
	"${first[@]}" </dev/null &
	pid=$!
	"$@" </dev/null
	wait "$pid"
	touch "$BATS_FILE_TMPDIR/$name"
}

# pair NAME IMAGE DISK WORDS...: the same on Debian 12 and on 13: debian12-NAME and debian13-NAME.
pair() {
	at_once "$1" machine "debian12-$1" bookworm "${@:2}" -- machine "debian13-$1" trixie "${@:2}"
}
small=rd.tmpfsroot.opts=size=1M

@test "a tree in the image" {
	pair tree memory - root=tmpfsroot
	for name in debian{12,13}-tree; do
		in_memory "$name" directory
		a_system "$name"
	done
}

@test "the image itself" {
	pair image disk - root=tmpfsroot "init=$program"
	for name in debian{12,13}-image; do
		in_memory "$name" initramfs
		[ "$(result "$name" argv)" = "/bin/sh|$program|" ]
	done
}

@test "a root on a disk, which is then taken away" {
	at_once disk machine debian12-disk bookworm disk disk.ext4 "$disk" rd.tmpfsroot=yes detach -- \
		machine debian13-disk trixie disk disk.squashfs root=/dev/vda rootfstype=squashfs rd.tmpfsroot=auto detach
	for name in debian{12,13}-disk; do
		in_memory "$name" realroot
		a_system "$name"
		shows "$name" 'RESULT disk_mounts=0'
		shows "$name" 'RESULT disk_after='
		shows "$name" 'RESULT wrong=0'
		unwritten "$name"
	done
	matches debian12-disk '^REPORT  *"source_type": "ext4",$'
	matches debian13-disk '^REPORT  *"source_type": "squashfs",$'
}

@test "none of our words: as an image that did not ask" {
	pair plain disk disk.ext4 root=LABEL=system rw
	pair without without disk.ext4 root=LABEL=system rw
	for suite in debian12 debian13; do
		shows "$suite-plain" 'GUEST DONE'
		mounted_once "$suite-plain" / ext4 rw
		[ "$(result "$suite-plain" mount | cut -d ' ' -f 1,2 | sort)" = \
			"$(result "$suite-without" mount | cut -d ' ' -f 1,2 | sort)" ]
		[ "$(result "$suite-plain" failed)" = "$(result "$suite-without" failed)" ]
		shows "$suite-plain" 'RESULT oldroot='
		shows "$suite-plain" 'RESULT run= /run/initramfs'
		never "$suite-plain" '^KMSG .*is a tmpfs'
		given_alike "$suite-plain" "$suite-without"
	done
}

@test "init gets the arguments and environment that klibc's run-init gives" {
	pair without without disk.ext4 root=LABEL=system rw
	for suite in debian12 debian13; do
		given_alike "$suite-tree" "$suite-without"
		given_alike "$suite-disk" "$suite-without"
	done
}

@test "an image has what it asked for, and no other has anything of it" {
	for suite in bookworm trixie; do
		made=$("$vm/$maker" "$suite")
		diff "$made/before.list" "$made/without.list"
		diff <(grep -vx conf/conf.d/tmpfsroot "$made/after.list") "$made/disk.list"
		# busybox has a run-init of its own
		[ "$(comm -3 <(sort "$made/without.list") <(sort "$made/disk.list") | tr -d '\t' | grep -vx usr/sbin/run-init)" = \
			"$(printf '%s\n' conf/conf.d/tmpfsroot.boot scripts/init-bottom/tmpfsroot scripts/tmpfsroot \
				usr/bin/tmpfsroot usr/lib/tmpfsroot usr/lib/tmpfsroot/emergency)" ]
	done
}

@test "what does not fit, or is a wrong word: the reason, and what panic= says" {
	at_once refused machine debian12-no-fit bookworm disk disk.ext4 "$disk" rd.tmpfsroot=yes $small -- \
		machine debian13-wrong trixie memory - root=tmpfsroot rd.tmpfsroot=maybe
	matches debian12-no-fit '^run-init: the tree needs .* raise size= in rd.tmpfsroot.opts='
	matches debian13-wrong '^run-init: kernel command line: rd.tmpfsroot=maybe is wrong: expected no, yes or auto$'
	[ "$(grep -c 'run-init: kernel command line' "$logs/debian13-wrong.log")" = 1 ]
	for name in debian12-no-fit debian13-wrong; do
		shows "$name" 'tmpfsroot could not switch root: see above'
		matches "$name" '^Rebooting automatically due to panic= boot argument'
		matches "$name" 'reboot: Restarting system'
		never "$name" 'GUEST DONE|Kernel panic'
	done
	unwritten debian12-no-fit
}

@test "auto, and onfail=continue: the disk boots, with a warning" {
	at_once stays machine debian12-auto bookworm disk disk.ext4 "$disk" rd.tmpfsroot=auto $small -- \
		machine debian13-continue trixie disk disk.ext4 "$disk" rd.tmpfsroot=maybe rd.tmpfsroot.onfail=continue
	matches debian12-auto '^run-init: the tree needs '
	matches debian13-continue '^run-init: kernel command line: rd.tmpfsroot=maybe is wrong'
	for name in debian12-auto debian13-continue; do
		matches "$name" '^run-init: the real root is not moved: booting from where it is$'
		shows "$name" 'GUEST DONE'
		mounted_once "$name" / ext4 ro
		shows "$name" 'RESULT oldroot='
		unwritten "$name"
	done
}

@test "no init: initramfs-tools says so; in a crash kernel nothing is moved" {
	at_once others machine debian12-no-init bookworm disk empty.ext4 "$disk" rd.tmpfsroot=yes -- \
		machine debian13-crash trixie disk disk.ext4 "$disk" rd.tmpfsroot=yes rd.tmpfsroot.minmem=much elfcorehdr=1M
	matches debian12-no-init '^No init found'
	never debian12-no-init 'GUEST DONE|Kernel panic'
	shows debian13-crash 'GUEST DONE'
	mounted_once debian13-crash / ext4 ro
	never debian13-crash '^KMSG .*is a tmpfs'
	unwritten debian12-no-init
	unwritten debian13-crash
}

prompt='\(initramfs\) '
# shellcheck disable=SC2016 # for the shell over there
asks='echo SHELL $((6 * 7));echo $rootmnt/*;cat /proc/cmdline;exit'

@test "the shell has what it had, and when it is left the switch is tried again" {
	typed debian12-shell "$prompt" "$asks;;echo AGAIN \$((7 * 6));poweroff -f" \
		bookworm disk disk.ext4 "$disk" rd.tmpfsroot=yes $small panic= &
	local pid=$!
	typed debian13-shell "$prompt" "$asks;;echo AGAIN \$((7 * 6));poweroff -f" \
		trixie disk - root=tmpfsroot "init=$program" $small panic=
	wait "$pid"
	for name in debian12-shell debian13-shell; do
		shows "$name" 'tmpfsroot could not switch root: see above'
		# The kernel's own lines: it writes them into the middle of others.
		[ "$(grep -c '\] tmpfsroot: the tree needs .* raise size= in rd.tmpfsroot.opts=' "$logs/$name.log")" = 2 ]
		matches "$name" '^SHELL 42'
		matches "$name" 'AGAIN 42'
		matches "$name" '/root/etc .*/root/usr'
		matches "$name" '^console=ttyS0 .* panic=$'
		matches "$name" 'reboot: Power down'
	done
	unwritten debian12-shell
}

@test "break= and debug: a shell before us, the way of the boot is told, and then the move" {
	typed debian12-break "$prompt" "$asks" bookworm disk disk.ext4 "$disk" rd.tmpfsroot=yes break=bottom debug=1 panic= &
	local pid=$!
	typed debian13-break "$prompt" "cat /root/run/initramfs/initramfs.debug;$asks" \
		trixie disk - root=tmpfsroot "init=$program" break=init debug loglevel=4 panic=
	wait "$pid"
	matches debian12-break '^\+ exec /sbin/run-init /root /sbin/init$'
	matches debian13-break "^\+ /sbin/run-init -n /root $program\$"
	for name in debian12-break debian13-break; do
		shows "$name" 'Spawning shell within the initramfs'
		matches "$name" '^SHELL 42'
	done
	in_memory debian12-break realroot
	in_memory debian13-break initramfs
}

@test "the kernels and shells are those that the names say" {
	[[ $(result debian12-tree kernel) == 6.1.* ]]
	[[ $(result debian13-tree kernel) == 6.12.* ]]
	run -1 grep -x usr/bin/ash "$("$vm/$maker" bookworm)/disk.list"
	grep -qx usr/bin/ash "$("$vm/$maker" trixie)/disk.list"
}

# initramfs-tools-image takes the commands from there, and these are the words that are tested here.
@test "the README's words are those that move" {
	grep -q '^TMPFSROOT_ADD=yes mkinitramfs -o disk.img  *# root=LABEL=system rd.tmpfsroot=yes$' "$top/README.md"
	grep -q '^TMPFSROOT_TREE=TREE mkinitramfs -o memory.img  *# root=tmpfsroot$' "$top/README.md"
	grep -qx '\.Dl TMPFSROOT_TREE=TREE mkinitramfs -o memory.img' "$top/helper/tmpfsroot.8"
}
