#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Where memory is short: a file of 85 % of it is moved, where minmem= lets it; with less left the
# move is refused before the machine could run out of memory; and a root of six tenths of it is copied
# from a block device, which is free afterwards.

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

setup_file() {
	need "$helper" "$tools/oldroot"
}

# field NAME KEY: a number of the report of that machine.
field() {
	sed -n "s/^REPORT  *\"$2\": \([0-9]*\),\$/\1/p" "$logs/$1.log"
}

setup() {
	[ -e "$BATS_FILE_TMPDIR/block" ] || head -c 4000037 /dev/urandom >"$BATS_FILE_TMPDIR/block" # never in step with the chunks
	rootfs=ramfs
	[ "$suite" != trixie ] || rootfs=tmpfs
}

@test "a file that fills 85 % of memory is moved" {
	local name=full size memory=512 hash
	tiny "$name" "rd.tmpfsroot.minmem=8M rd.tmpfsroot.onfail=poweroff percent=85 $(words_for "$rootfs")" "$vm/guest/memory:/init" \
		"$BATS_FILE_TMPDIR/block:/block" "$tools/oldroot:/usr/bin/oldroot"
	shows "$name" 'GUEST DONE'
	never "$name" 'Kernel panic|Out of memory|oom-kill'
	shows "$name" "RESULT rootfs=$rootfs"
	memory=$(result "$name" memory)
	size=$(($(result "$name" blocks) * 4000037))
	[ $((size * 100)) -ge $((memory * 85)) ]
	# All of it is moved, into a target that was given no size; two of it would not fit.
	[ "$(field "$name" bytes)" -ge "$size" ]
	matches "$name" "^REPORT .*\"limits\": { \"bytes\": [0-9]{9}"
	mounted_once "$name" / tmpfs rw
	shows "$name" 'RESULT oldroot='

	[ "$(result "$name" size)" = "$size" ]
	hash=$(for _ in $(seq "$(result "$name" blocks)"); do
		cat "$BATS_FILE_TMPDIR/block"
	done | md5sum)
	[ "$(result "$name" hash)" = "$hash" ]

	echo "# $name: $((size >> 20)) of $((memory >> 20)) MiB, $(result "$name" before_kb) KiB available," \
		"peak $(field "$name" peak_bytes) bytes" >&3
	[ "$(field "$name" peak_bytes)" -gt 0 ]
	[ "$(field "$name" peak_bytes)" -le 20000000 ]
	# A peak that the report does not know would not have fitted.
	[ "$(result "$name" before_kb)" -le 65536 ]
}


# step KILOBYTES: moved, or refused by the right figures, and the kernel has never to kill.
step() {
	local name=stair-$1 memory=320
	rm -f "$logs/$name.outcome"
	tiny "$name" "rd.tmpfsroot.onfail=continue left=$1 $(words_for "$rootfs")" "$vm/guest/memory:/init" \
		"$BATS_FILE_TMPDIR/block:/block"
	never "$name" 'Kernel panic|Out of memory|oom-kill'
	shows "$name" "RESULT rootfs=$rootfs"
	shows "$name" 'GUEST DONE'
	if [ -z "$(result "$name" after)" ]; then
		matches "$name" '^RESULT rest='
		matches "$name" '^REPORT  *"warnings": \[\]$'
		echo moved >"$logs/$name.outcome"
	else
		# Between what there was before and after: the kernel frees some of its own, meanwhile. To one in
		# a hundred, and 512 KiB for the program itself.
		awk -v before="$(result "$name" left)" -v after="$(result "$name" after)" '
			/^tmpfsroot: .* of memory are available, the move needs / {
				found = 1
				given = $2 * ($3 == "KiB" ? 1 : 1024)
				spare = 512 + given / 100
				least = before < after ? before : after
				most = before < after ? after : before
			} END { exit !found || given < least - spare || given > most + spare }' "$logs/$name.log"
		echo refused >"$logs/$name.outcome"
	fi
}

@test "less and less memory, until the move is refused" {
	local left
	left_to_check_all 'eight machines'
	for left in 80000 64000 56000 52000 48000 44000 30000 2000; do
		step "$left"
	done
	cat "$logs/stair"-*.outcome
	[ "$(cat "$logs/stair-80000.outcome")" = moved ]
	[ "$(cat "$logs/stair-2000.outcome")" = refused ]
	# What the move needs: each refusal names the same, and where it was moved there was as much.
	awk '/^tmpfsroot: .* of memory are available, the move needs / {
			match($0, /needs [^ ]* [KM]iB/)
			split(substr($0, RSTART, RLENGTH), word)
			need = word[2] * (word[3] == "KiB" ? 1024 : 1048576)
			if (least && need != least)
				wrong = "needs " need " and " least
			least = need
		}
		/^REPORT  *"memory_available_before": / { before[FILENAME] = $3 + 0 }
		END {
			for (name in before)
				if (before[name] < least * 0.99)
					wrong = name ": " before[name] " were enough, not " least
			print wrong
			exit !least || wrong != ""
		}' "$logs/stair"-{2000,30000,44000,48000,52000,56000,64000,80000}.log
}


