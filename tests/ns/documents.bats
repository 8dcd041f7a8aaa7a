#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What README and the man pages tell people to type does what they say; what only a boot could show
# is started as PID 1 in a namespace.
# shellcheck disable=SC2016 # quoted code is for another shell

load namespace

bats_require_minimum_version 1.5.0

setup() {
	top=$BATS_TEST_DIRNAME/../..
	PATH=$top/build:$PATH
	COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
}

# shown FILE LINE: the document has this line, but for white space before it and mdoc's .Dl.
shown() {
	sed 's/^[[:space:]]*//; s/^\.Dl //' "$top/$1" | grep -qxF -e "$2" || {
		echo "$1 has no line: $2"
		return 1
	}
}

# completes LINE: what is offered at the end of a command line, one a line, in $output.
completes() {
	source "$top/helper/tmpfsroot.bash"
	compopt() { :; } # it works in a shell that completes, and nowhere else
	COMP_LINE=$1 COMP_POINT=${#1}
	read -ra COMP_WORDS <<<"$1"
	[[ $1 != *' ' ]] || COMP_WORDS+=('')
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_tmpfsroot "${COMP_WORDS[0]}"
	output=$(printf '%s\n' "${COMPREPLY[@]}")
	echo "$1: $output"
}

@test "tmpfsroot --status=json is JSON, and tells the truth about /" {
	shown helper/tmpfsroot.8 'tmpfsroot --status=json'
	run -0 --separate-stderr tmpfsroot --status=json
	[ -z "$stderr" ]
	python3 - "$output" "$(stat -c %a /)" <<-'END'
		import json, sys
		status = json.loads(sys.argv[1])
		assert set(status) == {"version", "root", "kernel", "pivot_root", "boot"}, status
		assert int(status["root"]["mode"], 8) == int(sys.argv[2], 8), status
		assert status["pivot_root"] in (True, False, None), status
	END
}

@test "tmpfsroot --status tells the same to people" {
	shown helper/tmpfsroot.8 'tmpfsroot --status'
	run -0 tmpfsroot --status
	type=$(awk '$2 == "/" { type = $3 } END { print type }' /proc/self/mounts)
	[[ ${lines[0]} == "root: $type ("* ]]
	[[ $output == *$'\npivot_root: '* ]]
}

@test "tmpfsroot --help and --version" {
	run -0 --separate-stderr tmpfsroot --help
	[[ $output == *'Usage: tmpfsroot [OPTION...] [NEWROOT] INIT [ARG...]'* ]]
	[ -z "$stderr" ]
	run -0 tmpfsroot --version
	[ "$output" = "tmpfsroot $(sed -n 's/^VERSION = //p' "$top/Makefile")" ]
}

@test "the exit status is as tmpfsroot(8) says: 0, 1 or 2" {
	run -0 tmpfsroot --version
	run -1 tmpfsroot --dry-run "$BATS_TEST_TMPDIR" /missing
	run -1 tmpfsroot /sbin/init
	run -2 tmpfsroot --nonsense
	run -2 tmpfsroot --minmem=much --dry-run /sbin/init
}

@test "tmpfsroot --dry-run prints the plan and changes nothing" {
	grep -qF '`tmpfsroot --dry-run /sysroot /sbin/init`' "$top/README.md"
	shown helper/tmpfsroot.recipes.7 '.Ql tmpfsroot --dry-run /sysroot /sbin/init'
	boot -n -k rd.tmpfsroot=yes -p "$sysroot" -a unchanged -- tmpfsroot --dry-run /sysroot /sbin/init
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == 'source: a mounted root, copied to a new tmpfs and unmounted '* ]]
	shown helper/tmpfsroot.8 'tmpfsroot --dry-run /init'
	boot -n -a unchanged -- tmpfsroot --dry-run /init
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == 'source: the whole initramfs'* ]]
	for line in 'entries: ' 'bytes to allocate: ' 'limits of the target: ' 'memory: ' \
		'mounts to carry:' 'mounts to make:' 'init: /init, interpreter: '; do
		[[ $output == *$'\n'"$line"* ]]
	done
}

