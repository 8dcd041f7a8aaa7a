#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Large trees, beside the hard cases: nothing is lost when all workers have much to do.

load namespace

@test "200,000 entries are kept, with 10,000 hard links across directories" {
	export TMPFSROOT_TEST_SECONDS=${TMPFSROOT_TEST_SECONDS:-300} # memcheck is slow
	keeps_everything ramfs --dense --many 200000
	[ "$(grep -c 'nlink=2.* link=many/' "$BATS_TEST_TMPDIR/tree.after")" -eq 19990 ]
	keeps_everything tmpfs --dense --many 200000
}
