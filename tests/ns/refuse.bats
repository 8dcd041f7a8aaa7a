#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What cannot work is refused in one sentence before anything changes. PID 1 then reboots, which
# ends a PID namespace by SIGHUP: status 129.

# shellcheck disable=SC2016 # the code in quotes is for the root that is booted
load namespace

# refuses SENTENCE [OPTION...] -- COMMAND: the pattern is printed once, nothing is touched.
refuses()
{
	local sentence=$1

	shift
	boot -a unchanged "$@"
	[ "$status" -eq 129 ]
	[[ "${lines[0]}" == "tmpfsroot: "$sentence ]]
	[ "${lines[1]}" = "tmpfsroot: rebooting" ]
}

@test "not PID 1" {
	boot -a unchanged -w "sh -c '\"\$@\"; exit \$?' -" -- tmpfsroot /init
	[ "$status" -eq 1 ]
	[[ "$output" == "tmpfsroot: this is process "*", expected PID 1 "* ]]
}

@test "/ is not an initramfs" {
	refuses "/ is ext4 (/dev/loop"*"expected an initramfs"*"rdinit=, or name a NEWROOT" \
		-t ext4 -- tmpfsroot --onfail=reboot /init
}

@test "no INIT" {
	refuses "no INIT is given: usage: "* -- tmpfsroot --onfail=reboot
}

@test "INIT is missing" {
	refuses "opening /sbin/none in the initramfs: No such file or directory; name an init that is there" \
		-- tmpfsroot --onfail=reboot /sbin/none
}

@test "INIT is missing, and has a longer name than the kernel log has room for: the errno and the way out are told" {
	refuses "opening /0"*"1/0"*"0...0"*"9 in the initramfs: No such file or directory; name an init that is there" \
		-- tmpfsroot --onfail=reboot "$(printf '/%0200d' {1..9})"
	[ "${#lines[0]}" -eq 906 ]
}

@test "INIT is not executable" {
	refuses "/init in the initramfs is not executable (mode 0644): chmod +x it" -p 'chmod 644 init' \
		-- tmpfsroot --onfail=reboot /init
}

@test "a directory is a NEWROOT, and has to be mounted" {
	refuses "NEWROOT /etc is not a mount point: mount the new root there" \
		-- tmpfsroot --onfail=reboot /etc /init
	refuses "NEWROOT /etc is not a mount point"* -- tmpfsroot --onfail=reboot /etc
	refuses "no INIT is given: usage: "* -- tmpfsroot --onfail=reboot
}

@test "INIT is a symlink loop" {
	refuses "opening /loop in the initramfs: "*"ymbolic link"* -p 'ln -s pool loop; ln -s loop pool' \
		-- tmpfsroot --onfail=reboot /loop
}

@test "INIT leads out of the tree by its symlink, and is looked for in the tree" {
	boot -p 'mkdir sbin; ln -s ../../../../init sbin/init' -- tmpfsroot /sbin/init
	[ "${lines[0]}" = "init: /sbin/init  TMPFSROOT=1" ]
}

@test "a script's interpreter is missing" {
	refuses "opening /bin/perl (the interpreter of init) in the initramfs: No such file"* \
		-p 'printf "#!/bin/perl -w\n" >script; chmod +x script' -- tmpfsroot --onfail=reboot /script
}

@test "a program's interpreter is missing" {
	refuses "opening /lib"*"/no"*" (the interpreter of init) in the initramfs: No such"* \
		-p 'sed "s|\(/lib[0-9]*/\)ld|\1no|" "$top/build/tmpfsroot" >dynamic; chmod 755 dynamic' -- tmpfsroot --onfail=reboot /dynamic
}

@test "INIT is no program" {
	refuses "/text in the initramfs is neither a #! script nor a program for this machine"* \
		-p 'echo hello >text; chmod +x text' -- tmpfsroot --onfail=reboot /text
}

@test "INIT is a program for another machine" {
	refuses "/foreign in the initramfs is neither a #! script nor a program for this machine"* \
		-p 'cp bin/busybox foreign; printf "\376\312" | dd of=foreign bs=1 seek=18 conv=notrunc status=none' \
		-- tmpfsroot --onfail=reboot /foreign
}

