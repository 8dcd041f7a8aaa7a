# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the tests of the packages share: they are built, and are to hold what "make install" installs.

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

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

setup() {
	need "$helper"
	export LC_ALL=C
	# shellcheck disable=SC2034 # used by the tests
	version=$(sed -n 's/^VERSION = //p' "$top/Makefile")
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
