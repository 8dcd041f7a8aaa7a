#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The benchmark that "make bench" runs works: here with one round of one tree and two contenders.  What
# it finds is shown, and judged nowhere.

load namespace

@test "the benchmark prints its tables" {
	left_to_check_all 'make bench'
	cd "$BATS_TEST_DIRNAME/../.."
	ROUNDS=1 REPEAT=0 TREES=B CONTENDERS='ours plain' run tests/bench/bench
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"B: 107"?" MB, "*" entries"* ]]
	time='[0-9]+\.[0-9]{3}'
	grep -qE "^ours, all workers +\| $time / $time s, \+[0-9]+ / [0-9]+ MB +$" <<<"$output"
	grep -qE "^limit: memory copy, 2 threads +\| $time s +$" <<<"$output"
	spread='[0-9.]+ \([0-9.]+-[0-9.]+\)'
	grep -qE "^both limits \(the bar\), ramfs +\| $spread of 0\.30 (yes|NO) +$" <<<"$output"
	grep -qE "^peak, MB \(the bar\), tmpfs +\| $spread of 20 (yes|NO) +$" <<<"$output"
}
