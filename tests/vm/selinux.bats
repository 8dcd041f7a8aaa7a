#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A system that enforces SELinux, in memory: as on its disk PID 1 is in its domain, each file has its label, no
# unit fails, and the policy denies nothing more.

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

setup_file() {
	need "$helper" "$top/build/tmpfsroot"
}

# machine NAME MAKER IMAGE DISK ARCHIVE... WORDS: boots the image that MAKER-image has made ("-": none), with a
# copy of DISK where that is not "-", and these archives of selinux-disks before it. $expect and $typed are as
# for boot.
machine() {
	local name=$1 maker=$2 image=$3 disk=$4 made words=${*: -1} archives=() copy=$logs/$1.img archive
	mkdir -p "$logs"
	made=$("$vm/selinux-disks" "$suite")
	for archive in "${@:5:$#-5}"; do
		archives+=("$made/$archive")
	done
	# the last, since it may be compressed, and end anywhere
	[ "$maker" = - ] || archives+=("$("$vm/$maker-image" "$suite")/$image")
	for _ in 1 2 3; do
		[ "$disk" = - ] || cp --sparse=always "$made/$disk" "$copy"
		"$vm/run" -m 1536 ${expect:+-e "$expect"} ${disk:+$([ "$disk" = - ] || echo -d "$copy")} \
			-a "security=selinux systemd.getty_auto=0 rd.tmpfsroot.onfail=poweroff $words" \
			"$("$vm/tree" "$suite" system)/vmlinuz" "$logs/$name.log" "${archives[@]}" <<<"${typed-}" ||
			echo "$name was stopped: $?"
		is_lost "$name" || break
	done
	sed -i 's/\r//g' "$logs/$name.log"
	rm -f "$copy"
}

# denied NAME: what the policy has denied there.
denied() {
	result "$1" avc
}

# on_its_disk KIND: as it is, by an image with systemd or with none.
on_its_disk() {
	once "plain-$1" machine "plain-$1" dracut "$1-disk.cpio" disk.ext4 'root=LABEL=system rw'
	ended "plain-$1"
}

# enforcing NAME SOURCE KIND: all is as on the disk.
enforcing() {
	on_its_disk "$3"
	ended "$1"
	mounted_once "$1" / tmpfs rw
	shows "$1" 'RESULT failed='
	shows "$1" 'RESULT init=system_u:system_r:init_t:s0'
	shows "$1" 'RESULT mode=Enforcing'
	shows "$1" 'RESULT shadow=system_u:object_r:shadow_t:s0'
	shows "$1" 'RESULT unlabelled=0'
	matches "$1" "^REPORT  *\"source\": \"$2\",\$"
	matches "$1" '^REPORT  *"selinux": "enforcing",$'
	matches "$1" '^REPORT  *"warnings": \[\]$'
	matches "$1" '^KMSG tmpfsroot: / is a tmpfs: .*, SELinux enforcing, labelled in [0-9.]* s$'
	[ -z "$(comm -13 <(denied "plain-$3") <(denied "$1") | tee /dev/stderr)" ]
	echo "# $1: $(sed -n 's/^REPORT .*"seconds": //p' "$logs/$1.log")" >&3
}

@test "a disk, as it is: what the others are compared with" {
	on_its_disk none
	shows plain-none 'RESULT init=system_u:system_r:init_t:s0'
	shows plain-none 'RESULT mode=Enforcing'
	never plain-none '^REPORT'
	[ -n "$(denied plain-none)" ]
}

@test "an initramfs, by rdinit=" {
	machine rdinit - - - root.cpio rdinit=/usr/bin/tmpfsroot
	enforcing rdinit initramfs none
}

@test "a tree in the image of dracut, with systemd" {
	machine tree dracut systemd-disk.cpio - sysroot-tree.cpio root=tmpfsroot
	enforcing tree directory systemd
}

@test "a disk, by initramfs-tools" {
	machine disk initramfs-tools none-disk.cpio disk.ext4 'root=LABEL=system ro rd.tmpfsroot=yes'
	enforcing disk realroot none
}

@test "a tree in the image of dracut, without systemd" {
	left_to_check_all 'rdinit= shows PID 1 of our own'
	machine tree-none dracut none-disk.cpio - sysroot-tree.cpio root=tmpfsroot
	enforcing tree-none directory none
}

@test "a disk, by dracut with systemd" {
	left_to_check_all 'the tree shows that service'
	machine disk-systemd dracut systemd-disk.cpio disk.ext4 'root=LABEL=system ro rd.tmpfsroot=yes'
	enforcing disk-systemd realroot systemd
}

