#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A move that fails in the middle gives back all that it has moved: the source is line by line what
# it was, times included. strace(1) makes the system calls fail.

# shellcheck disable=SC2016 # the code in quotes is for the root that is booted
# shellcheck disable=SC2030,SC2031 # each test has its own status and output
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
	[ -z "${TMPFSROOT_TEST_MEMCHECK-}" ] || type=tmpfs # for ramfs's holes see move.bats
	for fault; do
		boot -t "$type" -p 'hardtree tree; dumptree tree >"$directory/tree.before"' \
			-a 'dumptree tree >"$directory/tree.after"; unchanged' \
			-w "taskset -c 0 strace -D -f -qq --seccomp-bpf -o /dev/null $(injects "$fault")" -- \
			tmpfsroot --onfail=reboot /init
		[ "$status" -eq 129 ]
		diff "$BATS_TEST_TMPDIR/tree.before" "$BATS_TEST_TMPDIR/tree.after"
		[[ "$output" == *"moving /"* ]]
		[[ "$output" == *"all that was moved is back in its place"* ]]
	done
}

@test "copying fails: a small file, a large one in chunks" {
	fails_at ramfs sendfile:error=ENOSPC:when=1500 pwrite64:error=ENOSPC:when=4 pwrite64:error=EIO:when=30
}

@test "copying fails, on tmpfs" {
	left_to_check_all 'faults.py lets each kind of call fail once'
	fails_at tmpfs sendfile:error=ENOSPC:when=2000 pwrite64:error=EIO:when=25
}

@test "making files fails: devices, links, symlinks, directories" {
	left_to_check_all 'faults.py lets each kind of call fail once'
	fails_at tmpfs mknodat:error=ENOSPC:when=12 linkat:error=EMLINK:when=90 \
		symlinkat:error=ENOSPC:when=9 mkdirat:error=ENOSPC:when=300
}

@test "releasing fails: a name, a chunk" {
	left_to_check_all 'faults.py lets each kind of call fail once'
	fails_at ramfs unlinkat:error=EIO:when=1000 ftruncate:error=EIO:when=40
}

@test "metadata fails: owner, mode, attributes, times" {
	left_to_check_all 'faults.py lets each kind of call fail once'
	fails_at tmpfs fchown:error=EPERM:when=5 fchown:error=EPERM:when=400 fchmod:error=EPERM:when=2500 \
		fsetxattr:error=ENOSPC:when=4 utimensat:error=EPERM:when=3000
}

# way_back_fails FAULT...: in the move or behind it, and then in the way back.
way_back_fails()
{
	boot -p 'hardtree tree; find tree -type f -printf x | wc -c >../count; find . -type l -printf x | wc -c >../links' \
		-a 'find tree run -type f -print0 | sed -z "s,^run/tmpfsroot/target/,," | sort -uz |
			grep -zc "^tree/" | diff - ../count' \
		-w "taskset -c 0 strace -D -f -qq --seccomp-bpf -o /dev/null -e trace=sendfile,chroot,symlinkat $*" -- tmpfsroot --onfail=reboot /init
	[[ "$output" == *"giving back what was moved failed"* ]]
	[[ "$output" == *"what is missing in the tree is in /run/tmpfsroot/target"* ]]
	[ "$status" -eq 129 ]
}

@test "giving back fails, too: nothing is lost, the target is mounted" {
	way_back_fails -e inject=sendfile:error=ENOSPC:when=2000+1000
}

@test "giving back fails after the target was mounted on /: it is mounted again" {
	way_back_fails -e inject=chroot:error=EPERM:when=2 \
		-e 'inject=symlinkat:error=ENOSPC:when=$(($(cat ../links) + 2))+'
}

@test "behind the point of no return chdir fails: init runs on the new root" {
	boot -p 'touch tree' -a '[ "$(stat -f -c %T "$root")" = tmpfs ]; [ -e "$root/tree" ]' \
		-w "strace -D -f -qq --seccomp-bpf -o /dev/null $(injects chdir:error=EIO:when=2+)" \
		-- tmpfsroot --onfail=continue /init
	[ "$status" -eq 0 ]
	[[ "$output" == *"init: /init "* ]]
}

@test "the tmpfs of a move that was not given back is switched to, where it is asked for" {
	boot -k quiet -p 'mkdir -p run/tmpfsroot/target; mount -t tmpfs tmpfsroot run/tmpfsroot/target; cp -r bin init run/tmpfsroot/target' \
		-- tmpfsroot /run/tmpfsroot/target /init
	[ "$status" -eq 0 ]
	[[ "$output" == *"init: /init "* ]]
}

@test "metadata of a large file fails after it was cut: its end is put back" {
	boot -p 'head -c 20000000 /dev/urandom >large; chown 12:34 large; chmod 0640 large
		touch -d 2001-02-03 large; sha256sum <large >../sum' \
		-a 'unchanged; sha256sum <large | diff - ../sum' \
		-w "taskset -c 0 strace -D -f -qq --seccomp-bpf -o /dev/null $(injects "fchown:error=EPERM:when=1")" \
		-- tmpfsroot --onfail=reboot /init
	[ "$status" -eq 129 ]
	[[ "$output" == *"moving /large: chown"* ]]
}