# A root of 288 MiB that makes a small image: what is repeated has a length that no page or chunk is
# a multiple of.
image() {
	local new=$BATS_FILE_TMPDIR/root tree i
	[ -e "$BATS_FILE_TMPDIR/root.squashfs" ] && return
	tree=$("$vm/tree" "$suite")
	mkdir -p "$new"/{bin,sbin,usr/bin,usr/lib,dev,proc,sys,run,data}
	cp "$tree/busybox" "$new/bin/busybox"
	ln -s busybox "$new/bin/sh"
	cp "$vm/guest/sysroot" "$new/sbin/init"
	cp "$vm/guest/lib.sh" "$new/usr/lib/guest.sh"
	cp "$helper" "$new/usr/bin/tmpfsroot"
	for i in {1..9}; do
		yes "$i$(head -c 60 /dev/urandom | base64 -w 0)" | head -c 32M >"$new/data/large-$i"
	done
	for i in {1..200}; do
		echo "$i" >"$new/data/small-$i"
	done
	echo setuid >"$new/data/setuid"
	chmod 4755 "$new/data/setuid"
	ln "$new/data/setuid" "$new/data/link"
	ln -s ../nowhere "$new/data/symlink"
	(cd "$new" && find . -type f -exec md5sum {} + >../sums && find . -type f -printf '%s\n' >../sizes)
	mv "$BATS_FILE_TMPDIR"/{sums,sizes} "$new/"
	mksquashfs "$new" "$BATS_FILE_TMPDIR/root.squashfs" -quiet -no-progress -all-root
}

# sysroot NAME MEMORY WORDS: an initramfs that mounts the root at /sysroot, and runs switch_root.
sysroot() {
	local memory=$2 tree
	image
	tree=$("$vm/tree" "$suite")
	tiny "$1" "root=/dev/loop0 $3" "$vm/guest/sysroot:/init" @tmpfsroot:/usr/bin/switch_root \
		"$BATS_FILE_TMPDIR/root.squashfs:/root.squashfs" "$tree/modules/loop.ko:/modules/loop.ko" \
		"$tree/modules/squashfs.ko:/modules/squashfs.ko"
	never "$1" 'Kernel panic|Out of memory|oom-kill'
}

# from_disk NAME: it runs from the device, and has the root that does not fit.
from_disk() {
	shows "$1" 'GUEST DONE'
	mounted_once "$1" / squashfs ro
	[ "$(result "$1" root)" -gt "$(result "$1" memory)" ]
}

@test "rd.tmpfsroot=yes: a root of six tenths of the memory is copied, and its device is free" {
	local name=sysroot-yes
	left_to_check_all 'tests/ns/realroot.bats shows it'
	sysroot "$name" 512 'rd.tmpfsroot=yes rd.tmpfsroot.onfail=poweroff'
	shows "$name" 'GUEST DONE'
	[ $(($(result "$name" root) * 100 / $(result "$name" memory))) -ge 60 ]
	mounted_once "$name" / tmpfs rw
	[[ $(result "$name" mount) == *'/ tmpfs tmpfsroot '* ]]
	shows "$name" 'RESULT unmounted=yes'
	shows "$name" 'RESULT attached='
	shows "$name" 'RESULT wrong=0'
	shows "$name" "RESULT right=$(wc -l <"$BATS_FILE_TMPDIR/root/sums")"
	[ "$(result "$name" entries)" = "$(find "$BATS_FILE_TMPDIR/root" | wc -l)" ]
	shows "$name" 'RESULT setuid=4755 2 ../nowhere'
	[ "$(result "$name" argv)" = '/bin/sh|/sbin/init|a|b c|' ]
	matches "$name" '^REPORT  *"source": "realroot",$'
	matches "$name" '^REPORT  *"warnings": \[\]$'
}

@test "rd.tmpfsroot=auto: a root that does not fit boots from its device, with a warning" {
	left_to_check_all 'tests/ns/realroot.bats shows it'
	sysroot sysroot-auto 256 rd.tmpfsroot=auto
	from_disk sysroot-auto
	matches sysroot-auto 'switch_root: .*(tmpfs holds|memory are available)'
	matches sysroot-auto 'switch_root: the real root is not moved: booting from where it is'
}

@test "rd.tmpfsroot=yes: a root that does not fit is refused, and onfail= says what follows" {
	left_to_check_all 'tests/ns/realroot.bats shows it'
	sysroot sysroot-no 256 'rd.tmpfsroot=yes rd.tmpfsroot.onfail=poweroff'
	matches sysroot-no 'switch_root: .*(tmpfs holds|memory are available)'
	matches sysroot-no 'reboot: Power down'
	never sysroot-no 'GUEST DONE|not moved'
	sysroot sysroot-continue 256 'rd.tmpfsroot=yes rd.tmpfsroot.onfail=continue'
	from_disk sysroot-continue
}
