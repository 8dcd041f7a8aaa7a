#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The packages: built twice, installed by their own package managers, images made of what they install
# and booted, and removed. With Debian's packages that is done in Debian 12 and 13, with the others in a
# Debian 12, for want of a system of theirs.

# shellcheck disable=SC2030,SC2031 # output is set by bats' run
# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

# fresh COMMAND...: a package's build runs bats, which would take what it finds of this one's for its own.
fresh() {
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$HOME" LC_ALL=C "$@"
}

setup_file() {
	local suite
	export LC_ALL=C
	mkdir -p "$logs"
	rm -rf "$top"/build/{deb,rpm,arch}
	"$vm/tree" bookworm build >/dev/null 2>&1 &
	fresh make -s -C "$top" dist deb rpm arch >"$logs/packages-build.log" 2>&1
	wait
	for suite in deb-bookworm deb-trixie rpm-bookworm arch-bookworm; do
		"$vm/package-image" "${suite%-*}" "${suite#*-}" "$logs/package-$suite" >"$logs/package-$suite.log" 2>&1 &
		# Two at a time.
		[[ $suite != *-trixie ]] || wait
	done
	wait
	# A system of one program, on a disk.
	mkdir -p "$BATS_FILE_TMPDIR/system"/{bin,sbin,usr/bin,usr/lib,etc,proc,sys,dev,run,tmp}
	cp "$("$vm/tree" bookworm)/busybox" "$BATS_FILE_TMPDIR/system/bin/"
	ln -s busybox "$BATS_FILE_TMPDIR/system/bin/sh"
	cp "$vm/guest/package" "$BATS_FILE_TMPDIR/system/sbin/init"
	cp "$vm/guest/lib.sh" "$BATS_FILE_TMPDIR/system/usr/lib/guest.sh"
	cp "$helper" "$BATS_FILE_TMPDIR/system/usr/bin/"
	echo NAME=guest >"$BATS_FILE_TMPDIR/system/etc/os-release"
	truncate -s 16M "$BATS_FILE_TMPDIR/disk"
	mkfs.ext4 -q -L system -d "$BATS_FILE_TMPDIR/system" "$BATS_FILE_TMPDIR/disk"
}

setup() {
	need "$helper"
	export LC_ALL=C
	version=$(sed -n 's/^VERSION = //p' "$top/Makefile")
}

# made FILE: it is there.
made() {
	[ -s "$1" ] || {
		echo "$1 was not made"
		tail -n 30 "$logs"/packages-build.log
		return 1
	}
}

# install_list [WITHOUT...]: kind, mode and name of all that "make install" installs, but for these.
install_list() {
	local name without
	name=$BATS_TEST_TMPDIR/make-install
	make -s -C "$top" install DESTDIR="$name" prefix=/usr
	for without; do
		[ -e "$name/$without" ]
		rm -r "${name:?}/$without"
	done
	files_of "$name"
}

# files_of DIRECTORY: manual pages may be compressed.
files_of() {
	(cd "$1" && find . ! -type d -printf '%m %P\n' | sed 's/\(man[0-9].*\)\.gz$/\1/' | sort)
}

@test "the version stands in one place" {
	cd "$top"
	run -0 grep -rlF "$version" Makefile packaging helper modules.d hooks README.md
	[ "$output" = Makefile ]
}

@test "make dist: the same to the byte from what it holds, without git" {
	local tarball=$top/build/tmpfsroot-$version.tar.gz
	made "$tarball"
	tar -C "$BATS_TEST_TMPDIR" -xf "$tarball"
	[ ! -e "$BATS_TEST_TMPDIR/tmpfsroot-$version/.git" ]
	run -0 grep -rl '@VERSION@\|@DATE@\|@DAY@' "$BATS_TEST_TMPDIR/tmpfsroot-$version/packaging"
	[ "$output" = "$BATS_TEST_TMPDIR/tmpfsroot-$version/packaging/dist" ]
	make -s -C "$BATS_TEST_TMPDIR/tmpfsroot-$version" dist
	cmp "$tarball" "$BATS_TEST_TMPDIR/tmpfsroot-$version/build/tmpfsroot-$version.tar.gz"
}

