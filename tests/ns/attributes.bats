#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Losses from before the program starts: attributes, which /etc/tmpfsroot.xattrs gives back, and files for
# which there was no room.

# shellcheck disable=SC2016 # the code in quotes is for the root that is booted
# shellcheck disable=SC2030,SC2031 # bats' run sets status and output
load namespace

setup()
{
	command -v getfattr >/dev/null || skip "getfattr is not installed"
}

# dump TREE [CODE]: for PREPARE: a directory TREE that had attributes, as getfattr has seen them; CODE may
# change that.
dump()
{
	printf '%s\n' "mkdir -p etc $1/usr/bin; cp bin/busybox $1/usr/bin/ping; echo text >$1/usr/text; ln -s text '$1/usr/a link'
		touch $1/usr/'\\new
line'; mkdir ../attributes; mount -t tmpfs attributes ../attributes; cp -a $1/usr ../attributes/
		(cd ../attributes
			setfattr -n security.capability -v 0sAQAAAgAgAAAAAAAAAAAAAAAAAAA= usr/bin/ping
			setfattr -n user.note -v 'a \"quoted\" \\text' usr/text
			setfattr -h -n trusted.link -v 0x00ff 'usr/a link'
			setfattr -n user.line -v 'one
two' usr/'\\new
line'
			setfattr -n system.posix_acl_access -v 0sAgAAAAEABgD/////AgAEAAEAAAAEAAQA/////xAABAD/////IAAEAP////8= usr/text
			getfattr -h -R -d -m - .) >etc/tmpfsroot.xattrs" \
		"${2-}" 'getfattr -h -R -d -m - '"$1"'/usr | sort >../had; (cd ../attributes; getfattr -h -R -d -m - usr | sort) >../wanted
		! cmp -s ../had ../wanted'
}
# For AFTER.
has_all='[ ! -e "$root/etc/tmpfsroot.xattrs" ]; cd "$root"; getfattr -h -R -d -m - usr | sort >"$directory/found"; diff "$directory/wanted" "$directory/found"
	[ "$(wc -l <"$directory/found")" -gt 10 ]; cat "$root/run/tmpfsroot/report.json"'

has_users_attributes()
{
	[ "$(printf '6.6\n%s\n' "$(uname -r)" | sort -V | head -n 1)" = 6.6 ] || skip "a tmpfs has users' attributes since Linux 6.6"
}

@test "/etc/tmpfsroot.xattrs is applied to an initramfs, and is not in the new root" {
	local type
	grep -qxF '.Dl (cd TREE && getfattr -h -R -d -m - .) >tmpfsroot.xattrs' "$BATS_TEST_DIRNAME/../../helper/tmpfsroot.8"
	has_users_attributes
	for type in ramfs tmpfs; do
		boot -t "$type" -p "$(dump .)" -a "$has_all" -- tmpfsroot /init
		[ "$status" -eq 0 ]
			[[ $output == *' 5 attributes set"'*'"attributes_lost": 0,'*'"attributes_set": 5,'*'"warnings": []'* ]]
		teardown
	done
}

@test "and to a tree in it, by its paths" {
	has_users_attributes
	boot -p "mkdir sysroot; cp -a bin init sysroot; mkdir sysroot/run; $(dump sysroot)" -a "$has_all" -- tmpfsroot --root=tmpfsroot /sysroot /init
	[ "$status" -eq 0 ]
	[[ $output == *'"source": "directory"'*'"attributes_set": 5,'*'"warnings": []'* ]]
}

@test "what it names and is not there, or what the kernel refuses, is counted, with a warning" {
	boot -t tmpfs -p "$(dump .) ; printf '%s\n' '# file: gone' 'user.a=\"b\"' '# file: usr/text' 'nothing.a=\"b\"' >>etc/tmpfsroot.xattrs" \
		-a 'cat "$root/run/tmpfsroot/report.json"' -- tmpfsroot /init
	[ "$status" -eq 0 ]
	[[ $output == *'tmpfsroot: '?' of 7 attributes of /etc/tmpfsroot.xattrs are not set; boot with rd.debug to see which'* ]]
	[[ $output == *'"attributes_lost": '[2-4]','* ]]
}

