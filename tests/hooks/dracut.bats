#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# dracut's module without dracut: its functions stand-ins that tell what they were asked, and a
# tmpfsroot that answers as it is told.
# shellcheck disable=SC2034,SC2154,SC2317 # variables of dracut's, and functions that the module calls
# shellcheck disable=SC2016 # quoted code is for another shell

bats_require_minimum_version 1.5.0

setup() {
	top=$BATS_TEST_DIRNAME/../..
	moddir=$top/modules.d/50tmpfsroot
	initdir=$BATS_TEST_TMPDIR/image
	systemdutildir=/usr/lib/systemd
	systemdsystemunitdir=/usr/lib/systemd/system
	bin=$BATS_TEST_TMPDIR/bin
	mkdir -p "$bin" "$initdir"
}

# helper ANSWER: a tmpfsroot that means this tree, or none.
helper() {
	printf '#!/bin/sh\necho "$*" >>%s\n%s\n' "$BATS_TEST_TMPDIR/asked" "${1:+echo }${1:-exit 1}" >"$bin/tmpfsroot"
	chmod +x "$bin/tmpfsroot"
	PATH=$bin:$PATH
}

# in_sh CODE: by each shell that dracut may have in an image.
in_sh() {
	local shell
	for shell in dash 'bash --posix' 'busybox sh'; do
		command -v "${shell%% *}" >/dev/null || continue
		# shellcheck disable=SC2086 # two words
		run -0 $shell -euc "$1"
		echo "$shell: $output"
		[ "$output" = "$2" ]
	done
}

# installs yes|no [STATUS]: what install() asks for, with systemd in the image or not.
installs() {
	systemd=$1
	dracut_module_included() { [ "$1" = systemd ] && [ "$systemd" = yes ]; }
	for name in inst_multiple inst_hook inst_script inst_simple ln_r; do
		eval "$name() { echo \"$name \${*//\$moddir\\//}\"; }"
	done
	find_binary() { echo "/usr/bin/$1"; }
	# shellcheck source=/dev/null
	source "$moddir/module-setup.sh"
	run "-${2-0}" install
}

@test "only an image that asks for it has it, and none where the program is not installed" {
	require_binaries() { [ "$1" = tmpfsroot ] && [ "$there" = yes ]; }
	# shellcheck source=/dev/null
	source "$moddir/module-setup.sh"
	there=yes run -255 check
	there=no run -1 check
	run -0 depends
	[ "$output" = base ]
}

@test "install with systemd: the program, the conf file, a generator and a drop-in" {
	installs yes
	[ "$output" = "$(cat <<-END
		inst_multiple tmpfsroot
		inst_multiple -o /etc/tmpfsroot.conf
		inst_hook cmdline 95 parse-tmpfsroot.sh
		inst_script tmpfsroot-generator.sh /usr/lib/systemd/system-generators/dracut-tmpfsroot-generator
		inst_simple initrd-switch-root.conf /usr/lib/systemd/system/initrd-switch-root.service.d/tmpfsroot.conf
	END
	)" ]
}

@test "the attributes of trees that go to /sysroot are in a file beside them, where getfattr is installed" {
	local tree=$BATS_TEST_TMPDIR/tree file=$initdir/etc/tmpfsroot.xattrs
	mkdir "$tree" "$tree.2"
	include_src=("$tree" "$tree" "$tree.2" "$moddir/module-setup.sh") include_target=(/sysroot / sysroot/ /sysroot)
	dwarn() { echo "dwarn $*"; }
	printf '#!/bin/sh\necho "$PWD $*"\n' >"$bin/getfattr"
	chmod +x "$bin/getfattr"
	PATH=$bin:$PATH installs yes
	[ "$(cat "$file")" = "$tree -h -R -d -m - ."$'\n'"$tree.2 -h -R -d -m - ." ]
	rm "$file"
	printf '#!/bin/sh\n' >"$bin/getfattr"
	PATH=$bin:$PATH installs yes
	[ ! -e "$file" ]
	printf '#!/bin/sh\nexit 1\n' >"$bin/getfattr"
	derror() { echo "derror $*"; }
	PATH=$bin:$PATH installs yes
	[[ ${lines[0]} == "derror tmpfsroot: getfattr has failed: extended attributes in $tree are lost" ]]
	[[ $output == *'inst_multiple tmpfsroot'* ]]
	rm "$bin/getfattr"
	mkdir "$bin/few"
	for program in mkdir rm; do ln -s "$(command -v $program)" "$bin/few/"; done
	PATH=$bin/few installs yes
	[[ ${lines[0]} == "dwarn tmpfsroot: getfattr is missing: what $tree has of extended attributes is lost; install attr" ]]
	[ ! -e "$file" ]
}