@test "the new root cannot be put over /: what was moved is given back" {
	boot -k '' -a unchanged -w "strace -D -f -qq --seccomp-bpf -o /dev/null -e trace=move_mount -e inject=move_mount:error=EINVAL:when=1" -- tmpfsroot --onfail=reboot /init
	[ "$status" -eq 129 ]
	[[ "$output" == *"moving the new root onto /: move_mount: Invalid argument"* ]]
	[[ "$output" == *"all that was moved is back in its place"* ]]
}

@test "scripts that interpret each other" {
	refuses "/a in the initramfs: its interpreters name each other"* \
		-p 'echo "#!/a" >b; echo "#!/b" >a; chmod +x a b' -- tmpfsroot --onfail=reboot /a
}

@test "INIT is the helper itself" {
	not_by_memcheck "the program in its /proc/self/exe is not in this root"
	refuses "/sbin/init is tmpfsroot itself: name another init" \
		-p 'mkdir sbin; ln -s /usr/bin/tmpfsroot sbin/init' -- tmpfsroot --onfail=reboot /sbin/init
}

@test "INIT is excluded" {
	refuses "/init is left out by rd.tmpfsroot.exclude=/i*: change that" \
		-- tmpfsroot --onfail=reboot '--exclude=/i*' /init
}

@test "a tmpfs option that does not exist" {
	refuses "tmpfs option siez=2G: Invalid argument; change it in rd.tmpfsroot.opts=" \
		-- tmpfsroot --onfail=reboot --opts=siez=2G /init
	local long
	long=$(printf 'x%.0s' {1..300})
	refuses "tmpfs option ${long:0:32}...: no option is that long: change it in rd.tmpfsroot.opts=" \
		-- tmpfsroot --onfail=reboot "--opts=size=1G,$long" /init
}

@test "a size that does not parse, on each way in" {
	refuses "tmpfs option size=2Q: Invalid argument; change it in rd.tmpfsroot.opts=" \
		-- tmpfsroot --onfail=reboot --opts=size=2Q /init
	refuses "kernel command line: rd.tmpfsroot.minmem=lots is wrong: expected a size such as 64M,"* \
		-k 'rd.tmpfsroot.minmem=lots rd.tmpfsroot.onfail=reboot' -- tmpfsroot /init
	refuses "tmpfsroot.conf: rd.tmpfsroot.minmem=-1 is wrong: expected a size such as 64M,"* \
		-p 'printf "%s\n" rd.tmpfsroot.minmem=-1 rd.tmpfsroot.onfail=reboot >etc/tmpfsroot.conf' \
		-- tmpfsroot /init
}

@test "an option that does not exist, of one who is not PID 1" {
	boot -n -k '' -a unchanged -- tmpfsroot --none /init
	[ "$status" -eq 2 ]
	[ "$output" = "tmpfsroot: option: unknown word none: see tmpfsroot.cmdline(7)" ]
}

@test "root=tmpfsroot where / is no initramfs" {
	refuses "root=tmpfsroot: / is ext4 (/dev/loop"*"), expected an initramfs (ramfs or tmpfs)" -t ext4 -k root=tmpfsroot \
		-p 'mkdir new' -- tmpfsroot --onfail=reboot /new /init
}

@test "a word that does not exist" {
	refuses "kernel command line: unknown word rd.tmpfsroot.siez: see tmpfsroot.cmdline(7)" \
		-k 'rd.tmpfsroot.siez=1 rd.tmpfsroot.onfail=reboot' -- tmpfsroot /init
}

@test "a tree that does not fit, by bytes" {
	refuses "the tree needs "*" bytes), the tmpfs holds 1.00 MiB (1048576): raise size= in"* \
		-- tmpfsroot --onfail=reboot --opts=size=1M /init
}

