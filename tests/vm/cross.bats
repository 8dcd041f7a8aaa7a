#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Other architectures: arm64 boots in the way of rdinit=; armhf, which has 32 bits, and s390x, which has
# the first byte first, build without a warning, and pass unit and namespace tests. They do so on machines
# with kernels of their own: QEMU's user mode knows neither openat2(2) and fsopen(2) nor statx(2)'s number
# of a mount. The others of the namespace tests take minutes each there.

# shellcheck disable=SC2030,SC2031 # output is set by bats' run
# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

# build ARCHITECTURE PREFIX: in $work, apart from build/; without a warning, and of libc alone.
build() {
	work=$BATS_FILE_TMPDIR/$1
	mkdir -p "$work"
	cp -R "$top"/{Makefile,helper,tests,modules.d,hooks} "$work"
	rm "$work/tests/tools/fault.c" # it knows the system calls of 64 bits, and no test here asks for it
	if ! make -s -j 2 -C "$work" CC="$2-gcc" all static tools >"$work/log" 2>&1 || grep -q warning: "$work/log"; then
		cat "$work/log"
		return 1
	fi
	[ "$(readelf -d "$work/build/tmpfsroot" | grep -c NEEDED)" = 1 ]
}

@test "arm64: builds, and moves an initramfs that is booted with rdinit=" {
	build arm64 aarch64-linux-gnu
	tree=$("$vm/foreign" arm64)
	mkdir -p "$logs"
	"$vm/overlay" "$logs/arm64.cpio" "$tree/busybox:/bin/busybox" @busybox:/bin/sh "$vm/guest/lib.sh:/usr/lib/guest.sh" \
		"$work/build/static/tmpfsroot:/usr/bin/tmpfsroot" "$work/build/tools/oldroot:/usr/bin/oldroot" \
		"$vm/guest/carry:/init"
	"$vm/run" -A arm64 -a 'root=/dev/ram0 rdinit=/usr/bin/tmpfsroot -- one two' "$tree/vmlinuz" "$logs/arm64.log" "$logs/arm64.cpio" </dev/null
	sed -i 's/\r//g' "$logs/arm64.log"
	shows arm64 'GUEST DONE'
	mounted_once arm64 / tmpfs rw mode=755
	[[ $(result arm64 mount) == *'/ tmpfs tmpfsroot '* ]]
	shows arm64 'RESULT root_has_parent=yes'
	shows arm64 'RESULT oldroot='
	[ "$(result arm64 argv)" = '/bin/sh|/init|one|two|' ]
	[[ $(result arm64 kernel) == *-cloud-arm64 ]]
}

@test "armel, which has no instruction for 64 bits: builds, and needs libc alone" {
	build armel arm-linux-gnueabi
	run -0 qemu-arm-static "$work/build/static/tmpfsroot" --version
	[ "$output" = "$("$helper" --version)" ]
}
# The namespace tests: of a file all, or those with these words in their names.
files='move:kept newroot:NEWROOT.INIT bind'
seconds=600

# machine ARCHITECTURE PREFIX: runs them and the unit tests.
machine() {
	local name units
	build "$1" "$2" || return
	tree=$("$vm/foreign" "$1")
	units=$(cd "$work/tests/unit" && echo *.c)
	# shellcheck disable=SC2046,SC2086 # a word a program
	make -s -C "$work" CC="$2-gcc" LDFLAGS="-L$tree/root/usr/lib/$2" \
		$(printf 'build/unit/%s ' ${units//.c}) || return
	mkdir -p "$work/root/source/build"
	cp -R "$work/tests" "$work/root/source/"
	cp -R "$work"/build/{static,tools,unit,tmpfsroot} "$work/root/source/build/"
	cp "$vm/guest/cross" "$work/root/init"
	for name in "$tree/root" "$work/root"; do
		(cd "$name" && find . | cpio --quiet -o -H newc --owner=0:0)
	done >"$logs/$1.cpio"
	"$vm/run" -A "$1" -m 1536 -t "$seconds" -a "-- $files" "$tree/vmlinuz" "$logs/$1.log" "$logs/$1.cpio"
	rm "$logs/$1.cpio"
	sed -i 's/\r//g' "$logs/$1.log"
}

# passes ARCHITECTURE PREFIX MACHINE: all that was asked for has run.
passes() {
	local name planned=0
	mkdir -p "$logs"
	rm -f "$logs/$1.log"
	machine "$1" "$2" >"$logs/$1-build.log" 2>&1 </dev/null
	cat "$logs/$1-build.log"
	run -1 grep -i 'warning:\|error' "$logs/$1-build.log"
	shows "$1" 'GUEST DONE'
	matches "$1" "^RESULT machine=$3 "
	for name in "$top"/tests/unit/*.c; do
		shows "$1" "RESULT $(basename "$name" .c)=0"
	done
	never "$1" '^not ok'
	sed -n "s/^ok \(.*# skip\)/# $1: \1/p" "$logs/$1.log" >&3
	for name in $files; do
		planned=$((planned + $(grep -cE "^@test .*($(sed -n 's,.*:,,p' <<<"$name"))" "$top/tests/ns/${name%:*}.bats")))
	done
	[ "$(grep -c '^ok' "$logs/$1.log")" = "$planned" ]
}
@test "armhf: builds, and passes unit and namespace tests" { passes armhf arm-linux-gnueabihf armv7l; }
@test "s390x: builds, and passes unit and namespace tests" { passes s390x s390x-linux-gnu s390x; }
