# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the tests on virtual machines share: booting one, and looking into what it wrote. SUITE is the
# Debian release of its kernel and tree: bookworm, trixie (the default) or forky.

vm=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$vm/../.." && pwd)
suite=${SUITE:-trixie}
logs=$top/build/vm/$suite/$(basename "$BATS_TEST_FILENAME" .bats)
helper=${HELPER:-$top/build/static/tmpfsroot}
# shellcheck disable=SC2034 # used by the tests
tools=${TOOLS:-$top/build/tools}
bats_require_minimum_version 1.5.0
# shellcheck source=SCRIPTDIR/../common.bash
source "$top/tests/common.bash"

# is_lost NAME [REGEX]: what an emulated machine may come to, and no other: it is to be started again. A
# processor may miss a patch that another one makes to the kernel's code while it runs (an oops at int3), a
# timer may come too late for the kernel that starts, or that kernel stops before its clock runs: then there is no
# line, or what it says of its command line.
is_lost() {
	if grep -asqvE '^\[ *0\.000000\] ' "$logs/$1.log" &&
		! grep -aqE "Oops: int3|IO-APIC \+ timer doesn.t work${2:+|$2}" "$logs/$1.log"; then
		return 1
	fi
	echo "# $1: the emulated machine is started again: it was lost${2:+, or a late worker of udevd has made names}" >&3
}

# need FILE...: fails with the way to get what has not been built.
need() {
	local file
	for file; do
		if ! [ -x "$file" ]; then
			echo "$file is missing: run make programs"
			return 1
		fi
	done
}

# once NAME COMMAND...: the first test that asks for it runs the command, which boots NAME.
once() {
	[ ! -e "$BATS_FILE_TMPDIR/$1" ] || return 0
	mkdir -p "$logs"
	rm -f "$logs/$1".*
	"${@:2}"
	touch "$BATS_FILE_TMPDIR/$1"
}

# boot NAME WORDS BASE FILE:PATH...: runs a machine with WORDS on its kernel's command line; its
# initramfs is the archive BASE, or nothing, with the files laid over it, and $behind, if that is set, behind
# both. The machine must end by itself. Its console is in $logs/NAME.log. It has as many MiB of memory as $memory says, as many
# seconds as $seconds, the disk $drive and the kernel $kernel, if these are set. Once the console matches $expect the lines of $typed are typed.
boot() {
	local name=$1 words=$2 base=$3 tree status
	shift 3
	mkdir -p "$logs"
	tree=$("$vm/tree" "$suite")
	"$vm/overlay" "$logs/$name.cpio" "$@"
	for _ in 1 2 3; do
		status=0
		"$vm/run" ${drive:+-d "$drive"} ${memory:+-m "$memory"} ${seconds:+-t "$seconds"} ${expect:+-e "$expect"} -a "$words" \
			"${kernel:-$tree/vmlinuz}" "$logs/$name.log" ${base:+"$base"} "$logs/$name.cpio" ${behind:+"$behind"} \
			<<<"${typed-}" || status=$?
		is_lost "$name" || break
	done
	rm "$logs/$name.cpio"
	sed -i 's/\r//g' "$logs/$name.log"
	return "$status"
}

# tiny NAME WORDS FILE:PATH...: likewise, with only a busybox as /bin/sh and the helper.
tiny() {
	local name=$1 words=$2 tree
	shift 2
	tree=$("$vm/tree" "$suite")
	boot "$name" "$words" '' "$tree/busybox:/bin/busybox" @busybox:/bin/sh \
		"$vm/guest/lib.sh:/usr/lib/guest.sh" "$helper:/usr/bin/tmpfsroot" "$@"
}

# has_first_root NAME: its root is what the kernel began with, which since Linux 7.0 has a parent.
has_first_root() {
	local parent=no
	[ "$suite" != forky ] || parent=yes
	shows "$1" "RESULT root_has_parent=$parent"
	[[ $(result "$1" mount) == '/ rootfs '* ]]
}

# words_for KIND: what makes the kernel's rootfs a ramfs or a tmpfs.
words_for() {
	[ "$1" = tmpfs ] || echo root=/dev/ram0
}

# ended NAME: it came to its end as it should.
ended() {
	shows "$1" 'GUEST DONE'
	never "$1" 'Kernel panic|Attempted to kill init'
}

# shows NAME LINE: the console of NAME has exactly this line.
shows() {
	if ! grep -qxF -e "$2" "$logs/$1.log"; then
		echo "$1: no line: $2"
		console "$1"
		return 1
	fi
}

# matches NAME REGEX: the console of NAME has a line that matches.
matches() {
	if ! grep -qE -e "$2" "$logs/$1.log"; then
		echo "$1: no line like: $2"
		console "$1"
		return 1
	fi
}

# never NAME REGEX: it has none.
never() {
	if grep -E -e "$2" "$logs/$1.log"; then
		echo "$1: a line like: $2"
		return 1
	fi
}

# result NAME KEY: what the guest reported under KEY.
result() {
	sed -n "s/^RESULT $2=//p" "$logs/$1.log"
}

# mounted_once NAME TARGET TYPE OPTION...: one mount on TARGET, of TYPE, with all the options.
mounted_once() {
	local name=$1 target=$2 type=$3 line option
	shift 3
	line=$(result "$name" mount | awk -v target="$target" '$1 == target')
	if [ "$(wc -l <<<"$line")" != 1 ] || [ "$(cut -d ' ' -f 2 <<<"$line")" != "$type" ]; then
		echo "$name: expected one $type on $target, found: ${line:-none}"
		return 1
	fi
	for option; do
		if [[ ,${line##* }, != *,$option,* ]]; then
			echo "$name: no option $option in: $line"
			return 1
		fi
	done
}

# The end of a console, for the report of a failure.
console() {
	echo "--- the last lines of $logs/$1.log"
	tail -n 25 "$logs/$1.log"
}
