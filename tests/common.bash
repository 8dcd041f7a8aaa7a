# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What all tests of bats share.

# left_to_check_all WHY: what "make check" leaves out.
left_to_check_all() {
	[ -n "${CHECK_ALL-}" ] || skip "left to make check-all: $1"
}
