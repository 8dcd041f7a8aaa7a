#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The hook and scripts of initramfs-tools without that: its functions stand-ins that tell what they were
# asked, a tmpfsroot that answers as it is told, and paths below a directory of the test's.
# shellcheck disable=SC2016 # quoted code is for another shell

bats_require_minimum_version 1.5.0

setup() {
	top=$BATS_TEST_DIRNAME/../..
	export DESTDIR=$BATS_TEST_TMPDIR/image
	host=$BATS_TEST_TMPDIR/host
	share=$host/usr/share/initramfs-tools
	bin=$BATS_TEST_TMPDIR/bin
	mkdir -p "$bin" "$share" "$host/etc" "$host/proc" "$host/scripts" "$host/dev" "$host/sbin" \
		"$DESTDIR/sbin" "$DESTDIR/etc" "$DESTDIR/conf/conf.d"
	cp -R "$top/hooks/initramfs-tools/." "$share/"
	sed -i "s,/usr/share/initramfs-tools,$share,; s,/etc/tmpfsroot.conf,$host&,g" "$share/hooks/tmpfsroot"
	sed -i "s,/sbin/run-init,$host&," "$share/tmpfsroot/boot.conf"
	sed -i "s,/scripts/functions,$host&,; s,/proc/cmdline,$host&," "$share/tmpfsroot/emergency"
	sed -Ei "s,(^|[^t])(/dev)\\>,\\1$host\\2,g" "$share/scripts/init-bottom/tmpfsroot"
	# as mkinitramfs has them before it runs hooks
	cp -R "$share/scripts" "$DESTDIR/"
	echo 'copy_exec() { echo "copy_exec $*"; }' >"$share/hook-functions"
	helper ''
	unset TMPFSROOT_ADD TMPFSROOT_TREE
}

# helper ANSWER: a tmpfsroot that means this tree, or none.
helper() {
	printf '#!/bin/sh\necho "$*" >>%s\n%s\n' "$BATS_TEST_TMPDIR/asked" "${1:+echo }${1:-exit 1}" >"$bin/tmpfsroot"
	chmod +x "$bin/tmpfsroot"
	PATH=$bin:$PATH
}

# records NAME...: programs that tell how they are called.
records() {
	local name
	for name; do
		printf '#!/bin/sh\necho "%s $*"\n' "$name" >"$bin/$name"
		chmod +x "$bin/$name"
	done
}

# in_sh CODE OUTPUT: by each shell that such an image may have.
in_sh() {
	local shell
	echo "$1" >"$BATS_TEST_TMPDIR/code"
	for shell in dash 'busybox sh'; do
		command -v "${shell%% *}" >/dev/null || continue
		# shellcheck disable=SC2086 # two words
		run -0 $shell "$BATS_TEST_TMPDIR/code"
		echo "$shell: $output"
		[ "$output" = "$2" ]
	done
}

names() {
	(cd "$DESTDIR" && find . ! -type d | sort)
}

@test "an image that does not ask has nothing of it" {
	for add in '' no; do
		TMPFSROOT_ADD=$add run -0 "$share/hooks/tmpfsroot"
		[ -z "$output$(names)" ]
	done
}

@test "one that asks has the program, in place of run-init, and what goes with it" {
	ln -s busybox "$DESTDIR/sbin/run-init"
	TMPFSROOT_ADD=yes run -0 "$share/hooks/tmpfsroot"
	[ "$output" = "copy_exec $bin/tmpfsroot /usr/bin/tmpfsroot" ]
	[ "$(readlink "$DESTDIR/sbin/run-init")" = ../bin/tmpfsroot ]
	[ "$(names)" = "$(printf './%s\n' conf/conf.d/tmpfsroot.boot sbin/run-init \
		scripts/init-bottom/tmpfsroot scripts/tmpfsroot usr/lib/tmpfsroot/emergency)" ]
	[ -x "$DESTDIR/usr/lib/tmpfsroot/emergency" ]
	echo quiet >"$host/etc/tmpfsroot.conf"
	TMPFSROOT_ADD=yes run -0 "$share/hooks/tmpfsroot"
	[ "$(cat "$DESTDIR/etc/tmpfsroot.conf")" = quiet ]
}

@test "a tree is /root of the image, as it is" {
	mkdir -p "$host/tree/bin"
	echo a >"$host/tree/bin/a"
	chmod 4711 "$host/tree/bin/a"
	ln "$host/tree/bin/a" "$host/tree/bin/b"
	ln -s a "$host/tree/.c"
	chmod 0711 "$host/tree"
	TMPFSROOT_TREE=$host/tree run -0 "$share/hooks/tmpfsroot"
	[ -e "$DESTDIR/usr/lib/tmpfsroot/emergency" ]
	[ "$(cd "$DESTDIR/root" && stat -c '%n %a %h' . bin/* && readlink .c)" = "$(printf '%s\n' \
		'. 711 3' 'bin/a 4711 2' 'bin/b 4711 2' a)" ]
}

