#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# root=tmpfsroot with a NEWROOT: a directory of the initramfs, or all of it, as the generators' hooks
# mount it there. As PID 1, and as a service of systemd's initrd, with a stand-in for systemd.

# shellcheck disable=SC2016 # the code in quotes is for the root that is booted
# shellcheck disable=SC2030,SC2031 # status, output and lines are set by bats' run
load namespace

# In PREPARE: a system in /sysroot, and what makes an initramfs one.
tree='ln -s tmpfsroot usr/bin/switch_root
	mkdir -p sysroot/bin sysroot/sbin sysroot/etc sysroot/proc sysroot/deep/er dev run sys
	cp bin/busybox sysroot/bin; for name in sh cat grep ls; do ln -s busybox "sysroot/bin/$name"; done
	cp init sysroot/sbin/init; echo NAME=test >sysroot/etc/os-release; head -c 3M /dev/zero >sysroot/deep/er/large
	touch etc/initrd-release dracut-state.sh; echo NAME=test >etc/os-release
	echo "grep \" / \" /proc/mounts; ls /" >sysroot/probe'
bound="$tree; mount --bind sysroot sysroot"
whole='ln -s tmpfsroot usr/bin/switch_root; mkdir -p sysroot sbin dev run sys; touch etc/initrd-release dracut-state.sh; cp init sbin/init
	mkdir -p usr/lib; ln -s initrd-release etc/os-release; echo NAME=test >usr/lib/os-release
	echo "grep \" / \" /proc/mounts; ls -A / /etc; cat /etc/os-release" >probe'
whole_bound="$whole; mount --bind . sysroot"

moves_directory()
{
	boot -k root=tmpfsroot -p "$1" -a 'ls -A; cat "$root/run/tmpfsroot/report.json"' \
		-- /usr/bin/switch_root /sysroot /sbin/init a
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 'init: /sbin/init a TMPFSROOT=' ]
	[[ $output == *'tmpfsroot / tmpfs '* ]]
	[[ $output == *$'\nbin\ndeep\ndev\netc\nprobe\nproc\nrun\nsbin\nsys\n{'* ]]
	[[ $output == *'"source": "directory"'*'"warnings": []'* ]]
}

@test "a directory, bound to itself as dracut's hook does" {
	moves_directory "$bound"
}

@test "a directory, with nothing mounted on it" {
	moves_directory "$tree"
}

@test "a directory's own mounts are carried, and a file with a name outside is moved" {
	boot -k root=tmpfsroot -p "$tree; mkdir other; ln sysroot/etc/os-release other/link
		mount --bind sysroot sysroot; mkdir sysroot/data; mount -t tmpfs data sysroot/data; echo kept >sysroot/data/file
		mkdir sysroot/run; mount -t tmpfs the-run sysroot/run; echo early >sysroot/run/file
		echo 'cat /data/file /run/file /etc/os-release; grep -c \" /run \" /proc/mounts' >sysroot/probe" \
		-- /usr/bin/switch_root /sysroot /sbin/init
	[ "$status" -eq 0 ]
	[ "${lines[*]:1:4}" = 'kept early NAME=test 1' ]
}

