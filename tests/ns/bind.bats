#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# rd.tmpfsroot.method=bind: no copy, the initramfs becomes a mount that has a parent.

# shellcheck disable=SC2016 # the code in quotes is for the root that is booted
load namespace

@test "the initramfs stays, its mounts and the missing ones are there once" {
	boot -k quiet -p 'mkdir run data dev; mount -t tmpfs the-run run; echo kept >run/file
		mount --bind etc data; echo cat /run/file /proc/mounts >probe' \
		-a 'cmp init "$root/init"' -- tmpfsroot --method=bind /init a
	[ "$status" -eq 0 ]
	[ "${lines[0]} ${lines[1]}" = "init: /init a TMPFSROOT=1 kept" ]
	[ "$(grep -c ' / ramfs ' <<<"$output")" -eq 1 ]
	for point in /proc /run /sys /dev /dev/pts /data; do
		[ "$(grep -c " $point " <<<"$output")" -eq 1 ]
	done
}

@test "asked again, it starts init at once" {
	boot -k rd.tmpfsroot.method=bind -p 'printf "#!/bin/sh\n[ \"\$TMPFSROOT\" = 2 ] || exec tmpfsroot /init\n%s\n" \
		"cat /proc/self/mountinfo" >init' -- tmpfsroot /init
	[ "$status" -eq 0 ]
	[ "$(grep -c ' / / rw,relatime .* ramfs ' <<<"$output")" -eq 1 ]
	[ "$(grep -c ' /sys ' <<<"$output")" -eq 1 ]
}

@test "options of a tmpfs are refused: there is none to be made" {
	boot -t tmpfs -a unchanged -- tmpfsroot --onfail=reboot --method=bind --opts=size=64M /init
	[ "$status" -eq 129 ]
	[[ "${lines[0]}" == *"rd.tmpfsroot.opts=size=64M: method=bind makes no tmpfs: use method=copy, or afterwards mount -o remount,size= /" ]]
}
