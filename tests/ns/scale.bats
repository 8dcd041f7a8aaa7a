#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Large trees, beside the hard cases: nothing is lost when all workers have much to do.

load namespace

@test "many entries are kept, with hard links across directories: 20,000, or 200,000 by check-all" {
	local many=20000
	[ -z "${CHECK_ALL-}" ] || many=200000
	export TMPFSROOT_TEST_SECONDS=${TMPFSROOT_TEST_SECONDS:-300} # memcheck is slow
	keeps_everything ramfs --dense --many $many
	[ "$(grep -c 'nlink=2.* link=many/' "$BATS_TEST_TMPDIR/tree.after")" -eq $((many / 10 - 10)) ]
	keeps_everything tmpfs --dense --many $many
}
