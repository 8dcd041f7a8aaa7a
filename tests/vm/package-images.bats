#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The packages: built again elsewhere, installed by their own package managers, images made of what they install
# and booted, removed, and installed as an update. With Debian's packages that is done in Debian 12 and 13, and in
# forky with dracut as the system's generator; with the others in a Debian 12, for want of a system of theirs.

# shellcheck disable=SC2030,SC2031 # output is set by bats' run
# shellcheck source=SCRIPTDIR/packages.bash
source "$BATS_TEST_DIRNAME/packages.bash"

setup_file() {
	local suite
	export LC_ALL=C
	build
	build_before
	for suite in deb-bookworm deb-trixie deb-forky rpm-bookworm arch-bookworm; do
		"$vm/package-image" "${suite#*-}" "${suite%-*}" >"$logs/package-$suite" 2>"$logs/package-$suite.log" || :
	done
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

# image_of KIND-SUITE: where package-image has put what it made.
image_of() {
	made "$logs/package-$1" || {
		tail -n 30 "$logs/package-$1.log"
		return 1
	} >&2
	cat "$logs/package-$1"
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
	elsewhere "$tree"
	for file in "$top"/build/deb/*.{deb,dsc,tar.*} "$top"/build/rpm/*.rpm "$top"/build/arch/*.pkg.tar.*; do
		cmp "$file" "${file/"$top"/"$tree"}"
	done
	[ "$(cd "$tree" && ls build/{deb,rpm,arch})" = "$(cd "$top" && ls build/{deb,rpm,arch})" ]
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
	local out list
	# These directories are of a package of their own, where there are such packages.
	local shared='^d 755 0:0 usr/share/\(doc\|licenses\|man\|man/man[78]\) *$'
	out=$(image_of "$1")
	shift
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
@test "forky, apt: all files come and go, and no image has changed that does not ask" {
	comes_and_goes deb-forky usr/lib/initcpio
}
@test "dnf: all files come and go, and no image has changed that does not ask" {
	comes_and_goes rpm-bookworm usr/lib/initcpio usr/share/initramfs-tools
}
@test "pacman: all files come and go, and no image has changed that does not ask" {
	comes_and_goes arch-bookworm usr/share/initramfs-tools
}

# boots KIND-SUITE GENERATOR: an image of it boots, with the disk.
boots() {
	local image name=package-$1-$2
	image=$(image_of "$1")
	for _ in 1 2 3; do
		cp --sparse=always "$BATS_FILE_TMPDIR/disk" "$logs/$name.img"
		"$vm/run" -d "$logs/$name.img" -a 'root=LABEL=system ro rd.skipfsck fsck.mode=skip rd.tmpfsroot=yes' \
			"$image/vmlinuz" "$logs/$name.log" "$image/$2.cpio" </dev/null || echo "$name was stopped: $?"
		is_lost "$name" || break
	done
	rm "$logs/$name.img"
	sed -i 's/\r//g' "$logs/$name.log"
	in_memory "$name"
}

# in_memory NAME: the disk's system is in a tmpfs, and the disk is free.
in_memory() {
	shows "$1" 'GUEST DONE'
	never "$1" 'Kernel panic'
	mounted_once "$1" / tmpfs rw mode=755
	[[ $(result "$1" mount) == *'/ tmpfs tmpfsroot '* ]]
	shows "$1" 'RESULT root_has_parent=yes'
	shows "$1" 'RESULT disk_mounts=0'
	matches "$1" "^REPORT  *\"version\": \"${version//./\\.}\",\$"
	matches "$1" '^REPORT  *"source": "realroot",$'
	matches "$1" '^REPORT  *"warnings": \[\]$'
}
@test "Debian 12: images of the installed packages boot, by dracut and by initramfs-tools" {
	boots deb-bookworm dracut
	boots deb-bookworm initramfs-tools
}
@test "Debian 13: images of the installed packages boot, by dracut and by initramfs-tools" {
	boots deb-trixie dracut
	boots deb-trixie initramfs-tools
}
@test "forky: images of the installed packages boot, by dracut and by initramfs-tools" {
	boots deb-forky dracut
	boots deb-forky initramfs-tools
}
@test "rpm, arch: images of the installed packages boot, by dracut" {
	boots rpm-bookworm dracut
	boots arch-bookworm dracut
}

# updates KIND-SUITE: from 0.1.0 the files become those of a new system, the settings stay, and so does the image
# until it is made again; then it boots, with the new program.
updates() {
	local out settings=' etc/\(dracut.conf.d\|initramfs-tools/conf.d\)/tmpfsroot'
	[ -s "$top/build/before/of" ] || skip "0.1.0 is in no history of git here: $(cat "$logs/packages-before.log")"
	out=$(image_of "$1")
	grep ' usr/share/doc/tmpfsroot/dracut.conf.example ' "$out/old.files"
	grep "$settings" "$out/updated.files"
	diff <(grep "$settings" "$out/old.files") <(grep "$settings" "$out/updated.files")
	diff "$out/installed.files" <(grep -v "$settings" "$out/updated.files")
	diff "$out/old.boot" "$out/updated.boot"
	run -1 diff -q "$out/before.boot" "$out/old.boot"
	boots "$1" updated
}
@test "Debian 12, apt: an update from 0.1.0 leaves a system that boots, by initramfs-tools" {
	updates deb-bookworm
}
@test "Debian 13, apt: an update from 0.1.0 leaves a system that boots, by initramfs-tools" {
	updates deb-trixie
}
@test "forky, apt: an update from 0.1.0 leaves a system that boots, by dracut" {
	updates deb-forky
}
@test "dnf: an update from 0.1.0 leaves a system that boots, by dracut" {
	updates rpm-bookworm
}
@test "pacman: an update from 0.1.0 leaves a system that boots, by dracut" {
	updates arch-bookworm
}
