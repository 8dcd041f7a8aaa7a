# SPDX-License-Identifier: GPL-2.0-or-later
# What the namespace tests share: see tests/ns/boot.
# shellcheck disable=SC2154 # status and output are set by bats' run
# shellcheck disable=SC2016 # what is expanded there, not here

# boot [OPTION...] -- COMMAND: runs it, with bats' "status", "output" and "lines".
boot()
{
	local options=()

	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	run timeout -s KILL 60 "$BATS_TEST_DIRNAME/boot" "${options[@]}" "$BATS_TEST_TMPDIR" "$@"
	echo "status $status: $output" # seen where the test fails
}

# The tree of hard cases, moved on a file system of that type, is line by line what it was.
keeps_everything()
{
	boot -t "$1" -p 'hardtree --huge tree; dumptree tree >"$directory/tree.before"' \
		-a 'dumptree "$root/tree" >"$directory/tree.after"' -- tmpfsroot /init
	[ "$status" -eq 0 ]
	diff "$BATS_TEST_TMPDIR/tree.before" "$BATS_TEST_TMPDIR/tree.after"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/tree.after")" -gt 6000 ]
}
