# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the tests of a generator's images share: booting one that $MAKER-image has made (MAKER: dracut,
# mkinitcpio or initramfs-tools), with systemd in it or without (KIND: systemd or none), and looking into
# what guest/system reported there.

# shellcheck disable=SC2034 # used by the tests

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

maker=${MAKER:-dracut}
kind=${KIND:-none}
logs=$logs-$maker-$kind
# The image is itself the system, by this init in it.
program=/usr/lib/guest/system
# The generator's own files in /run. mkinitcpio's systemd leaves none there.
carried=/run/initramfs
[ "$maker-$kind" != mkinitcpio-systemd ] || carried='(/run/initramfs)?'
# The root is on a disk that nothing but us may write to.
disk='root=LABEL=system ro rd.skipfsck fsck.mode=skip'
# Where that disk, or a tree in the image, is seen before the switch.
case $maker-$kind in
*-systemd | dracut-*) newroot=/sysroot ;;
mkinitcpio-*) newroot=/new_root ;;
*) newroot=/root ;;
esac

# need_maker: a test file's setup.
need_maker() {
	[ "$maker" != mkinitcpio ] || command -v "${MKINITCPIO:-mkinitcpio}" >/dev/null ||
		skip "there is no mkinitcpio in PATH, and MKINITCPIO names none"
}

# machine NAME IMAGE DISK WORDS...: boots an image, with a copy of DISK where that is not "-".
# $logs/NAME.disk says whether the disk is what it was. $expect and $typed are as for boot.
machine() {
	local name=$1 image=$2 disk=$3 from disks copy=$logs/$1.img
	shift 3
	need "$top/build/tmpfsroot" "$tools/oldroot"
	from=$("$vm/$maker-image" "$suite")
	disks=$("$vm/disks" "$suite")
	mkdir -p "$logs"
	# Without systemd dracut does not wait for udevd's last workers, and one may make
	# names in the old /dev or /run after the deletion: that machine is started again, too.
	for _ in 1 2 3; do
		[ "$disk" = - ] || cp --sparse=always "$disks/$disk" "$copy"
		"$vm/run" ${disk:+$([ "$disk" = - ] || echo -d "$copy")} ${expect:+-e "$expect"} -a "systemd.getty_auto=0 $*" \
			"$disks/vmlinuz" "$logs/$name.log" "$from/$kind-$image.cpio" <<<"${typed-}" || echo "$name was stopped: $?"
		is_lost "$name" '^RESULT oldroot=/(dev|run)|: /run/udev has appeared' || break
	done
	sed -i 's/\r//g' "$logs/$name.log"
	[ "$disk" != - ] || return 0
	cmp "$disks/$disk" "$copy" >"$logs/$name.disk" && echo same >"$logs/$name.disk"
	rm -f "$copy"
}

# unwritten NAME: its disk was only read.
unwritten() {
	[ "$(cat "$logs/$1.disk")" = same ] || {
		echo "$1: the disk was written to: $(cat "$logs/$1.disk")"
		return 1
	}
}

# in_memory NAME SOURCE [WARNINGS]: the root is a tmpfs of ours, whole, and nothing is left of what it was.
in_memory() {
	ended "$1"
	mounted_once "$1" / tmpfs rw mode=755
	[[ $(result "$1" mount) == *'/ tmpfs tmpfsroot '* ]]
	shows "$1" 'RESULT root_mode=755 0:0'
	shows "$1" 'RESULT root_has_parent=yes'
	shows "$1" 'RESULT initrd_release='
	matches "$1" "^RESULT run=(kept)? $carried\$"
	shows "$1" 'RESULT oldroot='
	[ "$(result "$1" unevictable)" -lt 4096 ] # kilobytes: the initramfs is not in memory
	shows "$1" 'RESULT bubblewrap=ok pid 2'
	matches "$1" "^REPORT  *\"source\": \"$2\",\$"
	matches "$1" "^REPORT  *\"warnings\": \[${3-}\]\$"
	[ "$(grep -c '^KMSG tmpfsroot: / is a tmpfs: ' "$logs/$1.log")" = 1 ]
	matches "$1" '^RESULT status=.*"tmpfsroot": true,.*"pivot_root": true,.*"summary": "/ is a tmpfs'
}

# tree_in_memory NAME: likewise, of the tree in the image, which has attributes. A tmpfs of Linux 6.1 has none of users.
tree_in_memory() {
	local users='user.note ' lost=
	[ "$suite" != bookworm ] || users='' lost=' "1 of [0-9]+ attributes of /etc/tmpfsroot.xattrs are not set; .*" '
	in_memory "$1" directory "$lost"
	shows "$1" "RESULT attributes=security.capability system.posix_acl_access $users"
}

# a_system NAME: systemd runs it, no unit has failed, and the journal has the summary once.
a_system() {
	shows "$1" 'RESULT failed='
	shows "$1" 'RESULT journal=1'
}

# given NAME: the arguments and environment of its init, but for the kernel's words and a descriptor.
given() {
	sed -n 's/^RESULT \(argv\|env\)=/\1=/p' "$logs/$1.log" | sed 's/CMDLINE=[^|]*|//; s/--deserialize=[0-9]*//
		s/|detach|/|/; s/|overlay|/|/'
}

# given_alike NAME OTHER
given_alike() {
	diff <(given "$1") <(given "$2")
	[ -n "$(given "$1")" ]
}

# ours TEXT: the beginning of a message, by whichever of the program's names, and TEXT.
ours() {
	echo "(tmpfsroot|switch_root|run-init).*: $1"
}

# refused NAME TEXT: with its reason, and nothing has booted; the machine is off or restarts.
refused() {
	matches "$1" "$(ours "$2")"
	never "$1" 'GUEST DONE|Kernel panic'
	matches "$1" 'reboot: (Power down|Restarting system)'
	[ ! -e "$logs/$1.disk" ] || unwritten "$1"
}

# stays NAME TEXT: with a warning it boots from where it is.
stays() {
	matches "$1" "$(ours "$2")"
	matches "$1" "$(ours 'the real root is not moved: booting from where it is')"
	ended "$1"
	mounted_once "$1" / ext4 ro
	shows "$1" 'RESULT oldroot='
	unwritten "$1"
}

# ordinary NAME OTHER: NAME, where none of our words was asked for, is a boot as OTHER, where we were not.
ordinary() {
	ended "$1"
	ended "$2"
	mounted_once "$1" / ext4 rw
	diff <(result "$1" mount | cut -d ' ' -f 1,2 | sort) <(result "$2" mount | cut -d ' ' -f 1,2 | sort)
	[ "$(result "$1" failed)" = "$(result "$2" failed)" ]
	shows "$1" 'RESULT oldroot='
	matches "$1" "^RESULT run= $carried\$"
	never "$1" '^KMSG .*is a tmpfs'
	given_alike "$1" "$2"
}
