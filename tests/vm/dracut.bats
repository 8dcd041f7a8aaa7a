#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Images of dracut, made by three suites' own and booted on their kernels, each with systemd in the
# initramfs and without, in the four ways that a boot can be asked for; and an ordinary boot of an
# image that does not have the module, to compare with.

maker=dracut-image
# shellcheck source=SCRIPTDIR/image.bash
source "$BATS_TEST_DIRNAME/image.bash"

# The tree in the image is the root.
tree() {
	local name
	both "$1-tree" "$1" tree - root=tmpfsroot
	for name in {systemd,none}-"$1"-tree; do
		in_memory "$name" directory
		a_system "$name"
	done
}
@test "Debian 12, a tree in the image" { tree bookworm; }
@test "Debian 13, a tree in the image" { tree trixie; }
@test "forky, a tree in the image" { tree forky; }

# The image is the root, and its init is a program of it.
image() {
	local name
	both "$1-image" "$1" image - root=tmpfsroot "init=$program"
	for name in {systemd,none}-"$1"-image; do
		in_memory "$name" initramfs
		[ "$(result "$name" argv)" = "/bin/sh|$program|" ]
		never "$name" '^RESULT old=.*dracut-state.sh'
	done
}
@test "Debian 12, the image itself" { image bookworm; }
@test "Debian 13, the image itself" { image trixie; }
@test "forky, the image itself" { image forky; }

# from_disk SUITE TYPE DISK WORDS...: the root on a disk, which is then taken away.
from_disk() {
	local name suite=$1 type=$2
	both "$suite-disk" "$suite" image "$3" "${@:4}" detach
	for name in {systemd,none}-"$suite"-disk; do
		in_memory "$name" realroot
		a_system "$name"
		matches "$name" "^REPORT  *\"source_type\": \"$type\",\$"
		shows "$name" 'RESULT disk_mounts=0'
		shows "$name" 'RESULT disk_after='
		shows "$name" 'RESULT wrong=0'
		unwritten "$name"
	done
}
# What a failure would be followed by is for the move alone, not for a hook that asks and is told no.
@test "Debian 12, ext4 on a disk" {
	from_disk bookworm ext4 disk.ext4 "$disk" rd.tmpfsroot=yes rd.tmpfsroot.onfail=poweroff
}
@test "Debian 13, squashfs on a disk" {
	from_disk trixie squashfs disk.squashfs root=/dev/vda rootfstype=squashfs ro rd.tmpfsroot=auto
}
@test "forky, an overlay over squashfs on a disk" {
	from_disk forky overlay disk.squashfs root=/dev/vda rootfstype=squashfs ro rd.tmpfsroot=yes overlay
	for name in {systemd,none}-forky-disk; do
		shows "$name" 'RESULT run=kept /run/initramfs'
	done
}

# None of our words: as an image without the module.
plain() {
	local kind
	both "$1-plain" "$1" image disk.ext4 root=LABEL=system rw
	both "$1-without" "$1" without disk.ext4 root=LABEL=system rw
	for kind in systemd none; do
		ordinary "$kind-$1-plain" "$kind-$1-without"
	done
}
@test "Debian 12, an ordinary boot" { plain bookworm; }
@test "Debian 13, an ordinary boot" { plain trixie; }
@test "forky, an ordinary boot" { plain forky; }

given_as_by_dracut() {
	local kind
	for kind in systemd none; do
		given_alike "$kind-$1-tree" "$kind-$1-without"
		given_alike "$kind-$1-disk" "$kind-$1-without"
	done
}
@test "init gets the arguments and environment that dracut's own switch gives" {
	given_as_by_dracut bookworm
	given_as_by_dracut trixie
	given_as_by_dracut forky
}

@test "the kernels and dracuts are those that the names say" {
	[[ $(result none-bookworm-tree kernel) == 6.1.* ]]
	[[ $(result none-trixie-tree kernel) == 6.12.* ]]
	[[ $(result none-forky-tree kernel) == 7.* ]]
}

# dracut-image takes the commands from there, and these are the words that are tested here.
@test "the README's words are those that move" {
	grep -q '^dracut --add tmpfsroot --include TREE /sysroot memory.img  *# root=tmpfsroot$' "$top/README.md"
	grep -q '^dracut --add tmpfsroot --install PROGRAM small.img  *# root=tmpfsroot init=PROGRAM$' "$top/README.md"
	grep -q '^dracut --add tmpfsroot disk.img  *# root=LABEL=system rd.tmpfsroot=yes$' "$top/README.md"
	grep -qx '\.Dl dracut --add tmpfsroot --include TREE /sysroot memory.img' "$top/helper/tmpfsroot.8"
}
