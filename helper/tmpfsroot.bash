# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Completion of tmpfsroot, switch_root and run-init.

# Each function below adds to COMPREPLY whole words: the option, its "=", and a value.

# _tmpfsroot_words WORD CANDIDATE...: those that begin as the word does.
_tmpfsroot_words() {
	local candidate
	for candidate in "${@:2}"; do
		[[ $candidate != "$1"* ]] || COMPREPLY+=("$candidate")
	done
}

# _tmpfsroot_files WORD PREFIX: files, where the word is the prefix and the beginning of a path.
_tmpfsroot_files() {
	local file
	while IFS= read -r file; do
		COMPREPLY+=("$2$file")
	done < <(compgen -f -- "${1#"$2"}")
	compopt -o filenames 2>/dev/null
}

# _tmpfsroot_list WORD PREFIX CANDIDATE...: the last of a list with commas between.
_tmpfsroot_list() {
	local word=$1 before=$2
	shift 2
	[[ $word != *,* ]] || before=${word%,*},
	_tmpfsroot_words "$word" "${@/#/$before}"
	compopt -o nospace 2>/dev/null
}

_tmpfsroot_value() {
	case $1 in
	--status=*) _tmpfsroot_words "$1" --status=json ;;
	--root=*) _tmpfsroot_words "$1" --root=tmpfsroot ;;
	--tmpfsroot=*) _tmpfsroot_words "$1" --tmpfsroot={no,yes,auto} ;;
	--method=*) _tmpfsroot_words "$1" --method={copy,bind} ;;
	--opts=*)
		_tmpfsroot_list "$1" --opts= size= nr_blocks= nr_inodes= mode= uid= gid= huge= mpol= noswap \
			inode32 inode64 quota usrquota grpquota usrquota_block_hardlimit= \
			usrquota_inode_hardlimit= grpquota_block_hardlimit= grpquota_inode_hardlimit= \
			nosuid nodev noatime nodiratime relatime strictatime
		;;
	--onfail=*) _tmpfsroot_words "$1" --onfail={shell,continue,reboot,poweroff} ;;
	--mounts=* | --incomplete=* | --selinux=*) _tmpfsroot_words "$1" "${1%%=*}"={no,yes} ;;
	--init=*) _tmpfsroot_files "$1" --init= ;;
	--emergency=*) _tmpfsroot_words "$1" --emergency={reboot,poweroff,halt} ;;
	--shell=*) _tmpfsroot_words "$1" --shell={0,1} ;;
	--debug=*) _tmpfsroot_words "$1" --debug={0,1} ;;
	esac
}

_tmpfsroot_option() {
	_tmpfsroot_words "$1" --dry-run --source --status --status= --help --version --root= --tmpfsroot= \
		--method= --opts= --minmem= --exclude= --onfail= --mounts= --incomplete= --selinux= --init= --quiet --break --break= \
		--shell --shell= --emergency= --debug --debug=
	[[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}

_tmpfsroot_capabilities() {
	_tmpfsroot_list "$1" '' cap_{chown,dac_override,dac_read_search,fowner,fsetid,kill,setgid,setuid} \
		cap_{setpcap,linux_immutable,net_bind_service,net_broadcast,net_admin,net_raw,ipc_lock} \
		cap_{ipc_owner,sys_module,sys_rawio,sys_chroot,sys_ptrace,sys_pacct,sys_admin,sys_boot} \
		cap_{sys_nice,sys_resource,sys_time,sys_tty_config,mknod,lease,audit_write,audit_control} \
		cap_{setfcap,mac_override,mac_admin,syslog,wake_alarm,block_suspend,audit_read,perfmon} \
		cap_{bpf,checkpoint_restore}
}

_tmpfsroot() {
	local program=${1##*/} word=${COMP_LINE:0:COMP_POINT}
	word=${word##*[[:space:]]}
	COMPREPLY=()

	case $program,${COMP_WORDS[COMP_CWORD - 1]},$word in
	run-init,-d,*) _tmpfsroot_capabilities "$word" ;;
	run-init,-c,*) _tmpfsroot_files "$word" '' ;;
	run-init,*,-*) _tmpfsroot_words "$word" -d -c -n -p ;;
	switch_root,*,-*) _tmpfsroot_words "$word" -h -V --help --version ;;
	tmpfsroot,*,--*=*) _tmpfsroot_value "$word" ;;
	tmpfsroot,*,-*) _tmpfsroot_option "$word" ;;
	*) _tmpfsroot_files "$word" '' ;;
	esac
	# Where "=" is one of the characters that end a word, what is replaced begins behind the last.
	[[ $COMP_WORDBREAKS != *=* || $word != *=* ]] || COMPREPLY=("${COMPREPLY[@]#"${word%=*}"=}")
}

complete -F _tmpfsroot tmpfsroot switch_root run-init
