#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# cmdline hook, sourced: a root that is in the initramfs can be handled. With dracut's busybox module
# in the image there is another switch_root again.

if tmpfsroot --source "$NEWROOT" > /dev/null; then
	# shellcheck disable=SC2034 # dracut's own variables
	root=tmpfsroot rootok=1
fi
if [ -z "$DRACUT_SYSTEMD" ]; then
	ln -sf "$(command -v tmpfsroot)" /usr/sbin/switch_root
fi
