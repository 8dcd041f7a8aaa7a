#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# rd.tmpfsroot=yes|auto: what is mounted at NEWROOT is copied to memory and unmounted, whatever file
# system it is; nothing of it is changed.

# shellcheck disable=SC2016 # the code in quotes is for the root that is booted
load namespace

# In PREPARE: a tree of hard cases with an init, in $directory/seed; then as FILE SYSTEM on /new. What
# mkfs.ext4 would copy has no time after 2038 where there are 32 bits: there the tree is made.
seed='mkdir -p new dev run sys "$directory/seed/bin"; hardtree "$directory/seed/tree"
	cp bin/busybox "$directory/seed/bin/"; ln -s busybox "$directory/seed/bin/sh"
	printf "#!/bin/busybox sh\necho new init: \$* [\$TMPFSROOT]\n[ ! -e /probe ] || . /probe\n" \
		>"$directory/seed/init"
	chmod +x "$directory/seed/init"; mkdir "$directory/seed/proc" "$directory/seed/mnt"'
on_ext4='mkdir "$directory/seed"; truncate -s 512M "$directory/disk"; mkfs.ext4 -q "$directory/disk"
	mount -o loop "$directory/disk" "$directory/seed"'
as_ext4='umount "$directory/seed"; mount -o loop,ro,noload "$directory/disk" new'
as_squashfs='rm -r ../seed/tree/deep ../seed/tree/sparse/all-hole-1-gib ../seed/tree/sparse/islands-far; mksquashfs "$directory/seed" "$directory/disk" -quiet -no-progress -Xcompression-level 1 >/dev/null 2>&1
	mount -o loop "$directory/disk" new'
as_erofs='rm -r ../seed/tree/deep ../seed/tree/names ../seed/tree/sparse; mkfs.erofs "$directory/disk" "$directory/seed" >/dev/null 2>&1; mount -o loop "$directory/disk" new'
as_overlay='mkdir ../upper ../work; rm "$directory/seed/tree/sizes/1" "$directory/seed/tree/nodes/whiteout"*
	mount -t overlay -o "lowerdir=$directory/seed,upperdir=$directory/upper,workdir=$directory/work" overlay new
	echo upper >new/tree/sizes/upper; rm -rf new/tree/wide; ln new/tree/sizes/upper new/tree/second; mount -o remount,ro new'

# copies PREPARE: all is copied and the same; the old mount is gone, its disk unchanged and free.
copies()
{
	boot -k quiet -p "$1; dumptree --no-atime new/tree >\"\$directory/tree.before\"
		[ ! -e ../disk ] || sha256sum ../disk >../sum" \
		-a 'dumptree --no-atime "$root/tree" >"$directory/tree.after"; ls -A
			! grep " $root/new" /proc/mounts; [ ! -e ../disk ] || sha256sum --quiet -c ../sum
			! losetup | grep "$directory/disk"' -- \
		tmpfsroot --tmpfsroot=yes /new /init a
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "new init: a []" ]
	[ "${#lines[@]}" -eq 1 ]
	if [ "${2-}" = filled ]; then # the file system may say that a hole is data, or the other way
		sed -i 's/ data=[^ ]*//' "$BATS_TEST_TMPDIR"/tree.*
	fi
	# A tmpfs has users' attributes since Linux 6.6.
	[ "$(printf '6.6\n%s\n' "$(uname -r)" | sort -V | head -n 1)" = 6.6 ] || sed -i 's/ xattr:user\.[^ ]*//g' "$BATS_TEST_TMPDIR"/tree.*
	diff "$BATS_TEST_TMPDIR/tree.before" "$BATS_TEST_TMPDIR/tree.after"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/tree.after")" -gt 1000 ]
}

@test "ext4 is copied whole" {
	copies "$on_ext4; $seed; $as_ext4"
}

@test "squashfs is copied whole" {
	command -v mksquashfs >/dev/null || skip "mksquashfs is not installed"
	copies "$seed; $as_squashfs" filled
}

@test "erofs is copied whole" {
	command -v mkfs.erofs >/dev/null || skip "mkfs.erofs is not installed"
	grep -q erofs /proc/filesystems || skip "this kernel has no erofs"
	[ "$(python3 -c 'import struct, sys; print(struct.calcsize("P"), sys.byteorder)')" = '8 little' ] ||
		skip "mkfs.erofs reads no times after 2038 with 32 bits, and writes no attributes where the first byte is high"
	copies "$seed; $as_erofs" filled
}

@test "overlayfs is copied whole, as it looks" {
	grep -q overlay /proc/filesystems || skip "this kernel has no overlayfs"
	copies "$seed; $as_overlay"
}

# As subvolumes of btrfs are: the device is the same, and what is mounted is no part of the tree.
@test "another directory of the real root's device that is mounted below it is carried over" {
	boot -k quiet -p 'truncate -s 64M ../disk; mkfs.ext4 -q ../disk; mkdir ../all new; mount -o loop ../disk ../all
			mkdir ../all/home ../all/system; echo kept >../all/home/file; cp -R bin init ../all/system
			cd ../all/system; mkdir home proc sys dev run; echo "cat /home/file; grep /home /proc/mounts" >probe; cd "$OLDPWD"
			mount --bind ../all/system new; mount --bind ../all/home new/home' -- tmpfsroot --tmpfsroot=yes /new /init
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == 'tmpfsroot: /dev/loop'*', which was mounted on /new, stays in use' ]]
	[ "${lines[2]}" = kept ]
	[[ "${lines[3]}" == *' /home ext4 '* ]]
}

