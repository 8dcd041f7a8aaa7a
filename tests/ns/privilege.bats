#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Who may ask for what; and no file is ever there for more people than it is for in the end.

# shellcheck disable=SC2016 # the code in quotes is for the root that is booted
# shellcheck disable=SC2030,SC2031 # status, output and lines are set by bats' run
load namespace

# In PREPARE: a user who is nobody, by setpriv(1).
nobody='chmod 755 .; cp "$(command -v setpriv)" bin/; cp --parents $(ldd "$(command -v setpriv)" | grep -o "/[^ ]*") .
	printf "#!/bin/sh\nexec /bin/setpriv --reuid 65534 --regid 65534 --clear-groups \"\$@\"\n" >bin/nobody; chmod 755 bin/nobody'

@test "nobody may ask for --help, --version, --status and --dry-run, and changes nothing" {
	for option in --help --version --status --status=json '--dry-run /init'; do
		# shellcheck disable=SC2086 # an option and its argument
		boot -n -k '' -a unchanged -p "$nobody" -- nobody tmpfsroot $option
		[ "$status" -eq 0 ]
	done
}

@test "nobody may ask for nothing else: not as a service, not for --source" {
	boot -n -k root=tmpfsroot -a unchanged -p "$nobody; mkdir -p run/systemd/system sysroot; touch etc/initrd-release" \
		-- nobody tmpfsroot /sysroot /init
	[ "$status" -eq 1 ]
	[ "$output" = 'tmpfsroot: only root may ask for this: use --dry-run or --status: Operation not permitted' ]
	boot -n -k root=tmpfsroot -a unchanged -p "$nobody; mkdir sysroot" -- nobody tmpfsroot --source /sysroot
	[ "$status" -eq 1 ]
	[ -z "$output" ]
}

@test "set-user-ID, or with capabilities of its own, it does nothing at all" {
	[ -z "${ASAN_OPTIONS-}" ] || skip "the sanitizer does not read its options then"
	# cap_chown, permitted and effective: capabilities(7).
	local capable='python3 -c "import os, struct
os.setxattr(\"usr/bin/tmpfsroot\", \"security.capability\", struct.pack(\"<5I\", 0x02000001, 1, 0, 0, 0))"'

	for bits in 'chmod 4755 usr/bin/tmpfsroot' 'chgrp 7 usr/bin/tmpfsroot; chmod 2755 usr/bin/tmpfsroot' "$capable"; do
		for option in --help --status /init; do
			boot -n -t tmpfs -k '' -a unchanged -p "$nobody; $bits" -- nobody tmpfsroot $option
			[ "$status" -eq 2 ]
			[ "$output" = 'tmpfsroot: not with set-user-ID, set-group-ID or capabilities of its file: take them off' ]
		done
	done
}

# made NAME: the mode that this file was created with, in octal.
made()
{
	sed -n "s/.*\(openat\|mknodat\|mkdirat\)([0-9]*, \"$1\", \(O_[A-Z_|]*O_CREAT[A-Z_|]*, \|S_IF[A-Z]*, \|S_IF[A-Z]*|\)*\(0[0-7]*\).*/\3/p" \
		"$BATS_TEST_TMPDIR/trace"
}

@test "files have no mode before they have their owner, and never more than their own" {
	boot -p 'mkdir d; umask 0; for mode in 600 640 666 4755 2711; do echo x >d/root-$mode; echo y >d/other-$mode
			chown 5:6 d/other-$mode; chmod $mode d/root-$mode d/other-$mode; done
		mkdir -m 700 d/directory; head -c 5000000 /dev/zero >d/large; chown 5:6 d/large; chmod 600 d/large' \
		-w 'taskset -c 0 strace -D -f -qq -o ../trace -e trace=openat,mkdirat,mknodat,fchown,fchmod,write,pwrite64' -- tmpfsroot /init
	[ "$status" -eq 0 ]
	for mode in 600 640 666; do
		[ "$(made "root-$mode")" = 0"$mode" ]
		[ "$(made "other-$mode")" = 000 ] || [ "$(made "other-$mode")" = 0 ]
	done
	for name in root-4755 root-2711 other-4755 other-2711 large; do
		[ "$(made "$name")" = 000 ] || [ "$(made "$name")" = 0 ]
	done
	[ "$(made directory)" = 0700 ]
	# From one that is made on: no fchmod before the fchown of the same descriptor.
	run awk '/"other-|"large".*O_CREAT/ && /O_CREAT/ { n = split($0, f, " "); file = f[n]; owned = 0; others++ }
		/fchown\(/ && index($0, "fchown(" file ",") { owned = 1 }
		/fchmod\(/ && index($0, "fchmod(" file ",") && !owned { print "before its owner: " $0 }
		END { print others }' "$BATS_TEST_TMPDIR/trace"
	[ "$output" = 6 ]
}