@test "an /init with the guarded exec is started again on the tmpfs, once" {
	guard='[ -n "$TMPFSROOT" ] || exec tmpfsroot /init "$@"'
	shown helper/tmpfsroot.8 "$guard"
	shown README.md "$guard"
	boot -p "{ echo '#!/bin/sh'; echo '$guard'
		echo 'echo started \$TMPFSROOT \$* on \$(stat -f -c %T /)'; } >init" -- /init one two
	[ "$status" -eq 0 ]
	[ "$(grep -c ^started <<<"$output")" -eq 1 ]
	[[ $output == *'started 1 one two on tmpfs'* ]]
}

@test "the example of another init moves, and starts that one" {
	line='exec tmpfsroot --opts=size=75% --onfail=reboot /sbin/init'
	shown helper/tmpfsroot.8 "$line"
	boot -p 'mkdir sbin; cp init sbin/init' -- sh -c "$line"
	[ "$status" -eq 0 ]
	[[ $output == *'init: /sbin/init  TMPFSROOT=1'* ]]
}

@test "the words of the example in tmpfsroot.cmdline(7) are taken" {
	local word words=
	for word in rdinit=/usr/bin/tmpfsroot rd.tmpfsroot.opts=size=75%,noswap rd.tmpfsroot.minmem=256M \
		rd.tmpfsroot.onfail=reboot; do
		shown helper/tmpfsroot.cmdline.7 "$word"
		words="$words $word"
	done
	boot -n -k "$words" -- tmpfsroot --dry-run /init
	[ "$status" -eq 0 ]
	[[ $output == *'256 MiB must stay available'* ]]
}

@test "sizes: those that tmpfsroot.cmdline(7) shows are, and are not, taken" {
	for size in 65536 64k 2G 10%; do
		run -1 tmpfsroot --minmem="$size" --dry-run /no/init
	done
	for size in 1.5G 64KB '64 M'; do
		run -2 tmpfsroot --minmem="$size" --dry-run /no/init
		[[ $output == *"minmem=$size is wrong"* ]]
	done
}

@test "patterns: what the examples in tmpfsroot.cmdline(7) leave out" {
	boot -p 'mkdir -p boot usr/share/doc/a lib/boot; touch boot/b usr/share/doc/a/b lib/a.pyc
		mkdir -p lib/__pycache__/b; touch usr/share/deep lib/deep' \
		-a 'cd "$root"; find boot lib usr/share' \
		-- tmpfsroot '--exclude=/boot:/usr/share/doc/*:*.pyc:__pycache__:/*/deep' /init
	[[ $output == *$'\nlib/boot'* ]]
	[[ $output == *$'\nusr/share/deep'* && $output != *lib/deep* ]] # "*" stops at a slash
	[[ $output == *$'\nusr/share/doc' ]] || [[ $output == *$'\nusr/share/doc\n'* ]]
	[[ $output != *doc/a* && $output != *pyc* && $output != *$'\nboot'* ]]
}

@test "tmpfsroot.conf parses with every word taken in, and its example text with none" {
	conf=$(realpath "$top/helper/tmpfsroot.conf")
	boot -n -p "cp '$conf' etc/tmpfsroot.conf" -- tmpfsroot --dry-run /init
	[ "$status" -eq 0 ]
	boot -n -p "sed 's/^#\([a-z].*\)/\1/' '$conf' >etc/tmpfsroot.conf" -- tmpfsroot --dry-run /init
	[ "$status" -eq 0 ]
	boot -n -p "sed 's/^#\(rd.tmpfsroot.minmem\)=.*/\1=much/' '$conf' >etc/tmpfsroot.conf" \
		-- tmpfsroot --dry-run /init
	[ "$status" -eq 1 ]
	[[ $output == *'tmpfsroot.conf: rd.tmpfsroot.minmem=much is wrong'* ]]
}

# sysroot: in PREPARE, a root mounted there; its init says what it is.
sysroot='mkdir -p sysroot dev run sys; mount -t ramfs real sysroot; mkdir sysroot/sbin
	mkdir sysroot/proc; cp -r bin sysroot; cp init sysroot/sbin/init
	echo "grep \" / \" /proc/mounts; [ ! -e /run/tmpfsroot ] || cat /run/tmpfsroot/report.json" >sysroot/probe'

