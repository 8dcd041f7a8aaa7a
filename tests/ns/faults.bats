#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Every system call that the helper makes in a boot fails once, at its first and at its last time and between,
# in each of the ways to boot; and signals come at any moment. Then init runs and has all, or the
# source is what it was and a message says what failed (tests/ns/fault). More points, or another seed:
#
#   FAULT_POINTS=20 FAULT_SEED=1 bats tests/ns/faults.bats

load namespace

setup()
{
	[ "$(uname -m)" = x86_64 ] || skip "tests/tools/fault.c knows the registers of x86-64 alone"
	case $BATS_TEST_DESCRIPTION in
	*SIG*) not_by_memcheck "most of the calls that a signal would come at are its own" ;;
	esac
}

# counts WAY: how often a run makes each call, at least: with several workers that is not always the same.
counts()
{
	local run

	for run in 1 2 3 4 5 6; do
		"$BATS_TEST_DIRNAME/fault" "$1" count "$BATS_TEST_TMPDIR/count-$1-$run"
		[ "$1" = workers ] || break
	done | sort -k 1,1 -k 2,2n | awk '!seen[$1]++'
}

# run_all: the boots of which standard input names WAY and FAULT, one a line; what was made of them. How
# often a call is made may depend on which thread comes first: where it was not, that boot is made again; of
# a hundred one may never be made.
run_all()
{
	local results=$BATS_TEST_TMPDIR/results

	# shellcheck disable=SC2016 # expanded by the shell that is started
	xargs -P "$(nproc)" -L 1 bash -c 'for _ in {1..10}; do
			directory=$(mktemp -d "$0/run.XXXXXX")
			result=$("$1/fault" "$2" "$3" "$directory" 2>&1) && rm -r "$directory"
			[[ $result == *", not made" ]] || break
		done
		echo "$result"' \
		"$BATS_TEST_TMPDIR" "$BATS_TEST_DIRNAME" >"$results" 2>&1 || :
	echo "# $(grep -c ': ' "$results") boots: $(sed -n 's/^[a-z-]* [^ ]*: //p' "$results" |
		sort | uniq -c | tr -s ' \n' ' ')" >&3
	grep -e 'not made' -A 12 -e WRONG "$results" || :
}

# all_calls LEAST WAY...: every call fails, or those that "calls" matches, so many faults at least. By memcheck,
# which is slow, each call that it hardly makes for itself fails once.
all_calls()
{
	local least=$1 calls=${calls-.*} points=${FAULT_POINTS:-3} most=0 way all missed
	shift

	if [ -n "${TMPFSROOT_TEST_MEMCHECK-}" ]; then
		calls='.*xattr|chdir|chroot|connect|fch.*|fs.*|ftruncate|getdents64|linkat|mincore|mk.*|mount|move_mount|'
		calls+='openat2?|open_tree|pwrite64|read|readlinkat|rmdir|sched_getaffinity|socket|symlinkat|umount2|unlinkat|utimensat|write'
		least=$((least / 5)) points=1 most=1
	fi
	for way; do
		counts "$way" | grep -E "^($calls) " >"$BATS_TEST_TMPDIR/counts"
		awk -f "$BATS_TEST_DIRNAME/faults.awk" -v way="$way" -v points="$points" -v most="$most" "$BATS_TEST_TMPDIR/counts"
	done >"$BATS_TEST_TMPDIR/list"
	# A /proc that cannot be opened is mounted anew, and then has the real words, not those of the test. It is the
	# first that is opened, which is openat() by the libc that the sanitizer needs.
	sed -i "/^service \(open${ASAN_OPTIONS+\|openat}\|fstatfs\):1:/d" "$BATS_TEST_TMPDIR/list"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/list")" -ge "$least" ]
	run_all <"$BATS_TEST_TMPDIR/list"
	all=$(wc -l <"$BATS_TEST_TMPDIR/list") missed=$(grep -c ': complete, not made$' "$BATS_TEST_TMPDIR/results" || :)
	[ "$(grep -c ': \(complete\|back\|refused\)$' "$BATS_TEST_TMPDIR/results")" -eq $((all - missed)) ]
	[ "$missed" -le $((all / 100)) ]
	grep -q ': complete$' "$BATS_TEST_TMPDIR/results"
	grep -q ': refused$' "$BATS_TEST_TMPDIR/results"
}

