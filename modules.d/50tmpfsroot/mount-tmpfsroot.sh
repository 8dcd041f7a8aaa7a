#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# mount hook, sourced, without systemd: what is to be moved is mounted on NEWROOT, where dracut looks
# for a root and its init. Nothing is copied yet; switch_root, which is tmpfsroot here, moves it.

# shellcheck disable=SC2154 # dracut's own variable
if [ "$root" = tmpfsroot ]; then
	mount --bind "$(tmpfsroot --source "$NEWROOT")" "$NEWROOT"
fi
