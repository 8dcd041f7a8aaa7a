#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Each mount has a fate: carried, made anew, let go with the root that is copied, left on the old root, or
# refused by name. What is told on the console is the same before and after.

# shellcheck disable=SC2016 # the code in quotes is for the root that is booted
# shellcheck disable=SC2030,SC2031,SC2089,SC2090 # each test has its own status, output and code
load namespace

# For the code that the moved root runs: the content of these files, and the options of these mounts.
probe='shows() { for file; do echo "$file: $(cat "$file")"; done; }
	flags() { for point; do echo "$point $(sed -n "s,^[^ ]* $point [^ ]* \([^ ]*\) .*,\1,p" /proc/mounts)"; done; }'

# keeps PROPAGATION PREPARE CODE LINE...: the whole initramfs is moved, and the code tells these lines there.
keeps()
{
	local propagation=$1 prepare=$2 code=$3
	shift 3
	rm -rf "${BATS_TEST_TMPDIR:?}"/*
	boot -k quiet -p "$probe; mount --make-r$propagation \"\$root\"; $prepare; printf '%s\n' '$probe; $code' >probe" -- tmpfsroot /init
	[ "$status" -eq 0 ]
	[ "$(tail -n +2 <<<"$output")" = "$(printf '%s\n' "$@")" ]
}

@test "mounts on directories and on single files" {
	for propagation in private shared; do
		keeps "$propagation" 'mkdir dir; echo own >etc/id; echo other >../other; mount --bind ../other etc/id
			mount -t tmpfs dir dir; echo dir >dir/file' 'shows /etc/id /dir/file; umount /etc/id /dir; shows /etc/id' \
			'/etc/id: other' '/dir/file: dir' '/etc/id: own'
	done
}

@test "mounts on mounts, three deep, in any order of kinds" {
	for propagation in private shared; do
		# a file system, a bind of the initramfs, a file system; and a bind, a file system, a bind
		keeps "$propagation" 'mkdir -p a b/deep c d e/er; mount -t tmpfs a a; mkdir a/b; mount --bind b a/b
			mount -t tmpfs deep a/b/deep; echo deep >a/b/deep/file; echo b >b/file
			mount --bind c d; mkdir c/on; mount -t tmpfs on d/on; mkdir d/on/er; echo on >d/on/file; echo er >e/er/file
			mount --bind e/er d/on/er' 'shows /a/b/deep/file /a/b/file /d/on/file /d/on/er/file; echo new >/e/er/file; shows /d/on/er/file' \
			'/a/b/deep/file: deep' '/a/b/file: b' '/d/on/file: on' '/d/on/er/file: er' '/d/on/er/file: new'
	done
}

@test "binds of the initramfs on itself, nested, of directories and files, with their flags" {
	for propagation in private shared; do
		keeps "$propagation" 'mkdir -p a/sub b c; echo one >a/f; echo two >c/f; head -c 3000000 /dev/zero >large; echo x >>large
			echo small >small; touch on-large on-small; mount --bind a b; mount --bind c b/sub; mount --bind large on-large
			mount --bind small on-small; mount -o remount,bind,nosuid,nodev b; mount -o remount,bind,ro,noexec b/sub
			mount -o remount,bind,nosymfollow on-small 2>/dev/null || :; mkdir all; mount --bind . all' \
			'shows /b/f /b/sub/f /on-small /all/a/f; tail -c 2 /on-large; echo three >/c/f; shows /b/sub/f; flags /b /b/sub | sed "s/,relatime.*//"' \
			'/b/f: one' '/b/sub/f: two' '/on-small: small' '/all/a/f: one' x '/b/sub/f: three' '/b rw,nosuid,nodev' '/b/sub ro,noexec'
	done
}

# In PREPARE: a root on an ext4 on a loop device, in new; an init in it.
disk='truncate -s 64M ../disk; mkfs.ext4 -q ../disk'
fill='mkdir -p bin lib/modules firmware var/log run proc; cp $OLDPWD/bin/busybox bin/; for name in sh cat grep sed echo; do ln -s busybox bin/$name; done
	cp $OLDPWD/init init; echo log >var/log/file; printf "%s\n" "$probe; $code" >probe'
ext4="mkdir -p new dev run sys; $disk; mount -o loop ../disk new; cd new; $fill; cd \$OLDPWD"
# In AFTER: nothing has the disk in use.
is_free='! losetup | grep "$directory/" || echo "in use"; ! grep "$root/" /proc/mounts | grep "ext4\|squashfs\|overlay" || echo mounted'

@test "a real root with binds of itself: they are of the copy, with their flags, and the disk is free" {
	export probe code='shows /var/log/file /run/log/file; flags /var/log | sed "s/,relatime.*//"'
	boot -k quiet -p "$ext4; mount --bind new/var/log new/var/log; mount -o remount,bind,nosuid new/var/log
			mkdir beside; mount --bind new/var beside; mount -t tmpfs run run; mkdir run/log; mount --bind new/var/log run/log" -a "$is_free" \
		-- tmpfsroot --tmpfsroot=yes /new /init
	[ "$status" -eq 0 ]
	[ "$(tail -n +2 <<<"$output")" = $'/var/log/file: log\n/run/log/file: log\n/var/log rw,nosuid' ]
}

