#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An initramfs that the kernel could not unpack whole, and starts all the same: too large for its tmpfs, or cut
# short. One with bytes behind its end is whole.

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

setup_file() {
	local data=$BATS_FILE_TMPDIR
	need "$helper"
	mkdir "$data/small" "$data/large"
	head -c 2000000 /dev/urandom >"$data/small/random"
	(cd "$data/small" && echo random | cpio --quiet -o -H newc) >"$data/small.cpio"
	gzip -n "$data/small.cpio"
	head -c 1500000 "$data/small.cpio.gz" >"$data/cut.cpio.gz"
	# at a multiple of four bytes
	truncate -s %4 "$data/small.cpio.gz"
	(cat "$data/small.cpio.gz" && echo 'no archive') >"$data/more.cpio.gz"
	for i in $(seq 100); do
		head -c 1000000 /dev/zero | tr '\0' x >"$data/large/$i"
	done
	(cd "$data/large" && find . | cpio --quiet -o -H newc) >"$data/large.cpio"
}

# unpacks NAME ARCHIVE WORDS: the machine whose initramfs has ARCHIVE behind the rest.
unpacks() {
	local memory=300 behind=$BATS_FILE_TMPDIR/$2
	tiny "$1" "rdinit=/usr/bin/tmpfsroot rd.tmpfsroot.minmem=16M rd.tmpfsroot.onfail=poweroff $3" "$vm/guest/continued:/init"
}

# refused NAME TEXT
refused() {
	matches "$1" "^tmpfsroot: the initramfs is not whole: \"Initramfs unpacking failed: $2"
	matches "$1" 'reboot: Power down'
	never "$1" 'GUEST DONE|Kernel panic'
}

@test "what does not fit into the kernel's tmpfs is refused, with the way out" {
	unpacks small large.cpio ''
	refused small 'write error": give it room, by more memory, or by initramfs_options=size=90% \(Linux 6.18\) or root= with rootfstype=ramfs on the kernel command line; or say rd.tmpfsroot.incomplete=yes$'
}

@test "what does not fit, and onfail=continue: init starts where it is" {
	left_to_check_all 'tests/ns/attributes.bats shows it'
	unpacks continue large.cpio rd.tmpfsroot.onfail=continue
	ended continue
	shows continue 'RESULT witness=0'
	has_first_root continue
}

@test "what does not fit, and incomplete=yes: it is moved, with a warning" {
	left_to_check_all 'tests/ns/attributes.bats shows it'
	unpacks incomplete large.cpio rd.tmpfsroot.incomplete=yes
	ended incomplete
	shows incomplete 'tmpfsroot: the initramfs is not whole: "Initramfs unpacking failed: write error"'
	mounted_once incomplete / tmpfs rw
}

@test "a compressed archive that is cut short is refused" {
	unpacks cut cut.cpio.gz ''
	refused cut '.*": make the image, or load it, again; or say rd.tmpfsroot.incomplete=yes$'
}

@test "bytes behind the end of an archive are a warning" {
	unpacks more more.cpio.gz ''
	ended more
	matches more '^tmpfsroot: the kernel says "Initramfs unpacking failed: invalid magic at start of compressed archive": '
	mounted_once more / tmpfs rw
}

@test "a whole one is moved without a word" {
	unpacks whole small.cpio.gz ''
	ended whole
	never whole '^tmpfsroot: '
	mounted_once whole / tmpfs rw
}
