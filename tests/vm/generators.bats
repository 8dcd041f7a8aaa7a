#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Images of a generator (MAKER), with systemd in the initramfs or without (KIND), made by a suite's own
# and booted on its kernel, in the ways that a boot can be asked for: the tree in the image, the image
# itself, a root on a disk, which may have to stay there; and an ordinary boot, beside an image that has
# nothing of ours.

# shellcheck source=SCRIPTDIR/image.bash
source "$BATS_TEST_DIRNAME/image.bash"

setup() {
	need_maker
}

# shown_by MAKER-KIND...: "make check" boots that alone, and mkinitcpio, which few machines have.
shown_by() {
	[[ " $* mkinitcpio-systemd mkinitcpio-none " == *" $maker-$kind "* ]] || left_to_check_all "$* shows it"
}

# By "make check" systemd is the init of one boot, that of a tree where systemd is in the initramfs, too; of the
# others a program is, which takes half the time.
init=()
[ -n "${CHECK_ALL-}" ] || init=("init=$program")

@test "a tree in the image" {
	shown_by dracut-systemd initramfs-tools-none
	if [ "$kind" = none ]; then
		once tree machine tree tree - root=tmpfsroot "${init[@]}"
	else
		once tree machine tree tree - root=tmpfsroot
	fi
	tree_in_memory tree
	[ "$kind" = none ] && [ -n "${init[*]}" ] || a_system tree
}

# Its init is a program of it.
@test "the image itself" {
	shown_by dracut-none
	once image machine image image - root=tmpfsroot "init=$program"
	in_memory image initramfs
	[ "$(result image argv)" = "/bin/sh|$program|" ]
	never image '^RESULT old=.*dracut-state.sh'
}

# What a failure would be followed by is for the move alone, not for a hook that asks and is told no.
on_disk() {
	case $maker-$suite in
	dracut-forky) echo disk.squashfs root=/dev/vda rootfstype=squashfs ro rd.tmpfsroot=yes overlay ;;
	mkinitcpio-* | *-bookworm) echo disk.ext4 "$disk" rd.tmpfsroot=yes rd.tmpfsroot.onfail=poweroff ;;
	*) echo disk.squashfs root=/dev/vda rootfstype=squashfs ro rd.tmpfsroot=auto ;;
	esac
}

@test "a root on a disk, which is then taken away" {
	local type words
	shown_by dracut-systemd initramfs-tools-none
	read -ra words < <(on_disk)
	once disk machine disk disk "${words[@]}" "${init[@]}" detach
	in_memory disk realroot
	[ -n "${init[*]}" ] || a_system disk
	case "${words[*]}" in
	*overlay*) type=overlay && shows disk 'RESULT run=kept /run/initramfs' ;;
	*squashfs*) type=squashfs ;;
	*) type=ext4 ;;
	esac
	matches disk "^REPORT  *\"source_type\": \"$type\",\$"
	shows disk 'RESULT exclusive=yes'
	shows disk 'RESULT disk_mounts=0'
	shows disk 'RESULT disk_after='
	shows disk 'RESULT wrong=0'
	unwritten disk
}

@test "a live medium: all of it is let go" {
	[ "$maker" = dracut ] || skip "root=live: is dracut's"
	shown_by dracut-systemd
	once live machine live live live.ext4 root=live:LABEL=live rd.live.overlay.overlayfs=1 rd.tmpfsroot=yes "${init[@]}" detach
	in_memory live realroot
	shows live 'RESULT exclusive=yes'
	shows live 'RESULT disk_mounts=0'
	shows live 'RESULT wrong=0'
	unwritten live
}

@test "the fstab of an installed Debian, and the disk is taken away: no unit fails" {
	shown_by dracut-systemd
	once fstab machine fstab disk fstab.ext4 "$disk" rd.tmpfsroot=yes detach
	in_memory fstab realroot
	a_system fstab
	unwritten fstab
}

