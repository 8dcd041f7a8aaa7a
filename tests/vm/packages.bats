#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The packages: what is in them, and what their distributions' own tools say of them.

# shellcheck disable=SC2030,SC2031 # output is set by bats' run
# shellcheck source=SCRIPTDIR/packages.bash
source "$BATS_TEST_DIRNAME/packages.bash"

setup_file() {
	export LC_ALL=C
	build
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
	run -0 grep -rl '@VERSION@\|@DATE@\|@DAY@\|@CHANGES@' "$BATS_TEST_TMPDIR/tmpfsroot-$version/packaging"
	[ "$output" = "$BATS_TEST_TMPDIR/tmpfsroot-$version/packaging/dist" ]
	make -s -C "$BATS_TEST_TMPDIR/tmpfsroot-$version" dist
	cmp "$tarball" "$BATS_TEST_TMPDIR/tmpfsroot-$version/build/tmpfsroot-$version.tar.gz"
}

@test "the lists of changes of all kinds say the same, and each begins with this version" {
	local words
	made "$top/build/arch/tmpfsroot-$version-1-x86_64.pkg.tar.gz"
	mkdir "$BATS_TEST_TMPDIR/deb"
	dpkg-deb -x "$top/build/deb/tmpfsroot_$version-1~local_amd64.deb" "$BATS_TEST_TMPDIR/deb"
	zcat "$BATS_TEST_TMPDIR/deb/usr/share/doc/tmpfsroot/changelog.Debian.gz" >"$BATS_TEST_TMPDIR/deb.txt"
	rpm -qp --changelog "$top/build/rpm/tmpfsroot-$version-1.x86_64.rpm" >"$BATS_TEST_TMPDIR/rpm.txt"
	bsdtar -xOf "$top/build/arch/tmpfsroot-$version-1-x86_64.pkg.tar.gz" .CHANGELOG >"$BATS_TEST_TMPDIR/arch.txt"
	words=$(grep -o '[[:alnum:]].*' "$top/packaging/changes" | wc -l)
	[ "$words" -gt 5 ]
	for kind in deb rpm arch; do
		head -n 1 "$BATS_TEST_TMPDIR/$kind.txt" | grep -F "$version-1"
		diff <(grep -o '[[:alnum:]/].*' "$top/packaging/changes") \
			<(grep -o '[[:alnum:]/].*' "$BATS_TEST_TMPDIR/$kind.txt" | sed -n "2,$((words + 1))p")
		grep -F 'First version.' "$BATS_TEST_TMPDIR/$kind.txt"
	done
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

# The licence and the list of changes are each distribution's own, as are what debuggers look for.
@test "deb and rpm: the packages together hold what make install installs" {
	local package own='/copyright$|/tmpfsroot-dbgsym$|/changelog\.Debian\.gz$| usr/(lib/(debug|\.build-id)|share/licenses|src)/'
	mkdir "$BATS_TEST_TMPDIR"/{deb,rpm}
	for package in "$top"/build/deb/*.deb; do
		dpkg-deb -x "$package" "$BATS_TEST_TMPDIR/deb"
	done
	for package in "$top"/build/rpm/*.{x86_64,noarch}.rpm; do
		bsdtar -C "$BATS_TEST_TMPDIR/rpm" -xf "$package"
	done
	diff <(install_list usr/lib/initcpio) <(files_of "$BATS_TEST_TMPDIR/deb" | grep -Ev "$own")
	rm -r "$BATS_TEST_TMPDIR/make-install"
	diff <(install_list usr/lib/initcpio usr/share/initramfs-tools) <(files_of "$BATS_TEST_TMPDIR/rpm" | grep -Ev "$own")
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
