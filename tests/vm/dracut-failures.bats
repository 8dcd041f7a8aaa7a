#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Images of dracut whose boot is refused, or interrupted by its user, with systemd in the initramfs or
# without (KIND): the reason is on the console, what dracut's users expect follows, and the disk is what
# it was.

# shellcheck source=SCRIPTDIR/image.bash
source "$BATS_TEST_DIRNAME/image.bash"

off='rd.shell=0 rd.emergency=poweroff'
small=rd.tmpfsroot.opts=size=1M
# How the emergency shell begins, and what is typed there: the first line, an empty one, is for sulogin.
shell='Press Enter for (system )?maintenance|tmpfsroot:.*# '
# shellcheck disable=SC2016 # for the shell over there
answer='echo "SHELL $((6 * 7))"'
off_by_hand=$([ "$kind" = systemd ] && echo 'poweroff -f' || echo '/usr/bin/busybox poweroff -f')

# types NAME LINES IMAGE DISK WORDS...: a machine whose emergency shell gets the lines.
types() {
	expect=$shell typed=$'\n'$answer$'\n'$2 machine "$1" "${@:3}"
	matches "$1" 'SHELL 42'
}

for_systemd() {
	[ "$kind" = systemd ] || skip "without systemd PID 1 moves, and no signal ends it"
}

@test "yes, and it does not fit: dracut's emergency shell, which has what it had" {
	[ "$kind" = systemd ] || left_to_check_all 'it is shown with systemd'
	types shell $'ls /sysroot\n'"$off_by_hand" image disk.ext4 "$disk" rd.tmpfsroot=yes $small
	[ "$kind" = systemd ] || matches shell 'dracut Warning: tmpfsroot could not switch root'
	matches shell ': the tree needs .* raise size= in rd.tmpfsroot.opts='
	matches shell 'lost\+found|usr'
	unwritten shell
}

@test "yes, and it does not fit: rd.shell=0 and rd.emergency=poweroff follow" {
	left_to_check_all 'one more refusal'
	machine no-fit image disk.ext4 "$disk" rd.tmpfsroot=yes $small "$off"
	refused no-fit 'the tree needs .* raise size= in rd.tmpfsroot.opts='
}

@test "a wrong word: rd.emergency=reboot follows" {
	left_to_check_all 'one more refusal'
	machine wrong image disk.ext4 "$disk" rd.tmpfsroot=maybe rd.shell=0 rd.emergency=reboot
	refused wrong 'kernel command line: rd.tmpfsroot=maybe is wrong: expected no, yes or auto'
}

# Without systemd dracut looks for an init itself.
@test "a root without an init" {
	left_to_check_all 'one more refusal'
	machine no-init image empty.ext4 "$disk" rd.tmpfsroot=yes "$off"
	never no-init 'GUEST DONE'
	unwritten no-init
	if [ "$kind" = systemd ]; then
		matches no-init 'tmpfsroot.*: opening /sbin/init in /sysroot: No such file'
		matches no-init 'reboot: Power down'
	else
		matches no-init 'Cannot find init!'
	fi
}

@test "another fills the tmpfs in the middle of the move: all is as it was" {
	local system words='root=tmpfsroot rd.tmpfsroot.opts=size=80M fill'
	left_to_check_all 'tests/ns/faults.py has the way back'
	# In the tree, which has more than the initramfs.
	system='LD_LIBRARY_PATH=/sysroot/usr/lib/x86_64-linux-gnu /sysroot/usr/bin/busybox chroot /sysroot /usr/bin/busybox'
	types fill "$system md5sum -c /sums | $system sed 's/.*: //' | $system sort | $system uniq -c
$([ "$kind" = systemd ] && echo poweroff -f || echo "$system poweroff -f")" tree - "$words"
	machine fill-disk image disk.ext4 "$disk" rd.tmpfsroot=yes rd.tmpfsroot.opts=size=80M fill "$off"
	refused fill-disk '.*: No space left on device'
	matches fill '(tmpfsroot|switch_root).*: .*: No space left on device'
	matches fill '(tmpfsroot|switch_root).*: all that was moved is back in its place'
	matches fill '^ *[1-9][0-9]{2,} OK$'
	never fill '^ *[0-9]+ FAILED'
}

@test "the service is killed in the middle of the move: nothing is lost, and the next run is refused" {
	for_systemd
	left_to_check_all 'tests/ns/faults.py has kills'
	types killed $'systemctl start initrd-switch-root.service\npoweroff -f' tree - 'root=tmpfsroot kill=KILL'
	matches killed 'tmpfsroot.*: a move was interrupted: what is missing in the tree is in /run/tmpfsroot/target; restart the machine'
	never killed 'GUEST DONE|Kernel panic'
}

@test "the service is stopped in the middle of the move: all is back, and the next run moves all" {
	for_systemd
	left_to_check_all 'tests/ns/faults.py has signals'
	types stopped exit tree - 'root=tmpfsroot kill=stop'
	matches stopped 'tmpfsroot.*: a signal has ended the move'
	matches stopped 'tmpfsroot.*: all that was moved is back in its place'
	tree_in_memory stopped
}

# With a limit that only a test sets.
@test "the service's time is over in the middle of the move: all is back, and the next run moves all" {
	for_systemd
	left_to_check_all 'the unit has no limit of time'
	expect='Press Enter' typed=$'\nexit' machine timeout tree - 'root=tmpfsroot kill=timeout'
	matches timeout 'test: Result=timeout'
	matches timeout 'tmpfsroot.*: a signal has ended the move'
	matches timeout 'tmpfsroot.*: all that was moved is back in its place'
	tree_in_memory timeout
}

@test "rd.break: a shell before us, and then the move" {
	left_to_check_all "dracut's own word"
	shell='Press Enter for (system )?maintenance|switch_root:.*# '
	if [ "$kind" = systemd ]; then
		types break exit image disk.ext4 "$disk" rd.tmpfsroot=yes rd.break=pre-pivot rd.debug \
			SYSTEMD_SULOGIN_FORCE=1
	else
		types break exit image disk.ext4 "$disk" rd.tmpfsroot=yes rd.break
	fi
	in_memory break realroot
}
