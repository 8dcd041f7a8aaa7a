#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Images of dracut whose boot is refused, or interrupted by its user, with systemd in the initramfs and
# without: the reason is on the console, what dracut's users expect follows, and the disk is what it
# was.

maker=dracut-image
# shellcheck source=SCRIPTDIR/image.bash
source "$BATS_TEST_DIRNAME/image.bash"

off='rd.shell=0 rd.emergency=poweroff'
small=rd.tmpfsroot.opts=size=1M

@test "yes, and it does not fit: rd.shell=0 and rd.emergency=poweroff follow" {
	both no-fit bookworm image disk.ext4 "$disk" rd.tmpfsroot=yes $small "$off"
	refused no-fit 'the tree needs .* raise size= in rd.tmpfsroot.opts='
}

@test "auto, and it does not fit: the disk boots, with a warning" {
	both auto trixie image disk.ext4 "$disk" rd.tmpfsroot=auto $small
	stays auto 'the tree needs '
}

@test "yes and onfail=continue, and it does not fit: the disk boots, with a warning" {
	both continue forky image disk.ext4 "$disk" rd.tmpfsroot=yes rd.tmpfsroot.onfail=continue $small
	stays continue 'the tree needs '
}

@test "a wrong word: rd.emergency=reboot follows; by onfail=continue the disk boots" {
	both wrong trixie image disk.ext4 "$disk" rd.tmpfsroot=maybe rd.shell=0 rd.emergency=reboot
	refused wrong 'kernel command line: rd.tmpfsroot=maybe is wrong: expected no, yes or auto'
	both wrong-continue bookworm image disk.ext4 "$disk" rd.tmpfsroot.minmem=much rd.tmpfsroot.onfail=continue
	stays wrong-continue 'kernel command line: rd.tmpfsroot.minmem=much is wrong'
}

# Without systemd dracut looks for an init itself.
@test "a root without an init" {
	both no-init forky image empty.ext4 "$disk" rd.tmpfsroot=yes "$off"
	matches systemd-no-init 'tmpfsroot.*: opening /sbin/init in /sysroot: No such file'
	matches none-no-init 'Cannot find init!'
	for name in {systemd,none}-no-init; do
		never "$name" 'GUEST DONE'
		unwritten "$name"
	done
	matches systemd-no-init 'reboot: Power down'
}

@test "in a crash kernel the module stays out" {
	both crash bookworm image disk.ext4 "$disk" rd.tmpfsroot=yes rd.tmpfsroot.minmem=much elfcorehdr=1M
	for name in {systemd,none}-crash; do
		shows "$name" 'GUEST DONE'
		mounted_once "$name" / ext4 ro
		never "$name" '^KMSG .*is a tmpfs'
	done
}

@test "yes, and it does not fit: dracut's emergency shell, which has what it had" {
	local pid
	typed systemd-shell 'Press Enter for maintenance|Entering emergency mode' "$shell ls /sysroot; poweroff -f" \
		bookworm systemd-image disk.ext4 "$disk" rd.tmpfsroot=yes $small &
	pid=$!
	typed none-shell 'tmpfsroot:.*# ' "$shell ls /sysroot; /usr/bin/busybox poweroff -f" \
		bookworm none-image disk.ext4 "$disk" rd.tmpfsroot=yes $small
	wait "$pid"
	matches none-shell 'dracut Warning: tmpfsroot could not switch root'
	for name in {systemd,none}-shell; do
		matches "$name" ': the tree needs .* raise size= in rd.tmpfsroot.opts='
		matches "$name" 'SHELL 42'
		matches "$name" 'lost\+found|usr'
		unwritten "$name"
	done
}

@test "another fills the tmpfs in the middle of the move: all is as it was" {
	local pid system check words='root=tmpfsroot rd.tmpfsroot.opts=size=80M fill'
	# In the tree, which has more than the initramfs.
	system='LD_LIBRARY_PATH=/sysroot/usr/lib/x86_64-linux-gnu /sysroot/usr/bin/busybox chroot /sysroot /usr/bin/busybox'
	check="$system md5sum -c /sums | $system sed 's/.*: //' | $system sort | $system uniq -c"
	typed systemd-fill 'Press Enter for maintenance|Entering emergency mode' "$shell $check; poweroff -f" \
		bookworm systemd-tree - "$words" &
	pid=$!
	typed none-fill 'tmpfsroot:.*# ' "$shell $check; $system poweroff -f" \
		bookworm none-tree - "$words"
	wait "$pid"
	both fill-disk forky image disk.ext4 "$disk" rd.tmpfsroot=yes rd.tmpfsroot.opts=size=80M fill "$off"
	refused fill-disk '.*: No space left on device'
	for name in {systemd,none}-fill; do
		matches "$name" '(tmpfsroot|switch_root).*: .*: No space left on device'
		matches "$name" '(tmpfsroot|switch_root).*: all that was moved is back in its place'
		matches "$name" '^ *[1-9][0-9]{2,} OK$'
		never "$name" '^ *[0-9]+ FAILED'
	done
}

@test "systemd: the service is killed in the middle of the move, or stopped; the next run moves all" {
	local pid
	typed systemd-killed 'Press Enter for maintenance|Entering emergency mode' "$shell exit" \
		bookworm systemd-tree - 'root=tmpfsroot kill=KILL' &
	pid=$!
	typed systemd-stopped 'Press Enter for maintenance|Entering emergency mode' "$shell exit" \
		bookworm systemd-tree - 'root=tmpfsroot kill=stop'
	wait "$pid"
	matches systemd-killed 'tmpfsroot.*: a move was interrupted: its tmpfs is on /run/tmpfsroot/target'
	matches systemd-stopped 'tmpfsroot.*: a signal has ended the move'
	for name in systemd-{killed,stopped}; do
		matches "$name" 'SHELL 42'
		matches "$name" 'tmpfsroot.*: all that was moved is back in its place'
	done
	in_memory systemd-killed directory ' "a move was interrupted.*", "all that was moved is back.*" '
	in_memory systemd-stopped directory
}

# With a limit that only a test sets.
@test "systemd: the service's time is over in the middle of the move; the next run moves all" {
	local name=systemd-timeout
	mkdir -p "$logs"
	"$vm/dracut-image" trixie >"$logs/$name-image" 2>&1 # before the time of what is typed begins
	typed "$name" 'Press Enter' ';' trixie systemd-tree - 'root=tmpfsroot kill=timeout'
	matches "$name" 'test: Result=timeout'
	matches "$name" 'tmpfsroot.*: a signal has ended the move'
	matches "$name" 'tmpfsroot.*: all that was moved is back in its place'
	in_memory "$name" directory
}

@test "rd.break: a shell before us, and then the move" {
	local pid
	typed systemd-break 'Press Enter for maintenance' "$shell exit" bookworm systemd-image disk.ext4 "$disk" \
		rd.tmpfsroot=yes rd.break=pre-pivot rd.debug &
	pid=$!
	typed none-break 'switch_root:.*# ' "$shell exit" bookworm none-image disk.ext4 "$disk" \
		rd.tmpfsroot=yes rd.break
	wait "$pid"
	for name in {systemd,none}-break; do
		matches "$name" 'SHELL 42'
		in_memory "$name" realroot
	done
}
