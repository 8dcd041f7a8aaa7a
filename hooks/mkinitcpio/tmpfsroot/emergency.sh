#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What tmpfsroot starts, without systemd, where it cannot go on: the shell that mkinitcpio's init gives.
# When that is left, tmpfsroot tries again.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/bin
# shellcheck source=/dev/null
. /init_functions
# shellcheck source=/dev/null
. /config
# shellcheck disable=SC2086,SC2154 # mkinitcpio's own list of names
run_hookfunctions run_emergencyhook 'emergency hook' $EMERGENCYHOOKS
err 'tmpfsroot could not switch root: see above'
launch_interactive_shell