@test "a real root below /run, and one that an overlay lies on: the disk is free, and nothing warns" {
	export probe code=':'
	boot -k quiet -p "$ext4; mount -t tmpfs run run; mkdir run/rootfs; mount --move new run/rootfs" -a "$is_free" \
		-- tmpfsroot --tmpfsroot=yes /run/rootfs /init
	[ "$status" -eq 0 ]
	[ "$output" = 'init: /init  TMPFSROOT=' ]
	rm -rf "${BATS_TEST_TMPDIR:?}"/*
	boot -k quiet -p "$ext4; mkdir rw; mount -t tmpfs rw rw; mkdir rw/upper rw/work
		chroot . bin/busybox mount -t overlay -o lowerdir=/new,upperdir=/rw/upper,workdir=/rw/work overlay /new" -a "$is_free" \
		-- tmpfsroot --tmpfsroot=yes /new /init
	[ "$status" -eq 0 ]
	[ "$output" = 'init: /init  TMPFSROOT=' ]
}

@test "a squashfs on a loop device on a file on a medium, below an overlay: all of it is let go" {
	local live='mkdir -p new dev run sys medium tree upper; truncate -s 64M ../disk; mkfs.ext4 -q ../disk; mount -t sysfs sys sys; mount -t tmpfs run run
		mkdir -p run/initramfs/live run/rootfsbase run/overlay; mount -o loop ../disk run/initramfs/live; cd tree; '
	export probe code=':'
	command -v mksquashfs >/dev/null || skip "mksquashfs is not installed"
	# with a loop device that goes with its last user, and one that stays; and where dracut's init has moved /run
	for loop in 'mount -o loop run/initramfs/live/root.squashfs run/rootfsbase; moved=:' \
		'mount -o loop run/initramfs/live/root.squashfs run/rootfsbase; moved="mount --move run new/run"' \
		'moved=:; loop=$(losetup --show -r -f run/initramfs/live/root.squashfs); mount -r $loop run/rootfsbase'; do
		rm -rf "${BATS_TEST_TMPDIR:?}"/*
		boot -k quiet -p "$live$fill; cd ..; mksquashfs tree run/initramfs/live/root.squashfs -quiet -no-progress >/dev/null 2>&1
			rm -r tree; $loop; mkdir run/overlay/up run/overlay/work
			chroot . bin/busybox mount -t overlay -o lowerdir=/run/rootfsbase,upperdir=/run/overlay/up,workdir=/run/overlay/work overlay /new; eval \"\$moved\"" \
			-a "$is_free; losetup | grep root.squashfs || :" -- tmpfsroot --tmpfsroot=yes /new /init
		[ "$status" -eq 0 ]
		[ "$output" = 'init: /init  TMPFSROOT=' ]
	done
}

@test "a device that stays in use is named" {
	export probe code=':'
	boot -k quiet -p "$ext4; mkdir ../other; mount --bind new ../other" -a "umount ../other" -- tmpfsroot --tmpfsroot=yes /new /init
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == 'tmpfsroot: /dev/loop'*', which was mounted on /new, stays in use' ]]
}

# refuses TEXT PREPARE -- COMMAND...: with nothing changed.
refuses()
{
	local text=$1 prepare=$2
	shift 3
	rm -rf "${BATS_TEST_TMPDIR:?}"/*
	boot -k 'quiet rd.tmpfsroot.onfail=reboot' -p "$prepare" -a unchanged -- "$@"
	[ "$status" -eq 129 ]
	[[ ${lines[0]} == *"$text" ]]
}

@test "what would show nothing afterwards, and what cannot be cloned, is refused by name" {
	export probe code=':'
	refuses ': the mount /new/lib/modules shows a part of the initramfs, which will not be there: unmount it before the move' \
		"$ext4; mkdir -p lib; mount --bind lib new/lib/modules" -- tmpfsroot --tmpfsroot=yes /new /init
	refuses ': the mount /on shows a part of the initramfs, which will not be there: unmount it before the move' \
		'mkdir -p lower up/per up/work on; mount -t overlay -o "lowerdir=$PWD/lower,upperdir=$PWD/up/per,workdir=$PWD/up/work" overlay on' \
		-- tmpfsroot /init
	refuses ': the mount /shown shows /gone//deleted of the tree: No such file or directory; unmount it before the move' \
		'echo x >gone; touch shown; mount --bind gone shown; rm gone' -- tmpfsroot /init
	refuses ': /sysroot is read-only, and a move takes its files away: mount -o remount,rw /sysroot' \
		'mkdir -p sysroot/bin; cp bin/busybox sysroot/bin; ln -s busybox sysroot/bin/sh; cp init sysroot; mount --bind sysroot sysroot
			mount -o remount,bind,ro sysroot' -- tmpfsroot --root=tmpfsroot /sysroot /init
	refuses ': /on/init is on a mount with noexec: mount -o remount,exec what it is on' \
		'mkdir on; mount -t tmpfs -o noexec on on; cp init on/' -- tmpfsroot /on/init
	refuses ': cloning the mount /: Invalid argument; is it unbindable? make it private' 'mount --make-unbindable .' -- tmpfsroot /init
	refuses ': cloning the mount /data: Invalid argument; is it unbindable? make it private, or unmount it' \
		'mkdir data; mount -t tmpfs data data; mount --make-unbindable data' -- tmpfsroot /init
	refuses ': / is read-only, and a move takes its files away: mount -o remount,rw /' 'mount -o remount,bind,ro .' \
		-- tmpfsroot /init
	refuses ': /init is on a mount with noexec: mount -o remount,exec what it is on' \
		'mkdir new; mount -t tmpfs -o noexec new new; cp -r init bin new/' -- tmpfsroot /new /init
}

@test "onfail=continue: a read-only initramfs boots as it is" {
	boot -k 'quiet rd.tmpfsroot.onfail=continue' -p 'mount -o remount,bind,ro .' -a 'mount -o remount,bind,rw .' -- tmpfsroot /init
	[ "$status" -eq 0 ]
	[[ $output == *'/ is read-only, '*'init: /init  TMPFSROOT=0' ]]
}

@test "a root that is switched to as it is, of layers in the initramfs: those are not deleted" {
	local shows
	# layers by their paths, and as they were named from the directory below them; a bind in what is carried
	for shows in 'mount -t overlay -o "lowerdir=$PWD/lower,upperdir=$PWD/up/per,workdir=$PWD/up/work" overlay new' \
		'mount -t overlay -o lowerdir=lower,upperdir=up/per,workdir=up/work overlay new' \
		'mount -t tmpfs new new; cp -r lower/. new; mkdir run new/run; mount -t tmpfs run run; mkdir run/lower; mount --bind lower run/lower'; do
		rm -rf "${BATS_TEST_TMPDIR:?}"/*
		boot -t tmpfs -k '' -p "mkdir -p lower/bin up/per up/work new dev; cp bin/busybox lower/bin; ln -s busybox lower/bin/sh; cp init lower/init
			$shows" -a 'ls -d lower/init' -- tmpfsroot /new /init
		[ "$status" -eq 0 ]
		[[ $output == *'the new root shows a part of the initramfs, which stays in memory for that'*'init: /init'*lower/init ]]
	done
}

@test "NEWROOT in any spelling" {
	export probe code=':'
	for name in /new/ //new /./new/. new ../new /link; do
		rm -rf "${BATS_TEST_TMPDIR:?}"/*
		boot -k quiet -p "$ext4; ln -s new link; mount -t tmpfs on new/var/log; echo on >new/var/log/file; echo cat /var/log/file >new/probe" \
			-a "$is_free" -- tmpfsroot --tmpfsroot=yes "$name" /init
		[ "$status" -eq 0 ]
		[ "$output" = $'init: /init  TMPFSROOT=\non' ]
	done
}

@test "mounts=no: an init for the bare kernel mounts them itself" {
	not_by_memcheck "it needs /proc before"
	boot -p 'printf "#!/bin/sh\nset -e\nmkdir -p /proc\nmount -t proc proc /proc\necho one \$(grep -c \" /proc \" /proc/mounts)\n" >init; ln -s busybox bin/mkdir' \
		-- tmpfsroot --mounts=no /init
	[ "$status" -eq 0 ]
	[[ $output == *'one 1' ]]
}

@test "what a mount that is made new hides is told" {
	boot -k '' -p 'mkdir run; echo early >run/file' -- tmpfsroot /init
	[ "$status" -eq 0 ]
	[[ $output == *'what the tree has in /run is hidden by the tmpfs that is mounted there'* ]]
}

@test "two layers on one mount: what lies around that stays" {
	export probe code='shows /run/live/file'
	boot -k quiet -p "$ext4; mount -t tmpfs run run; mkdir run/live; mount -t tmpfs live run/live; echo kept >run/live/file
			mkdir run/live/medium; mount -t tmpfs medium run/live/medium; mkdir run/live/medium/a run/live/medium/b
			cp -r new/. run/live/medium/a; umount new
			chroot . bin/busybox mount -t overlay -o lowerdir=/run/live/medium/a:/run/live/medium/b overlay /new" -a "$is_free" \
		-- tmpfsroot --tmpfsroot=yes /new /init
	[ "$status" -eq 0 ]
	[ "$(tail -n +2 <<<"$output")" = '/run/live/file: kept' ]
}

@test "what a later mount hides is unmounted with the old root, too" {
	boot -k quiet -p "mkdir -p a/b; $disk; mount -o loop ../disk a/b; mount -t tmpfs over a" -a "$is_free" -- tmpfsroot /init
	[ "$status" -eq 0 ]
	[ "$output" = 'init: /init  TMPFSROOT=1' ]
}
