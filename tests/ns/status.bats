#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What the helper only tells: --dry-run and --status, here and on a root that it made.

# shellcheck disable=SC2016 # the code in quotes is for the root that is booted
load namespace

@test "--dry-run prints the plan and changes nothing" {
	boot -n -k '' -a unchanged -p 'mkdir run; mount -t tmpfs run run; ln init link; truncate -s 1G sparse; head -c 12000000 /dev/zero >large' \
		-- tmpfsroot --dry-run /init
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "source: the whole initramfs, moved to a new tmpfs (/ is ramfs)" ]
	[[ "$output" == *$'\nentries: '*" directories, 1 further hard links"* ]]
	[[ "$output" == *$'\nbytes to allocate: '*" MiB), the largest file 11.4 MiB"* ]]
	[[ "$output" == *$'\nlimits of the target: '*" inodes; needed: "* ]]
	[[ "$output" == *$'\nmemory: '*" available, "*" needed for the move, "*" must stay"* ]]
	awk '$1 == "memory:" { told = $2 * ($3 ~ /GiB/ ? 1048576 : 1024) }
		$1 == "MemAvailable:" { real += $2 } $1 == "KReclaimable:" { all = $2 } $1 == "low" { low += 4 * $2 }
		END {
			real -= all - (low < all / 2 ? low : all / 2)
			exit told < 0.99 * real || told > 1.01 * real
		}' <(echo "$output") /proc/{meminfo,zoneinfo}
	[[ "$output" == *$'\nmounts to carry: /run /proc /proc/cmdline\n'* ]]
	[[ "$output" == *$'\nmounts to make: /sys /dev /dev/pts\n'* ]]
	[[ "$output" == *$'\ninit: /init, interpreter: /bin/sh' ]]
}

@test "--dry-run fails where the boot would" {
	boot -n -a unchanged -- tmpfsroot --dry-run --opts=size=1M /init
	[ "$status" -eq 1 ]
	[[ "$output" == *"the tree needs "* ]]
	boot -n -a unchanged -- tmpfsroot --dry-run /none
	[ "$status" -eq 1 ]
}

@test "--dry-run by a user who is not root" {
	boot -n -k '' -p 'chmod 755 .; cp "$(command -v setpriv)" bin/; cp --parents \
		$(ldd "$(command -v setpriv)" | grep -o "/[^ ]*") .' -- \
		setpriv --reuid 65534 --regid 65534 --clear-groups tmpfsroot --dry-run /init
	[ "$status" -eq 0 ]
	[[ "$output" == *"limits of the target: unknown, only root may ask for them"* ]]
}

@test "--status before and after" {
	boot -k '' -p 'echo tmpfsroot --status >probe' -- sh -c 'tmpfsroot --status; exec tmpfsroot /init'
	[[ "${lines[0]}" == "root: ramfs (old-root), mode 0755, a mount with a parent" ]]
	[[ "${lines[4]}" == "boot: not by tmpfsroot,"* ]]
	[[ "${lines[6]}" == "root: tmpfs (tmpfsroot), mode 0755, a mount with a parent, made by tmpfsroot" ]]
	[[ "${lines[8]}" == "pivot_root: works" ]]
	[[ "${lines[9]}" == "kernel: Linux $(uname -r)"* ]]
	[[ "${lines[10]}" == "boot: / is a tmpfs: "*" entries, "*" (/run/tmpfsroot/report.json)" ]]
}

@test "--status=json is JSON and holds the report" {
	boot -k '' -p 'echo tmpfsroot --status=json >probe' -- tmpfsroot /init
	python3 - <<EOF
import json
status = json.loads("""$(tail -n +2 <<<"$output")""")
assert status["root"]["type"] == "tmpfs" and status["root"]["tmpfsroot"] is True, status
assert status["root"]["has_parent"] is True and status["pivot_root"] is True, status
assert status["boot"]["source"] == "initramfs", status
EOF
}

@test "--status of a root made here whose /run was mounted over" {
	boot -k '' -p 'echo "mount -t tmpfs over /run; tmpfsroot --status" >probe' -- tmpfsroot /init
	[[ "${lines[1]}" == *', made by tmpfsroot' ]]
	[ "${lines[5]}" = 'boot: /run/tmpfsroot/report.json is not there any more' ]
}