# elsewhere DIRECTORY: the packages, by an ordinary user, in a Debian that has nothing but what they ask for;
# another directory, time, umask, zone and language, and no git. They are in DIRECTORY/build.
elsewhere() {
	local builder work=$1/work
	builder=$("$vm/tree" bookworm build)/builder
	mkdir -p "$work"/{upper,work,root} "$1/build"
	made "$top/build/tmpfsroot-$version.tar.gz"
	# shellcheck disable=SC2016 # expanded by the shell that is started
	fresh unshare --mount --pid --fork --propagation private sh -euc 'cd "$1"
		mount -t overlay -o "lowerdir=$2,upperdir=upper,workdir=work" overlay root
		mount -t proc proc root/proc
		mount --bind /dev root/dev
		mkdir -p root/an/other
		tar -C root/an/other -xf "$3"
		chown -R nobody root/an
		chmod 1777 root/tmp
		chroot root /usr/bin/setpriv --reuid=nobody --regid=nogroup --clear-groups /usr/bin/env -i HOME=/an/other \
			PATH=/usr/bin:/bin TZ=Asia/Tokyo LC_ALL=C.UTF-8 /bin/sh -euc \
			"umask 077; cd /an/other/tmpfsroot-*; for kind in deb rpm arch; do make -s \$kind; done"
		cp -R root/an/other/tmpfsroot-*/build ../' - "$work" "$builder" "$top/build/tmpfsroot-$version.tar.gz" >"$1/log" 2>&1 || {
		tail -n 40 "$1/log"
		return 1
	}
}

@test "deb, rpm, arch: built again elsewhere, later, of what they ask for, they are the same to the byte" {
	local file tree=$BATS_TEST_TMPDIR
	sleep 2
	elsewhere "$tree"
	for file in "$top"/build/deb/*.{deb,dsc,tar.*} "$top"/build/rpm/*.rpm "$top"/build/arch/*.pkg.tar.*; do
		cmp "$file" "${file/"$top"/"$tree"}"
	done
	[ "$(cd "$tree" && ls build/{deb,rpm,arch})" = "$(cd "$top" && ls build/{deb,rpm,arch})" ]
}

@test "lintian and rpmlint have nothing to say" {
	made "$top/build/deb/tmpfsroot_$version-1~local_amd64.deb"
	run -0 lintian --allow-root --fail-on error,warning "$top"/build/deb/*.changes
	[ -z "$output" ]
	run -0 rpmlint --config "$top/packaging/rpm/rpmlint.toml" "$top"/build/rpm/*.rpm
	[[ $output == *' 3 packages and 0 specfiles checked; 0 errors, 0 warnings'* ]]
}

@test "no package of Debian's runs or asks for anything when it is installed" {
	local package
	for package in "$top"/build/deb/*.deb; do
		made "$package"
		dpkg-deb -e "$package" "$BATS_TEST_TMPDIR/${package##*/}"
		run -1 grep -vx 'control\|md5sums\|conffiles' <(ls "$BATS_TEST_TMPDIR/${package##*/}")
	done
}

@test "autopkgtest: Debian's own test of the package boots, on this system" {
	made "$top/build/deb/tmpfsroot_$version-1~local_amd64.deb"
	packages=$(dpkg-query -W)
	run "$vm/autopkgtest"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *'ROOT tmpfs'* && $output =~ boot\ +PASS ]]
	diff <(echo "$packages") <(dpkg-query -W)
}

