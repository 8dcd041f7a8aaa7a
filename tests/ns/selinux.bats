#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The SELinux policy of the new root, and its labels, before init starts: with stand-ins for the root's
# load_policy(8) and setfiles(8), and for the context that a process has while no policy is loaded. What a kernel
# and a policy make of it is shown in tests/vm/selinux.bats.

# shellcheck disable=SC2016 # the code in quotes is for the root that is booted
# shellcheck disable=SC2030,SC2031 # status and output are set by bats' run
load namespace

# system TREE [MODE]: for PREPARE: a system with SELinux in TREE, and a context. Each program notes how it is
# called, and on what; setfiles fails while there is a /broken, and mounts something for itself.
system()
{
	printf '%s\n' "mkdir -p $1/etc/selinux $1/usr/sbin $1/bin $1/run sys dev
		printf '%s\n' '# a comment' 'SELINUX=${2-enforcing}' 'SELINUXTYPE=some' >$1/etc/selinux/config; touch $1/.autorelabel
		printf '%s\n' '#!/bin/sh' 'echo load_policy \$* on \$(stat -f -c %T /) >>/called' >$1/usr/sbin/load_policy
		printf '%s\n' '#!/bin/sh' 'echo setfiles \$* >>/called; busybox mount -t tmpfs own /mnt; [ ! -e /broken ]' >$1/usr/sbin/setfiles
		chmod +x $1/usr/sbin/*; mkdir -p $1/mnt; printf 'kernel\0' >../context
		[ -e $1/bin/busybox ] || cp bin/busybox $1/bin/; for name in sh cat ls stat grep; do ln -sf busybox $1/bin/\$name; done
		printf 'cat /called; ls -A / | grep relabel; grep -c \" /mnt \" /proc/self/mounts; true\n' >$1/probe"
}
# A WRAPPER: what /proc tells of the context.
waits='sh -c "mount --bind ../context proc/1/attr/current; exec \"\$@\"" -'
called='load_policy -i on tmpfs
setfiles -F /etc/selinux/some/contexts/files/file_contexts /'

# starts PREPARE COMMAND...: /init, once all was called.
starts()
{
	boot -k quiet -w "$waits" -p "$1" -a 'cat "$root/run/tmpfsroot/report.json"' -- "${@:2}"
	[ "$status" -eq 0 ]
	[[ $output == 'init: /init  TMPFSROOT=1'$'\n'"$called"$'\n0\n{'* ]]
	[[ $output == *', SELinux enforcing, labelled in '*'"selinux": "enforcing",'*'"warnings": []'* ]]
}

# leaves MODE CONFIG: nothing is called.
leaves()
{
	boot -k "quiet ${2-}" -w "$waits" -p "$(system . "$1")" -a 'cat "$root/run/tmpfsroot/report.json"' -- tmpfsroot /init
	[ "$status" -eq 0 ]
	[[ $output == *'init: /init  TMPFSROOT=1'$'\n'*'"selinux": "",'*'"warnings": []'* ]]
	[[ $output != *load_policy* ]]
}

@test "an initramfs: the policy is loaded, and all labelled, in the new root, and init sees nothing of it" {
	starts "$(system .)" tmpfsroot /init
}

@test "the mode may be on the first line, behind white space, in capitals, or on the kernel command line" {
	starts "$(system .); printf 'SELINUX= Enforcing\nSELINUXTYPE=some\n' >etc/selinux/config" tmpfsroot /init
	teardown
	boot -k 'quiet enforcing=1' -w "$waits" -p "$(system . permissive)" -a 'cat "$root/run/tmpfsroot/report.json"' -- tmpfsroot /init
	[[ $output == *'"selinux": "enforcing",'* ]]
}

@test "nothing is called where the system, the kernel command line or the words want none, or a policy is loaded" {
	leaves disabled
	teardown
	leaves enforcing rd.tmpfsroot.selinux=no
	teardown
	boot -k quiet -p "$(system .)" -a 'cat "$root/run/tmpfsroot/report.json"' -- tmpfsroot /init
	[ "$status" -eq 0 ]
	[[ $output != *load_policy* && $output == *'"selinux": "",'* ]]
}

@test "where it cannot be told whether a policy is loaded, that is refused" {
	not_by_memcheck "the memory that stands in for a file that cannot be read is valgrind's"
	boot -k quiet -w 'sh -c "mount --bind proc/1/mem proc/1/attr/current; exec \"\$@\"" -' -p "$(system .)" -a unchanged -- tmpfsroot --onfail=reboot /init
	[ "$status" -eq 129 ]
	[[ $output == 'tmpfsroot: reading /proc/self/attr/current: I'*' error'* ]]
}

@test "a real root is labelled, too" {
	boot -k quiet -w "$waits" -p "mkdir new ../real; cp init ../real/; $(system ../real); mkdir ../real/proc ../real/dev ../real/sys
			mount -t tmpfs real new; cp -a ../real/. new/" \
		-a 'cat "$root/run/tmpfsroot/report.json"' -- tmpfsroot --tmpfsroot=yes /new /init
	[ "$status" -eq 0 ]
	[[ $output == 'init: /init  TMPFSROOT='$'\n'"$called"$'\n0\n{'*'"selinux": "enforcing",'* ]]
}

@test "a program that is missing: enforcing, that is refused; permissive, that is a warning" {
	local name
	for name in usr/sbin/load_policy usr/sbin/setfiles; do
		boot -k quiet -w "$waits" -p "$(system .); rm $name" -a unchanged -- tmpfsroot --onfail=reboot /init
		[ "$status" -eq 129 ]
		[[ $output == "tmpfsroot: SELinux: /$name: No such file or directory: mend the new root, or say enforcing=0, or rd.tmpfsroot.selinux=no"* ]]
		teardown
	done
	boot -k 'quiet enforcing=0' -w "$waits" -p "$(system .); rm usr/sbin/setfiles" -- tmpfsroot /init
	[ "$status" -eq 0 ]
	[[ $output == 'tmpfsroot: SELinux: /usr/sbin/setfiles: No such file or directory: labels are missing in the new root'$'\n''init: '* ]]
}

@test "a program that fails: enforcing, that ends the boot; permissive, that is a warning" {
	boot -k quiet -w "$waits" -p "$(system .); : >broken" -- tmpfsroot --onfail=reboot /init
	[ "$status" -eq 129 ]
	[[ $output == *'tmpfsroot: SELinux: load_policy or setfiles has failed: mend the new root, '* ]]
	[[ $output != *init:* && $output != *'back in its place'* ]]
	teardown
	boot -k quiet -w "$waits" -p "$(system . permissive); : >broken" -a 'cat "$root/run/tmpfsroot/report.json"' -- tmpfsroot /init
	[ "$status" -eq 0 ]
	[[ $output == *'tmpfsroot: SELinux: load_policy or setfiles has failed: labels are missing in the new root'*'init: /init'*'"selinux": "",'* ]]
}

@test "a program that fails: once that is mended, who leaves the shell tries again" {
	not_by_memcheck "it is started once more by its own file"
	boot -k quiet -w "$waits" -p "$(system .); : >broken; $(in_shell 'rm /broken; echo mended')" -- tmpfsroot /init
	[ "$status" -eq 0 ]
	[[ $output == *'load_policy or setfiles has failed'*mended*'init: /init'*"$called"$'\n'"$called"* ]]
}

@test "a program that fails after a switch to NEWROOT: the same" {
	! ldd "${TMPFSROOT_TEST_HELPER:-/}" >/dev/null 2>&1 || skip "the new root has no libraries for a helper that is not static"
	not_by_memcheck "it is started once more by its own file"
	boot -k quiet -w "$waits" -p "mkdir new ../real; cp init ../real/; $(system ../real); mkdir ../real/proc ../real/dev ../real/sys
			: >../real/broken; mount -t tmpfs real new; cp -a ../real/. new/
			mkdir -p new/usr/lib/tmpfsroot; printf '#!/bin/sh\nrm /broken\necho mended\n' >new/usr/lib/tmpfsroot/emergency
			chmod +x new/usr/lib/tmpfsroot/emergency; mkdir new/usr/bin; cp usr/bin/tmpfsroot new/usr/bin/" \
		-- tmpfsroot --tmpfsroot=yes /new /init
	[ "$status" -eq 0 ]
	[[ $output == *'load_policy or setfiles has failed'*mended*'init: /init'*"$called"$'\n'"$called"* ]]
}

@test "--dry-run says so" {
	boot -n -k quiet -w 'sh -c "mount --bind ../context proc/2/attr/current; exec \"\$@\"" -' -p "$(system .)" -a unchanged -- tmpfsroot --dry-run /init
	[ "$status" -eq 0 ]
	[[ $output == *$'\nSELinux policy to load: '* ]]
}