@test "a tree that does not fit, by inodes: to the last one" {
	local needed

	boot -n -- tmpfsroot --dry-run /init
	needed=$(sed -n 's/.*needed: \([0-9]*\) inodes/\1/p' <<<"$output")
	refuses "the tree needs $needed inodes, the tmpfs holds $((needed - 1)): raise nr_inodes="* \
		-- tmpfsroot --onfail=reboot --opts=nr_inodes=$((needed - 1)) /init
	boot -- tmpfsroot --opts=nr_inodes="$needed" /init
	[ "${lines[0]}" = "init: /init  TMPFSROOT=1" ]
}

# The tree of the tmpfs has no extended attributes: since Linux 6.6 they take from the inodes, and they
# are not counted before.
@test "limits hit exactly, by bytes and by inodes: it fits at N, is refused at N-1, and N is what it takes" {
	local bytes inodes type tree="hardtree --small tree"

	for type in ramfs tmpfs; do
		[ "$type" = ramfs ] || tree="cp -R --no-dereference bin tree"
		boot -n -t "$type" -p "$tree" -- tmpfsroot --dry-run --opts=nr_inodes=100k /init
		bytes=$(sed -n 's/^bytes to allocate: \([0-9]*\) .*/\1/p' <<<"$output")
		inodes=$(sed -n 's/.*needed: \([0-9]*\) inodes/\1/p' <<<"$output")
		boot -t "$type" -p "$tree" -a 'stat -f -c "%f %d" "$root"' -- \
			tmpfsroot --opts="size=$bytes,nr_inodes=$inodes" /init
		[ "${lines[0]}" = "init: /init  TMPFSROOT=1" ]
		[[ "${lines[1]}" =~ ^0\ [0-4]$ ]] # the names of API file systems may be there already
		refuses "the tree needs "*" ($bytes bytes), the tmpfs holds "*": raise size= "* -t "$type" -p "$tree" -- \
			tmpfsroot --onfail=reboot --opts="size=$((bytes - 4096))" /init
		refuses "the tree needs $inodes inodes, the tmpfs holds $((inodes - 1)): raise nr_inodes="* \
			-t "$type" -p "$tree" -- tmpfsroot --onfail=reboot --opts="nr_inodes=$((inodes - 1))" /init
	done
}

@test "no memory for it" {
	refuses [0-9]*" of memory are available, the move needs "*" and "*" must stay available: lower rd."* \
		-- tmpfsroot --onfail=reboot --minmem=100% /init
}


@test "onfail=poweroff" {
	boot -a unchanged -- tmpfsroot --onfail=poweroff /none
	[ "$status" -eq 130 ]
	[ "${lines[1]}" = "tmpfsroot: powering off" ]
}

@test "onfail=continue starts init where it is, and tells it" {
	boot -a unchanged -- tmpfsroot --onfail=continue --opts=size=1M /init a
	[ "$status" -eq 0 ]
	[ "${lines[1]}" = "tmpfsroot: going on without the move" ]
	[ "${lines[2]}" = "init: /init a TMPFSROOT=0" ]
}

@test "onfail=continue does not loop where init asks again" {
	boot -p 'printf "#!/bin/sh\nexec tmpfsroot --onfail=\$1 --opts=size=1M /init reboot\n" >init' \
		-- tmpfsroot --onfail=continue --opts=size=1M /init reboot
	[ "$status" -eq 129 ]
	[[ "$output" == *"the move has failed, init was started where it is and asks again"* ]]
}

@test "onfail=shell gives a shell, and tries again with the same arguments when it ends" {
	not_by_memcheck "the program in its /proc/self/exe is not in this root"
	boot -p 'chmod -x init; rm bin/sh; cat >bin/sh <<-"EOF"
			#!/bin/busybox sh
			case ${1-} in
			/init) echo "init: $* $(/bin/stat -f -c %S:%b /)" ;;
			*) echo in the shell; /bin/busybox chmod +x /init ;;
			esac
		EOF
		chmod +x bin/sh' -- tmpfsroot --onfail=shell --opts=size=64M /init one two
	[ "$status" -eq 0 ]
	[[ "$output" == *"a shell follows; leave it (exit) to try again"*"in the shell"* ]]
	[[ "$output" == *"init: /init one two 4096:16384"* ]]
}

