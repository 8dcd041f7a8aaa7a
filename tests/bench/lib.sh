# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# What "bench" and "draw" share: the trees, the contenders, and a place where nothing stays.
#
# Before: the helper is built; root. After "enter": this is a mount and PID namespace of its own that
# ends with the script, and in it $work is a tmpfs with the directories source and target.

bench=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$bench/../.." && pwd)
programs=$top/build/bench
work=$programs/work
# shellcheck disable=SC2034 # the scripts' own
{
	source=$work/source
	target=$work/target
}
helper=${TMPFSROOT_TEST_HELPER:-$top/build/static/tmpfsroot}
export LC_ALL=C
# touched MOST: how many megabytes of free memory are touched before a turn, which only the first would pay for
# otherwise.
touched() {
	awk -v most="$1" '/^MemFree:/ { half = $2 / 2048; printf "%.0f", half < most ? half : most }' /proc/meminfo
}
TOUCH=${TOUCH-$(touched 1200)}
export TOUCH

# A Debian tree of about 600 MB and 19,000 entries, as an image of a compute node may have them.
suite=trixie
packages=base-files,base-passwd,bash,coreutils,util-linux,mount,grep,sed,systemd-sysv,udev,dbus
packages=$packages,openssh-server,python3,perl,git,vim,linux-image-amd64,nfs-common,iproute2
packages=$packages,rsync,tar,cpio,procps,less,containerd

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

build() {
	mkdir -p "$work"
	for program in measure maketree plain limit; do
		[ -z "$(find "$bench/$program.c" -newer "$programs/$program" 2>&1)" ] ||
			${CC:-cc} -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -pthread -O2 -Wall -Wextra \
				-Wconversion -Werror -static -o "$programs/$program" "$bench/$program.c"
	done
}

# Tree A, made once: the path of a tar file in the cache.
tree_a() {
	cache=${TMPFSROOT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tmpfsroot}
	tar=$cache/bench-$(echo "$suite $packages" | sha256sum | cut -c1-12).tar
	if [ ! -e "$tar" ]; then
		echo "${0##*/}: making the Debian tree in $tar (once)" >&2
		mkdir -p "$cache"
		"$top/tests/debian" --variant=extract --format=tar --include="$packages" \
			"$suite" "$tar.$$" || { rm -f "$tar.$$"; return 1; }
		mv "$tar.$$" "$tar"
	fi
	echo "$tar"
}

# enter "$@": starts the script again, where all ends with it: processes and mounts.
enter() {
	if [ -z "${TMPFSROOT_BENCH-}" ]; then
		[ "$(id -u)" = 0 ] || die "only root can mount"
		[ -x "$helper" ] || die "$helper: not built: make static"
		build
		TMPFSROOT_BENCH=none
		case ${TREES:-A} in
		*A*) TMPFSROOT_BENCH=$(tree_a) ;;
		esac
		export TMPFSROOT_BENCH
		exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc "$0" "$@"
	fi
	mount -t tmpfs bench "$work"
	mkdir "$work/source" "$work/target"
}

# fill TYPE TREE: a new source; TREE is A, or the last arguments of maketree with commas between.
fill() {
	mount -t "$1" -o size=90% bench "$work/source" # a ramfs has no limit and ignores it
	chmod 0755 "$work/source"
	case $2 in
	A) tar -C "$work/source" -xpf "$TMPFSROOT_BENCH" ;;
	*) echo "$2" | tr , '\n' | xargs "$programs/maketree" "$work/source" ;;
	esac
	cp "$helper" "$work/source/tmpfsroot"
	cp "$programs/measure" "$work/source/init"
	mount -t tmpfs -o size=90% bench "$work/target"
}

empty() {
	umount "$work/target" "$work/source"
}

# contend CONTENDER [MEASURE'S OPTION...]: prints seconds, the megabytes above the source's own, and
# the share of the processors that others had.
# shellcheck disable=SC2016 # $1 is the target, $2 the source, of the shell in between
contend() {
	contender=$1
	shift
	set -- "$programs/measure" "$@"
	case $contender in
	ours) "$@" -b "$work/source" /tmpfsroot /init ;;
	one) taskset -c 0 "$@" -b "$work/source" /tmpfsroot /init ;;
	plain) taskset -c 0 "$@" "$programs/plain" "$work/source" "$work/target" ;;
	*)
		case $contender in
		cp) script='cp -a . "$1"' ;;
		tar) script='tar -cf - . | tar -C "$1" -xpf -' ;;
		cpio) script='find . -depth -print0 | cpio --quiet -0pdm "$1"' ;;
		rsync) script='rsync -aHAX ./ "$1"' ;;
		esac
		"$@" sh -c 'cd "$2" && '"$script"' && rm -rf ./*' - "$work/target" "$work/source"
		;;
	esac
}