@test "the attributes of a tree are in a file beside it, where getfattr is installed" {
	mkdir -p "$host/tree"
	printf '#!/bin/sh\necho "$PWD $*"\n' >"$bin/getfattr"
	chmod +x "$bin/getfattr"
	TMPFSROOT_TREE=$host/tree run -0 "$share/hooks/tmpfsroot"
	[ "$(cat "$DESTDIR/etc/tmpfsroot.xattrs")" = "$host/tree -h -R -d -m - ." ]
	printf '#!/bin/sh\n' >"$bin/getfattr"
	TMPFSROOT_TREE=$host/tree run -0 "$share/hooks/tmpfsroot"
	[ ! -e "$DESTDIR/etc/tmpfsroot.xattrs" ]
	printf '#!/bin/sh\nexit 1\n' >"$bin/getfattr"
	TMPFSROOT_TREE=$host/tree run -1 "$share/hooks/tmpfsroot"
	rm "$bin/getfattr" "$DESTDIR/etc/tmpfsroot.xattrs"
	mkdir "$host/few"
	for program in sh cp ln mkdir rm cat; do ln -s "$(command -v $program)" "$host/few/"; done
	TMPFSROOT_TREE=$host/tree PATH=$bin:$host/few run -0 "$share/hooks/tmpfsroot"
	[[ $output == *"W: tmpfsroot: getfattr is missing: extended attributes of $host/tree are lost; install attr" ]]
	[ ! -e "$DESTDIR/etc/tmpfsroot.xattrs" ]
}

@test "what is wrong is refused by name" {
	TMPFSROOT_ADD=maybe run -1 "$share/hooks/tmpfsroot"
	[ "$output" = 'E: tmpfsroot: TMPFSROOT_ADD=maybe is wrong: expected yes or no' ]
	TMPFSROOT_TREE=/no/tree run -1 "$share/hooks/tmpfsroot"
	[[ $output == *'E: tmpfsroot: TMPFSROOT_TREE=/no/tree is not a directory' ]]
	rm "$bin/tmpfsroot"
	TMPFSROOT_ADD=yes PATH=/usr/bin:/bin run -1 "$share/hooks/tmpfsroot"
	[[ $output == 'E: tmpfsroot: the program is not in /usr/bin:/bin: install it' ]]
}

@test "a variable of conf.d is seen by the hook, without being exported there" {
	unset TMPFSROOT_DEPS # of a package's build
	in_sh "TMPFSROOT_ADD=yes; . $share/conf-hooks.d/tmpfsroot; env | grep \"TMPFSROOT_[AT]\"" TMPFSROOT_ADD=yes
}

@test "they name what must come before them" {
	run -0 "$share/hooks/tmpfsroot" prereqs
	[ -z "$output" ]
	run -0 "$share/scripts/init-bottom/tmpfsroot" prereqs
	[ "$output" = udev ]
}

@test "a root in the initramfs is for our boot script, any other is not" {
	helper /
	in_sh "BOOT= rootmnt=/root; . $share/tmpfsroot/boot.conf; echo \$BOOT" tmpfsroot
	[ "$(sort -u "$BATS_TEST_TMPDIR/asked")" = '--source /root' ]
	helper ''
	in_sh "BOOT=nfs rootmnt=/root; . $share/tmpfsroot/boot.conf; echo \$BOOT" nfs
}

@test "run-init is ours, for a shell with one of its own, too" {
	records run-init
	mv "$bin/run-init" "$host/sbin/"
	in_sh ". $share/tmpfsroot/boot.conf
f() { run-init -n a; }
f && exec run-init b <\"$share/hook-functions\"" "$(printf 'run-init -n a\nrun-init b')"
}

@test "boot script: what is meant is bound to the root, with places for what /init moves there" {
	local code="rootmnt=$host/root; panic() { echo \"panic \$*\"; }; mount_top() { echo local; }
		mount() { echo \"mount \$*\"; \$mounts; }; . $share/scripts/tmpfsroot; mount_top; mount_premount; mountroot"
	helper "$host/tree"
	in_sh "mounts=true; $code" "mount -n -o bind $host/tree $host/root"
	[ "$(echo "$host"/root/*)" = "$host/root/dev $host/root/proc $host/root/run $host/root/sys" ]
	in_sh "mounts=false; $code" "mount -n -o bind $host/tree $host/root
panic tmpfsroot: what root=tmpfsroot means could not be mounted on $host/root"
}

@test "init-bottom: /dev comes back only where it had no place" {
	records mount nuke mknod
	rootmnt=/root run -0 "$share/scripts/init-bottom/tmpfsroot"
	[ "$output" = "mknod $host/dev/console c 5 1
mount -n -o move /root/dev $host/dev" ]
	ln -s /root/dev "$host/dev/dev"
	rootmnt=/root run -0 "$share/scripts/init-bottom/tmpfsroot"
	[ "${lines[0]}" = "nuke $host/dev/dev" ]
	touch "$host/dev/null"
	rootmnt=/root run -0 "$share/scripts/init-bottom/tmpfsroot"
	[ -z "$output" ]
}

@test "emergency: the shell of initramfs-tools, by the last panic= there is" {
	records mount
	echo 'panic() { echo "$panic,$quiet: $*"; }' >"$host/scripts/functions"
	for words in 'root=a panic=5 panic=-1 quiet' 'panic=-1 panic=' ''; do
		echo "$words" >"$host/proc/cmdline"
		rootmnt=/root run -0 "$share/tmpfsroot/emergency"
		words=${words##*panic=}
		[ "$output" = "$(printf 'mount -n -o move /root/%s /%s\n' proc proc sys sys run run dev dev)
${words%% *},n: tmpfsroot could not switch root: see above" ]
	done
}

@test "scripts are POSIX, and what is sourced leaves its shell alone" {
	local own=$top/hooks/initramfs-tools
	run -1 grep -n '\bexit\b' "$own/conf-hooks.d/tmpfsroot" "$own/scripts/tmpfsroot" "$own/tmpfsroot/boot.conf"
	command -v shellcheck >/dev/null || skip 'shellcheck is not installed'
	find "$own" -type f -exec shellcheck -s sh {} +
}
