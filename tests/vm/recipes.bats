#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The recipes of tmpfsroot.recipes(7), each in a test of its name, which boots with the lines of the page.

# shellcheck disable=SC2034 # image.bash reads it: dracut's images with systemd
KIND=systemd
# shellcheck source=SCRIPTDIR/image.bash
source "$BATS_TEST_DIRNAME/image.bash"

page=$top/helper/tmpfsroot.recipes.7

setup_file() {
	left_to_check_all 'the recipes of tmpfsroot.recipes(7)'
	need "$top/build/tmpfsroot" "$helper" "$tools/oldroot"
}

# lines RECIPE NUMBER: what the page shows there, in its first, second, ... example.
lines() {
	awk -v recipe="$1" -v number="$2" '
		/^\.S[hs] / { on = $0 == ".Ss " recipe }
		/^\.Ed/ { literal = 0 }
		literal && n == number
		/^\.Dl / && on && ++n == number { print substr($0, 5) }
		/^\.Bd -literal/ && on { literal = ++n }' "$page" | grep .
}

# words RECIPE NUMBER: those for the kernel command line, in one line.
words() {
	lines "$@" | tr '\n' ' '
}

# script RECIPE NUMBER: the name of a program with these lines.
script() {
	local name
	name=$(mktemp "$BATS_TEST_TMPDIR/script.XXXXXX")
	lines "$@" >"$name"
	chmod 0755 "$name"
	echo "$name"
}

@test "Netbooted node" {
	local carried='' disks init archive=$BATS_TEST_TMPDIR/node.cpio name
	disks=$("$vm/disks" "$suite")
	init=$(script "$BATS_TEST_DESCRIPTION" 1)
	(cd "$disks/layer/out/system" && find . | cpio --quiet -o -H newc --owner=0:0) >"$archive"
	boot node "$(words "$BATS_TEST_DESCRIPTION" 2) systemd.getty_auto=0" "$archive" "$init:/init"
	in_memory node initramfs
	a_system node
	# Nothing is mounted a second time, and the image was never there twice.
	for name in /proc /sys /dev /run; do
		[ "$(result node mount | grep -c "^$name ")" = 1 ]
	done
	[ "$(sed -n 's/^REPORT  *"peak_bytes": \([0-9]*\),$/\1/p' "$logs/node.log")" -lt 20000000 ]
}

# appliance: busybox, and runc with its libraries, from the Debian with the four runtimes.
appliance() {
	local root=$BATS_FILE_TMPDIR/runtimes bundle=/containers/web init name files=()
	mkdir "$root"
	(cd "$root" && cpio --quiet -idm <"$("$vm/tree" "$suite")/root.cpio")
	for name in $(chroot "$root" /lib64/ld-linux-x86-64.so.2 --list /usr/sbin/runc | grep -o '/[^ ]*'); do
		files+=("$root$name:$name")
	done
	mkdir -p "$root$bundle" "$root/sys/fs/cgroup"
	chroot "$root" /usr/sbin/runc spec --bundle "$bundle"
	sed -i -e 's/"terminal": true/"terminal": false/' -e 's/"sh"/"busybox", "echo", "a container runs"/' "$root$bundle/config.json"
	grep '"a container runs"' "$root$bundle/config.json"
	init=$(script Appliance 1)
	tiny appliance "$(words_for ramfs)" "$init:/init" "${files[@]}" "$root/usr/sbin/runc:/usr/bin/runc" \
		"$root$bundle/config.json:$bundle/config.json" "$root/usr/bin/busybox:$bundle/rootfs/bin/busybox" \
		"$vm/guest/containers:/sbin/init" "$(script Containers 1):/usr/lib/recipe" "$tools/oldroot:/usr/bin/oldroot"
	rm -r "$root"
}

@test "Appliance" {
	once appliance appliance
	ended appliance
	matches appliance '^REPORT  *"source_type": "ramfs",$'
	mounted_once appliance / tmpfs rw mode=755
	shows appliance 'RESULT oldroot='
	# /init has started a container, and the commands of the next recipe another one.
	[ "$(grep -cx 'a container runs' "$logs/appliance.log")" = 2 ]
}

@test "Containers" {
	once appliance appliance
	shows appliance 'RESULT recipe=0'
	matches appliance '^[0-9]+ [0-9]+ [0-9:]+ / / rw.* - tmpfs tmpfsroot rw'
	shows appliance 'pivot_root: works'
}

@test "Image with attributes" {
	local carried='' disks from kernel behind
	disks=$("$vm/disks" "$suite")
	from=$("$vm/full-kernel" "$suite")
	kernel=$from/vmlinuz behind=$from/modules.cpio
	(cd "$BATS_TEST_TMPDIR" && lines "$BATS_TEST_DESCRIPTION" 1 | sed "s,TREE,$disks/layer/out/system," | sh -eu)
	tiny erofs "$(words_for ramfs) systemd.getty_auto=0" @busybox:/bin/mkdir @busybox:/bin/mount \
		@../bin/busybox:/sbin/modprobe "$BATS_TEST_TMPDIR/root.erofs:/root.erofs" "$(script "$BATS_TEST_DESCRIPTION" 2):/init"
	in_memory erofs realroot
	a_system erofs
	matches erofs '^REPORT  *"source_type": "erofs",$'
	shows erofs 'RESULT attributes=security.capability system.posix_acl_access user.note '
}

