#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One image boots SOAK_BOOTS (10) times in a row: all have the same outcome, and as much memory after it.

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

# outcome NAME: what is the same in each boot; of the report the figures that do not tell time or memory. Limits
# of file systems are a share of MemTotal, in which one boot may have a page more than another.
outcome() {
	sed -n '/^REPORT  *"limits"/d
		/^RESULT mount=/s/,\(size\|nr_inodes\)=[0-9]*k\{0,1\}//g
		s/^RESULT \(rootfs\|blocks\|size\|hash\|argv\|root_has_parent\|root_mode\|mount\|oldroot\)=/&/p
		/^REPORT .*"\(source\|source_type\|method\|entries\|directories\|hard_links\|bytes\|attributes_lost\|warnings\)"/p' \
		"$logs/$1.log"
}

@test "boots in a row: the same outcome, memory within 2 %" {
	local boots=${SOAK_BOOTS:-10} seconds=600 i
	need "$helper" "$tools/oldroot"
	head -c 4000037 /dev/urandom >"$BATS_TEST_TMPDIR/block"
	for ((i = 1; i <= boots; i++)); do
		memory=512 tiny soak 'root=/dev/ram0 rd.tmpfsroot.onfail=poweroff percent=75' "$vm/guest/memory:/init" \
			"$BATS_TEST_TMPDIR/block:/block" "$tools/oldroot:/usr/bin/oldroot"
		shows soak 'GUEST DONE'
		never soak 'Kernel panic|Out of memory|oom-kill'
		outcome soak >"$BATS_TEST_TMPDIR/outcome"
		[ -e "$BATS_TEST_TMPDIR/first" ] || cp "$BATS_TEST_TMPDIR/outcome" "$BATS_TEST_TMPDIR/first"
		diff "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/outcome"
		# What is not free, of what was: a file fills most of it. And the most that the move held: the tree, and
		# the chunks that were there twice, which depend on what the workers did at the same time.
		echo "$(($(result soak memory) / 1024 - $(result soak available_kb)))" >>"$BATS_TEST_TMPDIR/used"
		sed -n 's/^REPORT  *"\(peak_\)\{0,1\}bytes": \([0-9]*\),$/\2/p' "$logs/soak.log" |
			awk '{ sum += $1 } END { print sum; exit NR != 2 }' >>"$BATS_TEST_TMPDIR/peak"
		sed -n 's/^REPORT  *"limits": { "bytes": \([0-9]*\), .*/\1/p' "$logs/soak.log" >>"$BATS_TEST_TMPDIR/limit"
	done
	[ "$(wc -l <"$BATS_TEST_TMPDIR/first")" -gt 10 ]
	for figure in used peak limit; do
		sort -n "$BATS_TEST_TMPDIR/$figure" >"$BATS_TEST_TMPDIR/sorted"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/sorted")" -eq "$boots" ]
		echo "# $boots boots, $figure: $(head -n 1 "$BATS_TEST_TMPDIR/sorted") to $(tail -n 1 "$BATS_TEST_TMPDIR/sorted")" >&3
		awk 'NR == 1 { least = $1 } END { exit !(least > 0 && ($1 - least) * 100 <= least * 2) }' "$BATS_TEST_TMPDIR/sorted"
	done
}
