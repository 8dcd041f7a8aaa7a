#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# dracut's module for tmpfsroot(8): only in an image that asks for it (--add tmpfsroot).

# called by dracut
check() {
	require_binaries tmpfsroot || return 1
	return 255
}

# called by dracut
depends() {
	echo base
	return 0
}

# What an archive cannot carry of the trees that --include puts into /sysroot: see tmpfsroot(8), ATTRIBUTES.
# shellcheck disable=SC2154 # dracut's own variables
keep_attributes() {
	local i file=$initdir/etc/tmpfsroot.xattrs

	for ((i = 0; i < ${#include_src[@]}; i++)); do
		[[ -d ${include_src[i]} && ${include_target[i]} =~ ^/*sysroot/*$ ]] || continue
		if ! command -v getfattr >/dev/null; then
			dwarn "tmpfsroot: getfattr is missing: what ${include_src[i]} has of extended attributes is lost; install attr"
			continue
		fi
		mkdir -p "${file%/*}"
		(cd "${include_src[i]}" >/dev/null && getfattr -h -R -d -m - .) >>"$file" ||
			derror "tmpfsroot: getfattr has failed: extended attributes in ${include_src[i]} are lost"
	done
	[[ -s $file ]] || rm -f "$file"
}

# called by dracut
# shellcheck disable=SC2154 # dracut's own variables
install() {
	keep_attributes
	inst_multiple tmpfsroot
	inst_multiple -o /etc/tmpfsroot.conf
	inst_hook cmdline 95 "$moddir/parse-tmpfsroot.sh"

	if dracut_module_included systemd; then
		inst_script "$moddir/tmpfsroot-generator.sh" \
			"$systemdutildir/system-generators/dracut-tmpfsroot-generator"
		inst_simple "$moddir/initrd-switch-root.conf" \
			"$systemdsystemunitdir/initrd-switch-root.service.d/tmpfsroot.conf"
	else
		inst_hook mount 10 "$moddir/mount-tmpfsroot.sh"
		inst_script "$moddir/emergency.sh" /usr/lib/tmpfsroot/emergency
		# The first of this name in dracut's PATH; what is there already is not installed again.
		ln_r "$(find_binary tmpfsroot)" /usr/sbin/switch_root
		# A static busybox looks at its applets before PATH.
		# shellcheck disable=SC2016 # for that shell
		if [[ $(readlink -f "$initdir/bin/sh") == */busybox &&
			$("$initdir/bin/sh" -c 'command -v switch_root') == switch_root ]]; then
			derror "tmpfsroot: the image's shell is a busybox that runs its own switch_root: omit dracut's busybox module, or install a busybox that is not static"
			return 1
		fi
	fi
}
