#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Trees that want the move to write or delete elsewhere, or that change under it. A canary file system
# is mounted in the tree, another one lies beside it: both stay as they are. Names of all bytes, 600
# levels, holes and links are hardtree's (move.bats), 200,000 entries scale.bats's.

# shellcheck disable=SC2030,SC2031 # status and output are set by bats' run
# shellcheck disable=SC2016 # the code in quotes is for the root that is booted
load namespace

# In PREPARE: two canaries, and a tree that leads to them.
canaries='mkdir canary ../outside; mount -t tmpfs canary canary
	for at in canary ../outside; do mkdir -p $at/d/e; echo alive >$at/file; echo alive >$at/d/e/file; ln $at/file $at/link; done
	dumptree canary >../canary.before; dumptree ../outside >../outside.before
	hardtree --small tree; mkdir tree/leads; (cd tree/leads
		ln -s / root; ln -s /canary absolute; ln -s ../../canary relative; ln -s ../../../outside outside
		ln -s "$directory/outside" far; ln -s loop-b loop-a; ln -s loop-a loop-b; ln -s . self; ln -s .. up
		ln -s ../../../../../../../../../../../../../../canary/file high; ln -s -- /canary/d -rf; ln -s "$directory/outside/file" "%s%n"
		mkdir canary; ln -s /canary canary/canary; ln -s ../../../canary "new
line"; touch -- --help -- -; mkdir -- "-r
f"; ln -s /canary "$(printf "\377\376")")'
# In AFTER: they are as they were.
alive='dumptree "$root/canary" | diff ../canary.before - && dumptree ../outside | diff ../outside.before - && echo alive'

@test "symlinks out of the tree, and names that look like options: moved as they are, followed nowhere" {
	for type in ramfs tmpfs; do
		boot -t "$type" -p "$canaries; dumptree tree >../tree.before" \
			-a "dumptree \"\$root/tree\" | diff ../tree.before -; $alive; ls -A" -- tmpfsroot /init
		[ "$status" -eq 0 ]
		[[ "$output" == *$'\nalive' ]]
		rm -rf "$BATS_TEST_TMPDIR/outside"
	done
}

# Outside NEWROOT all is deleted, but for what is on other file systems.
@test "root=tmpfsroot: such a tree in NEWROOT; what is mounted beside it is not entered when the rest is deleted" {
	boot -k root=tmpfsroot -p "$canaries; mkdir -p sysroot/bin sysroot/sbin run; touch etc/initrd-release; mv tree sysroot/
			cp bin/busybox sysroot/bin; ln -s busybox sysroot/bin/sh; cp init sysroot/sbin/init
			mkdir -p other/point; echo other >other/file; mount -t tmpfs other other/point; echo alive >other/point/file; exec 6<other/point
			dumptree sysroot/tree >../tree.before" \
		-a 'dumptree "$root/tree" | diff ../tree.before -; dumptree canary | diff ../canary.before - && cat /proc/self/fd/6/file
			dumptree ../outside | diff ../outside.before - && echo alive; [ -e other/file ] || echo deleted' \
		-- tmpfsroot /sysroot /sbin/init
	[ "$status" -eq 0 ]
	[[ "$output" == *$'\nalive\nalive\ndeleted' ]]
}

@test "a move that fails in such a tree is given back, and follows nothing" {
	boot -p "$canaries" -a "unchanged; $alive" \
		-w "$BATS_TEST_DIRNAME/../../build/tools/fault unlinkat:60:EIO --" -- \
		tmpfsroot --onfail=reboot /init
	[ "$status" -eq 129 ]
	[[ "$output" == *"all that was moved is back in its place"*$'\nalive' ]]
}

# while_moving CODE: that is run over and over in the tree's directory "busy", once from when the tree is looked
# at, and twice from when its first entry is moved, slowly; nothing else is lost, wherever it is then. Of "busy"
# a part may have no place in the tree any more when that is given back.
while_moving()
{
	local begin rounds
	for begin in . unlinkat unlinkat; do
		rm -rf "${BATS_TEST_TMPDIR:?}"/*
		boot -t "${2-ramfs}" -p "$canaries; mkdir tree/busy; dumptree --exclude busy tree >../tree.before; touch ../moving
			(cd tree/busy && while [ -e ../../../moving ]; do grep -qs $begin ../../../trace || continue; echo >>../../../rounds; $1 done) >/dev/null 2>&1 &" \
			-a "echo rounds \$(wc -l <../rounds); rm ../moving; wait; dumptree --exclude busy \"\$root/tree\" | diff ../tree.before - && echo same; $alive" \
			-w 'strace -D -f -qq --seccomp-bpf -o ../trace -e trace=unlinkat,openat -e inject=unlinkat,openat:delay_enter=1000' -- \
			tmpfsroot --onfail=reboot /init
		[[ "$output" == *$'same\nalive' ]]
		[ "$status" -eq 0 ] || [[ "$status" -eq 129 && "$output" == *"tmpfsroot: "*"/tree/busy"* ]]
		[[ "$output" != *"moving /"* || "$output" == *"is back in its place"* ||
			"$output" == *"giving back what was moved failed: "*"what is missing in the tree is in /run/tmpfsroot/target"* ]]
		rounds=$(sed -n 's/^rounds //p' <<<"$output")
		echo "# changed $rounds times: $(grep -o -m 1 '\(moving\|opening the directory\) /.*' <<<"$output" || echo moved)" >&3
		[ "$rounds" -ge 1 ]
	done
}

@test "a file grows, shrinks or vanishes while it is moved" {
	left_to_check_all 'not promised'
	while_moving 'echo more >>grows; head -c 3000000 /dev/zero >>large; [ $(stat -c %s large) -lt 20000000 ] || : >large;'
	while_moving 'head -c 3000000 /dev/zero >shrinks; : >shrinks; head -c 10 /dev/zero >shrinks;' tmpfs
	while_moving 'for i in 1 2 3 4 5 6 7 8 9; do echo x >$i; ln -f $i link-$i; mkdir d-$i; done; rm -rf *;'
	while_moving 'for i in 1 2 3 4 5 6; do mkdir -p a/$i; mv a b-$i; ln -s /canary a; rm a; mkdir a; done; rm -rf b-*;' tmpfs
}

# What was moved by the first name has nothing left; but it keeps what it has while somebody has it open.
@test "one of two names is deleted when it was moved: the other one has its content in the new root" {
	left_to_check_all 'not promised'
	for hold in : 'exec 8>>tree/one'; do
		rm -rf "${BATS_TEST_TMPDIR:?}"/*
		boot -p "mkdir tree; echo content >tree/one; ln tree/one tree/two
			($hold; for _ in \$(seq 900); do [ \"\$(grep -cs 'statx(.*one' ../trace)\" != 2 ] || break; sleep 0.01; done
				rm tree/two; echo >../deleted; [ '$hold' = : ] || echo more >&8) &" \
			-a 'wait; cat ../deleted "$root/tree/one"' \
			-w 'taskset -c 0 strace -D -f -qq -o ../trace -P one -e trace=statx -e inject=statx:delay_enter=1000000' -- tmpfsroot /init
		[ "$status" -eq 0 ]
		[[ "$hold" = : || "$output" == *$'\n\ncontent\nmore' ]] && [[ "$hold" != : || "$output" == *$'\n\ncontent' ]]
	done
}

# Whoever opens the file is kept waiting, and it grows meanwhile.
@test "a file that has grown when it is copied: none of it is lost" {
	left_to_check_all 'not promised'
	local size hold
	for kind in '0 :' '5 :' '6000000 :' '6000000 exec 8<tree/grows'; do
		read -r size hold <<<"$kind"
		rm -rf "${BATS_TEST_TMPDIR:?}"/*
		boot -p "mkdir tree; head -c $size /dev/zero >tree/grows; touch ../moving; ($hold; while [ -e ../moving ]; do
				[ ! -e tree/grows ] || { printf x >>tree/grows; printf x >>../written; }
				sleep 0.05
			done) >/dev/null 2>&1 &" \
			-a "rm ../moving; wait; tail -c +$((size + 1)) tree/grows | cmp - ../written && echo same" \
			-w 'strace -D -f -qq -o /dev/null -P grows -e trace=openat -e inject=openat:delay_enter=300000' -- \
			tmpfsroot --onfail=reboot /init
		[ "$status" -eq 129 ]
		[[ "$output" == *'moving /tree/grows: read (it has changed meanwhile): Stale file handle'*'all that was moved is back in its place'*$'\nsame' ]]
	done
}

# Likewise it is cut, or unlinked. A large one is opened to be looked at first.
@test "a file that has shrunk or vanished when it is copied: moved as it is then, or all is given back" {
	left_to_check_all 'not promised'
	local size left hold outcome
	for kind in '5 0 :' '5 2 :' '6000000 0 :' '6000000 2 :' '6000000 5000000 exec 8<tree/less'; do
		read -r size left hold <<<"$kind"
		rm -rf "${BATS_TEST_TMPDIR:?}"/*
		boot -p "mkdir tree; yes | head -c $size >tree/less; echo beside >tree/beside
			($hold; until grep -qs less ../trace; do :; done
				if [ $left = 0 ]; then rm tree/less; else truncate -s $left tree/less; fi) >/dev/null 2>&1 &" \
			-a "wait; cat \"\$root/tree/beside\"; [ ! -e tree/less ] || [ tree -ef \"\$root/tree\" ] || echo twice
				if [ -e \"\$root/tree/less\" ]; then yes | head -c $left | cmp - \"\$root/tree/less\" && echo cut; else echo gone; fi" \
			-w 'strace -D -f -qq -o ../trace -P less -e trace=openat -e inject=openat:delay_enter=2000000' -- \
			tmpfsroot --onfail=reboot /init
		[ "$left" = 0 ] && outcome="gone" || outcome="cut"
		[[ "$output" == *$'\nbeside\n'"$outcome" ]]
		[ "$status" -eq 0 ] || [[ "$status" -eq 129 && "$output" == *'moving /tree/less: '*'all that was moved is back in its place'* ]]
		echo "# $size to $left: $(grep -o 'moving /.*' <<<"$output" || echo moved)" >&3
	done
}

@test "a name of all kinds of bytes in a warning: the report is JSON, and has them" {
	boot -p 'export name=$(printf "a\"b\\\\c\nd\351"); mkdir tree; echo x >"tree/$name"
			echo "cat /run/tmpfsroot/report.json" >probe
			(for _ in $(seq 900); do ! grep -qs openat ../trace || break; sleep 0.01; done; rm "tree/$name") &' \
		-a wait -w 'strace -D -f -qq -o ../trace -P "$name" -e trace=openat -e inject=openat:delay_enter=1000000' -- tmpfsroot /init
	[ "$status" -eq 0 ]
	sed -n '/^{/,/^}/p' <<<"$output" | python3 -c 'import json, sys
warning, = json.load(sys.stdin)["warnings"]
assert warning.startswith("/tree/a\"b\\c\nd\xe9 has gone while it was moved"), warning'
}

# It is open and so not cut by us, and read when it is cut; it has two names, or one.
@test "a file that shrinks while it is copied: what is given back is what it is then" {
	left_to_check_all 'not promised'
	for link in : 'ln tree/less tree/link' 'mkdir other; ln tree/less other/link'; do
		rm -rf "${BATS_TEST_TMPDIR:?}"/*
		boot -p "mkdir tree; yes | head -c 6000000 >tree/less; $link; touch ../moving
			(exec 8<tree/less; until grep -qsE 'pread64\(.*(less|link)>' ../trace; do :; done; truncate -s 2 tree/less
				while [ -e ../moving ]; do sleep 0.1; done) >/dev/null 2>&1 &" \
			-a 'rm ../moving; wait; echo y | cmp - tree/less && find . -name less -o -name link | xargs stat -c %s' \
			-w 'strace -D -f -qq -y -o ../trace -e trace=pread64 -e inject=pread64:delay_enter=20000' -- \
			tmpfsroot --onfail=reboot /init
		[ "$status" -eq 129 ]
		[[ "$output" == *'moving /'*': read (it has changed meanwhile): Stale file handle'*'all that was moved is back in its place'* ]]
		[[ "$output" =~ $'\n2'($'\n2')?$ ]]
	done
}

# while_cut CODE: what is done to "tree/large" meanwhile; its first bytes are those of yes(1). "at N" is when the
# move truncates it for the Nth time, in either tree, the first time the new one.
# For PREPARE: nobody has the file open when the cutting begins. strace(1) writes a call's first words when it begins.
while_cut()
{
	printf '%s' 'mkdir tree; yes | head -c 20000000 >tree/large
		at() { for _ in $(seq 20000); do [ "$(grep -cs "ftruncate(.*large>" ../trace)" -ge "$1" ] && break; done; sleep 0.05; }
		(' "${2-}" "
		$1" ') >/dev/null 2>&1 &'
}

# behind N: for slowly, much time behind the Nth truncation.
behind() { printf -- '--inject=ftruncate:delay_exit=2000000:when=%s' "$1"; }

# slowly OPTION...: the WRAPPER that gives it the time.
slowly()
{
	printf '%s ' "strace -D -f -qq -y -o ../trace -P $BATS_TEST_TMPDIR/root/tree/large -P /tree/large -e trace=ftruncate,pwrite64,utimensat,fsetxattr" \
		-e inject=pwrite64:delay_exit=30000:when=1..150 "$@"
}

@test "a large file that somebody appends to while it is cut: what is appended comes along" {
	left_to_check_all 'not promised'
	boot -p "$(while_cut 'at 2; printf one >>tree/large; printf two >>tree/large; at 4; printf three >>tree/large; truncate -s +5000 tree/large')" \
		-a '{ yes | head -c 20000000; printf onetwothree; head -c 5000 /dev/zero; } | cmp - "$root/tree/large" && [ ! -s tree/large ] && echo same' \
		-w "$(slowly -e inject=ftruncate:delay_exit=800000:when=2+)" -- \
		tmpfsroot --onfail=reboot /init
	[ "$status" -eq 0 ]
	[[ "$output" == *$'\nsame' ]]
}

@test "and then the move fails: it is given back with what was appended, before and after that" {
	left_to_check_all 'not promised'
	local when more
	for when in 'at 2' 'at 4' 'at 2 '; do
		[ "$when" != 'at 2 ' ] || more='-e inject=fsetxattr:error=ENOSPC' # no note of it
		rm -rf "${BATS_TEST_TMPDIR:?}"/*
		boot -p "$(while_cut "$when; yes more | head -c 9000 >>tree/large; touch ../appended")" \
			-a '{ yes | head -c 20000000; yes more | head -c 9000; } | cmp - tree/large && [ ../appended -ot ../trace ] && echo same' \
			-w "$(slowly -e inject=utimensat:delay_enter=1000000 -e inject=ftruncate:error=EIO:when=4 "${more-}")" -- tmpfsroot --onfail=reboot /init
		[ "$status" -eq 129 ]
		[[ "$output" == *'moving /tree/large: truncate in the source'*'all that was moved is back in its place'*$'\nsame' ]]
	done
}

@test "or all of it was cut, and it cannot be unlinked: it is given back with what was appended then" {
	left_to_check_all 'not promised'
	boot -p "$(while_cut 'for _ in $(seq 20000); do ! grep -qs unlinkat ../trace || break; done; yes more | head -c 9000 >>tree/large; touch ../appended')" \
		-a '{ yes | head -c 20000000; yes more | head -c 9000; } | cmp - tree/large && [ ../appended -ot ../trace ] && echo same' \
		-w "taskset -c 0 $(slowly -P large -e trace=ftruncate,unlinkat -e inject=unlinkat:error=EPERM:delay_exit=2000000:when=1)" -- tmpfsroot --onfail=reboot /init
	[ "$status" -eq 129 ]
	[[ "$output" == *'moving /tree/large: unlink in the source: '*'all that was moved is back in its place'*$'\nsame' ]]
}

@test "or it fails in what was appended, which ends with a hole: that is given back, too" {
	left_to_check_all 'not promised'
	boot -p "$(while_cut 'at 4; truncate -s +5000 tree/large')" \
		-a '{ yes | head -c 20000000; head -c 5000 /dev/zero; } | cmp - tree/large && echo same' \
		-w "$(slowly -e inject=ftruncate:error=EIO:when=5)" -- tmpfsroot --onfail=reboot /init
	[ "$status" -eq 129 ]
	[[ "$output" == *'moving /tree/large: truncate in the target'*'all that was moved is back in its place'*$'\nsame' ]]
}

@test "or it is appended to in the shell after a way back that has failed in it: the next one gives back that, too" {
	left_to_check_all 'not promised'
	not_by_memcheck "the program in its /proc/self/exe is not in this root"
	boot -k quiet -p "mkdir tree; yes | head -c 20000000 >tree/large; $(in_shell 'stat -c %s /tree/large; yes late | head -c 9000 >>/tree/large')" \
		-a 'cd "$root"; { yes | head -c 20000000; yes late | head -c 9000; } | cmp - tree/large && echo same' \
		-w "strace -D -f -qq -y -o ../trace -P $BATS_TEST_TMPDIR/root/tree/large -P /tree/large -e trace=ftruncate,fallocate -e inject=ftruncate:error=EIO:when=4 -e inject=fallocate:error=EIO:when=1" -- \
		tmpfsroot --onfail=continue /init
	[[ "$output" == *'giving back what was moved failed'*$'\n1'???????$'\n'*'all that was moved is back in its place'*$'\nsame' ]]
}

# The limit for a file's size makes the second way back write less than it was asked to.
@test "or the way back stops within a page, and it is appended to then: the next one gives back that, too" {
	left_to_check_all 'not promised'
	not_by_memcheck "the program in its /proc/self/exe is not in this root"
	local limit='for pid in $(pgrep -x tmpfsroot); do ! [ /proc/$pid/root -ef . ] || prlimit --pid=$pid --fsize='
	boot -k quiet -p "mkdir tree; yes | head -c 20000000 >tree/large
			$(in_shell 'cd /usr/lib/tmpfsroot; n=1; [ ! -e 1 ] || n=2; stat -c %s /tree/large >size; mv size $n; until [ -e go$n ]; do sleep 0.1; done')
			(at=usr/lib/tmpfsroot; for n in 1 2; do for _ in \$(seq 200); do [ ! -e \$at/\$n ] || break; sleep 0.1; done
				if [ \$n = 1 ]; then $limit\$((\$(cat \$at/1) + 10000)):; done; else yes late | head -c 9000 >>tree/large; ${limit}unlimited:; done; fi
				touch \$at/go\$n; done) &" \
		-a 'cd "$root"; { yes | head -c 20000000; yes late | head -c 9000; } | cmp - tree/large && cat usr/lib/tmpfsroot/[12]' \
		-w "strace -D -f -qq -y -o ../trace -P $BATS_TEST_TMPDIR/root/tree/large -P /tree/large -e trace=ftruncate,fallocate -e inject=ftruncate:error=EIO:when=4 -e inject=fallocate:error=EIO:when=1" -- \
		tmpfsroot --onfail=continue /init
	[[ "$output" == *'write: File too large'*'all that was moved is back in its place'*$'\n18874368\n18884368' ]]
}

@test "or another takes its place: that stays" {
	left_to_check_all 'not promised'
	boot -p "$(while_cut 'at 2; yes new | head -c 21000000 >new; mv new tree/large; touch ../renamed')" \
		-a 'yes new | head -c 21000000 | cmp - tree/large && [ ../renamed -ot ../trace ] && echo same' \
		-w "$(slowly -e inject=utimensat:delay_enter=1000000 -e inject=ftruncate:error=EIO:when=4)" -- tmpfsroot --onfail=reboot /init
	[ "$status" -eq 129 ]
	[[ "$output" == *'moving /tree/large: truncate in the source'*'all that was moved is back in its place'*$'\nsame' ]]
}

@test "or another takes its place, and nothing else fails: that is not unlinked, and all is given back" {
	left_to_check_all 'not promised'
	local held
	for held in : 'exec 8<tree/large'; do
		rm -rf "${BATS_TEST_TMPDIR:?}"/*
		boot -p "$(while_cut "touch ../held; at 1; yes new | head -c 21000000 >new; mv new tree/large; touch ../renamed; sleep 3" "$held") until [ -e ../held ]; do sleep 0.01; done" \
			-a 'yes new | head -c 21000000 | cmp - tree/large && [ ../renamed -ot ../trace ] && echo same' -w "$(slowly)" -- tmpfsroot --onfail=reboot /init
		[ "$status" -eq 129 ]
		[[ "$output" == *'moving /tree/large: read (it has changed meanwhile)'*'all that was moved is back in its place'*$'\nsame' ]]
	done
}

@test "or its writer makes it shorter: what is given back is what it is then" {
	left_to_check_all 'not promised'
	boot -p "$(while_cut 'at 2; truncate -s 5 tree/large')" -a 'yes | head -c 5 | cmp - tree/large && echo same' \
		-w "$(slowly)" -- tmpfsroot --onfail=reboot /init
	[ "$status" -eq 129 ]
	[[ "$output" == *'moving /tree/large: '*'all that was moved is back in its place'*$'\nsame' ]]
	# In the hole at its end there is nothing to be read.
	rm -rf "${BATS_TEST_TMPDIR:?}"/*
	boot -p "$(while_cut 'at 3; truncate -s 5 tree/large') truncate -s 24000000 tree/large" -a 'yes | head -c 5 | cmp - tree/large && echo same' \
		-w "$(slowly -e inject=ftruncate:delay_exit=800000:when=3)" -- tmpfsroot --onfail=reboot /init
	[ "$status" -eq 129 ]
	[[ "$output" == *'moving /tree/large: '*'all that was moved is back in its place'*$'\nsame' ]]
}

@test "or what is appended does not fit, before the first cut: it stays where it is" {
	left_to_check_all 'not promised'
	boot -p "$(while_cut 'at 1; head -c 60000000 /dev/zero >>tree/large')" \
		-a '{ yes | head -c 20000000; head -c 60000000 /dev/zero; } | cmp - tree/large && echo same' \
		-w "$(slowly "$(behind 1)")" -- tmpfsroot --onfail=reboot --opts=size=60M /init
	[ "$status" -eq 129 ]
	[[ "$output" == *'moving /tree/large: write: No space left on device'*'all that was moved is back in its place'*$'\nsame' ]]
}

@test "or after it, but there is room without what both trees have of it: all is given back" {
	left_to_check_all 'not promised'
	local bytes
	boot -n -p 'mkdir tree; yes | head -c 20000000 >tree/large' -- tmpfsroot --dry-run /init
	bytes=$(sed -n 's/^bytes to allocate: \([0-9]*\) .*/\1/p' <<<"$output")
	rm -rf "${BATS_TEST_TMPDIR:?}"/*
	boot -p "$(while_cut 'at 10; head -c 600000 /dev/zero >>tree/large')" \
		-a '{ yes | head -c 20000000; head -c 600000 /dev/zero; } | cmp - tree/large && echo same' \
		-w "$(slowly "$(behind 10)")" -- tmpfsroot --onfail=reboot --opts=size=$((bytes + 300000)) /init
	[ "$status" -eq 129 ]
	[[ "$output" == *'moving /tree/large: write: No space left on device'*'all that was moved is back in its place'*$'\nsame' ]]
}

# What is appended is more than the new tmpfs may have, whatever of the rest is in it by then.
@test "or there is none: all of both is kept, and given back when there is room" {
	left_to_check_all 'not promised'
	not_by_memcheck "the program in its /proc/self/exe is not in this root"
	[ -z "${ASAN_OPTIONS-}" ] || skip "it has libraries, which are in the target when it starts over"
	boot -k quiet -p "$(while_cut 'at 2; head -c 70000000 /dev/zero >>tree/large') $(in_shell 'ls -l /tree/large; mount -o remount,size=200M /run/tmpfsroot/target')" \
		-a '{ yes | head -c 20000000; head -c 70000000 /dev/zero; } | cmp - tree/large && [ ! -e run/tmpfsroot/target ] && echo same' \
		-w "$(slowly "$(behind 2)")" -- \
		tmpfsroot --onfail=continue --opts=size=60M /init
	[[ "$output" == *'moving /tree/large: write: No space left on device'*'what is missing in the tree is in /run/tmpfsroot/target'* ]]
	[[ "$output" == *' 8'???????' '*' /tree/large'$'\n'*'all that was moved is back in its place'*'init: '*$'\nsame' ]]
	[[ "${output%all that*}" != *'init: '* ]]
}

@test "or there is none, and none for a note of the cut: all of both is kept, and not joined by the next one" {
	left_to_check_all 'not promised'
	not_by_memcheck "the program in its /proc/self/exe is not in this root"
	[ -z "${ASAN_OPTIONS-}" ] || skip "it has libraries, which are in the target when it starts over"
	boot -k quiet -p "$(while_cut 'at 2; head -c 70000000 /dev/zero >>tree/large') $(in_shell '[ ! -e /run/again ] || exec /usr/lib/tmpfsroot/busybox reboot -f; touch /run/again; echo once more')" \
		-a 'end=$(($(stat -c %s tree/large) - 70000000)); yes | cmp -n $end - tree/large && tail -c 70000000 tree/large | cmp -n 70000000 - /dev/zero &&
			yes | cmp -i 0:$end -n $((20000000 - end)) - run/tmpfsroot/target/tree/large && echo "kept, cut at $end"' \
		-w "$(slowly "$(behind 2)" -e inject=fsetxattr:error=ENOSPC)" -- tmpfsroot --onfail=continue --opts=size=60M /init
	[[ "$output" == *'moving /tree/large: write: No space left on device'*'what is missing in the tree is in /run/tmpfsroot/target'* ]]
	[[ "$output" == *$'\nonce more\n'*'a file is in two parts: '*', then remove /run/tmpfsroot/torn'*$'\nkept, cut at 1'* && "$output" != *'init: '* && "$output" != *'is back in its place'* ]]
}

@test "a file with two names that somebody appends to after it was cut, and the move fails: both are given back" {
	left_to_check_all 'not promised'
	boot -p 'mkdir tree; mknod tree/before p; yes | head -c 50000 >tree/log; ln tree/log tree/link; mknod tree/behind p
			(for _ in $(seq 20000); do [ "$(grep -cs mknodat ../trace)" = 2 ] && break; done
				[ ! -s tree/log ] && printf late >>tree/log && touch ../late) >/dev/null 2>&1 &' \
		-a '{ yes | head -c 50000; printf late; } | cmp - tree/log && stat -c %s tree/log tree/link; [ -e ../late ] && [ ../late -ot ../trace ] && echo in time' \
		-w 'taskset -c 0 strace -D -f -qq -y -o ../trace -e trace=mknodat,utimensat -e inject=mknodat:error=ENOSPC:delay_enter=1000000:when=2' -- \
		tmpfsroot --onfail=reboot /init
	[ "$status" -eq 129 ]
	[[ "$output" == *'moving /tree/be'*': mknod: No space left on device'*'all that was moved is back in its place'*$'\n50004\n50004\nin time' ]]
}

@test "a file with two names that is given back, and made shorter in the shell before the next way back: it stays that" {
	left_to_check_all 'not promised'
	not_by_memcheck "the program in its /proc/self/exe is not in this root"
	boot -k quiet -p "mkdir tree tree/sub; yes | head -c 50000 >tree/log; ln tree/log tree/link; mknod tree/sub/a p
			$(in_shell 'stat -c %s /tree/log; echo new >/tree/log')" \
		-a 'cd "$root"; echo new | cmp - tree/log && stat -c %s tree/log tree/link' \
		-w 'taskset -c 0 strace -D -f -qq -y -o ../trace -P sub -P a -e trace=mkdirat,mknodat -e inject=mknodat:error=ENOSPC:when=1 -e inject=mkdirat:error=EIO:when=2' -- \
		tmpfsroot --onfail=continue /init
	[[ "$output" == *'giving back what was moved failed'*$'\n50000\n'*'all that was moved is back in its place'*$'\n4\n4' ]]
}

# It is open, and keeps its content while its other name is in the source.
@test "a file with two names that its writer makes shorter after it was copied: what is given back is what it is then" {
	left_to_check_all 'not promised'
	boot -p 'mkdir tree; mknod tree/before p; yes | head -c 50000 >tree/log; ln tree/log tree/link; mknod tree/behind p
			(exec 8<>tree/log; touch ../held; for _ in $(seq 20000); do ! grep -qsE "utimensat\(.*(log|link)>" ../trace || break; done
				sleep 0.1; [ "$(grep -c mknodat ../trace)" = 2 ] && truncate -s 2 tree/log && touch ../shorter; sleep 3) >/dev/null 2>&1 &
			until [ -e ../held ]; do sleep 0.01; done' \
		-a 'echo y | cmp - tree/log && stat -c %s tree/log tree/link; [ -e ../shorter ] && [ ../shorter -ot ../trace ] && echo in time' \
		-w 'taskset -c 0 strace -D -f -qq -y -o ../trace -e trace=utimensat,mknodat -e inject=mknodat:error=ENOSPC:delay_enter=1000000:when=2' -- \
		tmpfsroot --onfail=reboot /init
	[ "$status" -eq 129 ]
	[[ "$output" == *'moving /tree/be'*': mknod: No space left on device'*'all that was moved is back in its place'*$'\n2\n2\nin time' ]]
}

# mounts_late TIMES: over a directory, when it is opened for so many times, to be counted first, then to be
# moved; whoever opens it is kept waiting.
mounts_late()
{
	boot -p "$canaries; mkdir tree/point; echo below >tree/point/below; touch ../moving
		(until [ -e ../trace ] && [ \$(grep -c point ../trace) -ge $1 ]; do :; done; mount -t tmpfs late tree/point; echo late >tree/point/file; exec 8<tree/point
			grep -c point ../trace >../late; while [ -e ../moving ]; do sleep 0.1; done
			ls /proc/self/fd/8/ >>../late) >/dev/null 2>&1 &" \
		-a "rm ../moving; wait; cat ../late \"\$root/tree/point/below\"; $alive" \
		-w 'strace -D -f -qq -o ../trace -P point -e trace=openat,openat2 -e inject=openat,openat2:delay_enter=1000000' -- \
		tmpfsroot --onfail=reboot /init
	[ "$status" -eq 0 ]
	[[ "$output" == *$'\n'"$1"$'\nfile\nbelow\nalive' ]]
}
@test "a mount appears below the tree while it is counted: what is on it, and below it, stays" {
	left_to_check_all 'not promised'
	mounts_late 1
}
@test "a mount appears below the tree while it is moved: what is on it, and below it, stays" {
	left_to_check_all 'not promised'
	mounts_late 2
}

@test "immutable and append-only files: of a real root they are copied, an initramfs with them is refused or given back" {
	boot -k quiet -p 'mkdir new; truncate -s 32M ../disk; mkfs.ext4 -q ../disk; mount -o loop ../disk new; mkdir new/bin new/d
			cp bin/busybox new/bin; ln -s busybox new/bin/sh; cp init new/init; echo 1 >new/d/immutable; echo 2 >new/d/append
			chattr +i new/d/immutable new/d; chattr +a new/d/append; sync; dumptree --no-atime new >../new.before' \
		-a 'cat "$root/d/immutable" "$root/d/append"; mount -o loop ../disk ../root; dumptree --no-atime ../root | diff ../new.before - && lsattr ../root/d' \
		-- tmpfsroot --tmpfsroot=yes /new /init
	[ "$status" -eq 0 ]
	[[ "$output" == *$'\n1\n2\n'*'----i---'*'immutable'* ]]
	rm "$BATS_TEST_TMPDIR/disk"
	boot -t tmpfs -p 'echo x >file; chattr +i file 2>/dev/null || touch ../none; cp -a bin/busybox big' \
		-a 'unchanged && echo unchanged; chattr -i file; [ ! -e ../none ] || echo none' -- tmpfsroot --onfail=reboot /init
	[[ "$output" != *none ]] || skip "tmpfs has no immutable files on this kernel"
	[ "$status" -eq 129 ]
	[[ "$output" == *"moving /file: "*"Operation not permitted"*unchanged ]]
}
