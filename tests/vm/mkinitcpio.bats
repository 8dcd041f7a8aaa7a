#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Images of mkinitcpio, with systemd in the initramfs and without, for a Debian: the four ways that a boot
# can be asked for, and what its own words and shells do around ours.

# shellcheck disable=SC2034 # used by image.bash
maker=mkinitcpio-image
# shellcheck source=SCRIPTDIR/image.bash
source "$BATS_TEST_DIRNAME/image.bash"
suite=trixie
# systemd's init leaves none there.
carried='(/run/initramfs)?'

setup() {
	command -v "${MKINITCPIO:-mkinitcpio}" >/dev/null ||
		skip "there is no mkinitcpio in PATH, and MKINITCPIO names none"
}

@test "the hook is in the image with the program and its file, from the source tree as well" {
	local images kind file
	images=$("$vm/$maker" $suite)
	for kind in systemd none; do
		[ "$(sed -n '/\[tmpfsroot\]/,$p' "$images/$kind-disk.log" | grep -c ERROR)" = 0 ]
		grep -qxF usr/bin/tmpfsroot "$images/$kind-disk.list"
		grep -qxF etc/tmpfsroot.conf "$images/$kind-disk.list"
		diff <(grep -vx etc/tmpfsroot.conf "$images/$kind-disk.list") "$images/$kind-checkout.list"
	done
	for file in hooks/tmpfsroot usr/lib/tmpfsroot/emergency usr/bin/switch_root; do
		grep -qxF $file "$images/none-disk.list"
	done
	for file in system-generators/tmpfsroot-generator system/initrd-switch-root.service.d/tmpfsroot.conf; do
		grep -qxF "usr/lib/systemd/$file" "$images/systemd-disk.list"
	done
}

@test "mkinitcpio -H tmpfsroot names the words and what they need" {
	local word images
	images=$("$vm/$maker" $suite)
	for word in root=tmpfsroot rd.tmpfsroot=yes /new_root /sysroot init= BINARIES onfail=shell /etc/tmpfsroot.conf; do
		grep -qF "$word" "$images/help"
	done
	grep -q 'pre-mount hook' "$images/help"
}

@test "a tree in the image" {
	both mkinitcpio-tree $suite tree - root=tmpfsroot
	for name in {systemd,none}-mkinitcpio-tree; do
		in_memory "$name" directory
		a_system "$name"
	done
}

@test "the image itself" {
	both mkinitcpio-image $suite image - root=tmpfsroot "init=$program"
	for name in {systemd,none}-mkinitcpio-image; do
		in_memory "$name" initramfs
		[ "$(result "$name" argv)" = "/bin/sh|$program|" ]
	done
}

@test "ext4 on a disk, which is then taken away" {
	both mkinitcpio-disk $suite disk disk.ext4 "$disk" rd.tmpfsroot=yes detach
	for name in {systemd,none}-mkinitcpio-disk; do
		in_memory "$name" realroot
		a_system "$name"
		matches "$name" '^REPORT  *"source_type": "ext4",$'
		shows "$name" 'RESULT disk_mounts=0'
		shows "$name" 'RESULT disk_after='
		shows "$name" 'RESULT wrong=0'
		unwritten "$name"
	done
	shows none-mkinitcpio-disk 'RESULT run= /run/initramfs'
}

# None of our words: as an image without the hook.
@test "an ordinary boot" {
	local kind
	both mkinitcpio-plain $suite disk disk.ext4 root=LABEL=system rw
	both mkinitcpio-without $suite without disk.ext4 root=LABEL=system rw
	for kind in systemd none; do
		ordinary "$kind-mkinitcpio-plain" "$kind-mkinitcpio-without"
	done
}

@test "init gets the arguments and environment that mkinitcpio's own switch gives" {
	local kind
	for kind in systemd none; do
		given_alike "$kind-mkinitcpio-tree" "$kind-mkinitcpio-without"
		given_alike "$kind-mkinitcpio-disk" "$kind-mkinitcpio-without"
	done
	[ "$(result none-mkinitcpio-disk argv)" = '/sbin/init|detach|' ]
	[ "$(result none-mkinitcpio-disk env)" = 'TERM=linux|' ]
}