@test "the example of a real root copies it if it fits, else switches to it as it is" {
	line='exec tmpfsroot --tmpfsroot=auto /sysroot /sbin/init'
	shown helper/tmpfsroot.8 "$line"
	shown README.md "$line"
	boot -k '' -p "$sysroot" -- sh -c "$line"
	[ "$status" -eq 0 ]
	[[ $output == *'init: /sbin/init  TMPFSROOT='*'tmpfsroot / tmpfs '* ]]
	[[ $output == *'"source": "realroot",'*'"source_type": "ramfs",'*'"method": "copy",'* ]]
	for line in "$line" 'exec tmpfsroot --tmpfsroot=yes --onfail=continue /sysroot /sbin/init'; do
		boot -k rd.tmpfsroot.opts=size=64k -p "$sysroot" -- sh -c "$line"
		[ "$status" -eq 0 ]
		[[ $output == *'the real root is not moved: booting from where it is'*'real / ramfs '* ]]
	done
}

@test "the example of a switch leaves the real root where it is" {
	line='exec switch_root /sysroot /sbin/init'
	shown helper/tmpfsroot.8 "$line"
	# shellcheck disable=SC2086 # a word an argument; busybox's shell would take its own switch_root
	boot -k '' -p "$sysroot; ln -s ../usr/bin/tmpfsroot bin/switch_root" -- ${line#exec }
	[ "$status" -eq 0 ]
	[[ $output == *'init: /sbin/init  TMPFSROOT='*'real / ramfs '* ]]
}

@test "the example of bind copies nothing and gives / a parent" {
	line='exec tmpfsroot --method=bind /init'
	shown helper/tmpfsroot.8 "$line"
	shown helper/tmpfsroot.cmdline.7 'rdinit=/usr/bin/tmpfsroot rd.tmpfsroot.method=bind'
	boot -k '' -p 'chmod 700 .
		echo "stat -c %a /; cat /run/tmpfsroot/report.json; tmpfsroot --status=json" >probe' \
		-- sh -c "$line"
	[ "$status" -eq 0 ]
	[[ $output == *$'\n755\n'*'"source": "initramfs",'*'"method": "bind",'* ]]
	[[ $output == *'"entries": 0,'*'"bytes": 0,'*'"has_parent": true'* ]]
	boot -k 'rdinit=/usr/bin/tmpfsroot rd.tmpfsroot.method=bind' -- /usr/bin/tmpfsroot one
	[[ $output == *'init: /init one TMPFSROOT=1'* ]]
}

@test "in a crash kernel init is started where it is, whatever the words say" {
	boot -k 'elfcorehdr=1 rd.tmpfsroot.minmem=much' -a unchanged -- tmpfsroot /init a
	[ "$status" -eq 0 ]
	[[ $output == *minmem=much\ is\ wrong*'init: /init a TMPFSROOT=0'* ]]
}

@test "PID 1 asked for the help prints it, and does what onfail says" {
	boot -k rd.tmpfsroot.onfail=reboot -a unchanged -- tmpfsroot --help
	[ "$status" -eq 129 ]
	[[ $output == *Usage:* && $output == *'PID 1 does not end: ask this from a shell'* ]]
}

@test "no value of the booleans, of quiet, init and rd.break is refused" {
	boot -k 'rd.shell=maybe rd.debug=off quiet=1 init= rd.break=anywhere' -n -- \
		tmpfsroot --dry-run /init
	[ "$status" -eq 0 ]
	[[ $output != *' is wrong'* ]]
}

@test "what README says is refused is refused" {
	boot -p "$sysroot" -n -- tmpfsroot --root=tmpfsroot --dry-run /sysroot /sbin/init
	[ "$status" -eq 1 ]
	[[ $output == *'root=tmpfsroot: NEWROOT /sysroot is ramfs (real), expected a part of the initramfs'* ]]
	boot -p "$sysroot; umount sysroot; cp -r bin sysroot; mkdir sysroot/sbin; cp init sysroot/sbin; mount --bind sysroot sysroot" \
		-n -- tmpfsroot --dry-run /sysroot /sbin/init
	[ "$status" -eq 1 ]
	[[ $output == *'move it by root=tmpfsroot' ]] || [[ $output == *'move it by root=tmpfsroot'* ]]
	boot -p "$sysroot" -n -- tmpfsroot --method=bind --dry-run /sysroot /sbin/init
	[ "$status" -eq 1 ]
	[[ $output == *'method=bind is for an initramfs'* ]]
	boot -n -k '' -- tmpfsroot --opts=none=1 --dry-run /init
	[ "$status" -eq 1 ]
	[[ $output == *'tmpfs option none=1: Invalid argument'* ]]
	boot -n -k '' -p 'mkdir data; mount -t tmpfs data data; mount --make-unbindable data' -a unchanged -- tmpfsroot --dry-run /init
	[ "$status" -eq 0 ] # what is carried is cloned when the boot begins
	boot -n -- tmpfsroot /init
	[ "$status" -eq 1 ]
	[[ $output == *'expected PID 1'* ]]
}

@test "the report has the keys that tmpfsroot(8) lists" {
	boot -p 'echo "cat /run/tmpfsroot/report.json" >probe' -- tmpfsroot /init
	[ "$status" -eq 0 ]
	keys=$(awk '/report.json$/ { on = 1 } /^\.Sh EXIT/ { on = 0 } on && /^\.It Cm/ { print $3 }' \
		"$top/helper/tmpfsroot.8" | LC_ALL=C sort)
	written=$(sed -n '/^{/,/^}/p' <<<"$output" |
		python3 -c 'import json, sys; print(*json.load(sys.stdin), sep="\n")' | LC_ALL=C sort)
	[ "$keys" = "$written" ]
}

@test "completion: options and their values" {
	completes 'tmpfsroot --on'
	[ "$output" = --onfail= ]
	completes 'tmpfsroot --onfail='
	[ "$output" = $'shell\ncontinue\nreboot\npoweroff' ]
	completes 'tmpfsroot --opts=size=2G,nosw'
	[ "$output" = 2G,noswap ]
	COMP_WORDBREAKS=$' \t\n'
	completes 'tmpfsroot --opts=size=2G,nosw'
	[ "$output" = --opts=size=2G,noswap ]
	completes 'switch_root --v'
	[ "$output" = --version ]
	completes 'run-init -'
	[ "$output" = $'-d\n-c\n-n\n-p' ]
	completes 'run-init -d cap_kill,cap_sys_pt'
	[ "$output" = cap_kill,cap_sys_ptrace ]
	completes "tmpfsroot $top/helper/tmpfsroot.c"
	[ "$(sort <<<"$output")" = "$top/helper/tmpfsroot.cmdline.7"$'\n'"$top/helper/tmpfsroot.conf" ]
	complete -p tmpfsroot switch_root run-init
}

@test "completion: bash-completion finds what is installed, by each name" {
	local name
	make -s -C "$top" install DESTDIR="$BATS_TEST_TMPDIR/to" prefix=/usr
	for name in tmpfsroot switch_root run-init; do
		# shellcheck disable=SC2016 # for the other shell
		run -0 env -i PATH="$PATH" HOME="$BATS_TEST_TMPDIR" XDG_DATA_DIRS="$BATS_TEST_TMPDIR/to/usr/share" bash -c '
			. /usr/share/bash-completion/bash_completion
			_completion_loader "$1"
			complete -p "$1"' - "$name"
		[ "$output" = "complete -F _tmpfsroot $name" ]
	done
}

# A copy, so that the build of this tree stays as it is.
@test "make static CC=musl-gcc, make install: all files where they belong" {
	local copy=$BATS_TEST_TMPDIR/copy to=$BATS_TEST_TMPDIR/to
	mkdir "$copy"
	cp -R "$top/Makefile" "$top/helper" "$top/hooks" "$top/modules.d" "$copy"
	unset MAKEFLAGS MAKELEVEL MFLAGS WARNINGS CFLAGS CPPFLAGS LDFLAGS # of a package's build, whose check this is
	make -s -j 2 -C "$copy" static CC=musl-gcc
	[ "$("$copy/build/static/tmpfsroot" --version)" = "$(tmpfsroot --version)" ]
	readelf -l "$copy/build/static/tmpfsroot" >"$BATS_TEST_TMPDIR/headers"
	run -1 grep INTERP "$BATS_TEST_TMPDIR/headers"
	strip -o "$BATS_TEST_TMPDIR/stripped" "$copy/build/static/tmpfsroot"
	[ "$(stat -c %s "$BATS_TEST_TMPDIR/stripped")" -lt 153600 ]
	make -s -j 2 -C "$copy" install DESTDIR="$to" prefix=/usr
	[ "$(cd "$to" && find . \( -type f -printf '%P %m\n' -o -type l -printf '%P %l\n' \) | LC_ALL=C sort)" = "$(cat <<-END
		usr/bin/tmpfsroot 755
		usr/lib/dracut/modules.d/50tmpfsroot/emergency.sh 755
		usr/lib/dracut/modules.d/50tmpfsroot/initrd-switch-root.conf 644
		usr/lib/dracut/modules.d/50tmpfsroot/module-setup.sh 755
		usr/lib/dracut/modules.d/50tmpfsroot/mount-tmpfsroot.sh 755
		usr/lib/dracut/modules.d/50tmpfsroot/parse-tmpfsroot.sh 755
		usr/lib/dracut/modules.d/50tmpfsroot/tmpfsroot-generator.sh 755
		usr/lib/initcpio/hooks/tmpfsroot 644
		usr/lib/initcpio/install/tmpfsroot 644
		usr/lib/initcpio/tmpfsroot/emergency.sh 644
		usr/lib/initcpio/tmpfsroot/initrd-switch-root.conf 644
		usr/lib/initcpio/tmpfsroot/tmpfsroot-generator.sh 644
		usr/share/bash-completion/completions/run-init tmpfsroot
		usr/share/bash-completion/completions/switch_root tmpfsroot
		usr/share/bash-completion/completions/tmpfsroot 644
		usr/share/doc/tmpfsroot/50-tmpfsroot.conf 644
		usr/share/doc/tmpfsroot/tmpfsroot.conf.example 644
		usr/share/initramfs-tools/conf-hooks.d/tmpfsroot 755
		usr/share/initramfs-tools/hooks/tmpfsroot 755
		usr/share/initramfs-tools/scripts/init-bottom/tmpfsroot 755
		usr/share/initramfs-tools/scripts/tmpfsroot 755
		usr/share/initramfs-tools/tmpfsroot/boot.conf 755
		usr/share/initramfs-tools/tmpfsroot/emergency 755
		usr/share/man/man7/tmpfsroot.cmdline.7 644
		usr/share/man/man7/tmpfsroot.recipes.7 644
		usr/share/man/man8/tmpfsroot.8 644
	END
	)" ]
	shown helper/tmpfsroot.cmdline.7 '.Pa /usr/share/doc/tmpfsroot/tmpfsroot.conf.example .'
}

@test "README's archive makes an initramfs with the program in it" {
	local dir=$BATS_TEST_TMPDIR/archive
	mkdir -p "$dir/build/static" "$dir/first/etc"
	cp "$top/build/static/tmpfsroot" "$dir/build/static/"
	(cd "$dir/first" && find . | cpio --quiet -o -H newc) >"$dir/initramfs.img"
	awk '/^```sh$/ { on = 1; next } /^```$/ { exit } on' "$top/README.md" |
		sed '/^make /d' >"$dir/commands"
	[ -s "$dir/commands" ]
	(cd "$dir" && sh -eu commands)
	cpio --quiet -t <"$dir/more.cpio" | grep -qx usr/bin/tmpfsroot
	[ "$(stat -c %s "$dir/initramfs-tmpfsroot.img")" = \
		"$(cat "$dir/initramfs.img" "$dir/more.cpio" | wc -c)" ]
}

@test "the manual pages render: every section, no macro, no line that is too wide" {
	local page text=$BATS_TEST_TMPDIR/text
	for page in tmpfsroot.8 tmpfsroot.cmdline.7 tmpfsroot.recipes.7; do
		mandoc -T ascii -O width=78 -W warning,stop "$top/helper/$page" >"$text.bold"
		sed 's/.\x08//g' "$text.bold" >"$text" # struck twice
		diff <(sed -n 's/^\.Sh //p' "$top/helper/$page") <(grep '^[A-Z][A-Z -]*$' "$text")
		run -1 grep -E '^ *\.[A-Z][a-z]( |$)|.{79}' "$text"
		[ "$(grep -c . "$text")" -gt 150 ] || { [ "$page" = tmpfsroot.recipes.7 ] && [ "$(grep -c . "$text")" -gt 130 ]; }
	done
}

@test "every make target that README names exists" {
	targets=$(grep -o '`\{0,1\}make [a-z-]*' "$top/README.md" | sed 's/.*make //' | sort -u)
	for target in $targets; do
		grep -q "^$target:" "$top/Makefile"
		make -n -C "$top" "$target" >/dev/null
	done
	[[ $targets == *check*demo*install*lint*static* ]]
}