@test "a tree in the image of initramfs-tools" {
	left_to_check_all 'the disk shows that generator'
	machine tree-tools initramfs-tools none-disk.cpio - root-tree.cpio root=tmpfsroot
	enforcing tree-tools directory none
}

@test "an initramfs that has loaded the policy: the labels of the disk are kept" {
	local tree copy=$logs/loaded.img
	left_to_check_all 'one more boot'
	on_its_disk none
	tree=$("$vm/tree" "$suite" system)
	cp --sparse=always "$("$vm/selinux-disks" "$suite")/disk.ext4" "$copy"
	xz -dc "$tree"/builder/usr/lib/modules/*/kernel/drivers/block/virtio_blk.ko.xz >"$BATS_TEST_TMPDIR/virtio_blk.ko"
	drive=$copy memory=1536 tiny loaded 'security=selinux systemd.getty_auto=0 rd.tmpfsroot=yes rd.tmpfsroot.onfail=poweroff' \
		"$vm/guest/loaded:/init" "$BATS_TEST_TMPDIR/virtio_blk.ko:/virtio_blk.ko" @tmpfsroot:/usr/bin/switch_root
	rm "$copy"
	ended loaded
	mounted_once loaded / tmpfs rw
	shows loaded 'RESULT init=system_u:system_r:init_t:s0'
	shows loaded 'RESULT shadow=system_u:object_r:shadow_t:s0'
	shows loaded 'RESULT unlabelled=0'
	matches loaded '^REPORT  *"selinux": "",$'
	[ -z "$(comm -13 <(denied plain-none) <(denied loaded) | tee /dev/stderr)" ]
}

# mkinitcpio KIND NEWROOT
mkinitcpio() {
	command -v "${MKINITCPIO:-mkinitcpio}" >/dev/null || skip "there is no mkinitcpio in PATH, and MKINITCPIO names none"
	machine "mkinitcpio-$1" mkinitcpio "$1-disk.cpio" - "$2-tree.cpio" root=tmpfsroot
	enforcing "mkinitcpio-$1" directory "$1"
}

@test "a tree in the image of mkinitcpio, without systemd" {
	left_to_check_all 'dracut shows the same'
	mkinitcpio none new_root
}

@test "a tree in the image of mkinitcpio, with systemd" {
	left_to_check_all 'dracut shows the same'
	mkinitcpio systemd sysroot
}

@test "setfiles fails: enforcing, that ends the boot, as onfail says" {
	machine fails - - - root.cpio broken.cpio rdinit=/usr/bin/tmpfsroot
	matches fails '^tmpfsroot: SELinux: load_policy or setfiles has failed: mend the new root, or say enforcing=0, or rd.tmpfsroot.selinux=no$'
	matches fails 'reboot: Power down'
	never fails 'GUEST DONE|Kernel panic'
}

@test "setfiles fails: once that is mended, who leaves the shell tries again" {
	left_to_check_all 'one more boot'
	expect='a shell follows[^#]*# ' typed=$'touch /run/mended\nexit\n' machine again - - - root.cpio broken.cpio \
		'rdinit=/usr/bin/tmpfsroot rd.tmpfsroot.onfail=shell'
	ended again
	matches again '^tmpfsroot: SELinux: load_policy or setfiles has failed: '
	shows again 'RESULT init=system_u:system_r:init_t:s0'
	shows again 'RESULT mode=Enforcing'
	shows again 'RESULT unlabelled=0'
}

@test "setfiles fails: permissive, that is a warning" {
	left_to_check_all 'one more boot'
	machine permissive - - - root.cpio broken.cpio 'rdinit=/usr/bin/tmpfsroot enforcing=0'
	ended permissive
	matches permissive '^tmpfsroot: SELinux: load_policy or setfiles has failed: labels are missing in the new root$'
	shows permissive 'RESULT mode=Permissive'
	matches permissive '^REPORT  *"selinux": "",$'
}

# Debian's kernels do not know selinux=0.
@test "rd.tmpfsroot.selinux=no leaves it to init, and a kernel without SELinux to nobody" {
	left_to_check_all 'two more boots'
	machine no - - - root.cpio 'rdinit=/usr/bin/tmpfsroot rd.tmpfsroot.selinux=no enforcing=0'
	ended no
	matches no '^REPORT  *"selinux": "",$'
	shows no 'RESULT mode=Permissive'
	[ "$(result no unlabelled)" -gt 1000 ]
	machine off - - - root.cpio 'rdinit=/usr/bin/tmpfsroot security=apparmor'
	ended off
	matches off '^REPORT  *"warnings": \[\]$'
	matches off '^REPORT  *"selinux": "",$'
	shows off 'RESULT mode=Disabled'
}
