#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# rd.tmpfsroot.method=bind: options of a tmpfs are refused. Containers on it are in runtimes.bats.

# shellcheck source=SCRIPTDIR/vm.bash
source "$BATS_TEST_DIRNAME/vm.bash"

setup_file() {
	need "$helper"
}

@test "options of a tmpfs are refused in one sentence, and init can go on with all as it was" {
	tiny refused 'rdinit=/usr/bin/tmpfsroot rd.tmpfsroot.method=bind rd.tmpfsroot.opts=size=100M rd.tmpfsroot.onfail=continue' \
		"$vm/guest/bind:/init"
	matches refused '^([[].*[]] )?tmpfsroot: rd\.tmpfsroot\.opts=size=100M: method=bind makes no tmpfs: use method=copy, or afterwards .*'
	[ "$(grep '^tmpfsroot: ' "$logs/refused.log" | grep -vc 'going on without')" = 1 ]
	ended refused
	shows refused 'RESULT witness=0'
	has_first_root refused
}

@test "the limits of a rootfs that is a tmpfs can be changed afterwards" {
	tiny limits 'rdinit=/usr/bin/tmpfsroot rd.tmpfsroot.method=bind' "$vm/guest/bind:/init"
	ended limits
	shows limits 'RESULT witness=1'
	shows limits "RESULT limits=$((100 << 20)) 5000"
	mounted_once limits / rootfs size=102400k nr_inodes=5000
	matches limits '^REPORT  *"method": "bind",$'
}
