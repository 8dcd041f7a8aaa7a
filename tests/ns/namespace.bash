# SPDX-License-Identifier: GPL-2.0-or-later
# What the namespace tests share: see tests/ns/boot.
# shellcheck disable=SC2154 # status and output are set by bats' run
# shellcheck disable=SC2016 # what is expanded there, not here
# shellcheck disable=SC2034 # lines is for the tests

# shellcheck source=SCRIPTDIR/../common.bash
source "$BATS_TEST_DIRNAME/../common.bash"

# What the address sanitizer says of a root without /proc is left out; what it finds is a failure.
sanitize()
{
	if grep -aE 'ERROR: AddressSanitizer|runtime error:' <<<"$output"; then
		status=99
	fi
	output=$(grep -avE '^==[0-9]+==WARNING: |^False positive error reports|^For details see .*sanitizers' <<<"$output" || :)
	mapfile -t lines < <(grep . <<<"$output" || :)
}

# What memcheck finds is a failure. It has no reboot(2).
memcheck()
{
	output=$(grep -av ': reboot: Function not implemented$' <<<"$output" || :)
	mapfile -t lines < <(grep . <<<"$output" || :)
	! grep -v '^--[0-9]*-- ' "$BATS_TEST_TMPDIR/memcheck.log" || status=99
}

# Where /tmp is in memory the next test needs it.
teardown()
{
	rm -rf "${BATS_TEST_TMPDIR:?}"/*
}

# not_by_memcheck REASON: the test is not for it.
not_by_memcheck()
{
	[ -z "${TMPFSROOT_TEST_MEMCHECK-}" ] || skip "$1"
}

# boot [OPTION...] -- COMMAND: runs it, with bats' "status", "output" and "lines".
boot()
{
	local options=()

	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	run timeout -s KILL "${TMPFSROOT_TEST_SECONDS:-60}" "$BATS_TEST_DIRNAME/boot" "${options[@]}" "$BATS_TEST_TMPDIR" "$@"
	[ -z "${ASAN_OPTIONS-}" ] || sanitize
	[ -z "${TMPFSROOT_TEST_MEMCHECK-}" ] || memcheck
	echo "status $status: $output" # seen where the test fails
}

# call NAME: for strace(1), by each name that the system call has on machines of 32 bits.
call()
{
	printf '/^%s(32|64|_time64)?$' "$1"
}

# injects CALL:ERROR...: options of strace(1), in a WRAPPER.
injects()
{
	printf -- "-e 'trace=%s' -e 'inject=%s:%s'" "$(call "${1%%:*}")" "$(call "${1%%:*}")" "${1#*:}"
}

# once_traced COUNT REGEX CODE: for PREPARE: CODE runs in the background once strace(1), whose -o is ../trace, has told
# of so many calls.
once_traced()
{
	printf '%s\n' "mkfifo ../trace" \
		"(if '$BATS_TEST_DIRNAME/awaits' $1 '$2'; then ($3) </dev/null & fi; cat; wait) <../trace >/dev/null 2>&1 &"
}

# keeps_everything TYPE OPTION...: the tree of hard cases that hardtree makes with these options, moved
# on a file system of TYPE, is line by line what it was.
keeps_everything()
{
	local type=$1
	shift
	boot -t "$type" -p "hardtree $* tree"'; dumptree tree >"$directory/tree.before"' \
		-a 'dumptree "$root/tree" >"$directory/tree.after"' -- tmpfsroot /init
	[ "$status" -eq 0 ]
	diff "$BATS_TEST_TMPDIR/tree.before" "$BATS_TEST_TMPDIR/tree.after"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/tree.after")" -gt 6000 ]
}

# For PREPARE: /proc is to tell that so many kilobytes are available.
has_little()
{
	printf '%s\n' "mkdir -p ../little; printf 'MemTotal: 524288 kB\nMemAvailable: $1 kB\n' >../little/meminfo
		echo 15000 >../little/watermark_boost_factor; echo 10 >../little/watermark_scale_factor
		echo 1234567 >../little/percpu_pagelist_high_fraction"
}

# reads_little [CODE]: the WRAPPER beside it. That, and three settings of the kernel, are files in ../little.
reads_little()
{
	printf '%s\n' "sh -c 'for file in meminfo sys/vm/watermark_boost_factor sys/vm/watermark_scale_factor \
			sys/vm/percpu_pagelist_high_fraction; do
			mount --bind ../little/\${file##*/} proc/\$file || exit; done; ${1-} exec \"\$@\"' - \
		strace -D -f -qq --seccomp-bpf -o ../trace -e trace=write,unlinkat"
}

# settings: what was written into them, and when /init was moved or systemd asked; and they are as before.
settings()
{
	local vm=$BATS_TEST_TMPDIR/little

	[ "$(cat "$vm"/{watermark_boost_factor,watermark_scale_factor,percpu_pagelist_high_fraction})" = \
		$'15000\n10\n1234567' ] || return
	sed -n 's/.*write(.*, "\(0\|10\|100000\|15000\|1234567\)", .*/\1/p; s/.*unlinkat(.*"init", 0[) ].*/moved/p; s/.*write(.*AUTH EXT.*/asked/p' \
		"$BATS_TEST_TMPDIR/trace" | uniq | tr '\n' ' '
}

# in_shell CODE: what the shell runs that follows a failure, by a busybox that is not moved. For PREPARE.
in_shell()
{
	printf '%s\n' 'mkdir -p usr/lib/tmpfsroot; mount -t tmpfs shell usr/lib/tmpfsroot; cp bin/busybox usr/lib/tmpfsroot' \
		"printf '%s\n' '#!/usr/lib/tmpfsroot/busybox sh' '$1' >usr/lib/tmpfsroot/emergency; chmod +x usr/lib/tmpfsroot/emergency"
}