@test "Live medium" {
	# README has the same command, and dracut-image takes it from there.
	grep -qxF -e "$(lines "$BATS_TEST_DESCRIPTION" 1)" "$top/README.md"
	once live machine live live live.ext4 "$(words "$BATS_TEST_DESCRIPTION" 2)" "init=$program" detach
	in_memory live realroot
	matches live '^REPORT  *"source_type": "overlay",$'
	shows live 'RESULT exclusive=yes'
	shows live 'RESULT disk_mounts=0'
	shows live 'RESULT disk_after='
	shows live 'RESULT wrong=0'
	unwritten live
}

# on_disk IMAGE NAME FILE MODE: writes a file into a file system that is not mounted.
on_disk() {
	debugfs -w -R "rm $2" "$1" 2>/dev/null
	debugfs -w -R "write $3 $2" "$1" 2>/dev/null
	debugfs -w -R "set_inode_field $2 mode $4" "$1" 2>/dev/null
}

@test "Installed disk" {
	local disks from kernel drive=$logs/wiped.img unit=$BATS_TEST_TMPDIR/unit
	grep -qF -e "$(lines "$BATS_TEST_DESCRIPTION" 1)  " "$top/README.md" # where dracut-image takes it from
	disks=$("$vm/disks" "$suite")
	from=$("$vm/dracut-image" "$suite")
	mkdir -p "$logs"
	cp --sparse=always "$disks/disk.ext4" "$drive"
	sed 's,/system$,/wipe,' "$disks/layer/out/system/etc/systemd/system/guest.service" >"$unit"
	on_disk "$drive" etc/systemd/system/guest.service "$unit" 0100644
	on_disk "$drive" usr/lib/guest/wipe "$vm/guest/wipe" 0100755
	on_disk "$drive" usr/lib/guest/recipe "$(script "$BATS_TEST_DESCRIPTION" 3)" 0100755
	kernel=$disks/vmlinuz
	boot wiped "$(words "$BATS_TEST_DESCRIPTION" 2) detach systemd.getty_auto=0" "$from/systemd-disk.cpio"
	in_memory wiped realroot
	a_system wiped
	shows wiped 'RESULT recipe=0'
	shows wiped 'RESULT exclusive=yes'
	shows wiped 'RESULT disk_mounts=0'
	shows wiped 'RESULT wrong=0'
	cmp -n "$(stat -c %s "$drive")" "$drive" /dev/zero
	rm "$drive"
}

# swaps NAME WORDS NUMBER: a machine with these commands of the recipe.
swaps() {
	local from kernel behind memory=256
	from=$("$vm/full-kernel" "$suite")
	kernel=$from/vmlinuz behind=$from/modules.cpio
	tiny "$1" "$2" "$vm/guest/swap:/init" "$(script Swap "$3"):/usr/lib/recipe"
}

# holds_more NAME: the root of that machine holds more than the memory, and all of it is right.
holds_more() {
	local held memory
	ended "$1"
	mounted_once "$1" / tmpfs rw
	shows "$1" 'RESULT recipe=0'
	shows "$1" 'RESULT wrong=0'
	held=$(result "$1" held) memory=$(result "$1" memory)
	echo "# $1: $((held >> 10)) MiB in a memory of $((memory >> 10)), $(($(result "$1" swapped) >> 10)) swapped" >&3
	[ "$held" -gt "$memory" ]
	[ "$(result "$1" swapped)" -ge $((held - memory)) ]
}

@test "Swap: to zram" {
	swaps zram "$(words Swap 1) $(words_for ramfs)" 2
	holds_more zram
	matches zram '^RESULT zram= *[1-9][0-9]{7}' # bytes
}

@test "Swap: to a disk, behind zswap" {
	local drive=$BATS_TEST_TMPDIR/swap.img
	truncate -s 512M "$drive"
	grep -qx '\.Cm zswap.enabled=1' "$page"
	swaps zswap "$(words Swap 1) zswap.enabled=1 $(words_for ramfs)" 3
	holds_more zswap
	matches zswap '^RESULT zswapped=[1-9]'
}

@test "Swap: a ramfs does not use it: without the program memory ends" {
	swaps ramfs "$(words_for ramfs)" 2
	shows ramfs 'RESULT recipe=0'
	shows ramfs 'FILLING THE ROOT'
	matches ramfs 'Out of memory: Killed process|Kernel panic - not syncing: System is deadlocked on memory'
	never ramfs 'RESULT wrong='
}

@test "each recipe has a test, and at most fifteen lines" {
	local recipe number count
	sed -n 's/^\.Ss //p' "$page" | grep .
	while read -r recipe; do
		grep -q -e "^@test \"$recipe" "$BATS_TEST_FILENAME"
		count=0
		for number in 1 2 3; do
			count=$((count + $(lines "$recipe" "$number" | wc -l)))
		done
		[ "$count" -ge 1 ]
		[ "$count" -le 15 ]
		[ -z "$(lines "$recipe" 4)" ]
	done < <(sed -n 's/^\.Ss //p' "$page")
}