# comes_and_goes KIND-SUITE WITHOUT...: what package-image has seen. WITHOUT is what "make install"
# installs and the packages do not have.
comes_and_goes() {
	local out=$logs/package-$1 list
	# These directories are of a package of their own, where there are such packages.
	local shared='^d 755 0:0 usr/share/\(doc\|licenses\|man\|man/man[78]\) *$'
	shift
	made "$out/dracut-removed.list" || {
		tail -n 30 "$out.log"
		return 1
	}
	# What came is what "make install" gives, with a licence and a list of changes for each package.
	diff <(install_list "$@" | sort -k 2) <(comm -13 "$out/before.files" "$out/installed.files" |
		sed -n 's/^[fl] \([0-7]*\) 0:0 \([^ ]*\) .*/\1 \2/p' | sed 's/\(man[0-9].*\)\.gz$/\1/' |
		grep -v '/\(copyright\|changelog.Debian.gz\)$\| usr/\(share/licenses\|lib/.build-id\)/' | sort -k 2)
	run -1 grep -v "$shared" <(comm -23 "$out/before.files" "$out/installed.files")
	# Images that were there are as they were, and new ones are as before, too.
	[ "$(grep -c initrd.img "$out/before.boot")" = 1 ]
	diff "$out/before.boot" "$out/unchanged.boot"
	diff "$out/installed.files" "$out/unchanged.files"
	for list in "$out"/*-before.list; do
		[ "$(wc -l <"$list")" -gt 300 ]
		diff "$list" "${list/before/installed}"
		diff "$list" "${list/before/removed}"
	done
	# Nothing is left.
	diff <(grep -v "$shared" "$out/before.files") <(grep -v "$shared" "$out/removed.files")
	diff "$out/before.boot" "$out/removed.boot"
}
@test "Debian 12, apt: all files come and go, and no image has changed that does not ask" {
	comes_and_goes deb-bookworm usr/lib/initcpio
}
@test "Debian 13, apt: all files come and go, and no image has changed that does not ask" {
	comes_and_goes deb-trixie usr/lib/initcpio
}
@test "dnf: all files come and go, and no image has changed that does not ask" {
	comes_and_goes rpm-bookworm usr/lib/initcpio usr/share/initramfs-tools
}
@test "pacman: all files come and go, and no image has changed that does not ask" {
	comes_and_goes arch-bookworm usr/share/initramfs-tools
}

# machine NAME DIRECTORY IMAGE WORDS...: a machine with the disk.
machine() {
	local name=$1 directory=$2 image=$3
	shift 3
	for _ in 1 2 3; do
		cp --sparse=always "$BATS_FILE_TMPDIR/disk" "$logs/$name.img"
		"$vm/run" -d "$logs/$name.img" -a "root=LABEL=system ro rd.skipfsck fsck.mode=skip $*" \
			"$directory/vmlinuz" "$logs/$name.log" "$directory/$image.cpio" || echo "$name was stopped: $?"
		is_lost "$name" || break
	done
	rm "$logs/$name.img"
	sed -i 's/\r//g' "$logs/$name.log"
}

# boots KIND-SUITE:GENERATOR KIND-SUITE:GENERATOR: their images, at the same time.
boots() {
	local image pids=()
	for image; do
		made "$logs/package-${image/://}.cpio"
		machine "package-${image/:/-}" "$logs/package-${image%:*}" "${image#*:}" rd.tmpfsroot=yes </dev/null &
		pids+=($!)
	done
	wait "${pids[@]}"
	for image; do
		in_memory "package-${image/:/-}"
	done
}

# in_memory NAME: the disk's system is in a tmpfs, and the disk is free.
in_memory() {
	shows "$1" 'GUEST DONE'
	never "$1" 'Kernel panic'
	mounted_once "$1" / tmpfs rw mode=755
	[[ $(result "$1" mount) == *'/ tmpfs tmpfsroot '* ]]
	shows "$1" 'RESULT root_has_parent=yes'
	shows "$1" 'RESULT disk_mounts=0'
	matches "$1" '^REPORT  *"source": "realroot",$'
	matches "$1" '^REPORT  *"warnings": \[\]$'
}
@test "Debian 12: images of the installed packages boot, by dracut and by initramfs-tools" {
	boots deb-bookworm:dracut deb-bookworm:initramfs-tools
}
@test "Debian 13: images of the installed packages boot, by dracut and by initramfs-tools" {
	boots deb-trixie:dracut deb-trixie:initramfs-tools
}
@test "rpm, arch: images of the installed packages boot, by dracut" {
	boots rpm-bookworm:dracut arch-bookworm:dracut
}

# unpacked: the sources as "make dist" gives them; prints where.
unpacked() {
	tar -C "$BATS_TEST_TMPDIR" -xf "$top/build/tmpfsroot-$version.tar.gz" || return
	echo "$BATS_TEST_TMPDIR/tmpfsroot-$version"
}
@test "deb: a build for another architecture installs the program of that" {
	local tree
	tree=$(unpacked)
	cp -R "$tree/packaging/debian" "$tree/debian"
	(cd "$tree" && fresh dpkg-buildpackage -aarm64 -Pcross,nocheck -d -us -uc -T override_dh_auto_install)
	run -0 readelf -h "$tree/debian/tmp/usr/bin/tmpfsroot"
	[[ $output == *AArch64* ]]
}
@test "rpm: the program names its sources, of which Fedora makes a package" {
	local tree
	tree=$(unpacked)
	fresh rpmbuild --nodeps -bc --define "_topdir $BATS_TEST_TMPDIR" --define "_sourcedir $top/build" \
		"$tree/packaging/rpm/tmpfsroot.spec"
	cd "$BATS_TEST_TMPDIR/BUILD"/*
	debugedit -b "$PWD" -d /usr/src/debug -l "$BATS_TEST_TMPDIR/list" build/tmpfsroot
	tr '\0' '\n' <"$BATS_TEST_TMPDIR/list" | grep -qx 'helper/main.c'
}

@test "rpm: what the packages require, and what they hold" {
	made "$top/build/rpm/tmpfsroot-$version-1.src.rpm"
	run -0 rpm -qp --requires "$top"/build/rpm/{tmpfsroot,dracut-tmpfsroot}-*.{x86_64,noarch}.rpm
	[[ $output == *libc.so.6* && $output == *$'\ndracut\n'* && $output == *"tmpfsroot = $version-1"* ]]
	# No script of a package runs that could make an image.
	run -0 rpm -qp --scripts --triggers --filetriggers "$top"/build/rpm/{tmpfsroot,dracut-tmpfsroot}-*.{x86_64,noarch}.rpm
	[ -z "$output" ]
	run -0 rpm -qp --licensefiles "$top"/build/rpm/tmpfsroot-*.x86_64.rpm
	[ "$output" = "/usr/share/licenses/tmpfsroot-$version/COPYING" ]
}

@test "pacman: into an empty root" {
	local root=$BATS_TEST_TMPDIR/root line
	made "$top/build/arch/tmpfsroot-$version-1-x86_64.pkg.tar.gz"
	mkdir -p "$root/var/lib/pacman"
	line=$(sed -n 's/^ *pacman -U //p' "$top/README.md")
	[ -n "$line" ]
	(cd "$top" && eval "pacman --root $root --noconfirm --assume-installed glibc -U $line")
	run -0 pacman --root "$root" -Qkk tmpfsroot
	diff <(install_list usr/share/initramfs-tools | sort -k 2) <(files_of "$root" |
		grep -v ' \(var\|etc\)/' | sort -k 2)
	# The hooks are those that mkinitcpio's own tests boot.
	diff -r "$top/hooks/mkinitcpio/install" "$root/usr/lib/initcpio/install"
	diff -r "$top/hooks/mkinitcpio/hooks" "$root/usr/lib/initcpio/hooks"
	run -0 pacman --root "$root" -Qi tmpfsroot
	[[ $output == *'Install Script  : No'* ]]
	pacman --root "$root" --noconfirm -R tmpfsroot
	# Nor a directory is left, but for those that any package has.
	run -0 find "$root" -path "$root/var/lib" -prune -o \( ! -type d -o -name '*tmpfsroot*' \) -print
	[ -z "$output" ]
}
