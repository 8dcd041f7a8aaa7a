#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# mkinitcpio's hook without mkinitcpio: its functions stand-ins that tell what they were asked, and a
# tmpfsroot that answers as it is told.
# shellcheck disable=SC2030,SC2031 # each test is on its own
# shellcheck disable=SC2034,SC2154,SC2317 # variables of mkinitcpio's, and functions that the hook calls
# shellcheck disable=SC2016 # quoted code is for another shell

bats_require_minimum_version 1.5.0

setup() {
	top=$(realpath "$BATS_TEST_DIRNAME/../..")
	hooks=$top/hooks/mkinitcpio
	BUILDROOT=$BATS_TEST_TMPDIR/image
	bin=$BATS_TEST_TMPDIR/bin
	mkdir -p "$bin" "$BUILDROOT/usr/bin"
}

# helper ANSWER: a tmpfsroot that means this tree, or none.
helper() {
	printf '#!/bin/sh\necho "$*" >>%s\n%s\n' "$BATS_TEST_TMPDIR/asked" "${1:+echo }${1:-exit 1}" >"$bin/tmpfsroot"
	chmod +x "$bin/tmpfsroot"
	PATH=$bin:$PATH
}

# install_hook TO: as make install puts it there, away from what make has built here.
install_hook() {
	mkdir -p "$1"
	cp -RL "$hooks/." "$1"
	hooks=$1
}

# builds HOOK...: what build() asks for in an image with these hooks.
builds() {
	local name
	_hooks=("$@")
	for name in add_binary add_dir add_file add_symlink add_runscript; do
		eval "$name() { local words=(\"\$@\"); echo $name \"\${words[@]#\$hooks/tmpfsroot/}\"; }"
	done
	# shellcheck source=/dev/null
	source "$hooks/install/tmpfsroot"
	run -0 build
	output=$(grep -v '^add_file /etc/tmpfsroot.conf$' <<<"$output") # the machine's own, if it has one
}

@test "build without systemd: the program, a run-time hook and a shell" {
	helper ''
	install_hook "$BATS_TEST_TMPDIR/usr/lib/initcpio"
	# No directory above is the source tree.
	install -D "$bin/tmpfsroot" "$BATS_TEST_TMPDIR/usr/build/tmpfsroot"
	builds base udev tmpfsroot
	[ "$output" = "$(cat <<-END
		add_binary $bin/tmpfsroot /usr/bin/tmpfsroot
		add_runscript
		add_file emergency.sh /usr/lib/tmpfsroot/emergency 755
	END
	)" ]
}

with_systemd() {
	local name
	echo "add_binary $bin/tmpfsroot /usr/bin/tmpfsroot"
	echo 'add_dir /sysroot'
	echo 'add_file initrd-switch-root.conf /usr/lib/systemd/system/initrd-switch-root.service.d/tmpfsroot.conf 644'
	echo 'add_file tmpfsroot-generator.sh /usr/lib/systemd/system-generators/tmpfsroot-generator 755'
	for name; do
		echo 'add_binary /usr/lib/initcpio/busybox /usr/bin/busybox'
		echo "add_symlink /usr/bin/$name busybox"
	done
}

@test "build with systemd, before it or after it: a generator with its shell, and a drop-in" {
	helper ''
	install_hook "$BATS_TEST_TMPDIR/initcpio"
	builds tmpfsroot systemd
	[ "$output" = "$(with_systemd sh cat mkdir ln)" ]
	touch "$BUILDROOT/usr/bin/busybox"
	ln -s busybox "$BUILDROOT/usr/bin/sh"
	touch "$BUILDROOT/usr/bin/"{cat,ln}
	builds systemd tmpfsroot
	[ "$output" = "$(with_systemd mkdir)" ]
	add_systemd_unit() { :; }
	builds # as a hook of another name may bring systemd
	[ "$output" = "$(with_systemd mkdir)" ]
}