@test "mounts below the real root, and those of the initramfs, are carried over" {
	boot -k rd.tmpfsroot=yes -p "$on_ext4; $seed; echo 'busybox cat /mnt/file /run/file /proc/mounts' >\"\$directory/seed/probe\"; $as_ext4; mount -t tmpfs below new/mnt
		echo below >new/mnt/file; mount -t tmpfs the-run run; echo run >run/file" -- tmpfsroot /new /init
	[ "${lines[1]} ${lines[2]}" = "below run" ]
	[ "$(grep -c '^tmpfsroot / tmpfs ' <<<"$output")" -eq 1 ]
	[ "$(grep -c '^proc /proc proc ' <<<"$output")" -eq 1 ]
	[[ "$output" != *loop* ]]
}

@test "yes: what does not fit is refused before anything is copied" {
	boot -k 'rd.tmpfsroot=yes rd.tmpfsroot.onfail=reboot rd.tmpfsroot.opts=size=1M' -a unchanged \
		-p "$on_ext4; $seed; $as_ext4" -- tmpfsroot /new /init
	[ "$status" -eq 129 ]
	[[ "${lines[0]}" == "tmpfsroot: the tree needs "*"raise size= in rd.tmpfsroot.opts=" ]]
}

@test "auto: what does not fit boots from where it is" {
	boot -k 'rd.tmpfsroot=auto rd.tmpfsroot.opts=size=1M' -p "$on_ext4; $seed
		echo 'busybox grep \" / \" /proc/mounts' >\"\$directory/seed/probe\"; $as_ext4" \
		-- tmpfsroot /new /init a
	[ "$status" -eq 0 ]
	[[ "$output" == *"the real root is not moved: booting from where it is"*"new init: a []"* ]]
	[[ "$output" == *" / ext4 "* ]]
}

@test "a copy that fails in the middle leaves the real root as it is" {
	boot -k 'rd.tmpfsroot=yes rd.tmpfsroot.onfail=reboot' -a unchanged -p "$on_ext4; $seed; $as_ext4" \
		-w "strace -D -f -qq --seccomp-bpf -o /dev/null -e trace=symlinkat -e inject=symlinkat:error=ENOSPC:when=3" \
		-- tmpfsroot /new /init
	[ "$status" -eq 129 ]
	[[ "$output" == *"symlink: No space left on device"* ]]
}

# In PREPARE: a small root on an ext4 in new.
small='mkdir -p new dev run sys; truncate -s 64M ../disk; mkfs.ext4 -q ../disk; mount -o loop ../disk new; mkdir new/bin new/etc
	cp bin/busybox new/bin/; for name in sh cat grep; do ln -s busybox new/bin/$name; done; cp init new/init'

@test "in etc/fstab the line of / is commented out, with the reason; the others stay" {
	boot -k quiet -p "$small; printf '%s\n' '# / is here' 'LABEL=system / ext4 errors=remount-ro 0 1' 'tmpfs /tmp tmpfs size=1M 0 0' >new/etc/fstab
			chmod 640 new/etc/fstab; echo cat /etc/fstab >new/probe" -a 'stat -c %a "$root/etc/fstab"; mount -o loop ../disk ../root; cat ../root/etc/fstab' \
		-- tmpfsroot --tmpfsroot=yes /new /init
	[ "$status" -eq 0 ]
	[ "$(sed -n 2,5p <<<"$output")" = '# / is here
# tmpfsroot has copied this root to memory: LABEL=system / ext4 errors=remount-ro 0 1
tmpfs /tmp tmpfs size=1M 0 0
640' ]
	[ "${lines[6]}" = 'LABEL=system / ext4 errors=remount-ro 0 1' ]
}

@test "blocks that were preallocated and never written take no memory" {
	boot -k quiet -p "$small; fallocate -l 40M new/swapfile; echo 'cat /run/tmpfsroot/report.json' >new/probe" \
		-a 'stat -c "%s %b" "$root/swapfile"' -- tmpfsroot --tmpfsroot=yes --opts=size=16M /new /init
	[ "$status" -eq 0 ]
	[[ ${lines[-1]} == '41943040 0' ]]
}

@test "an attribute that the kernel guards is counted as lost, and one that cannot be set is named" {
	not_by_memcheck "strace(1) follows the helper"
	for key in security.evm user.key; do
		rm -rf "${BATS_TEST_TMPDIR:?}"/*
		boot -k 'quiet rd.tmpfsroot.onfail=reboot' -p "$small; python3 -c 'import os; os.setxattr(\"new/init\", \"$key\", b\"value\")'
				echo 'grep attributes_lost /run/tmpfsroot/report.json' >new/probe" \
			-w "strace -D -f -qq -o /dev/null $(injects fsetxattr:error=EPERM)" -- tmpfsroot --tmpfsroot=yes /new /init
		if [ "$key" = user.key ]; then
			[ "$status" -eq 129 ]
			[ "${lines[0]}" = 'tmpfsroot: moving /init: setting its attribute user.key: Operation not permitted' ]
		else
			[ "$status" -eq 0 ]
			[[ ${lines[1]} == *'"attributes_lost": 1,' ]]
		fi
	done
}

@test "an overlay whose directories change their inodes: all is copied, while caches are dropped" {
	grep -q overlay /proc/filesystems || skip "this kernel has no overlayfs"
	boot -k quiet -p "$seed; ${as_overlay/overlay new/-o xino=off overlay new}
			dumptree --no-atime new/tree >../tree.before; (while [ -e new/init ]; do echo 2 >/proc/sys/vm/drop_caches; done) >/dev/null 2>&1 &" \
		-a 'dumptree --no-atime "$root/tree" | diff ../tree.before - && echo same; wait' -- tmpfsroot --tmpfsroot=yes /new /init
	[ "$status" -eq 0 ]
	[[ $output == *same ]]
}