# in_image TYPE MAKE SAME: a tree whose attributes an image of TYPE keeps, in an initramfs, as tmpfsroot(8) mounts it.
in_image()
{
	local mount="mount -t $1 -o loop /root.$1 /sysroot"
	boot -p "$(dump .); mkdir -p sysroot dev run sys; (cd ../attributes; mkdir proc run sys dev sbin); cp -a bin ../attributes/; cp init ../attributes/sbin/
		rm etc/tmpfsroot.xattrs; $2; ${mount//\/root.$1 \/sysroot/root.$1 sysroot}" \
		-a 'cd "$root"; getfattr -h -R -d -m - usr | sort >../found; '"$3" -- tmpfsroot --tmpfsroot=yes /sysroot /sbin/init
	[ "$status" -eq 0 ]
	[ "$output" = 'init: /sbin/init  TMPFSROOT=' ]
}

@test "an erofs in the initramfs keeps all" {
	has_users_attributes
	grep -q erofs /proc/filesystems && command -v mkfs.erofs >/dev/null || skip "there is no erofs, or no mkfs.erofs"
	grep -qxF '.Dl mount -t erofs -o loop /root.erofs /sysroot' "$BATS_TEST_DIRNAME/../../helper/tmpfsroot.8"
	grep -qxF '.Dl exec tmpfsroot --tmpfsroot=yes /sysroot /sbin/init' "$BATS_TEST_DIRNAME/../../helper/tmpfsroot.8"
	in_image erofs 'mkfs.erofs root.erofs ../attributes >/dev/null 2>&1' 'diff ../wanted ../found'
}

@test "a squashfs in the initramfs keeps all but access lists" {
	has_users_attributes
	in_image squashfs 'mksquashfs ../attributes root.squashfs -quiet -no-progress >/dev/null 2>&1' \
		'grep -v posix_acl ../wanted | diff - ../found'
}

@test "a line that getfattr would not write is refused by its number" {
	boot -a unchanged -p "$(dump . "echo 'user.a=b' >>etc/tmpfsroot.xattrs; lines=\$(wc -l <etc/tmpfsroot.xattrs); echo wrong: \$lines")" \
		-- tmpfsroot --onfail=reboot /init
	[ "$status" -eq 129 ]
	[[ $output =~ wrong:\ ([0-9]+) ]]
	[[ $output == *"tmpfsroot: /etc/tmpfsroot.xattrs: line ${BASH_REMATCH[1]} is not as getfattr -h -R -d -m - . writes it: make the file anew"$'\n'* ]]
}

# For PREPARE: the initramfs is a tmpfs, and full.
full='mount -o remount,size=24M .; dd if=/dev/zero of=fill bs=1M 2>/dev/null || :; dd if=/dev/zero of=fill2 bs=4k 2>/dev/null || :'
none='rm -rf new; mkdir new; for i in $(seq 100); do : >new/$i; done; mount -o remount,nr_inodes=$(df -i . | awk "{ n = \$3 } END { print n }") .'

@test "an initramfs that is full is refused" {
	local prepare
	for prepare in "$full" "$none"; do
		boot -t tmpfs -p "$prepare" -a unchanged -- tmpfsroot --onfail=reboot /init
		[ "$status" -eq 129 ]
		[[ $output == 'tmpfsroot: the initramfs is not whole: "its file system is full": give it room, by more memory, or by initramfs_options=size=90% '* ]]
		teardown
	done
}

@test "an initramfs that is full: onfail=continue starts init where it is" {
	boot -t tmpfs -p "$full" -a unchanged -- tmpfsroot --onfail=continue /init
	[ "$status" -eq 0 ]
	[[ $output == *'init: /init  TMPFSROOT=0'* ]]
}

@test "an initramfs that is full: incomplete=yes moves it, with a warning" {
	boot -t tmpfs -p "$full" -a 'cat "$root/run/tmpfsroot/report.json"' -- tmpfsroot --incomplete=yes /init
	[ "$status" -eq 0 ]
	[[ $output == *'tmpfsroot: the initramfs is not whole: "its file system is full"'*'init: /init  TMPFSROOT=1'* ]]
	[[ $output == *'in all, not whole: its file system is full"'*'"incomplete": "its file system is full",'* ]]
}

@test "an initramfs that is full has a real root copied: that is whole" {
	boot -t tmpfs -p "mkdir -p new dev run sys; mount -t tmpfs new new; cp -a bin init new; mkdir new/proc new/run; $full" -- \
		tmpfsroot --tmpfsroot=auto /new /init
	[ "$status" -eq 0 ]
	[[ $output == 'init: /init  TMPFSROOT=' ]]
}

@test "--dry-run tells of all three" {
	boot -n -k quiet -t tmpfs -p "$(dump .)" -a unchanged -- tmpfsroot --dry-run /init
	[ "$status" -eq 0 ]
	[[ $output == *$'\nunpacked whole: yes\nattributes to set: /etc/tmpfsroot.xattrs\nSELinux policy to load: none\n'* ]]
}