@test "every call fails: the initramfs is moved, a ramfs and a tmpfs, or bound" {
	all_calls 500 ramfs tmpfs dense bind
	grep -q ': back$' "$BATS_TEST_TMPDIR/results"
}

@test "every call that several workers make more of fails" {
	not_by_memcheck "it runs one thread at a time, and makes such calls itself"
	[ "$(nproc)" -gt 1 ] || skip "there is one processor"
	calls='clone3?|close_range|m.*|rt_sigprocmask|unshare' all_calls 30 workers
	grep -q ' clone.*: complete$' "$BATS_TEST_TMPDIR/results"
	grep -q ' unshare.*: complete$' "$BATS_TEST_TMPDIR/results"
}

@test "every call fails: root=tmpfsroot, a directory and all, and as a service of systemd" {
	all_calls 400 directory whole service
	grep -q ': back$' "$BATS_TEST_TMPDIR/results"
}

@test "every call fails: a real root is copied, or switched to as it is" {
	all_calls 200 realroot newroot
}

# signals COUNT SIGNAL...: at random moments, as a service, which alone can be ended.
signals()
{
	local count=$1 way i
	shift
	RANDOM=${FAULT_SEED:=$((SECONDS + $(date +%s) % 32768))}
	echo "# FAULT_SEED=$FAULT_SEED" >&3
	for way in service service-tmpfs; do
		all=$(counts "$way" | sed -n 's/^any //p')
		for ((i = 0; i < count / 2; i++)); do
			echo "$way any:$(((RANDOM << 15 | RANDOM) % all + 1)):${*:i%$#+1:1}"
		done
	done >"$BATS_TEST_TMPDIR/list"
	run_all <"$BATS_TEST_TMPDIR/list"
}

@test "SIGTERM and SIGINT at a hundred moments: all is back, or all is moved" {
	signals 100 SIGTERM SIGINT
	# refused: in the move, but before it has made anything
	[ "$(grep -c ': \(complete\|back\|ended\|refused\)$' "$BATS_TEST_TMPDIR/results")" -eq 100 ]
	[ "$(grep -c ': back$' "$BATS_TEST_TMPDIR/results")" -ge 10 ]
}

@test "SIGKILL and crashes at a hundred moments: the target is mounted, and the next run moves all" {
	signals 100 SIGKILL SIGSEGV SIGKILL
	[ "$(grep -c ': \(taken up\|begun anew\)$' "$BATS_TEST_TMPDIR/results")" -ge 98 ] # the last calls may not be made
	[ "$(grep -c ': \(taken up\|begun anew\|complete, not made\)$' "$BATS_TEST_TMPDIR/results")" -eq 100 ]
	[ "$(grep -c ': taken up$' "$BATS_TEST_TMPDIR/results")" -ge 40 ]
}

@test "SIGKILL at each call on a mount: the next run leaves none but that on NEWROOT" {
	local way
	for way in service service-tmpfs; do
		counts "$way" | awk -v way="$way" '$1 ~ /^(fsopen|fsconfig|fsmount|mkdir|mount|move_mount|open_tree|rmdir|umount2)$/ {
			for (i = 1; i <= $2; i++) print way " " $1 ":" i ":SIGKILL" }'
	done >"$BATS_TEST_TMPDIR/list"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/list")" -gt 30 ]
	run_all <"$BATS_TEST_TMPDIR/list"
	[ "$(grep -c ': \(taken up\|begun anew\)$' "$BATS_TEST_TMPDIR/results")" -eq "$(wc -l <"$BATS_TEST_TMPDIR/list")" ]
}

# Cutting and writing take a capability away: for some calls neither tree has it.
@test "SIGKILL at each file: the next run knows its owner and attributes" {
	local count i
	count=$(counts service-tmpfs | sed -n 's/^fchown //p')
	[ "$count" -gt 20 ]
	for ((i = 1; i <= count; i++)); do
		echo "service-tmpfs fchown:$i:SIGKILL"
	done >"$BATS_TEST_TMPDIR/list"
	run_all <"$BATS_TEST_TMPDIR/list"
	[ "$(grep -c ': \(taken up\|begun anew\)$' "$BATS_TEST_TMPDIR/results")" -eq "$count" ]
	[ "$(grep -c ': taken up$' "$BATS_TEST_TMPDIR/results")" -ge $((count / 2)) ]
}
