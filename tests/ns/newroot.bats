#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The plain switch to a mounted NEWROOT, by each of the helper's names, in a mount namespace: the
# old root is a ramfs or tmpfs, the new one is mounted on /new.

# shellcheck disable=SC2016 # the code in quotes is for the root that is booted
load namespace

# In PREPARE: a new root at /new of the given file system, with an init of its own; a canary mount
# that must survive, and API file systems to be carried.
new_root='mkdir new canary dev run sys usr/sbin; mount -t tmpfs canary canary; echo alive >canary/file
	for name in switch_root run-init; do ln -s ../bin/tmpfsroot usr/sbin/$name; done
	mount -t tmpfs new new; mkdir new/bin new/proc new/dev new/run new/usr new/sbin
	cp bin/busybox new/bin; ln -s busybox new/bin/sh; ln -s busybox new/bin/cat
	mount -t tmpfs the-dev dev; mount -t tmpfs the-run run; mount -t tmpfs the-sys sys
	mkdir run/sub; mount -t tmpfs the-sub run/sub; mknod -m 666 dev/console c 1 3
	printf "#!/bin/sh\necho new init: \$0 \$* [\$TMPFSROOT]; cat /proc/mounts\n" >new/sbin/init
	chmod +x new/sbin/init; exec 6<canary'

switches_with()
{
	boot -k quiet -p "$new_root" -a 'ls -A; cat /proc/self/fd/6/file' -- "$@"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "new init: /sbin/init a b []" ]
	[ "$(grep -c '^new / tmpfs ' <<<"$output")" -eq 1 ]
	[ "$(grep -c '^proc /proc proc ' <<<"$output")" -eq 1 ]
	[ "$(grep -c '^the-dev /dev tmpfs ' <<<"$output")" -eq 1 ]
	[ "$(grep -c '^the-run /run tmpfs ' <<<"$output")" -eq 1 ]
	[ "$(grep -c '^the-sub /run/sub tmpfs ' <<<"$output")" -eq 1 ]
	[ "$(grep -c '^the-sys ' <<<"$output")" -eq 0 ] # NEWROOT has no /sys
	# nothing is left of the old root, and nothing was deleted on a mount of it
	[[ "$output" == *$' 0 0\nalive' ]]
}

@test "switch_root NEWROOT INIT" {
	switches_with switch_root /new /sbin/init a b
}

@test "tmpfsroot NEWROOT INIT" {
	switches_with tmpfsroot /new /sbin/init a b
}

@test "run-init NEWROOT INIT" {
	switches_with run-init -c /proc/self/fd/1 /new /sbin/init a b
}

@test "run-init opens the console, in the new root" {
	boot -k quiet -p "$new_root; touch new/console" -a 'cat "$root/console"' -- \
		run-init -c /console /new /sbin/init a
	[ "${lines[0]}" = "new init: /sbin/init a []" ]
}

@test "run-init starts init where there is no such console" {
	boot -k quiet -p "$new_root" -- run-init -c /none /new /sbin/init a
	[ "${lines[0]}" = "run-init: opening the console /none: No such file or directory" ]
	[ "${lines[1]}" = "new init: /sbin/init a []" ]
}

@test "run-init -d is refused by name" {
	boot -p "$new_root" -a unchanged -k rd.emergency=reboot -- /usr/sbin/run-init -d cap_chown /new /sbin/init
	[ "$status" -eq 129 ]
	[[ "${lines[0]}" == "run-init: -d: capabilities are not dropped here: let init do it"* ]]
}

@test "run-init -n only asks whether init is there, whatever is wanted of the move" {
	for words in quiet 'quiet rd.tmpfsroot=maybe' 'quiet rd.tmpfsroot=yes rd.tmpfsroot.opts=size=4k'; do
		boot -k "$words" -a unchanged -p "$new_root" -- sh -c '/usr/sbin/run-init -n /new /sbin/init && echo good
			/usr/sbin/run-init -n /new /sbin/none || echo bad'
		[ "$status" -eq 0 ]
		[ "${lines[0]}" = good ]
		[ "${lines[2]}" = bad ]
		[ "${#lines[@]}" -eq 3 ]
	done
	boot -k 'quiet root=tmpfsroot' -p "$new_root; mount --bind . new" -- sh -c '/usr/sbin/run-init -n /new /init && echo good'
	[ "${lines[0]}" = good ]
}

@test "a wrong word is refused by the same sentence, by each name" {
	for name in tmpfsroot switch_root run-init; do
		boot -k 'rd.tmpfsroot=maybe rd.tmpfsroot.onfail=reboot' -a unchanged -p "$new_root" -- "$name" /new /sbin/init
		[ "$status" -eq 129 ]
		[ "${lines[0]}" = "$name: kernel command line: rd.tmpfsroot=maybe is wrong: expected no, yes or auto" ]
	done
}

@test "run-init -p leaves the old root be" {
	boot -k quiet -p "$new_root" -a 'ls -A' -- run-init -c /proc/self/fd/1 -p /new /sbin/init a b
	[[ "$output" == *$'\nbin\n'*$'\nusr'* ]]
}

@test "an init that is missing in NEWROOT is found out before anything is deleted" {
	boot -a unchanged -k rd.tmpfsroot.onfail=reboot -p "$new_root" -- switch_root /new /sbin/none
	[ "$status" -eq 129 ]
	[ "${lines[0]}" = "switch_root: opening /sbin/none in /new: No such file or directory; name an init that is there" ]
}

@test "an old root that is no initramfs is not deleted" {
	boot -t ext4 -k '' -p "$new_root" -a 'ls -A | grep -qx bin && ls -A | grep -qx init' -- \
		switch_root /new /sbin/init a b
	[ "$status" -eq 0 ]
	[[ "$output" == *"the old root is ext4, not an initramfs: it stays as it is"* ]]
}

@test "--help and --version of the three names" {
	for name in tmpfsroot switch_root run-init; do
		ln -sf "$BATS_TEST_DIRNAME/../../build/tmpfsroot" "$BATS_TEST_TMPDIR/$name"
	done
	run "$BATS_TEST_TMPDIR/switch_root" -h
	[ "$output" = "Usage: switch_root [-h] [-V] NEWROOT INIT [ARG...]" ]
	run "$BATS_TEST_TMPDIR/switch_root" -V
	[[ "$output" == "switch_root from tmpfsroot "* ]]
	run "$BATS_TEST_TMPDIR/tmpfsroot" --version
	[[ "$output" =~ ^tmpfsroot\ [0-9]+\.[0-9]+ ]]
	run "$BATS_TEST_TMPDIR/run-init" -x
	[ "$status" -eq 2 ]
}