@test "build: the conf file where there is one" {
	[ ! -e /etc/tmpfsroot.conf ] || skip 'this machine has an /etc/tmpfsroot.conf'
	unshare --mount true 2>/dev/null || skip 'no mount namespace is to be had'
	helper ''
	install_hook "$BATS_TEST_TMPDIR/initcpio"
	mkdir "$BATS_TEST_TMPDIR/upper" "$BATS_TEST_TMPDIR/work"
	run -0 unshare --mount bash -euc 'mount -t tmpfs conf "$1"; mkdir "$1/upper" "$1/work"
		mount -t overlay -o "lowerdir=/etc,upperdir=$1/upper,workdir=$1/work" etc /etc
		touch /etc/tmpfsroot.conf
		add_binary() { :; }; add_runscript() { :; }; add_file() { echo "$*"; }; _hooks=()
		. "$2/install/tmpfsroot"; build' - "$BATS_TEST_TMPDIR/work" "$hooks"
	[ "${lines[0]}" = /etc/tmpfsroot.conf ]
}

@test "build: in a source tree the program that make has built there, and files that are no symlinks" {
	mkdir -p "$BATS_TEST_TMPDIR/tree/build/static"
	cp -R "$top/hooks" "$top/modules.d" "$BATS_TEST_TMPDIR/tree"
	hooks=$BATS_TEST_TMPDIR/tree/hooks/mkinitcpio
	helper ''
	install "$bin/tmpfsroot" "$BATS_TEST_TMPDIR/tree/build/"
	cd "$BATS_TEST_TMPDIR/tree/hooks"
	hooks=mkinitcpio builds systemd
	[ "$(realpath "$(cut -d ' ' -f 2 <<<"${lines[0]}")")" = "$BATS_TEST_TMPDIR/tree/build/tmpfsroot" ]
	[[ ${lines[2]} == "add_file $BATS_TEST_TMPDIR/tree/modules.d/50tmpfsroot/initrd-switch-root.conf "* ]]
	install "$bin/tmpfsroot" "$BATS_TEST_TMPDIR/tree/build/static/"
	hooks=mkinitcpio builds systemd
	[ "$(realpath "$(cut -d ' ' -f 2 <<<"${lines[0]}")")" = "$BATS_TEST_TMPDIR/tree/build/static/tmpfsroot" ]
}

@test "build without the program is an error of add_binary's, and adds nothing else" {
	install_hook "$BATS_TEST_TMPDIR/initcpio"
	add_binary() { echo "add_binary $*"; return 1; }
	add_file() { echo "add_file $*"; }
	add_runscript() { echo add_runscript; }
	_hooks=()
	# shellcheck source=/dev/null
	source "$hooks/install/tmpfsroot"
	type -P tmpfsroot >/dev/null && skip 'tmpfsroot is installed here'
	run -1 build
	[ "$output" = 'add_binary tmpfsroot /usr/bin/tmpfsroot' ]
}

@test "help names each word of the program that is for a boot" {
	# shellcheck source=/dev/null
	source "$hooks/install/tmpfsroot"
	run -0 help
	[[ $output == *root=tmpfsroot* && $output == *rd.tmpfsroot=* && $output == */etc/tmpfsroot.conf* ]]
	for word in opts minmem exclude onfail; do
		[[ $output == *rd.tmpfsroot.$word=* ]]
	done
	[ "$(awk 'length > 80' <<<"$output")" = '' ]
}

# in_sh CODE OUTPUT: by each shell that is like busybox's, with init's variables and functions. The tmpfs
# on /run is another file system here.
in_sh() {
	local shell
	sed 's, /run , /proc ,' "$hooks/hooks/tmpfsroot" >"$BATS_TEST_TMPDIR/hook"
	for shell in dash 'busybox sh'; do
		command -v "${shell%% *}" >/dev/null || continue
		# shellcheck disable=SC2086 # two words
		run -0 $shell -euc 'msg() { :; }; default_mount_handler() { echo default; }; fsck_root() { echo fsck; }
			ln() { echo "ln $*"; }; mount() { echo "mount $*"; }
			mount_handler=default_mount_handler; . '"$BATS_TEST_TMPDIR/hook; $1"
		echo "$shell: $output"
		[ "$output" = "$2" ]
	done
}
linked='ln -sf tmpfsroot /usr/bin/switch_root'

