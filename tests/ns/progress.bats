#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A move that takes long tells how far it is; strace(1) makes it slow.

# shellcheck disable=SC2016 # the code in quotes is for the root that is booted
load namespace

bats_require_minimum_version 1.5.0

setup()
{
	command -v strace >/dev/null || skip "strace is not installed"
}

# slowly WORDS: 64 MiB in chunks of 2 MiB, each of which takes a tenth of a second. WORDS are the kernel
# command line's; what goes to the kernel's log is in $log, what to the terminal in $output.
slowly()
{
	log=$BATS_TEST_TMPDIR/kmsg
	# script(1) gives the words to $SHELL, and they are quoted for bash.
	SHELL=$BASH run script -qefc "$(printf '%q ' "$BATS_TEST_DIRNAME/boot" -k "$1" \
		-p 'head -c 67108864 /dev/urandom >large; mkdir dev; touch dev/kmsg ../kmsg
			mount --bind ../kmsg dev/kmsg' \
		-w "strace -D -f -qq --seccomp-bpf -o /dev/null -e trace=ftruncate -e inject=ftruncate:delay_enter=100000" \
		"$BATS_TEST_TMPDIR" tmpfsroot /init)" /dev/null
	echo "$output"
	[ "$status" -eq 0 ]
}

moving='moving: [0-9.]+ [KM]iB of [0-9.]+ MiB \([0-9]+%\), [0-9]+ of [0-9]+ entries'

@test "a terminal shows one line that updates, the kernel's log one every few seconds" {
	slowly debug
	tr '\r' '\n' <<<"$output" >"$BATS_TEST_TMPDIR/lines"
	shown=$(grep -cE "^tmpfsroot: $moving" "$BATS_TEST_TMPDIR/lines")
	[ "$shown" -ge 5 ] && [ "$shown" -le 20 ]
	[[ "$output" != *moving*$'\n'*moving* ]]
	[[ "$output" == *$'\r\e[K'*'init: /init '* ]]
	grep -qE "^<6>tmpfsroot: $moving" "$log"
}

@test "quiet: nothing is told" {
	slowly quiet
	[[ "$output" != *moving* ]]
	run -1 grep moving "$log"
}

