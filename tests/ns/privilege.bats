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

# refuses_bits CODE...: after that it does nothing for an ordinary user, whatever is asked.
refuses_bits()
{
	[ -z "${ASAN_OPTIONS-}" ] || skip "the sanitizer does not read its options then"
	for bits; do
		for option in --help --status /init; do
			boot -n -t tmpfs -k '' -a unchanged -p "$nobody; $bits" -- nobody tmpfsroot $option
			[ "$status" -eq 2 ]
			[ "$output" = 'tmpfsroot: not with set-user-ID, set-group-ID or capabilities of its file: take them off' ]
		done
		# Nor as PID 1, which a container's is.
		boot -t tmpfs -k '' -a unchanged -p "$nobody; $bits" -- nobody tmpfsroot /init
		[ "$status" -eq 2 ]
	done
}

@test "set-user-ID or set-group-ID, it does nothing at all" {
	refuses_bits 'chmod 4755 usr/bin/tmpfsroot' 'chgrp 7 usr/bin/tmpfsroot; chmod 2755 usr/bin/tmpfsroot'
}

@test "with capabilities of its file, it does nothing at all" {
	not_by_memcheck "its launcher would have them"
	# cap_chown, permitted and effective: capabilities(7).
	refuses_bits 'python3 -c "import os, struct
os.setxattr(\"usr/bin/tmpfsroot\", \"security.capability\", struct.pack(\"<5I\", 0x02000001, 1, 0, 0, 0))"'
}

# In PREPARE: files of all kinds in the directory, with umask 0; access lists give their group less than
# the mode does (hardtree's acl_access).
files='umask 0; mkdir -p d; for mode in 600 640 666 4755 2711; do echo x >d/root-$mode; echo y >d/other-$mode
		chown 5:6 d/other-$mode; chmod $mode d/root-$mode d/other-$mode; done
	mkdir -m 700 d/directory; head -c 5000000 /dev/zero >d/large; chown 5:6 d/large; chmod 600 d/large
	mkfifo -m 660 d/fifo; chown 5:6 d/fifo; mknod -m 640 d/device c 1 3; echo z >d/list; ln d/root-640 d/root-640-link
	echo z >d/other-list; chown 5:6 d/other-list; mkdir d/listed
	python3 -c "import os, struct
for name in \"list\", \"other-list\", \"listed\":
    os.setxattr(\"d/\" + name, \"system.posix_acl_access\", struct.pack(\"<I\", 2) + b\"\".join(struct.pack(\"<HHI\", *entry)
        for entry in ((1, 6, 2**32 - 1), (2, 6, 1000), (4, 0, 2**32 - 1), (16, 6, 2**32 - 1), (32, 0, 2**32 - 1))))"'
creating='trace=openat,mkdirat,mknodat,fchown,?fchown32,fchownat,fchmod,fchmodat,fsetxattr,chroot'

# never_more MADE: of the files of "d" in the trace so many were made, without a mode or, a regular one, with
# that of its name; and got their owner, then their access list, and then the mode.
never_more() {
	run awk '
		function wrong(what) { print what ": " $0 }
		{ sub(/^[0-9]* */, ""); call = $0; sub(/\(.*/, "", call); split($0, quoted, "\""); name = quoted[2] }
		/ = -1 / { next }
		call == "openat" && /O_CREAT/ || call == "mknodat" {
			mode = $0; sub(/ *(\(INJECTED\))? = .*/, "", mode); sub(/, makedev.*/, ")", mode)
			sub(/.*(, |\|)/, "", mode); sub(/\)$/, "", mode); if (mode ~ /^S_IF/) mode = 0
			file = call == "openat" ? $NF : "\"" name "\""
			if (name !~ /^(root|other|list|large|fifo|device)/) next
			made++; last[file] = name; owned[file] = listed[file] = 0
			if (mode + 0 != 0 && index(name, "root-" substr(mode, 2)) != 1) wrong("made with a mode")
			if (name ~ /list/) kept[file] = 1; else delete kept[file]
		}
		call == "mkdirat" && name ~ /^(d|directory|listed)$/ { if ($0 !~ / 0?700\)/) wrong("a directory for others") }
		call ~ /^(fchown|fchmod|fsetxattr)/ { file = $0; sub(/^[a-z0-9]*\(/, "", file); sub(/,.*/, "", file); if (call ~ /at$/) file = "\"" name "\"" }
		call ~ /^fchown/ { owned[file] = 1 }
		call == "fsetxattr" && /posix_acl_access/ { listed[file] = 1 }
		call ~ /^fchmod/ && file in last {
			if (last[file] ~ /^(other|large|fifo)/ && !owned[file]) wrong("a mode before its owner")
			if (file in kept && !listed[file]) wrong("a mode before its list")
		}
		call == "openat" && !/O_CREAT/ { delete last[$NF]; delete kept[$NF] }
		END { print made }' "$BATS_TEST_TMPDIR/trace"
	echo "$output"
	[ "$output" = "$1" ]
}

@test "files have no mode before they have their owner and list, and never more than their own" {
	local trace="taskset -c 0 strace -D -f -qq -o ../trace -e $creating"
	boot -t tmpfs -p "$files" -w "$trace" -- tmpfsroot /init
	[ "$status" -eq 0 ]
	never_more 15
	[ "$(grep -c 'openat.*"root-\(600\|666\)", .*O_CREAT.*, 0\(600\|666\))' "$BATS_TEST_TMPDIR/trace")" -eq 2 ]
	# Files that are given back, and files that are copied from a real root.
	boot -t tmpfs -p "$files" -w "$trace -e inject=chroot:error=EPERM:when=2" -a unchanged -- tmpfsroot --onfail=reboot /init
	[ "$status" -eq 129 ]
	never_more 29 # the one with two names has stayed
	boot -k quiet -p "mkdir new; mount -t tmpfs new new; cd new; $files; cd ..; mkdir new/bin; cp bin/busybox new/bin
		ln -s busybox new/bin/sh; cp init new/init" -w "$trace" -- tmpfsroot --tmpfsroot=yes /new /init
	[ "$status" -eq 0 ]
	never_more 15
}
