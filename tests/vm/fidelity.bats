#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Nothing is lost: a tree of hard cases is dumped before and after the move by a program that shares
# no code with the helper, and the dumps are compared line by line.  Beside it lies a sparse file
# three times as large as the machine's memory.

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

setup_file() {
	need "$helper" "$tools/hardtree" "$tools/dumptree" "$tools/oldroot"
}

# fidelity KIND
fidelity() {
	local name=$1 lost
	tiny "$name" "$(words_for "$1")" "$vm/guest/fidelity:/init" "$tools/hardtree:/usr/bin/hardtree" \
		"$tools/dumptree:/usr/bin/dumptree" "$tools/oldroot:/usr/bin/oldroot"
	shows "$name" 'GUEST DONE'
	never "$name" 'failed'
	shows "$name" "RESULT rootfs=$1"
	[ "$(result "$name" lines)" -ge 50 ]
	shows "$name" 'RESULT dumps=same'
	shows "$name" 'RESULT sensitive=yes'
	shows "$name" 'RESULT oldroot='
	mounted_once "$name" / tmpfs rw

	shows "$name" 'RESULT sparse=3221225472 datadatadata'
	[ "$(result "$name" sparse_blocks)" -le 256 ]
	lost=$(($(result "$name" before_kb) - $(result "$name" after_kb)))
	echo "# $name: $(result "$name" lines) lines, $lost KiB of memory" >&3
	[ "$lost" -le 16384 ]
}

@test "rootfs a tmpfs: the tree is the same after the move" { fidelity tmpfs; }
@test "rootfs a ramfs: the tree is the same after the move" { fidelity ramfs; }
