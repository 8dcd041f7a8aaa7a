#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A move that fails in the middle gives back all that it has moved: the source is line by line what
# it was, times included. strace(1) makes the system calls fail.

# shellcheck disable=SC2016 # the code in quotes is for the root that is booted
load namespace

setup()
{
	command -v strace >/dev/null || skip "strace is not installed"
}

# fails_at TYPE CALL:ERROR:WHEN...: the move of the tree of hard cases fails there, and leaves it be.
# strace counts the calls of each thread, so there is one worker only.
fails_at()
{
	local type=$1 fault

	shift
	for fault; do
		boot -t "$type" -p 'hardtree tree; dumptree tree >"$directory/tree.before"' \
			-a 'dumptree tree >"$directory/tree.after"; unchanged' \
			-w "taskset -c 0 strace -D -f -qq --seccomp-bpf -o /dev/null -e trace=${fault%%:*} -e inject=$fault" -- \
			tmpfsroot --onfail=reboot /init
		[ "$status" -eq 129 ]
		diff "$BATS_TEST_TMPDIR/tree.before" "$BATS_TEST_TMPDIR/tree.after"
		[[ "$output" == *"moving /"* ]]
		[[ "$output" == *"all that was moved is back in its place"* ]]
	done
}

@test "copying fails: a small file, a large one in chunks" {
	fails_at ramfs write:error=ENOSPC:when=1500 pwrite64:error=ENOSPC:when=4 pwrite64:error=EIO:when=30
}

@test "copying fails, on tmpfs" {
	fails_at tmpfs write:error=ENOSPC:when=2000 pwrite64:error=EIO:when=25
}

@test "making files fails: devices, links, symlinks, directories" {
	fails_at tmpfs mknodat:error=ENOSPC:when=12 linkat:error=EMLINK:when=90 \
		symlinkat:error=ENOSPC:when=9 mkdirat:error=ENOSPC:when=300
}

@test "releasing fails: a name, a chunk" {
	fails_at ramfs unlinkat:error=EIO:when=1000 ftruncate:error=EIO:when=40
}

@test "metadata fails: owner, mode, attributes, times" {
	fails_at tmpfs fchown:error=EPERM:when=5 fchown:error=EPERM:when=400 fchmod:error=EPERM:when=2500 \
		fsetxattr:error=ENOSPC:when=4 utimensat:error=EPERM:when=3000
}

@test "giving back fails, too: nothing is lost, the target is mounted" {
	boot -p 'hardtree tree; find tree -type f -printf x | wc -c >../count' \
		-a 'find tree run -type f -print0 | sed -z "s,^run/tmpfsroot/target/,," | sort -uz |
			grep -zc "^tree/" | diff - ../count' \
		-w "taskset -c 0 strace -D -f -qq --seccomp-bpf -o /dev/null -e trace=write -e inject=write:error=ENOSPC:when=2000+1000" -- tmpfsroot --onfail=reboot /init
	[[ "$output" == *"giving back what was moved failed"* ]]
	[[ "$output" == *"what is missing in the tree is in /run/tmpfsroot/target"* ]]
	[ "$status" -eq 129 ]
}

@test "metadata of a large file fails: before it is cut, and after" {
	for when in 1 2; do
		boot -p 'head -c 20000000 /dev/urandom >large; chown 12:34 large; chmod 0640 large
			touch -d 2001-02-03 large; sha256sum <large >../sum' \
			-a 'unchanged; sha256sum <large | diff - ../sum' \
			-w "taskset -c 0 strace -D -f -qq --seccomp-bpf -o /dev/null -e trace=fchown -e inject=fchown:error=EPERM:when=$when" \
			-- tmpfsroot --onfail=reboot /init
		[ "$status" -eq 129 ]
		[[ "$output" == *"moving /large: chown"* ]]
	done
}