@test "a wrong word: the sentence that it has everywhere, and onfail=poweroff" {
	both mkinitcpio-wrong $suite disk disk.ext4 "$disk" rd.tmpfsroot=maybe rd.tmpfsroot.onfail=poweroff
	refused mkinitcpio-wrong 'kernel command line: rd.tmpfsroot=maybe is wrong: expected no, yes or auto'
}

# The first line, an empty one, is for sulogin, which asks for it.
# shellcheck disable=SC2016 # for the shell over there
shell=';echo "SHELL $((6 * 7))";'

@test "it does not fit: the emergency shell of mkinitcpio, or of systemd" {
	local pid words="$disk rd.tmpfsroot=yes rd.tmpfsroot.opts=size=1M"
	typed systemd-mkinitcpio-shell 'Press Enter for' \
		"$shell busybox ls /sysroot; systemctl -ff poweroff" $suite systemd-disk disk.ext4 "$words" \
		systemd.setenv=SYSTEMD_SULOGIN_FORCE=1 &
	pid=$!
	typed none-mkinitcpio-shell 'tmpfsroot could not switch root' "$shell ls /new_root; poweroff -f" \
		$suite none-disk disk.ext4 "$words"
	wait "$pid"
	matches none-mkinitcpio-shell 'ERROR: tmpfsroot could not switch root'
	matches none-mkinitcpio-shell '\[rootfs .*\]# '
	for name in {systemd,none}-mkinitcpio-shell; do
		matches "$name" ': the tree needs .* raise size= in rd.tmpfsroot.opts='
		matches "$name" 'SHELL 42'
		matches "$name" 'lost\+found|usr'
		unwritten "$name"
	done
}

@test "break=, rd.debug and rd.log around the move" {
	local pid log=/run/initramfs/init.log
	typed none-mkinitcpio-premount 'Pre-mount break requested' \
		"$shell"'grep -c switch_root '"$log"';exit' $suite none-disk disk.ext4 "$disk" rd.tmpfsroot=yes \
		break=premount rd.log=console &
	pid=$!
	typed none-mkinitcpio-postmount 'Post-mount break requested' \
		"$shell"'ls -d /new_root/usr/lib/guest;grep -c tmpfsroot_mount '"$log"';echo kept >/run/carried;exit' \
		$suite none-tree - root=tmpfsroot break=postmount rd.debug 'rd.log=console|file'
	wait "$pid"
	for name in none-mkinitcpio-{premount,postmount}; do
		matches "$name" 'SHELL 42'
	done
	in_memory none-mkinitcpio-premount realroot
	in_memory none-mkinitcpio-postmount directory
	shows none-mkinitcpio-postmount /new_root/usr/lib/guest
	shows none-mkinitcpio-postmount 'RESULT run=kept /run/initramfs'
	matches none-mkinitcpio-postmount '^[1-9][0-9]*$'
}

@test "disablehooks= leaves the boot that it is without the hook; an init must be there" {
	local pid
	machine none-mkinitcpio-disabled $suite none-disk disk.ext4 "$disk" rd.tmpfsroot=yes \
		disablehooks=tmpfsroot </dev/null &
	pid=$!
	typed none-mkinitcpio-init 'Bailing out' ';poweroff -f' $suite none-tree - root=tmpfsroot init=/no/init
	wait "$pid"
	shows none-mkinitcpio-disabled 'GUEST DONE'
	mounted_once none-mkinitcpio-disabled / ext4 ro
	never none-mkinitcpio-disabled '^KMSG '
	matches none-mkinitcpio-init 'ERROR: Root device mounted successfully, but /no/init does not exist'
}

# mkinitcpio-image takes the commands from there, and these are the words that are tested here.
@test "the README's words are those that move" {
	local readme=$top/README.md
	grep -q '^mkinitcpio -A tmpfsroot -g disk.img  *# root=LABEL=system rd.tmpfsroot=yes$' "$readme"
	grep -q '^mkinitcpio -A tmpfsroot -c small.conf -g small.img  *# root=tmpfsroot init=PROGRAM$' "$readme"
	grep -q '^find new_root | cpio -o -H newc | cat - disk.img >memory.img  *# root=tmpfsroot$' "$readme"
	grep -q '^\.Dl mkinitcpio -A tmpfsroot -g disk.img$' "$top/helper/tmpfsroot.8"
}
