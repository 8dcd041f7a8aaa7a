#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The plain switch to a mounted NEWROOT, by each of the helper's names, in a mount namespace: the
# old root is a ramfs or tmpfs, the new one is mounted on /new.

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
	chmod +x new/sbin/init; exec 7<canary'

switches_with()
{
	boot -k quiet -p "$new_root" -a 'ls -A; cat /proc/self/fd/7/file' -- "$@"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "new init: /sbin/init a b []" ]
	[ "$(grep -c '^new / tmpfs ' <<<"$output")" -eq 1 ]
	[ "$(grep -c '^proc /proc proc ' <<<"$output")" -eq 1 ]
	[ "$(grep -c '^the-dev /dev tmpfs ' <<<"$output")" -eq 1 ]
	[ "$(grep -c '^the-run /run tmpfs ' <<<"$output")" -eq 1 ]
	[ "$(grep -c '^the-sub /run/sub tmpfs ' <<<"$output")" -eq 1 ]
	! grep -q '^the-sys ' <<<"$output" # NEWROOT has no /sys
	# of the old root only the mount that was not carried is left, untouched
	[[ "$output" == *$'\ncanary\nalive' ]]
}

@test "switch_root NEWROOT INIT" {
	switches_with switch_root /new /sbin/init a b
}

@test "run-init NEWROOT INIT" {
	switches_with run-init -c /dev/console /new /sbin/init a b >/dev/null ||
		skip "the console takes the output away"
}

@test "run-init without a console of its own" {
	boot -k quiet -p "$new_root; printf '#!/bin/sh\nexec cat /proc/self/status\n' >new/sbin/init" \
		-- run-init -d cap_sys_module,CAP_SYS_RAWIO -c /dev/stderr /new /sbin/init
	[ "$status" -eq 129 ] || [ "$status" -ne 0 ]
}

@test "tmpfsroot NEWROOT INIT" {
	switches_with tmpfsroot /new /sbin/init a b
}