# In PREPARE: small and large files that NEWROOT and the rest of the initramfs share, and others that it has
# twice.
shared="$tree; mkdir other; for size in 5 3000 300000 9000000; do head -c \$size /dev/urandom >other/\$size; ln other/\$size sysroot/deep/
		head -c \$size /dev/urandom >sysroot/inside-\$size; ln sysroot/inside-\$size sysroot/deep/; done; sha256sum other/* >../sums"

@test "files with several names stay in the initramfs whole, also those that a directory shares with it: systemd and udev go on" {
	not_by_memcheck "strace(1) follows the helper"
	boot -k root=tmpfsroot -p "$shared" -a 'cd "$root/deep"; sed "s,other/,," "$directory/sums" | sha256sum --quiet -c && echo moved
			cmp inside-9000000 ../inside-9000000 && stat -c %h 5 inside-5 9000000 inside-9000000; cat ../run/tmpfsroot/report.json
			sed -n "s/.*ftruncate[64]*([0-9]*<\\(.*\\)>, 0[) ].*/cut \\1/p" "$directory/trace"' \
		-w "strace -D -f -qq -y -o ../trace -e 'trace=$(call ftruncate)'" -- /usr/bin/switch_root /sysroot /sbin/init
	[ "$status" -eq 0 ]
	[[ $output == *$'\nmoved\n1\n2\n1\n2\n{'*'"warnings": []'* ]]
	[[ $output != *$'\ncut '*sysroot/* && $output != *inside-*0\>* ]]
	# They are held twice, and that is known before.
	[ "$(sed -n 's/.*"peak_bytes": \([0-9]*\),/\1/p' <<<"$output")" -gt 18600000 ]
	boot -n -k root=tmpfsroot -p "$shared" -w 'taskset -c 0' -- tmpfsroot --dry-run /sysroot /sbin/init
	[[ $output =~ available,\ ([0-9]+)\.?[0-9]*\ MiB\ needed ]]
	[ "${BASH_REMATCH[1]}" -ge 18 ]
}

@test "a directory with nothing mounted on it: mounts on it are carried" {
	boot -k root=tmpfsroot -p "$tree; mkdir sysroot/data; mount -t tmpfs data sysroot/data; echo kept >sysroot/data/file
		echo 'cat /data/file' >sysroot/probe" -- /usr/bin/switch_root /sysroot /sbin/init
	[ "$status" -eq 0 ]
	[ "${lines[1]}" = kept ]
}

@test "a directory with nothing mounted on it: what exclude= means begins there" {
	boot -k 'root=tmpfsroot rd.tmpfsroot.exclude=/sbin rd.tmpfsroot.onfail=reboot' -p "$tree" -a unchanged \
		-- /usr/bin/switch_root /sysroot /sbin/init
	[ "$status" -eq 129 ]
	[[ "${lines[0]}" == 'switch_root: /sbin/init is left out by rd.tmpfsroot.exclude=/sbin: change that' ]]
}

@test "a mount of what is not moved on a directory of the tree: refused by name" {
	boot -k 'root=tmpfsroot rd.tmpfsroot.onfail=reboot' -p "$bound; mkdir -p sysroot/other other/below; mount --bind other sysroot/other" \
		-a unchanged -- /usr/bin/switch_root /sysroot /sbin/init
	[ "$status" -eq 129 ]
	[ "${lines[0]}" = 'switch_root: the mount /sysroot/other shows a part of the initramfs, which will not be there: unmount it before the move' ]
}

moves_all()
{
	boot -k root=tmpfsroot -p "$1" -a 'ls -A' -- /usr/bin/switch_root /sysroot /sbin/init a
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 'init: /sbin/init a TMPFSROOT=' ]
	[[ $output == *'tmpfsroot / tmpfs '* ]]
	[[ $output == *$'\ninit\n'*$'\nos-release'*$'\nNAME=test'* ]]
	[[ $output != *initrd-release* && $output != *dracut-state* && $output != *old-root* ]]
}

@test "the whole initramfs, bound to NEWROOT, but for what marks it as one" {
	moves_all "$whole_bound"
}

@test "the whole initramfs, with an empty NEWROOT" {
	moves_all "$whole"
}

@test "method=bind leaves the mark out, too" {
	boot -t tmpfs -k 'root=tmpfsroot rd.tmpfsroot.method=bind' -p "$whole_bound" -- /usr/bin/switch_root /sysroot /sbin/init a
	[ "$status" -eq 0 ]
	[[ $output == *' / tmpfs '*NAME=test* && $output != *initrd-release* ]]
}

@test "--source: which tree is meant, also below a mount; nothing where the words do not ask" {
	boot -n -k root=tmpfsroot -p "$tree" -- sh -c 'tmpfsroot --source /sysroot; mount --bind /sysroot /sysroot
		tmpfsroot --source /sysroot; umount /sysroot; mount --bind / /sysroot; tmpfsroot --source /sysroot'
	[ "${lines[*]:0:3}" = '/sysroot /sysroot /' ]
	boot -n -k 'rd.tmpfsroot.minmem=much root=/dev/sda' -- tmpfsroot --source /sysroot
	[ "$status" -eq 1 ]
	[ "$output" = 'status 1: ' ] || [ -z "${lines[0]}" ]
	boot -n -k 'rd.tmpfsroot.minmem=much root=tmpfsroot' -p "$tree" -- tmpfsroot --source /sysroot
	[ "${lines[0]}" = /sysroot ] # the move refuses the wrong word
	boot -n -k 'root=tmpfsroot elfcorehdr=1' -p 'mkdir sysroot' -- tmpfsroot --source /sysroot
	[ "$status" -eq 1 ]
}

@test "root=tmpfsroot in the conf file does as well, and another root= on the command line wins" {
	boot -n -k quiet -p "$tree; echo root=tmpfsroot >etc/tmpfsroot.conf" -- tmpfsroot --source /sysroot
	[ "${lines[0]}" = /sysroot ]
	boot -n -k root=LABEL=x -p "$tree; echo root=tmpfsroot >etc/tmpfsroot.conf" -- tmpfsroot --source /sysroot
	[ "$status" -eq 1 ]
}

@test "something else on NEWROOT is refused" {
	boot -k 'root=tmpfsroot rd.tmpfsroot.onfail=reboot' -a unchanged -p "$tree; mount -t ramfs other sysroot" \
		-- /usr/bin/switch_root /sysroot /sbin/init
	[ "$status" -eq 129 ]
	[[ ${lines[0]} == *'NEWROOT /sysroot is ramfs (other), expected a part of the initramfs'* ]]
}

@test "a part of the initramfs is not switched to and deleted" {
	boot -k rd.tmpfsroot.onfail=reboot -a unchanged -p "$bound" -- /usr/bin/switch_root /sysroot /sbin/init
	[ "$status" -eq 129 ]
	[[ ${lines[0]} == *'/sysroot is a part of the initramfs, which a switch deletes: move it by root=tmpfsroot' ]]
}

@test "onfail=continue: a tree that does not fit is switched to where it is, and not deleted" {
	boot -k 'root=tmpfsroot rd.tmpfsroot.onfail=continue rd.tmpfsroot.opts=size=64k' -p "$bound" \
		-- /usr/bin/switch_root /sysroot /sbin/init a
	[ "$status" -eq 0 ]
	[[ $output == *'the tree is not moved: booting from the initramfs'*'init: /sbin/init a'* ]]
	[[ $output == *$'\nprobe\n'* ]]
}

@test "onfail=continue: so is a real root, when a word is wrong" {
	for words in rd.tmpfsroot.onfail=continue rd.tmpfsroot=auto; do
		boot -k "rd.tmpfsroot.minmem=much $words" -p 'ln -s tmpfsroot usr/bin/switch_root; mkdir sysroot
			mount -t ramfs real sysroot; mkdir -p sysroot/sbin; cp -r bin sysroot; cp init sysroot/sbin' \
			-- /usr/bin/switch_root /sysroot /sbin/init a
		[ "$status" -eq 0 ]
		[[ $output == *'minmem=much is wrong'*'booting from where it is'*'init: /sbin/init a'* ]]
	done
}

@test "INIT need not be named: init=, else /sbin/init" {
	boot -k 'root=tmpfsroot init=/sbin/other' -p "$bound; cp sysroot/sbin/init sysroot/sbin/other" -- tmpfsroot /sysroot
	[ "${lines[0]}" = 'init: /sbin/other  TMPFSROOT=' ]
	boot -k 'root=tmpfsroot init=/sbin/missing' -p "$bound" -- tmpfsroot /sysroot
	[[ $output == *'init=/sbin/missing is no program in /sysroot: /sbin/init is started instead'*'init: /sbin/init '* ]]
}

@test "rd.emergency= follows the shell, which the initramfs may bring itself" {
	boot -k 'rd.emergency=reboot' -a unchanged -p "$tree; mkdir -p usr/lib/tmpfsroot
		printf '#!/bin/sh\necho its own shell\n' >usr/lib/tmpfsroot/emergency; chmod +x usr/lib/tmpfsroot/emergency" \
		-- /usr/bin/switch_root /missing /sbin/init
	[ "$status" -eq 129 ]
	[[ $output == *'opening NEWROOT /missing'*'its own shell'*rebooting* ]]
	boot -k 'rd.emergency=reboot rd.shell=0' -a unchanged -p "$tree" -- /usr/bin/switch_root /missing /sbin/init
	[ "$status" -eq 129 ]
	[[ $output != *'a shell follows'* ]]
}

# service PREPARE [OPTION...] -- COMMAND...: as a service, with mounts shared, as systemd makes them.
service()
{
	local prepare=$1

	shift
	boot -n -p "$prepare; mkdir -p run/systemd/system proc; mount --make-rshared /
		grep -q ^the-run /proc/mounts || mount -t tmpfs the-run run; mkdir -p run/systemd/system
		manage ${error:+\"$error\"}" "$@"
}
manager='cat "$directory/manager.log"'

@test "service: a directory is mounted on NEWROOT as a tmpfs, and systemd is asked to switch" {
	service "$bound" -k root=tmpfsroot -a "$manager; grep sysroot /proc/mounts; ls -A sysroot; ls run/tmpfsroot
		grep -o '\"source\": \"[a-z]*\"' run/tmpfsroot/report.json" -- tmpfsroot /sysroot
	[ "$status" -eq 0 ]
	[[ $output == *"SwitchRoot ['/sysroot', '/sbin/init']"* ]]
	[ "$(grep -c 'sysroot ' <<<"$(grep '^tmpfsroot /' <<<"$output")")" -eq 1 ]
	[[ $output == *$'\nprobe\n'*$'\nreport.json\n"source": "directory"'* ]]
	[[ $output != *run/tmpfsroot/target* ]]
}

@test "service: the whole initramfs; and the systemd in it is not named" {
	service "$whole_bound; mkdir -p usr/lib/systemd; cp init usr/lib/systemd/systemd" -k root=tmpfsroot \
		-a "$manager; ls -A sysroot sysroot/etc; ls -A -I 'lib*' | tr '\\n' ' '; cat sysroot/etc/os-release" -- tmpfsroot /sysroot
	[ "$status" -eq 0 ]
	[[ $output == *NAME=test ]]
	[[ $output == *"SwitchRoot ['/sysroot', '']"*$'\ninit\n'*$'\nos-release\nproc run sysroot '* ]]
	[[ $output != *initrd-release* && $output != *dracut-state.sh* ]]
}

@test "service: method=bind of the whole initramfs is refused, and where no NEWROOT is named" {
	service "$whole_bound" -k 'root=tmpfsroot rd.tmpfsroot.method=bind' -a 'unchanged && echo unchanged' -- tmpfsroot /sysroot
	[ "$status" -eq 1 ]
	[[ $output == *'rd.tmpfsroot.method=bind: systemd deletes the initramfs that it leaves, and that is bound: use method=copy'*unchanged ]]
	service "$whole_bound" -k root=tmpfsroot -a 'unchanged && echo unchanged' -- tmpfsroot /init
	[ "$status" -eq 1 ]
	[[ $output == *'systemd does the switch, to a NEWROOT: name it'*unchanged ]]
}

# As systemd binds it: NEWROOT and the initramfs are shared with each other, and so is /run, which it has, too.
mounts="$tree; mkdir sysroot/data sysroot/run sysroot/dev; mount --make-rshared /; mount --bind sysroot sysroot
	mount -t tmpfs the-run run; mount --bind run sysroot/run; mount -t tmpfs the-dev sysroot/dev
	mkdir sysroot/dev/pts; mount -t tmpfs the-pts sysroot/dev/pts
	mount -t tmpfs data sysroot/data; mkdir sysroot/data/sub; mount -t tmpfs sub sysroot/data/sub; echo kept >sysroot/data/sub/file"

@test "service: mounts on NEWROOT are carried, once, with all that lies on them" {
	service "$mounts" -k root=tmpfsroot -a 'cat sysroot/data/sub/file; ls sysroot/run; ls run/tmpfsroot
		for name in the-dev the-pts data sub; do grep -c "^$name " /proc/mounts; done' -- tmpfsroot /sysroot
	[ "$status" -eq 0 ]
	[ "$output" = $'kept\nnotify\nsystemd\ntmpfsroot\nreport.json\n1\n1\n1\n1' ]
}

@test "service: where systemd refuses, the tree and its mounts are on NEWROOT, and the next run asks again" {
	error=no service "$mounts" -k root=tmpfsroot -a "$manager; cat sysroot/data/sub/file; grep -c target /proc/mounts || :
		for name in the-dev the-pts data sub; do grep -c \"^\$name \" /proc/mounts; done
		rm run/systemd/private run/notify; manage; mount -t proc proc proc; chroot . tmpfsroot --debug /sysroot && echo again; $manager" \
		-- tmpfsroot /sysroot
	[[ $output == *'systemd refuses to switch root: no'*'the whole tree is in the tmpfs on /sysroot: start initrd-switch-root.service again'* ]]
	[[ $output == *$'\nkept\n0\n1\n1\n1\n1\nagain\n'* ]]
	[ "$(grep -c "SwitchRoot \['/sysroot', '/sbin/init'\]" <<<"$output")" -eq 3 ]
}

@test "service: what lies on mounts of the initramfs, and on its binds, is carried" {
	service "$tree; mkdir -p sysroot/data sysroot/bound sysroot/deep/on; mount --make-rshared /; mount -t tmpfs the-run run
		mount -t tmpfs data sysroot/data; mkdir sysroot/data/sub; mount -t tmpfs sub sysroot/data/sub
		mount --bind --make-private sysroot/deep sysroot/bound; mount -t tmpfs on sysroot/bound/on
		echo one >sysroot/data/sub/file; echo two >sysroot/bound/on/file" -k root=tmpfsroot \
		-a 'cat sysroot/data/sub/file sysroot/bound/on/file sysroot/bound/er/large | head -c 8; grep -cE "^(data|sub|on) " /proc/mounts' \
		-- tmpfsroot /sysroot
	[[ $output == *$'one\ntwo\n'*3 ]]
}

@test "service: a mount that cannot be attached is told" {
	not_by_memcheck "strace(1) follows the helper"
	service "$bound; mkdir sysroot/data; mount -t tmpfs data sysroot/data" -k root=tmpfsroot \
		-w "strace -D -f -qq -o /dev/null $(injects move_mount:error=EPERM:when=3)" \
		-a 'grep -c "sysroot/data " /proc/mounts' -- tmpfsroot /sysroot
	[[ $output == *'attaching the mount /sysroot/data to the new root: it is missing there: Operation not permitted'*0 ]]
}

@test "service: where the target cannot be mounted on NEWROOT all goes back, and its mounts are there" {
	not_by_memcheck "strace(1) follows the helper"
	for what in "$bound" "$tree"; do
		service "$what; mkdir sysroot/data; mount -t tmpfs data sysroot/data; mkdir sysroot/data/sub; mount -t tmpfs sub sysroot/data/sub
			echo kept >sysroot/data/sub/file; sort -u /proc/mounts | grep -v the-run >../mounts" -k root=tmpfsroot \
			-w "strace -D -f -qq -o /dev/null $(injects move_mount:error=EPERM:when=2)" \
			-a 'cat sysroot/data/sub/file; sort -u /proc/mounts | grep -v the-run | diff ../mounts - && unchanged && echo unchanged' -- tmpfsroot /sysroot
		[[ $output == *'mounting the target on /sysroot: Operation not permitted'*$'back in its place\nkept\nunchanged' ]]
	done
}

@test "service: a mount of the whole initramfs, which NEWROOT shows, too, is carried once" {
	service "$whole; mount --make-rshared /; mount -t tmpfs the-run run; mount --bind . sysroot; mkdir data
		mount -t tmpfs data data; echo kept >data/file" -k root=tmpfsroot \
		-a 'cat sysroot/data/file; grep -c "^data .*sysroot/data " /proc/mounts' -- tmpfsroot /sysroot
	[[ $output == $'kept\n1' ]]
}

@test "service: what a mount hid, which NEWROOT does not show, is moved" {
	service "$tree; mkdir sysroot/data; echo own >sysroot/data/own; mount -t tmpfs hidden sysroot/data; mount --bind sysroot sysroot" \
		-k root=tmpfsroot -a 'cat sysroot/data/own; grep -c "sysroot/data " /proc/mounts || :' -- tmpfsroot /sysroot
	[ "$status" -eq 0 ]
	[ "$output" = $'own\n0' ]
}

@test "service: a real root is copied and unmounted, with what is mounted on it" {
	service "$tree; mkdir sysroot/run; truncate -s 64M ../disk; mkfs.ext4 -q -d sysroot ../disk; rm -r sysroot/*
		mount -o loop,ro ../disk sysroot; mount -t tmpfs below sysroot/deep; echo kept >sysroot/deep/file
		mount --make-rshared /; mount -t tmpfs the-run run; mount --bind run sysroot/run" \
		-k 'rd.tmpfsroot=yes init=/sbin/init' -a "$manager; grep '/root/sysroot' /proc/mounts | cut -d ' ' -f 1,3 | sort
			cat sysroot/deep/file; losetup | grep -c '$BATS_TEST_TMPDIR/disk'" -- tmpfsroot /sysroot
	[[ $output == *"SwitchRoot ['/sysroot', '/sbin/init']"*$'\nbelow tmpfs\nthe-run tmpfs\ntmpfsroot tmpfs\nkept\n0'* ]]
	[[ $output != *'stays in use'* && $output != *'target'* ]]
}

@test "service: systemd does not let in who asks, and nothing is moved" {
	error=REJECTED service "$bound" -k root=tmpfsroot -a 'unchanged && echo unchanged' -- tmpfsroot /sysroot
	[ "$status" -eq 1 ]
	[[ $output == *'connecting to systemd by '*': Permission denied'*unchanged ]]
}

@test "service: with as many inodes as it needs all is moved, with one less nothing is" {
	local deep needed many
	deep=$(printf 'deep/%.0s' {1..300})
	many="$bound; hardtree --small sysroot/tree; mkdir -p sysroot/tree/$deep; dumptree sysroot/tree >../tree.before"
	service "$many" -k 'root=tmpfsroot rd.tmpfsroot.opts=nr_inodes=10' -- tmpfsroot /sysroot
	needed=$(sed -n 's/.*the tree needs \([0-9]*\) inodes, the tmpfs holds 10: raise nr_inodes=.*/\1/p' <<<"$output" | head -n 1)
	service "$many" -k "root=tmpfsroot rd.tmpfsroot.opts=nr_inodes=$needed" \
		-a "$manager; dumptree sysroot/tree | diff ../tree.before - && echo same" -- tmpfsroot /sysroot
	[ "$status" -eq 0 ]
	[[ $output == *"SwitchRoot ['/sysroot', '/sbin/init']"*$'\nsame' ]]
	service "$many" -k "root=tmpfsroot rd.tmpfsroot.opts=nr_inodes=$((needed - 1))" -a "unchanged && echo unchanged" -- tmpfsroot /sysroot
	[ "$status" -eq 1 ]
	[[ $output == *"the tree needs $needed inodes, the tmpfs holds $((needed - 1))"*unchanged ]]
}

@test "service: limits hit in the middle: all is as it was, and auto switches to where it is" {
	service "$tree; truncate -s 64M ../disk; mkfs.ext4 -q -d sysroot ../disk; rm -r sysroot/*; mount -o loop,ro ../disk sysroot
		sha256sum ../disk >../sum" -k rd.tmpfsroot=auto -a "$manager; grep '/root/sysroot' /proc/mounts | cut -d ' ' -f 3
			sha256sum --quiet -c ../sum; grep -c target /proc/mounts" \
		-w 'strace -D -f -qq --seccomp-bpf -o /dev/null -e trace=symlinkat -e inject=symlinkat:error=ENOSPC:when=2' \
		-- tmpfsroot /sysroot
	[[ $output == *'symlink: No space left on device'*'booting from where it is'* ]]
	[[ $output == *"SwitchRoot ['/sysroot', '/sbin/init']"*$'\next4\n0' ]]
}

@test "service: no os-release, no init, bind, no NEWROOT: refused with nothing changed" {
	for case in 'systemd switches to no other tree:rm sysroot/etc/os-release:' \
		'opening /sbin/init in /sysroot:rm sysroot/sbin/init:' 'is for an initramfs, not:true:rd.tmpfsroot.method=bind'; do
		IFS=: read -r text change words <<<"$case"
		rm -rf "$BATS_TEST_TMPDIR"/{root,manager.log}
		service "$bound; $change" -k "root=tmpfsroot $words" -a 'ls sysroot' -- tmpfsroot /sysroot
		[[ $output == *"$text"* ]]
		[[ $output == *$'\nprobe\n'* ]]
	done
}

# The quiet one has an abstract socket, and takes long enough to tell twice.
@test "service: the manager is told how far it is, and the journal, but where that is to be quiet" {
	local words files socket
	for words in quiet ''; do
		files=40 socket=/run/notify
		[ -z "$words" ] || files=100 socket=@tmpfsroot-test-$$
		rm -rf "$BATS_TEST_TMPDIR"/{root,manager.log}
		NOTIFY_SOCKET=$socket service "$bound; mkdir sysroot/slow; for i in \$(seq $files); do echo \$i >sysroot/slow/\$i; done" \
			-k "root=tmpfsroot $words" -a "$manager" -w 'strace -D -f -qq --seccomp-bpf -o /dev/null -e trace=openat -e inject=openat:delay_enter=20000' \
			-- tmpfsroot /sysroot
		[[ $output == *'notified STATUS=moving: '*' of '*'entries'* ]]
		if [ -n "$words" ]; then
			[ "$(grep -c 'notified STATUS=moving: ' <<<"$output")" -ge 2 ]
			[[ $output != *'tmpfsroot: moving: '* ]]
		else
			grep -q '^tmpfsroot: moving: .* of .* entries$' <<<"$output"
		fi
	done
}

# systemd has done the first since its version 256.
@test "service: of mounts of the initramfs itself a read-only /usr is not carried, others are made anew" {
	service "$whole; mkdir data other; echo kept >data/file; mount --bind usr usr; mount -o remount,bind,ro usr
		mount --bind data other; mount -o remount,bind,nodev other; mount --bind . sysroot" -k root=tmpfsroot \
		-a "ls sysroot/usr/bin; touch sysroot/usr/new && echo writable; cat sysroot/other/file
			grep '/root/sysroot' /proc/mounts | cut -d ' ' -f 2-4 | sed 's|.*/root/||'" -- tmpfsroot /sysroot
	[ "$status" -eq 0 ]
	[[ $output == *tmpfsroot$'\nwritable\nkept\n'*'sysroot/other tmpfs rw,nodev,'* ]]
	[ "$(grep -c '^sysroot.* tmpfs ' <<<"$output")" -eq 2 ]
}