# What follows is done on this file system, with a tree that hardtree makes with these options.
type=ramfs options=

# calls CALL: how often the whole run makes that system call, where nothing fails.
calls()
{
	boot -t "$type" -p "hardtree $options tree" -w "taskset -c 0 strace -D -f -qq --seccomp-bpf -o ../trace -e 'trace=$(call "$1")'" \
		-- tmpfsroot /init
	[ "$status" -eq 0 ]
	grep -Ec "^[0-9]+ +$1(32|64|_time64)?\(" "$BATS_TEST_TMPDIR/trace"
}

# spread POINTS CALL:ERROR...: each call fails at so many points of the run. The tree is there as it
# was: whole in the old root, after a failure that was told, or whole in the new one.
spread()
{
	local points=$1 fault total point when
	shift
	for fault; do
		total=$(calls "${fault%%:*}" | tail -n 1)
		for point in $(seq "$points"); do
			when=$((total * point / (points + 1) + 1))
			boot -t "$type" -p "hardtree $options"' tree; dumptree tree >"$directory/tree.before"' \
				-a 'dumptree "$root/tree" >"$directory/tree.after"; ! [ . -ef "$root" ] || unchanged' \
				-w "taskset -c 0 strace -D -f -qq --seccomp-bpf -o /dev/null $(injects "$fault:when=$when")" \
				-- tmpfsroot --onfail=reboot /init
			diff "$BATS_TEST_TMPDIR/tree.before" "$BATS_TEST_TMPDIR/tree.after"
			if [[ "$output" == *"all that was moved is back in its place"* ]]; then
				[ "$status" -eq 129 ]
				back=$((back + 1))
			else
				echo "# not in the move: $fault:when=$when" >&3
			fi
		done
	done
}

@test "each kind of call fails at points all over the tree, on ramfs and tmpfs" {
	not_by_memcheck "it takes long, and faults.py lets each kind of call fail"
	left_to_check_all 'faults.py lets each kind of call fail once'
	back=0
	options=--dense
	spread 6 sendfile:error=ENOSPC pwrite64:error=ENOSPC unlinkat:error=EIO \
		fchmod:error=EPERM linkat:error=EMLINK utimensat:error=EPERM
	type=tmpfs options=
	spread 6 sendfile:error=EIO pwrite64:error=EIO ftruncate:error=EIO \
		mkdirat:error=ENOSPC symlinkat:error=ENOSPC openat:error=EIO fsetxattr:error=ENOSPC
	echo "# given back at $back points" >&3
	[ "$back" -ge 70 ]
}

# In PREPARE: is the helper running?
there='there() { for pid in $(pgrep -x tmpfsroot); do [ "/proc/$pid/root" -ef "$root" ] && return; done; false; }
	soon() { until there; do kill -0 $$ || exit; sleep 0.001; done; }'

@test "a signal ends the move at any moment, with all workers: all is back, or all is moved" {
	not_by_memcheck "the process with the helper's name is its launcher, which ends"
	left_to_check_all 'faults.py sends signals at some moments'
	local back=0 took moment
	boot -p "hardtree --many 8000 tree; $there"'
		{ soon; start=$(date +%s%3N); while there; do sleep 0.001; done; echo $(($(date +%s%3N) - start)) >../took; } 2>/dev/null &' \
		-a wait -- tmpfsroot /init
	took=$(cat "$BATS_TEST_TMPDIR/took")
	for moment in {1..30}; do
		export delay=$((took * moment / 31)) signal
		case $moment in
		*[14]) type=ramfs signal=TERM ;;
		*[258]) type=tmpfs signal=TERM ;;
		*) type=tmpfs signal=INT ;;
		esac
		boot -t "$type" -p 'hardtree --many 8000 tree; dumptree tree >"$directory/tree.before"'"; $there"'; { soon; sleep "${delay}e-3"; kill "-$signal" "$pid"; } 2>/dev/null &' \
			-a 'dumptree "$root/tree" >"$directory/tree.after"; ! [ . -ef "$root" ] || unchanged' \
			-- tmpfsroot --onfail=reboot /init
		diff "$BATS_TEST_TMPDIR/tree.before" "$BATS_TEST_TMPDIR/tree.after"
		if [[ "$output" == *": a signal has ended the move: "*"all that was moved is back in its place"* ]]; then
			[ "$status" -eq 129 ]
			back=$((back + 1))
		elif [[ "$output" == *": a signal has ended the move: "* ]]; then # before anything was made
			[ "$status" -eq 129 ]
			[[ "$output" == *"moving /"*$'\ntmpfsroot: rebooting'* ]]
		else
			[ "$status" -eq 0 ]
		fi
	done
	echo "# given back at $back of 30 moments in $took ms" >&3
	[ "$back" -ge 5 ]
}
