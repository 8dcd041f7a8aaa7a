#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Real containers. A Debian with runc, crun, bubblewrap and runsc is the initramfs, with the rootfs a ramfs
# (root= on the command line) and a tmpfs (none there), booted as it is, by way of the helper, and bound
# over itself by it.

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

setup_file() {
	need "$helper" "$tools/oldroot"
}

# debian NAME WORDS INIT [FILE:PATH]
debian() {
	boot "$1" "$2" "$("$vm/tree" "$suite")/root.cpio" "$vm/guest/$3:/init" "${@:4}" \
		"$vm/guest/lib.sh:/usr/lib/guest.sh" "$helper:/usr/bin/tmpfsroot" "$tools/oldroot:/usr/bin/oldroot"
}

# pair KIND: two machines that differ in rdinit= alone: KIND-before and KIND-after.
pair() {
	local words
	words="$(words_for "$1") hello colour=green -- one two"
	before=$1-before after=$1-after
	once "$before" debian "$before" "$words" runtimes
	once "$after" debian "$after" "rdinit=/usr/bin/tmpfsroot $words" runtimes
	ended "$before"
	ended "$after"
	shows "$before" "RESULT rootfs=$1"
}

# works NAME: all four.
works() {
	local name
	for name in runc crun bubblewrap runsc; do
		shows "$1" "RESULT $name=ok: container $name pid 1"
	done
	matches "$1" '^RESULT status=.*"pivot_root": true'
	shows "$1" 'RESULT root_has_parent=yes'
	shows "$1" 'RESULT root_mode=755 0:0'
}

# pivot_root_fails NAME: and each of the four says that it is that.
pivot_root_fails() {
	matches "$1" '^RESULT status=.*"pivot_root": false'
	matches "$1" '^RESULT runc=fail: .*pivot_root \.: invalid argument"$'
	matches "$1" '^RESULT crun=fail: .*pivot_root: Invalid argument$'
	matches "$1" '^RESULT bubblewrap=fail: bwrap: pivot_root: Invalid argument$'
	matches "$1" '^RESULT runsc=fail: .*cannot create sandbox'
	matches "$1" '^RESULT runsc_reason=.*pivot_root failed, .*: invalid argument$'
}

# api_mounts NAME TYPE: the root and the API file systems, once each, and nothing else.
api_mounts() {
	mounted_once "$1" / "$2" rw
	mounted_once "$1" /proc proc nosuid nodev noexec
	mounted_once "$1" /sys sysfs nosuid nodev noexec
	mounted_once "$1" /dev devtmpfs nosuid
	mounted_once "$1" /dev/pts devpts gid=5 mode=620 ptmxmode=000
	mounted_once "$1" /run tmpfs nosuid nodev mode=755
	[ "$(result "$1" mount | wc -l)" = 6 ]
}

# From Linux 7.0 on pivot_root works without us, too.
four_runtimes() {
	local nullfs=false
	pair "$1"
	case $suite in
	forky)
		works "$before"
		nullfs=true
		;;
	*) pivot_root_fails "$before" ;;
	esac
	matches "$before" "^RESULT root_is=rootfs, a $1 "
	matches "$before" "^RESULT status=.*\"type\": \"rootfs\", \"memory\": \"$1\".*\"nullfs\": $nullfs"
	works "$after"
}

# all_is_right: what else is true of the machine with the helper.
all_is_right() {
	local key lost
	shows "$after" 'RESULT findmnt=tmpfs tmpfsroot'
	[ "$(result "$before" root_entries)" = "$(result "$after" root_entries)" ]
	api_mounts "$after" tmpfs
	shows "$after" 'RESULT oldroot='
	[ "$(result "$before" argv)" = '/bin/sh|/init|hello|one|two|' ]
	[ "$(result "$after" argv)" = "$(result "$before" argv)" ]
	[ "$(result "$before" env)" = 'HOME=/|TERM=linux|colour=green|' ]
	[ "$(result "$after" env)" = 'HOME=/|TERM=linux|TMPFSROOT=1|colour=green|' ]
	for key in version source method entries bytes hard_links seconds plan move switch total peak_bytes warnings; do
		matches "$after" "^REPORT .*\"$key\":"
	done
	[ "$(grep -c '^KMSG tmpfsroot: ' "$logs/$after.log")" = 1 ]
	lost=$(($(result "$before" available_kb) - $(result "$after" available_kb)))
	echo "# $after: $lost KiB less memory available than before" >&3
	[ "$lost" -le 16384 ]
}

@test "rootfs a ramfs: four runtimes work with the helper, and without it from Linux 7.0 on" {
	four_runtimes ramfs
}

@test "rootfs a ramfs: entries, mounts, old root, arguments, report and memory are right" {
	pair ramfs
	all_is_right
}

@test "rootfs a tmpfs: likewise" {
	left_to_check_all 'the rootfs as a tmpfs'
	four_runtimes tmpfs
	all_is_right
}

# bound KIND: asked again, the helper has only executed: the mount on / is still the first one.
bound() {
	local name=$1-bound seconds
	once "$name" debian "$name" "rdinit=/usr/bin/tmpfsroot rd.tmpfsroot.method=bind $(words_for "$1")" bind \
		"$vm/guest/runtimes:/usr/lib/runtimes"
	ended "$name"
	shows "$name" "RESULT rootfs=$1"
	works "$name"
	shows "$name" 'RESULT findmnt=rootfs rootfs'
	api_mounts "$name" rootfs
	shows "$name" "RESULT first=1 $(result "$name" root_mount)"
	[ "$(result "$name" argv)" = '/bin/sh|/usr/lib/runtimes|x|y z|' ]
	[[ $(result "$name" env) == *'|TMPFSROOT=2|'* ]]
	[ "$(grep -c '^KMSG tmpfsroot: ' "$logs/$name.log")" = 1 ]
	matches "$name" '^REPORT  *"method": "bind",$'
	matches "$name" '^REPORT  *"source": "initramfs",$'
	matches "$name" '^REPORT  *"warnings": \[\]$'
	matches "$name" '^REPORT  *"bytes": 0,$'
	matches "$name" '^REPORT  *"peak_bytes": 0,$'
	seconds=$(sed -n 's/^REPORT .*"total": \([0-9.]*\).*/\1/p' "$logs/$name.log")
	echo "# $name: $seconds s from the helper's start to init, on an emulated processor" >&3
}

@test "method=bind, rootfs a tmpfs: four runtimes work" {
	bound tmpfs
}

@test "method=bind, rootfs a ramfs: four runtimes work" {
	left_to_check_all 'the rootfs as a ramfs'
	bound ramfs
}

@test "the kernel is that of the suite" {
	local kernel
	kernel=$(result ramfs-after kernel)
	case $suite in
	bookworm) [[ $kernel == 6.1.* ]] ;;
	trixie) [[ $kernel == 6.12.* ]] ;;
	*) [[ $kernel == 7.* ]] ;;
	esac
}