@test "install without: a shell that would run its own switch_root is refused" {
	derror() { echo "derror $*"; }
	mkdir "$initdir/bin"
	ln -s busybox "$initdir/bin/sh"
	printf '#!/bin/sh\necho "${answer?}"\n' >"$initdir/bin/busybox"
	chmod +x "$initdir/bin/busybox"
	export answer
	answer=switch_root installs no 1
	[[ $output == *"derror tmpfsroot: the image's shell is a busybox that runs its own switch_root: "* ]]
	answer=/usr/sbin/switch_root installs no
	[[ $output != *derror* ]]
}

@test "install without: the name switch_root, a mount hook and a shell" {
	installs no
	[ "$output" = "$(cat <<-END
		inst_multiple tmpfsroot
		inst_multiple -o /etc/tmpfsroot.conf
		inst_hook cmdline 95 parse-tmpfsroot.sh
		inst_hook mount 10 mount-tmpfsroot.sh
		inst_script emergency.sh /usr/lib/tmpfsroot/emergency
		ln_r /usr/bin/tmpfsroot /usr/sbin/switch_root
	END
	)" ]
}

@test "cmdline hook: a root in the initramfs can be handled, any other is left alone" {
	local code='root=before rootok= NEWROOT=/sysroot DRACUT_SYSTEMD=1; . '$moddir'/parse-tmpfsroot.sh; echo $root,$rootok'
	helper /
	in_sh "$code" tmpfsroot,1
	[ "$(sort -u "$BATS_TEST_TMPDIR/asked")" = '--source /sysroot' ]
	helper ''
	in_sh "$code" before,
}

@test "mount hook: what is meant is bound to NEWROOT" {
	helper /sysroot
	in_sh 'mount() { echo "mount $*"; }; NEWROOT=/sysroot
		for root in tmpfsroot block:/dev/sda; do . '"$moddir"'/mount-tmpfsroot.sh; done' \
		'mount --bind /sysroot /sysroot'
}

@test "generator: sysroot.mount is that, and wanted; for another root there is none" {
	helper /
	run -0 "$moddir/tmpfsroot-generator.sh" "$BATS_TEST_TMPDIR/normal" "$initdir" "$BATS_TEST_TMPDIR/late"
	grep -qx What=/ "$initdir/sysroot.mount"
	grep -qx Options=bind "$initdir/sysroot.mount"
	[ "$(readlink -f "$initdir/initrd-root-fs.target.requires/sysroot.mount")" = "$(realpath "$initdir/sysroot.mount")" ]
	command -v systemd-analyze >/dev/null || skip 'systemd-analyze is not installed'
	SYSTEMD_UNIT_PATH=$initdir: run -0 systemd-analyze verify --man=no "$initdir/sysroot.mount"
	[ -z "$output" ]
	rm -r "$initdir"
	mkdir "$initdir"
	helper ''
	run -0 "$moddir/tmpfsroot-generator.sh" "$BATS_TEST_TMPDIR/normal" "$initdir" "$BATS_TEST_TMPDIR/late"
	[ -z "$(ls "$initdir")" ]
}

@test "systemd-analyze verify: the drop-in, and no time limit by it" {
	local unit=/usr/lib/systemd/system/initrd-switch-root.service
	command -v systemd-analyze >/dev/null || skip 'systemd-analyze is not installed'
	[ -e "$unit" ] || skip "there is no $unit here"
	helper /
	install -D "$bin/tmpfsroot" "$initdir/bin/tmpfsroot"
	cp "$unit" "$initdir/"
	mkdir "$initdir/initrd-switch-root.service.d"
	sed "s,^ExecStart=tmpfsroot,ExecStart=$initdir/bin/tmpfsroot," "$moddir/initrd-switch-root.conf" \
		>"$initdir/initrd-switch-root.service.d/tmpfsroot.conf"
	SYSTEMD_UNIT_PATH=$initdir: run -0 systemd-analyze verify --man=no "$initdir/initrd-switch-root.service"
	[[ $output != *tmpfsroot.conf* ]]
	grep -qx TimeoutStartSec=infinity "$moddir/initrd-switch-root.conf"
	echo Nonsense=1 >>"$initdir/initrd-switch-root.service.d/tmpfsroot.conf"
	SYSTEMD_UNIT_PATH=$initdir: run systemd-analyze verify --man=no "$initdir/initrd-switch-root.service"
	[[ $output == *tmpfsroot.conf*Nonsense* ]]
}

@test "hooks are POSIX, and leave the shell that sources them alone" {
	command -v shellcheck >/dev/null || skip 'shellcheck is not installed'
	for file in "$moddir"/*.sh; do
		[[ $file == */module-setup.sh ]] || shellcheck -s sh "$file"
	done
	run -1 grep -n '\bexit\b' "$moddir/parse-tmpfsroot.sh" "$moddir/mount-tmpfsroot.sh" "$moddir/module-setup.sh"
}

@test "the example for dracut.conf.d adds the module to what is there" {
	add_dracutmodules=' base '
	# shellcheck source=/dev/null
	source "$top/modules.d/50-tmpfsroot.conf"
	[ "$add_dracutmodules" = ' base  tmpfsroot ' ]
}
