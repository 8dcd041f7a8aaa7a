# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# What the makers of images share. A maker is called with a SUITE first, sources this file and calls its functions
# in their order, once it has said which $kind_of_tree it needs, if that is no system; it prints the name of the directory that holds what it has made. Root, e2fsprogs, mmdebstrap and
# squashfs-tools are needed, and "make all tools" has run.

suite=${1:?usage: ${0##*/} SUITE} arguments=$*
vm=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$vm/../.." && pwd)
tree=$("$vm/tree" "$suite" "${kind_of_tree:-system}")

# made_once NAME FILE...: goes no further where it was made from these files, this maker, program, tree and $disks
# before, and else in a mount namespace of its own, with one maker of that name and suite at a time. What is put into
# $work/out is kept.
made_once() {
	directory=$top/build/vm/$1
	shift
	key=$({
		echo "$tree ${disks-}"
		cat "$0" "$vm/builder.sh" "$top/build/tmpfsroot" "$@"
	} | sha256sum | cut -c1-12)
	made=$directory/$suite-$key
	mkdir -p "$directory"
	exec 9>"$directory/$suite.lock"
	flock 9
	if [ -d "$made" ]; then
		echo "$made"
		exit
	fi
	# shellcheck disable=SC2086 # one word an argument
	[ "${TMPFSROOT_IMAGE_NAMESPACE-}" = "$directory" ] ||
		TMPFSROOT_IMAGE_NAMESPACE=$directory exec unshare --mount --propagation private "$0" $arguments
	rm -rf "$directory/$suite"-*
	work=$(mktemp -d "$directory/$suite.XXXXXX")
	trap 'umount -R "$work/root" 2>/dev/null || :; rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	mkdir "$work/out"
}

# build_in LAYER...: $root is a system of the suite with the generators, and these layers over it; $kernel is the
# version of its kernel.
build_in() {
	root=$work/root
	layers=$tree/builder
	for layer; do
		layers=$layer:$layers
	done
	mkdir "$work/upper" "$work/work" "$root"
	mount -t overlay -o "lowerdir=$layers,upperdir=$work/upper,workdir=$work/work" overlay "$root"
	mount --bind /proc "$root/proc"
	mount --bind /sys "$root/sys"
	mount --bind /dev "$root/dev"
	# shellcheck disable=SC2034 # used by the makers
	kernel=$(cd "$root/usr/lib/modules" && echo *)
}

# install_ours: what "make install" installs.
install_ours() {
	make -s -C "$top" install DESTDIR="$root" prefix=/usr >&2
}

# finished: all is in $work/out.
finished() {
	[ ! -d "$work/root" ] || umount -R "$work/root"
	mv "$work/out" "$made"
	echo "$made"
}
