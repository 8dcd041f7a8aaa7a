# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# What the /init of every test machine uses.  Results are plain lines on the console, each beginning
# with RESULT; the tests outside look for them.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin

result() {
	echo "RESULT $*"
}

# Mounts what an /init that starts in the initramfs finds missing.  Without /proc a busybox cannot
# find itself, so that its shell knows no other commands than those in PATH.
mount_missing() {
	/bin/busybox mkdir -p /proc
	[ -e /proc/self ] || /bin/busybox mount -t proc -o nosuid,nodev,noexec proc /proc
	mkdir -p /sys /dev /run
	mounted /sys || mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
	mounted /dev || mount -t devtmpfs -o nosuid devtmpfs /dev
	mkdir -p /dev/pts
	mounted /dev/pts || mount -t devpts -o gid=5,mode=620,ptmxmode=000 devpts /dev/pts
	mounted /run || mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs /run
}

mounted() {
	grep -q "^[^ ]* $1 " /proc/self/mounts
}

# Memory that is available.  Free pages on the lists of each processor are in neither MemFree nor
# MemAvailable, and there can be 50 MB of them after a move or the unpacking of an initramfs.
report_memory() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	# shellcheck disable=SC2016 # the fields are those of awk
	result "$1_kb=$(cat /proc/meminfo /proc/zoneinfo | busybox awk '
		$1 == "MemAvailable:" { sum += $2 } $1 == "count:" { sum += 4 * $2 } END { print sum }')"
}

# Which of the two the kernel made its rootfs.  One that is a tmpfs shows its limits.
report_rootfs() {
	case $(grep '^rootfs / rootfs ' /proc/self/mounts) in
	*size=*) result rootfs=tmpfs ;;
	?*) result rootfs=ramfs ;;
	esac
}

# What the machine's root is, and what its /init was given.
report_state() {
	report_memory available
	result "argv=$(tr '\0' '|' </proc/1/cmdline)"
	result "env=$(tr '\0' '\n' </proc/1/environ | sort | tr '\n' '|')"
	result "kernel=$(uname -r)"
	report_rootfs
	# Of the mounts on / the last is the one that is seen; the parent of one without a parent is itself.
	while read -r id parent _ _ target _; do
		[ "$target" != / ] || [ "$id" = "$parent" ] || has_parent=yes
		[ "$target" != / ] || [ "$id" != "$parent" ] || has_parent=no
		[ "$target" != / ] || root_mount=$id
	done </proc/self/mountinfo
	result "root_has_parent=$has_parent"
	result "root_mount=$root_mount"
	result "root_mode=$(stat -c '%a %u:%g' /)"
	while read -r source target type options _; do
		result "mount=$target $type $source $options"
	done </proc/self/mounts
}

# What the helper says about the boot.
report_helper() {
	[ -f /run/tmpfsroot/report.json ] && sed 's/^/REPORT /' /run/tmpfsroot/report.json
	dmesg | sed -n 's/^.*\(tmpfsroot: .*\)/KMSG \1/p'
	result "status=$(tmpfsroot --status=json | tr '\n' ' ')"
	tmpfsroot --status | sed -n 's/^root: /RESULT root_is=/p'
}

# report_oldroot PATH: what is left of the old rootfs, where PATH, or nothing, is what must be.  A child of the first
# init deletes the rest, beside what init does.
report_oldroot() {
	[ -x /usr/bin/oldroot ] || return 0
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		left=$(oldroot 2>/run/oldroot.err) || left=$(cat /run/oldroot.err)
		[ "$left" != "$1" ] || break
		sleep 0.5
	done
	result "oldroot=$(echo "$left" | tr '\n' ' ' | sed 's/ $//')"
}

# The end of every boot that went as it should.
done_and_off() {
	echo GUEST DONE
	stty -F /dev/console sane # waits until all of the above is written
	echo o >/proc/sysrq-trigger
	# No program may be started now: a disk that is shut down already gives it an I/O error.
	while :; do :; done
}
