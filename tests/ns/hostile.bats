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
@test "root=tmpfsroot: such a tree in NEWROOT; what is mounted beside it is unmounted, not entered, when the rest is deleted" {
	boot -k root=tmpfsroot -p "$canaries; mkdir -p sysroot/bin sysroot/sbin run; touch etc/initrd-release; mv tree sysroot/
			cp bin/busybox sysroot/bin; ln -s busybox sysroot/bin/sh; cp init sysroot/sbin/init
			mkdir -p other/point; echo other >other/file; mount -t tmpfs other other/point; echo alive >other/point/file; exec 6<other/point 5<canary
			dumptree sysroot/tree >../tree.before" \
		-a 'dumptree "$root/tree" | diff ../tree.before -; dumptree /proc/self/fd/5/. | diff ../canary.before - && cat /proc/self/fd/6/file
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

# Whoever opens the file is kept waiting, and it grows meanwhile.
@test "a file that has grown when it is copied: none of it is lost" {
	local size hold
	for kind in '0 :' '5 :' '6000000 :' '6000000 exec 4<tree/grows'; do
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

# The file is cut or unlinked while it is copied. A large one is opened to be looked at first.
@test "a file that has shrunk or vanished when it is copied: moved as it is then, or all is given back" {
	local size left hold change outcome
	for kind in '5 0 :' '5 2 :' '6000000 0 :' '6000000 2 :' '6000000 5000000 exec 4<tree/less'; do
		read -r size left hold <<<"$kind"
		rm -rf "${BATS_TEST_TMPDIR:?}"/*
		change="truncate -s $left tree/less"
		[ "$left" != 0 ] || change='rm tree/less'
		boot -p "mkdir tree; yes | head -c $size >tree/less; echo beside >tree/beside; $hold
				$(once_traced 1 less "$change")" \
			-a "wait; cat \"\$root/tree/beside\"; [ ! -e tree/less ] || [ tree -ef \"\$root/tree\" ] || echo twice
				if [ -e \"\$root/tree/less\" ]; then yes | head -c $left | cmp - \"\$root/tree/less\" && echo cut; else echo gone; fi" \
			-w 'strace -D -f -qq -o ../trace -P less -e trace=openat -e inject=openat:delay_enter=4000000' -- \
			tmpfsroot --onfail=reboot /init
		[ "$left" = 0 ] && outcome="gone" || outcome="cut"
		[[ "$output" == *$'\nbeside\n'"$outcome" ]]
		[ "$status" -eq 0 ] || [[ "$status" -eq 129 && "$output" == *'moving /tree/less: '*'all that was moved is back in its place'* ]]
		echo "# $size to $left: $(grep -o 'moving /.*' <<<"$output" || echo moved)" >&3
	done
}

@test "a directory that appears while the tree is moved is left behind, with a warning" {
	boot -p "mkdir tree; echo beside >tree/beside; head -c 3000000 /dev/zero >marker; $(once_traced 2 marker 'mkdir tree/late; echo >tree/late/file')" \
		-a 'wait; ls "$root/tree"' -w 'strace -D -f -qq -o ../trace -P marker -e trace=openat -e inject=openat:delay_enter=1000000' -- tmpfsroot /init
	[ "$status" -eq 0 ]
	[[ $output == *': /tree/late has appeared while the tree was moved, and is left behind'*$'\nbeside' ]]
}

@test "a name of all kinds of bytes in a warning: the report is JSON, and has them" {
	boot -p 'export name=$(printf "a\"b\\\\c\nd\351"); mkdir tree; echo x >"tree/$name"
			echo "cat /run/tmpfsroot/report.json" >probe'$'\n'"$(once_traced 1 openat 'rm "tree/$name"')" \
		-a wait -w 'strace -D -f -qq -o ../trace -P "$name" -e trace=openat -e inject=openat:delay_enter=3000000' -- tmpfsroot /init
	[ "$status" -eq 0 ]
	sed -n '/^{/,/^}/p' <<<"$output" | python3 -c 'import json, sys
warning, = json.load(sys.stdin)["warnings"]
assert warning.startswith("/tree/a\"b\\c\nd\xe9 has gone while the tree was moved"), warning'
}

# In PREPARE: who opens and maps the file once the move has made room for it in the new tmpfs waits until the lease
# is given back. In AFTER: they have read right bytes all the time.
@test "somebody opens and maps a large file that is about to be cut: they see right bytes to the end" {
	for when in 1 3; do
		rm -rf "${BATS_TEST_TMPDIR:?}"/*
		boot -p "head -c 20000000 /dev/urandom >large; sha256sum <large >../sum; mkfifo ../held; exec 6<>../held
				$(once_traced $when 'ftruncate[(].*large>' 'exec 5<large; sha256sum <&5 >../seen; exec holder /proc/self/fd/5 >&6')" \
			-a 'read -r _ holder <&6; kill "$holder"; read -r held <&6; echo "$held"; wait
				diff ../seen ../sum; (cd "$root"; sha256sum <large | diff - "$directory/sum"); ls -A' \
			-w 'strace -D -f -qq -y -o ../trace -e trace=ftruncate -e inject=ftruncate:delay_exit=300000' -- tmpfsroot /init
		[ "$status" -eq 0 ]
		[[ "$output" == *"right in "*" rounds" ]]
	done
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
