# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2154,SC3013 # directory, root, top and kernel's words are of tests/ns/boot
#
# The ways to boot that faults.py tries, for tests/ns/boot: "before" makes the root, where $way says
# what for; "after" prints a line for each fact that the verdict needs. Where $again is set the helper
# was killed, and is run once more.

source=.   # the directory that becomes the new root
new=.      # where that is below "/" afterwards
apis='sys dev dev/pts run'

# system: what is in NEWROOT.
system()
{
	mkdir -p sysroot/bin sysroot/etc sysroot/sbin sysroot/proc sysroot/run sysroot/dev sysroot/sys
	cp bin/busybox sysroot/bin
	ln -s busybox sysroot/bin/sh
	cp init sysroot/sbin/init
	echo NAME=test >sysroot/etc/os-release
	touch etc/initrd-release
	source=sysroot
}

make_root()
{
	mkdir -p dev run sys
	mknod -m 600 dev/kmsg c 1 3
	case $way in
	directory)
		system
		mount --bind sysroot sysroot
		;;
	whole)
		mkdir sysroot
		touch etc/initrd-release
		ln -s initrd-release etc/os-release
		;;
	realroot | newroot)
		mkdir sysroot
		mount -t ramfs real sysroot
		system
		;;
	service*)
		system
		mount --bind sysroot sysroot
		mount --make-rshared /
		mount -t tmpfs the-run run
		mkdir -p run/systemd/system
		apis='' new=sysroot
		;;
	esac
	[ -z "${WITHOUT_APIS-}" ] || apis=''
}

# tree DIRECTORY: what is compared. That a symlink is read may change its access time, on a file system
# that stays, and where the move was killed; there run_again has read all files, which fills holes on ramfs.
tree()
{
	case $way$again in
	realroot) dumptree --no-atime "$1/tree" ;;
	*yes) dumptree --no-atime "$1/tree" | sed 's/ data=[^ ]*//' ;;
	*) dumptree "$1/tree" ;;
	esac && dumptree --no-atime "$1/bin"
}

# carried DIRECTORY: the mount that lies on the tree is there.
carried()
{
	[ "$(stat -c '%a %Y' "$1/carried")" = '711 9' ]
}

before()
{
	make_root
	hardtree --small "$source/tree"
	[ "$way" != dense ] || rm tree/few/islands
	tree "$source" >"$directory/tree.before"
	[ -z "$again" ] || hardtree --small "$directory/copy" # reading a hole on ramfs would fill it
	mkdir "$source/carried"
	mount -t ramfs -o mode=711 carried "$source/carried"
	touch -d @9 "$source/carried"
	echo '[ -e /proc/self/mounts ] || echo /proc is not mounted' >"$source/probe"
	case $way in service*) manage ;; esac
}

# in_either FILE: each byte of it is in the source or in the target; a large file that was being cut has its
# first part in the one, and the rest in the other.
in_either()
{
	a=$source/tree/$1 b=run/tmpfsroot/target/tree/$1 whole=$directory/copy/$1
	! cmp -s "$whole" "$a" || return 0
	! cmp -s "$whole" "$b" || return 0
	cut=$(stat -c %s "$a" 2>/dev/null) && [ -e "$b" ] || return 1
	{
		cat "$a"
		tail -c +$((cut + 1)) "$b"
	} | cmp -s - "$whole"
}

# run_again: after a kill.
run_again()
{
	kill "$manager" 2>/dev/null || : # it may have ended
	rm -f run/systemd/private run/notify
	(cd "$directory/copy" && busybox find . -type f) >"$directory/files"
	if ! grep -q '^tmpfsroot [^ ]*/sysroot tmpfs' /proc/mounts; then
		while read -r file; do
			in_either "$file" || echo "LOST: $file"
		done <"$directory/files"
	fi
	manage
	mount -t proc proc proc
	mount --bind ../cmdline proc/cmdline
	ended=0
	chroot . /usr/bin/tmpfsroot /sysroot || ended=$?
	echo "again $ended"
	umount proc/cmdline proc
}

# is_switched: what "/" is for the next process tells; of a service, what is on NEWROOT; of what was bound,
# that there is one more mount.
is_switched()
{
	case $way in
	service*) grep -q '^tmpfsroot [^ ]*/sysroot tmpfs' /proc/mounts ;;
	*) ! [ . -ef "$root" ] || [ "$(grep -c " $root " /proc/mounts)" != 1 ] ;;
	esac
}

after()
{
	[ -z "$again" ] || run_again
	dumptree --no-atime . >"$directory/after.dump"
	! is_switched || echo switched
	! grep -q 'target tmpfs' /proc/mounts || echo 'the target is mounted'
	for name in $apis; do
		mountpoint -q "$root/$name" || echo "/$name is not mounted"
	done
	[ "$way" != whole ] || [ "$(readlink "$root/etc/os-release")" != initrd-release ] || echo 'os-release leads nowhere'
	carried "$root/$new" || echo 'the mount was not carried'
	carried "$source" || echo 'the mount is gone'
	tree "$root/$new" >"$directory/tree.after" || tree "$source" >"$directory/tree.after"
	# What has content was not deleted. A bind mount is of it, and systemd deletes it itself.
	case $way in
	bind) ;;
	service*) cat ../manager.log ;;
	*) busybox find . -xdev -type f -size +0 | sed 's/^/left in the old root: /' ;;
	esac
}
