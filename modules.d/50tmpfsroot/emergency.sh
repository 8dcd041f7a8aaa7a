#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What tmpfsroot starts, without systemd, where it cannot go on: dracut's emergency shell. When that
# is left, tmpfsroot tries again.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin
# shellcheck source=/dev/null
. /lib/dracut-lib.sh
emergency_shell -n tmpfsroot "tmpfsroot could not switch root: see above"
