#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# ThreadSanitizer has nothing to say about the workers: of a move, and of one that is given back.

# shellcheck disable=SC2016 # the code in quotes is for the root that is booted
load namespace

setup()
{
	export TMPFSROOT_TEST_HELPER=$BATS_TEST_DIRNAME/../../build/thread/tmpfsroot
	# The old root is deleted by a child with workers. The sanitizer thinks that all threads have the
	# same descriptors: of a closed one it knows nothing.
	export TSAN_OPTIONS=die_after_fork=0:suppressions=/suppressions
}

# In PREPARE: the helper is linked to its sanitizer.
libraries='ls lib/*/libtsan.so* >/dev/null; echo "race:close_fd" >suppressions; hardtree --many 10000 tree; dumptree tree >"$directory/tree.before"'

same()
{
	[[ "$output" != *ThreadSanitizer* ]]
	diff "$BATS_TEST_TMPDIR/tree.before" "$BATS_TEST_TMPDIR/tree.after"
}

@test "a move, on ramfs and tmpfs" {
	for type in ramfs tmpfs; do
		boot -t "$type" -k quiet -p "$libraries" -a 'dumptree "$root/tree" >"$directory/tree.after"' \
			-- tmpfsroot --minmem=1M /init
		[ "$status" -eq 0 ]
		same
	done
}

@test "a move that does not fit, though the plan has said so, is given back" {
	boot -k quiet -p "$libraries" -a 'dumptree tree >"$directory/tree.after"' \
		-w 'sh -c "ulimit -f 12288; exec \"\$@\"" -' -- tmpfsroot --onfail=reboot /init
	[ "$status" -eq 129 ]
	[[ "$output" == *"all that was moved is back in its place"* ]]
	same
}
