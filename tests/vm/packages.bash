# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the tests of the packages share: they are built, and are to hold what "make install" installs.

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

# shellcheck disable=SC2034 # the tests name files by it
version=$(sed -n 's/^VERSION = //p' "$top/Makefile")

# fresh COMMAND...: a package's build runs bats, which would take what it finds of this one's for its own.
fresh() {
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$HOME" LC_ALL=C "$@"
}

# build: the packages of the last commit, unless they are there. Who builds may mount nothing, as in most
# containers: then what is tested meanwhile is "make check-build", of RPM's, too.
build() {
	local tarball built=$top/build/packages log=$logs/packages-build.log
	mkdir -p "$logs"
	exec 9>"$built.lock" # two files of tests ask for them
	flock 9
	if ! fresh make -s -C "$top" dist >"$log" 2>&1; then
		tail -n 30 "$log"
		return 1
	fi
	tarball=$(sha256sum "$top"/build/tmpfsroot-*.tar.gz)
	[ "$(cat "$built" 2>/dev/null)" != "$tarball" ] || return 0
	rm -rf "$built" "$top"/build/{deb,rpm,arch}
	if ! fresh setpriv --bounding-set=-sys_admin make -s -C "$top" deb rpm arch >>"$log" 2>&1; then
		tail -n 30 "$log"
		return 1
	fi
	echo "$tarball" >"$built"
}

# build_before: packages of the last 0.1.0, in build/before/build/, to update from. build/before/of names the commit
# in the history that they are of. A tarball has no history, and then no such packages: that file is empty.
build_before() {
	local kind commit=0881589acb78 log=$logs/packages-before.log work=$top/build/before
	[ "$(cat "$work/of" 2>/dev/null)" != "$commit" ] || return 0
	rm -rf "$work"
	mkdir "$work"
	if ! git -c safe.directory="$top" -C "$top" archive --prefix=sources/ "$commit" >"$work/sources.tar" 2>"$log"; then
		: >"$work/of"
		return 0
	fi
	(
		tar -C "$work" -xf "$work/sources.tar" || exit 1
		fresh "$work/sources/packaging/dist" "$work" || exit 1
		for kind in deb rpm arch; do
			fresh setpriv --bounding-set=-sys_admin "$work/sources/packaging/build" "$kind" \
				"$work/tmpfsroot-0.1.0.tar.gz" "$work/build/$kind" || exit 1
		done
	) >"$log" 2>&1 || {
		tail -n 30 "$log"
		return 1
	}
	rm -rf "$work"/sources*
	echo "$commit" >"$work/of"
}

setup() {
	need "$helper"
	export LC_ALL=C
}

# made FILE: it is there.
made() {
	[ -s "$1" ] || {
		echo "$1 was not made"
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
