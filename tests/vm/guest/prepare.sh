# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2154,SC3013
#
# A hook of dracut's images, the last before the switch, which dracut's shell reads. By words on the kernel's
# command line it makes, as is done without us, an overlay over the root, or a copy of it by cp; or one who, once
# the move has begun, fills the new tmpfs (PID 1 has it as a descriptor alone), kills who moves, lets systemd stop
# it, or lets its time be over.

read -r uptime _ </proc/uptime
echo "$uptime" >/run/step
# Debian 13's root has a locked password in the initramfs, and so no emergency shell.
[ ! -e /etc/shadow ] || sed -i 's/^root:[^:]*:/root::/' /etc/shadow
if getarg copy; then
	mkdir -p /run/copy
	mount -t tmpfs -o mode=0755 copy /run/copy
	cp -a "$NEWROOT/." /run/copy
	umount "$NEWROOT"
	mount --bind /run/copy "$NEWROOT"
	umount /run/copy
fi
if getarg overlay; then
	mkdir -p /run/overlay/upper /run/overlay/work /run/overlay/lower
	mount -o ro "${root#block:}" /run/overlay/lower
	umount "$NEWROOT"
	mount -t overlay -o lowerdir=/run/overlay/lower,upperdir=/run/overlay/upper,workdir=/run/overlay/work \
		overlay "$NEWROOT"
	echo kept >/run/carried
fi
# movers SIGNAL: to whatever moves, but for PID 1.
movers() {
	for process in /proc/[1-9]*; do
		read -r name 2>/dev/null <"$process/comm" || continue
		[ "$name" != tmpfsroot ] || kill -s "$1" "${process#/proc/}"
	done
}
signal=$(getarg kill=) || :
if getarg fill || { [ -n "$signal" ] && ! [ -e /run/killed ]; }; then
	: >/run/killed
	if [ -e /sys/fs/cgroup/cgroup.procs ]; then
		echo 0 >/sys/fs/cgroup/cgroup.procs
		slow=/run/systemd/system/initrd-switch-root.service.d/zz-slow.conf # the last to be read
		mkdir -p "${slow%/*}"
		printf '[Service]\nCPUQuota=10%%\n' >"$slow"
		systemctl daemon-reload
	else # PID 1 is who moves: no signal stops it, but it can be slow
		mkdir /run/slow
		mount -t cgroup2 slow /run/slow
		echo +cpu >/run/slow/cgroup.subtree_control
		mkdir /run/slow/mover
		echo '10000 100000' >/run/slow/mover/cpu.max
		echo 1 >/run/slow/mover/cgroup.procs
	fi
	(
		[ ! -d /run/slow ] || echo 0 >/run/slow/cgroup.procs
		while :; do
			for target in /run/tmpfsroot/target /proc/1/fd/*; do
				cd "$target" 2>/dev/null || continue
				if [ -d usr/bin ] && ! [ . -ef "$NEWROOT/." ] && ! [ . -ef / ]; then
					case $signal in
					'')
						movers STOP
						cat /dev/zero >filled 2>/dev/null
						movers CONT
						;;
					stop) systemctl stop initrd-switch-root.service ;;
					timeout)
						movers STOP # systemd's SIGTERM has a SIGCONT behind it
						echo TimeoutStartSec=1 >>"$slow" # which is over, from now on
						systemctl daemon-reload
						while [ "$(systemctl show -P SubState initrd-switch-root.service)" = start ]; do
							sleep 0.2
						done
						echo "<2>test: $(systemctl show -p Result initrd-switch-root.service)" >/dev/kmsg
						;;
					*) movers "$signal" ;;
					esac
					if [ -d /run/slow ]; then
						echo max >/run/slow/mover/cpu.max
					else
						rm "$slow"
						systemctl daemon-reload
					fi
					exit
				fi
			done
		done
	) &
fi