@test "run-time hook: a root in the initramfs is mounted by us, any other by init" {
	helper /
	in_sh 'run_hook; fsck_root; "$mount_handler" /new_root' "$linked"$'\nmount --bind / /new_root'
	[ "$(sort -u "$BATS_TEST_TMPDIR/asked")" = '--source /new_root' ]
	helper ''
	in_sh 'run_hook; fsck_root; "$mount_handler" /new_root' "$linked"$'\nfsck\ndefault'
}

@test "run-time hook: what is mounted by us is not on the device of the initramfs for init" {
	helper /new_root
	in_sh '"$mount_handler" /new_root; run_hook; "$mount_handler" /new_root
		[ "$(stat -c %D /)" = "$(stat -c %D /new_root)" ] || echo other; stat -c %n /proc' \
		default$'\n'"$linked"$'\nmount --bind /new_root /new_root\nother\n/proc'
}

@test "run-time hook: where the mount has failed init is told so" {
	helper /new_root
	in_sh 'run_hook; mount() { return 1; }; "$mount_handler" /new_root || echo failed
		case $(command -V stat) in *function*) echo function ;; esac' "$linked"$'\nfailed'
}

@test "emergency: init's functions, its emergency hooks and its shell" {
	local root=$BATS_TEST_TMPDIR/root
	mkdir -p "$root"
	cat >"$root/init_functions" <<-'END'
		run_hookfunctions() { echo "run $*"; }
		err() { echo "ERROR: $*"; }
		launch_interactive_shell() { echo "shell $PATH"; }
	END
	echo 'EMERGENCYHOOKS="one two"' >"$root/config"
	sed "s|^\. /|. $root/|" "$hooks/tmpfsroot/emergency.sh" >"$root/emergency"
	run -0 env -i TERM=linux "$(command -v sh)" "$root/emergency"
	[ "${lines[0]}" = 'run run_emergencyhook emergency hook one two' ]
	[ "${lines[1]}" = 'ERROR: tmpfsroot could not switch root: see above' ]
	[ "${lines[2]}" = 'shell /usr/local/sbin:/usr/local/bin:/usr/bin' ]
}

# As init here, dracut, systemd's unit and initramfs-tools start it.
@test "the same wrong word gives the same sentence, whatever starts the program" {
	unshare --mount true 2>/dev/null || skip 'no mount namespace is to be had'
	[ -x "$top/build/tmpfsroot" ] || skip 'build/tmpfsroot is not built'
	echo root=/dev/vda rd.tmpfsroot=maybe >"$BATS_TEST_TMPDIR/cmdline"
	run unshare --mount bash -c 'mount --bind "$1" /proc/cmdline
		for name in switch_root run-init tmpfsroot; do (exec -a $name "$2" /new_root /sbin/init) 2>&1; done' \
		- "$BATS_TEST_TMPDIR/cmdline" "$top/build/tmpfsroot"
	echo "$output"
	[ "$(sed -n 's/^[a-z_-]*: \(kernel command line: \)/\1/p' <<<"$output" | sort | uniq -c | sed 's/^ *//')" = \
		'3 kernel command line: rd.tmpfsroot=maybe is wrong: expected no, yes or auto' ]
}

@test "the generator and the drop-in are those of dracut's module, and no hook reads a word" {
	for file in initrd-switch-root.conf tmpfsroot-generator.sh; do
		[ "$(realpath "$hooks/tmpfsroot/$file")" = "$top/modules.d/50tmpfsroot/$file" ]
	done
	run -1 grep -nE 'getarg|cmdline\b' "$hooks/hooks/tmpfsroot" "$hooks/tmpfsroot/emergency.sh"
}

@test "hooks are POSIX, and leave the shell that sources them alone" {
	command -v shellcheck >/dev/null || skip 'shellcheck is not installed'
	shellcheck -s sh "$hooks/hooks/tmpfsroot" "$hooks/tmpfsroot/emergency.sh"
	run -1 grep -nE '\bexit\b' "$hooks/hooks/tmpfsroot" "$hooks/install/tmpfsroot"
}