@test "rd.shell=0 gives no shell: PID 1 waits for ever" {
	local seconds=${TMPFSROOT_TEST_SECONDS:+30} # where the processor is slow

	run timeout -s KILL "${seconds:-2}" "$BATS_TEST_DIRNAME/boot" -k rd.shell=0 "$BATS_TEST_TMPDIR" tmpfsroot /none
	[ "$status" -eq 137 ]
	[[ "$output" == *"there is no shell to be had (rd.shell=0): waiting for ever"* ]]
}

@test "crash kernel: init is started where it is" {
	boot -a unchanged -k elfcorehdr=0x1000 -- tmpfsroot /init
	[ "${lines[0]}" = "init: /init  TMPFSROOT=0" ]
}

@test "crash kernel: /proc/vmcore tells it, too" {
	boot -a unchanged -k '' -w "strace -D -f -qq --seccomp-bpf -o ../trace -e trace=faccessat,faccessat2 -e inject=faccessat,faccessat2:retval=0:when=1" \
		-- tmpfsroot /init
	grep -Eq 'faccessat2?\([0-9]*, "vmcore", F_OK(, 0)?\) *= 0 \(INJECTED\)' "$BATS_TEST_TMPDIR/trace"
	[ "${lines[0]}" = "init: /init  TMPFSROOT=0" ]
}

@test "crash kernel: init is started where it is even where a word is wrong" {
	boot -a unchanged -k 'elfcorehdr=0x1000 rd.tmpfsroot.opts=size=bogus' -- tmpfsroot /init
	[ "$status" -eq 0 ]
	[[ "$output" == *"init: /init  TMPFSROOT=0" ]]
}

@test "a mount point is excluded: it is made all the same, and so are the directories that lead there" {
	boot -k '' -p 'mkdir -p data/deep; mount -t tmpfs data data/deep; echo kept >data/deep/file; echo cat /data/deep/file >probe' \
		-- tmpfsroot --exclude=/sys:/proc:/data /init
	[ "$status" -eq 0 ]
	[ "${lines[1]}" = kept ]
}

@test "init's interpreter is excluded: all is given back" {
	boot -a unchanged -k rd.tmpfsroot.onfail=reboot -- tmpfsroot --exclude=busybox /init
	[ "$status" -eq 129 ]
	[[ "${lines[0]}" == *"/bin/sh (the interpreter of init) in what rd.tmpfsroot.exclude= leaves"* ]]
	[ "${lines[1]}" = "tmpfsroot: all that was moved is back in its place" ]
}

@test "the new root cannot be entered: nothing is lost" {
	boot -k rd.tmpfsroot.onfail=reboot -a unchanged -w "strace -D -f -qq --seccomp-bpf -o /dev/null -e trace=chroot -e inject=chroot:error=EPERM:when=2" -- tmpfsroot /init
	[ "$status" -eq 129 ]
	[[ "$output" == *"all that was moved is back in its place"* ]]
}

@test "PID 1 does not end where it is only asked" {
	boot -k rd.tmpfsroot.onfail=poweroff -- tmpfsroot --status
	[ "$status" -eq 130 ]
	[[ "$output" == *"PID 1 does not end: ask this from a shell"* ]]
}

@test "crash kernel: an init that asks again is not started for ever" {
	boot -k 'elfcorehdr=0x1000 rd.tmpfsroot.onfail=reboot' \
		-p 'printf "#!/bin/sh\necho round\nexec tmpfsroot /init\n" >init' -- tmpfsroot /init
	[ "$status" -eq 129 ]
	[ "$(grep -c '^round$' <<<"$output")" -eq 1 ]
	[[ "$output" == *"init was started where it is and asks again"* ]]
}

@test "a carriage return behind a script's interpreter is seen" {
	refuses 'opening /bin/sh?x0d (the interpreter of init) in the initramfs: No such file or directory; name an init that is there' \
		-p 'printf "#!/bin/sh\r\n" >init' -- tmpfsroot --onfail=reboot /init
}
