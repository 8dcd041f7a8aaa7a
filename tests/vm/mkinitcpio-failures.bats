#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Images of mkinitcpio, with systemd in the initramfs or without (KIND), for a Debian: what is in them, and
# what mkinitcpio's own words and shells do around ours.

export MAKER=mkinitcpio
# shellcheck source=SCRIPTDIR/image.bash
source "$BATS_TEST_DIRNAME/image.bash"

setup() {
	need_maker
}

# The first line typed, an empty one, is for sulogin, which asks for it.
# shellcheck disable=SC2016 # for the shell over there
answer=$'\necho "SHELL $((6 * 7))"\n'

for_none() {
	[ "$kind" = none ] || skip "a word of mkinitcpio's own init, which is not in an image with systemd"
}

@test "the hook is in the image with the program and its file, from the source tree as well" {
	local images file
	images=$("$vm/$maker-image" "$suite")
	[ "$(sed -n '/\[tmpfsroot\]/,$p' "$images/$kind-disk.log" | grep -c ERROR)" = 0 ]
	grep -qxF usr/bin/tmpfsroot "$images/$kind-disk.list"
	grep -qxF etc/tmpfsroot.conf "$images/$kind-disk.list"
	diff <(grep -vx etc/tmpfsroot.conf "$images/$kind-disk.list") "$images/$kind-checkout.list"
	if [ "$kind" = none ]; then
		for file in hooks/tmpfsroot usr/lib/tmpfsroot/emergency usr/bin/switch_root; do
			grep -qxF $file "$images/none-disk.list"
		done
	else
		for file in system-generators/tmpfsroot-generator system/initrd-switch-root.service.d/tmpfsroot.conf; do
			grep -qxF "usr/lib/systemd/$file" "$images/systemd-disk.list"
		done
	fi
}

@test "MKINITCPIO_HOOKS and MKINITCPIO_INSTALL name the source tree as -D does" {
	local images
	images=$("$vm/$maker-image" "$suite")
	[ -e "$images/$kind-variables.list" ] || skip "this mkinitcpio has no such variables, which came with 41"
	[ "$(sed -n '/\[tmpfsroot\]/,$p' "$images/$kind-variables.log" | grep -c ERROR)" = 0 ]
	diff "$images/$kind-checkout.list" "$images/$kind-variables.list"
}

@test "mkinitcpio -H tmpfsroot names the words and what they need" {
	local word images
	images=$("$vm/$maker-image" "$suite")
	for word in root=tmpfsroot rd.tmpfsroot=yes /new_root /sysroot init= BINARIES onfail=shell /etc/tmpfsroot.conf; do
		grep -qF "$word" "$images/help"
	done
	grep -q 'pre-mount hook' "$images/help"
}

@test "a wrong word: the sentence that it has everywhere, and onfail=poweroff" {
	left_to_check_all 'one more refusal'
	machine wrong disk disk.ext4 "$disk" rd.tmpfsroot=maybe rd.tmpfsroot.onfail=poweroff
	refused wrong 'kernel command line: rd.tmpfsroot=maybe is wrong: expected no, yes or auto'
}

@test "it does not fit: the emergency shell of mkinitcpio, or of systemd" {
	local off='poweroff -f' words="$disk rd.tmpfsroot=yes rd.tmpfsroot.opts=size=1M"
	expect='tmpfsroot could not switch root'
	[ "$kind" = none ] || expect='Press Enter for' off='systemctl -ff poweroff' words+=' systemd.setenv=SYSTEMD_SULOGIN_FORCE=1'
	typed="${answer}busybox ls $newroot
$off" machine shell disk disk.ext4 "$words"
	if [ "$kind" = none ]; then
		matches shell 'ERROR: tmpfsroot could not switch root'
		matches shell '\[rootfs .*\]# '
	fi
	matches shell ': the tree needs .* raise size= in rd.tmpfsroot.opts='
	matches shell 'SHELL 42'
	matches shell 'lost\+found|usr'
	unwritten shell
}

@test "break=, rd.debug and rd.log around the move" {
	local log=/run/initramfs/init.log
	for_none
	left_to_check_all "mkinitcpio's own words"
	expect='Pre-mount break requested' typed="${answer}grep -c switch_root $log
exit" machine premount disk disk.ext4 "$disk" rd.tmpfsroot=yes break=premount rd.log=console
	expect='Post-mount break requested' typed="${answer}ls -d /new_root/usr/lib/guest; grep -c tmpfsroot_mount $log
echo kept >/run/carried
exit" machine postmount tree - root=tmpfsroot break=postmount rd.debug 'rd.log=console|file'
	for name in premount postmount; do
		matches "$name" 'SHELL 42'
	done
	in_memory premount realroot
	tree_in_memory postmount
	shows postmount /new_root/usr/lib/guest
	shows postmount 'RESULT run=kept /run/initramfs'
	matches postmount '^[1-9][0-9]*$'
}

@test "disablehooks= leaves the boot that it is without the hook; an init must be there" {
	for_none
	left_to_check_all "mkinitcpio's own words"
	machine disabled disk disk.ext4 "$disk" rd.tmpfsroot=yes disablehooks=tmpfsroot
	ended disabled
	mounted_once disabled / ext4 ro
	never disabled '^KMSG '
	expect='Bailing out' typed=$'\npoweroff -f' machine init tree - root=tmpfsroot init=/no/init
	matches init 'ERROR: Root device mounted successfully, but /no/init does not exist'
}