@test "none of our words: as an image that has nothing of ours" {
	shown_by initramfs-tools-none
	once plain machine plain disk disk.ext4 root=LABEL=system rw "${init[@]}"
	once without machine without without disk.ext4 root=LABEL=system rw "${init[@]}"
	ordinary plain without
}

@test "init gets the arguments and environment that the generator's own switch gives" {
	shown_by initramfs-tools-none
	given_alike disk without
	# by "make check" an init of its own starts without the tree, and systemd with it
	[ ! -e "$BATS_FILE_TMPDIR/tree" ] || { [ "$kind" = systemd ] && [ -n "${init[*]}" ]; } || given_alike tree without
}

@test "auto, and it does not fit: the disk boots, with a warning" {
	shown_by dracut-none
	machine auto disk disk.ext4 "$disk" rd.tmpfsroot=auto rd.tmpfsroot.opts=size=1M "${init[@]}"
	stays auto 'the tree needs '
}

@test "a wrong word and onfail=continue: the disk boots, with a warning" {
	left_to_check_all 'auto shows the same'
	machine continue disk disk.ext4 "$disk" rd.tmpfsroot.minmem=much rd.tmpfsroot.onfail=continue
	stays continue 'kernel command line: rd.tmpfsroot.minmem=much is wrong'
}

@test "in a crash kernel nothing is moved" {
	left_to_check_all 'tests/ns shows the words of a crash kernel'
	machine crash disk disk.ext4 "$disk" rd.tmpfsroot=yes rd.tmpfsroot.minmem=much elfcorehdr=1M
	ended crash
	mounted_once crash / ext4 ro
	never crash '^KMSG .*is a tmpfs'
	unwritten crash
}

@test "the kernel is that of the suite" {
	case $suite in
	bookworm) kernel=6.1. ;;
	trixie) kernel=6.12. ;;
	*) kernel=7. ;;
	esac
	for name in "$BATS_FILE_TMPDIR"/*; do
		[ ! -e "$logs/${name##*/}.log" ] || cat "$logs/${name##*/}.log"
	done | grep -x "RESULT kernel=$kernel.*"
}

# documented FILE LINE: the document has it.
documented() {
	grep -qxF -e "$2" <(sed 's/  *#/ #/; s/^\.Dl //' "$top/$1")
}

# The images were made by the README's commands, and these are the words that are tested here.
@test "the documents' commands and words are those that move" {
	case $maker in
	dracut)
		documented README.md 'dracut --add tmpfsroot --include TREE /sysroot memory.img # root=tmpfsroot'
		documented README.md 'dracut --add tmpfsroot --install PROGRAM small.img # root=tmpfsroot init=PROGRAM'
		documented README.md 'dracut --add tmpfsroot disk.img # root=LABEL=system rd.tmpfsroot=yes'
		documented README.md 'dracut --add tmpfsroot --add dmsquash-live live.img'
		documented README.md '    root=live:LABEL=MEDIUM rd.live.overlay.overlayfs=1 rd.tmpfsroot=yes # on the kernel command line'
		documented helper/tmpfsroot.8 'dracut --add tmpfsroot --include TREE /sysroot memory.img'
		;;
	mkinitcpio)
		documented README.md 'mkinitcpio -A tmpfsroot -g disk.img # root=LABEL=system rd.tmpfsroot=yes'
		documented README.md 'mkinitcpio -A tmpfsroot -c small.conf -g small.img # root=tmpfsroot init=PROGRAM'
		documented README.md 'find new_root | cpio -o -H newc | cat - disk.img >memory.img # root=tmpfsroot'
		documented helper/tmpfsroot.8 'mkinitcpio -A tmpfsroot -g disk.img'
		;;
	*)
		documented README.md 'TMPFSROOT_ADD=yes mkinitramfs -o disk.img # root=LABEL=system rd.tmpfsroot=yes'
		documented README.md 'TMPFSROOT_TREE=TREE mkinitramfs -o memory.img # root=tmpfsroot'
		documented helper/tmpfsroot.8 'TMPFSROOT_TREE=TREE mkinitramfs -o memory.img'
		;;
	esac
}
