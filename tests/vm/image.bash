# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the tests of a generator's images share: booting one that $maker has made, such as dracut-image,
# and looking into what guest/system reported there.

# shellcheck disable=SC2034 # used by the tests

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

# The image is itself the system, by this init in it.
program=/usr/lib/guest/system
# What is in /run of the generator's own.
carried=/run/initramfs
# The root is on a disk that nothing but us may write to.
disk='root=LABEL=system ro rd.skipfsck fsck.mode=skip'

# machine NAME SUITE IMAGE DISK WORDS...: boots an image of $maker, with a copy of DISK where
# that is not "-". What it wrote on its console is in $logs/NAME.log; $logs/NAME.disk says whether the
# disk is what it was. Standard input is what is typed.
machine() {
	local name=$1 suite=$2 image=$3 disk=$4 from copy=$logs/$1.img
	shift 4
	need "$top/build/tmpfsroot" "$tools/oldroot"
	from=$("$vm/${maker:?}" "$suite")
	rm -f "$logs/$name".{log,disk}
	# Without systemd dracut does not wait for udevd's last workers, and one may make
	# names in the old /dev or /run after the deletion: that machine is started again, too.
	for _ in 1 2 3; do
		[ "$disk" = - ] || cp --sparse=always "$from/$disk" "$copy"
		"$vm/run" ${disk:+$([ "$disk" = - ] || echo -d "$copy")} -a "systemd.getty_auto=0 $*" \
			"$from/vmlinuz" "$logs/$name.log" "$from/$image.cpio" || echo "$name was stopped: $?"
		is_lost "$name" '^RESULT oldroot=/(dev|run)' || break
	done
	sed -i 's/\r//g' "$logs/$name.log"
	[ "$disk" != - ] || return 0
	cmp "$from/$disk" "$copy" >"$logs/$name.disk" && echo same >"$logs/$name.disk"
	rm -f "$copy"
}

# both NAME SUITE IMAGE DISK WORDS...: systemd-NAME and none-NAME, at the same time, when a test first
# asks for them.
both() {
	local name=$1 suite=$2 image=$3 pid
	shift 3
	[ ! -e "$BATS_FILE_TMPDIR/$name" ] || return 0
	mkdir -p "$logs"
	machine "systemd-$name" "$suite" "systemd-$image" "$@" </dev/null &
	pid=$!
	machine "none-$name" "$suite" "none-$image" "$@" </dev/null
	wait "$pid"
	touch "$BATS_FILE_TMPDIR/$name"
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
	shows "$1" 'GUEST DONE'
	never "$1" 'Kernel panic'
	mounted_once "$1" / tmpfs rw mode=755
	[[ $(result "$1" mount) == *'/ tmpfs tmpfsroot '* ]]
	shows "$1" 'RESULT root_mode=755 0:0'
	shows "$1" 'RESULT root_has_parent=yes'
	shows "$1" 'RESULT initrd_release='
	matches "$1" "^RESULT run=(kept)? $carried\$"
	shows "$1" 'RESULT oldroot='
	shows "$1" 'RESULT bubblewrap=ok pid 2'
	matches "$1" "^REPORT  *\"source\": \"$2\",\$"
	matches "$1" "^REPORT  *\"warnings\": \[${3-}\]\$"
	[ "$(grep -c '^KMSG tmpfsroot: / is a tmpfs: ' "$logs/$1.log")" = 1 ]
	matches "$1" '^RESULT status=.*"tmpfsroot": true,.*"pivot_root": true,.*"summary": "/ is a tmpfs'
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

# refused NAME TEXT: with its reason; the machine is then off, by what dracut's words say, and nothing
# has booted.
refused() {
	local name
	for name in {systemd,none}-"$1"; do
		matches "$name" "(tmpfsroot|switch_root).*: $2"
		never "$name" 'GUEST DONE|Kernel panic|the machine was stopped'
		matches "$name" 'reboot: (Power down|Restarting system)'
		unwritten "$name"
	done
}

# stays NAME TEXT: with a warning it boots from where it is.
stays() {
	local name
	for name in {systemd,none}-"$1"; do
		matches "$name" "(tmpfsroot|switch_root).*: $2"
		matches "$name" '(tmpfsroot|switch_root).*: the real root is not moved: booting from where it is'
		shows "$name" 'GUEST DONE'
		mounted_once "$name" / ext4 ro
		shows "$name" 'RESULT oldroot='
		unwritten "$name"
	done
}

# types NAME TEXT COMMAND...: types each line once the console shows the text, at a shell's prompt.
types() {
	local log=$logs/$1.log
	for _ in {1..1500}; do
		! grep -qE "$2" "$log" 2>/dev/null || break
		sleep 0.2
	done
	sleep 2
	shift 2
	for line; do
		printf '%s\n' "$line"
		sleep 1
	done
	sleep 5
}

# typed NAME TEXT COMMANDS SUITE IMAGE DISK WORDS...
typed() {
	local name=$1 text=$2 commands
	IFS=';' read -ra commands <<<"$3"
	shift 3
	mkdir -p "$logs"
	rm -f "$logs/$name.log"
	types "$name" "$text" "${commands[@]}" | machine "$name" "$@"
}
# The first line, an empty one, is for sulogin, which asks for it.
# shellcheck disable=SC2016 # for the shell over there
shell=';echo "SHELL $((6 * 7))";'

# ordinary NAME OTHER: NAME, where none of our words was asked for, is a boot as OTHER, where we were not.
ordinary() {
	shows "$1" 'GUEST DONE'
	shows "$2" 'GUEST DONE'
	mounted_once "$1" / ext4 rw
	diff <(result "$1" mount | cut -d ' ' -f 1,2 | sort) <(result "$2" mount | cut -d ' ' -f 1,2 | sort)
	[ "$(result "$1" failed)" = "$(result "$2" failed)" ]
	shows "$1" 'RESULT oldroot='
	matches "$1" "^RESULT run= $carried\$"
	given_alike "$1" "$2"
}
