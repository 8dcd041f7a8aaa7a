#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The move of an initramfs, as PID 1 in a mount namespace: on a ramfs, which the kernel gives where
# the command line has root=, and on a tmpfs.

# shellcheck disable=SC2016 # the code in quotes is for the root that is booted
load namespace

@test "everything is kept, on ramfs" {
	not_by_memcheck 'it reads the first page of what is mapped, which fills a hole on ramfs'
	keeps_everything ramfs --huge
}

@test "everything is kept, on tmpfs" {
	keeps_everything tmpfs --huge
}

# Without holes large folios are used, where the kernel has more than one size of them.
@test "everything is kept where no file has holes" {
	keeps_everything ramfs --dense
	keeps_everything tmpfs --dense
}

@test "the new root takes as much memory as the old one, and no option stays from the move" {
	boot -t tmpfs -p 'hardtree --dense tree; used() { echo $(($(stat -f -c "%b - %f" "$1"))); }; used . >../used' \
		-a 'used "$root"; cat ../used; grep "^tmpfsroot $root " /proc/mounts' -- tmpfsroot /init
	[ "${lines[1]}" -eq "${lines[2]}" ]
	[[ "${lines[3]}" == *" tmpfs rw,"* && "${lines[3]}" != *huge=* ]]
}

@test "files have their own modes, whatever the umask is" {
	boot -p 'for mode in 600 664 666 777; do echo "$mode" >"m-$mode"; chmod "$mode" "m-$mode"; done
			head -c 3000000 /dev/zero >m-large; chmod 666 m-large; mkdir -m 777 m-directory' \
		-w "sh -c 'umask 077; exec \"\$@\"' -" -a 'stat -c "%n %a" "$root"/m-* | sed "s|.*/||" | xargs' -- tmpfsroot /init
	[ "${lines[1]}" = 'm-600 600 m-664 664 m-666 666 m-777 777 m-directory 777 m-large 666' ]
}

@test "a large file that a mount is on is moved whole, and given back whole" {
	local covered='head -c 3000037 /dev/urandom >large; sha256sum large >../sum; echo over >over; mount --bind over large'
	boot -p "$covered; echo 'cat /large; umount /large' >probe" -a 'cd "$root"; sha256sum -c ../sum' -- tmpfsroot /init
	[ "$status" -eq 0 ]
	[ "${lines[1]}" = over ]
	[ "${lines[2]}" = 'large: OK' ]
	rm -rf "${BATS_TEST_TMPDIR:?}"/*
	boot -p "$covered" -a 'mkdir ../seen; busybox mount -o bind . ../seen; cd ../seen; sha256sum -c ../sum' \
		-w 'strace -D -f -qq -o /dev/null -e trace=chroot -e inject=chroot:error=EIO:when=2' -- tmpfsroot --onfail=reboot /init
	[ "$status" -eq 129 ]
	[[ $output == *'all that was moved is back in its place'*'large: OK' ]]
}

@test "the old root is empty afterwards, the new one is a tmpfs 0755 of root" {
	boot -p 'chmod 1777 .' -a 'ls -A; stat -c "%a %u:%g" "$root"; stat -f -c %T "$root"' -- \
		tmpfsroot /init
	[ "${lines[1]}" = "755 0:0" ]
	[ "${lines[2]}" = tmpfs ]
	[ "${#lines[@]}" -eq 3 ]
}

@test "mode= in the options is kept, other options reach the mount" {
	probe='grep " / tmpfs " /proc/mounts; stat -c %a /'
	boot -p "echo '$probe' >probe" -- tmpfsroot --opts=mode=0711,size=64M,nr_inodes=5k,noatime /init
	[[ "$output" == *"tmpfsroot / tmpfs rw,noatime,size=65536k,nr_inodes=5120,mode=711"* ]]
	[ "${lines[2]}" = 711 ]
}

@test "API file systems are made with their flags, once each" {
	boot -p 'echo cat /proc/mounts >probe' -- tmpfsroot /init
	[ "$(grep -c ' /proc proc rw,nosuid,nodev,noexec,' <<<"$output")" -eq 1 ]
	[ "$(grep -c ' /sys sysfs rw,nosuid,nodev,noexec,' <<<"$output")" -eq 1 ]
	[ "$(grep -c ' /dev devtmpfs rw,nosuid,' <<<"$output")" -eq 1 ]
	[ "$(grep -c ' /dev/pts devpts rw,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=000' \
		<<<"$output")" -eq 1 ]
	[ "$(grep -c ' /run tmpfs rw,nosuid,nodev,.*mode=755' <<<"$output")" -eq 1 ]
	[ "$(wc -l <<<"$output")" -eq 7 ]
}

@test "mounts are carried over with their submounts and flags, once each" {
	boot -k quiet -p 'mkdir -p run sys data/deep/er etc; mount -t tmpfs -o size=1M mine run
		mkdir run/sub; mount -t tmpfs sub run/sub; echo kept >run/sub/file
		mount -t tmpfs deep data/deep/er; echo deep >data/deep/er/file; echo below >data/deep/file
		echo real >etc/bound; echo other >run/other; mount --bind run/other etc/bound
		echo "cat /proc/mounts /run/sub/file /data/deep/er/file /data/deep/file /etc/bound" >probe' \
		-- tmpfsroot /init
	[ "$(grep -c '^mine /run tmpfs rw,relatime,size=1024k' <<<"$output")" -eq 1 ]
	[ "$(grep -c '^sub /run/sub tmpfs' <<<"$output")" -eq 1 ]
	[ "$(grep -c '^deep /data/deep/er tmpfs' <<<"$output")" -eq 1 ]
	[ "$(grep -c ' /run ' <<<"$output")" -eq 1 ]
	[ "$(grep -c ' /proc proc ' <<<"$output")" -eq 1 ]
	[[ "$output" == *$'\nkept\ndeep\nbelow\nother' ]]
}

@test "a mount in the tree is neither entered nor emptied" {
	boot -p 'mkdir mnt; mount -t tmpfs canary mnt; echo alive >mnt/canary' \
		-a 'cat "$root/mnt/canary"' -- tmpfsroot /init
	[ "${lines[1]}" = alive ]
}

@test "a bind mount of the tree's own file system becomes one of the new" {
	boot -p 'mkdir a b; echo one >a/file; mount --bind a b' \
		-a 'cat "$root/b/file"; echo two >"$root/a/file"; cat "$root/b/file"; ls -A; umount "$root/b"
			ls -A "$root/b"' -- tmpfsroot /init
	[ "${lines[1]} ${lines[2]}" = "one two" ]
	[ "${#lines[@]}" -eq 3 ]
}

@test "init gets its arguments and environment, and the witness" {
	export CANARY='a b'
	boot -p 'echo "echo \"[\$CANARY] \$1 \$#\"" >probe' -- tmpfsroot /init 'x  y' -z
	[ "${lines[0]}" = "init: /init x  y -z TMPFSROOT=1" ]
	[ "${lines[1]}" = "[a b] x  y 2" ]
}

@test "asked again, it starts init at once" {
	boot -p 'printf "#!/bin/sh\n[ \"\$TMPFSROOT\" != 1 ] || exec tmpfsroot --debug /init again\n%s\n" \
		"echo last: \$* \$TMPFSROOT; ls -i /run/tmpfsroot/report.json" >init' -- tmpfsroot /init
	[ "${lines[0]}" = "last: again 2" ]
}

@test "started by rdinit=, it gives all its arguments to /init" {
	not_by_memcheck "it gives the program another name than rdinit= does"
	boot -k 'rdinit=/usr/bin/tmpfsroot' -- /usr/bin/tmpfsroot --version two
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "init: /init --version two TMPFSROOT=1" ]
}

@test "an init that always asks for itself does not loop" {
	boot -p 'printf "#!/bin/sh\necho round\nexec tmpfsroot --onfail=reboot /init\n" >init' \
		-- tmpfsroot /init
	[ "$status" -eq 129 ]
	[ "$(grep -c '^round$' <<<"$output")" -eq 4 ]
	[[ "$output" == *"init has asked for itself 4 times: "*TMPFSROOT* ]]
}

@test "what is excluded stays behind: by path, and by name anywhere" {
	boot -p 'mkdir -p usr/share/doc/x keep/doc; touch usr/share/doc/x/y keep/doc/z a.o keep/b.o c.ok' \
		-a 'ls -A; cd "$root"; find usr/share keep *.o* | sort' -- \
		tmpfsroot '--exclude=/usr/share/doc:*.o' /init
	[[ "$output" == *$'\nc.ok\nkeep\nkeep/doc\nkeep/doc/z\nusr/share' ]]
}

@test "the report holds the figures of the boot" {
	boot -p 'echo cat /run/tmpfsroot/report.json >probe' -- tmpfsroot /init
	python3 - <<EOF
import json
report = json.loads("""$(tail -n +2 <<<"$output")""")
assert report["source"] == "initramfs" and report["source_type"] == "ramfs", report
assert report["method"] == "copy" and report["warnings"] == [], report
assert report["entries"] > 15 and 1e6 < report["bytes"] < 1e8, report
assert 0 < report["seconds"]["move"] <= report["seconds"]["total"] < 10, report
EOF
}

@test "a file that is open or mapped keeps its content" {
	boot -p 'head -c 20000000 /dev/urandom >large; exec 5<large; sha256sum <large >../sum' \
		-a '[ ! -e large ]; sha256sum <&5 | diff - ../sum; sha256sum <"$root/large" | diff - ../sum' \
		-- tmpfsroot /init
	[ "$status" -eq 0 ]
}

# The one who has it open is a process beside the helper, seen in its /proc.
@test "where there are no leases /proc tells who has a file open" {
	boot -k rd.debug -p 'head -c 20000000 /dev/urandom >large; cp large free; exec 5<large; sha256sum <large >../sum' \
		-w "noleases sh -c 'sleep 60 & exec \"\$@\"' -" \
		-a '[ ! -e large ]; for file in /dev/fd/5 "$root/large" "$root/free"; do sha256sum <$file | diff - ../sum; done' \
		-- tmpfsroot /init
	[ "$status" -eq 0 ]
	[[ $output != *'is not known'* ]]
}

@test "where there are no leases, and a loop device has any file, all large ones may be open" {
	boot -n -k '' -p 'head -c 50000000 /dev/zero >large; truncate -s 1M ../image; losetup --show -f ../image >../device' \
		-w noleases -a 'losetup -d "$(cat ../device)"' -- tmpfsroot --dry-run /init
	[ "$status" -eq 0 ]
	[[ "$output" == *" available, "[567][0-9].?" MiB needed for the move"* ]]
}

@test "where there are no leases, and one look at who has a file open fails, all large ones may be open" {
	local call fault log=$BATS_TEST_TMPDIR/calls prepare='head -c 50000000 /dev/zero >large' trace="fault ${ASAN_OPTIONS+-m}"
	boot -n -k '' -p "$prepare" -w "$trace -cl $log -- noleases" -- tmpfsroot --dry-run /init
	[ "$status" -eq 0 ]
	[[ "$output" == *" available, "?(1)[0-9].*" MiB needed for the move"* ]]
	for call in 'faccessat2?' newfstatat; do # most are for the loop devices and for the descriptors
		fault=$(awk -v OFS=: -v call="^$call\$" '$1 ~ call { print $1, int($2 / 2) + 1, "ENOMEM" }' "$log")
		boot -n -k '' -p "$prepare" -w "$trace $fault -- noleases" -- tmpfsroot --dry-run /init
		[ "$status" -eq 0 ]
		[[ "$output" == *" available, "[567][0-9].?" MiB needed for the move"* ]]
	done
}

# In PREPARE: programs that hold a library of 64 MiB, and themselves, an executable of 20 MiB.
hold='head -c 67108864 /dev/urandom >library; cp bin/holder bin/large; head -c 20971520 /dev/urandom >>bin/large
	sha256sum library bin/large >../sums; mkfifo ../held; exec 6<>../held; bin/large library >&6 & read -r _ holder <&6'
# In AFTER: they have read right bytes all the time.
held='kill "$holder"; wait "$holder"; read -r held <&6; echo "$held"; (cd "$root"; sha256sum --quiet -c "$directory/sums"); ls -A'

@test "a program goes on that has its executable and a library moved from under it" {
	for type in ramfs tmpfs; do
		rm -rf "${BATS_TEST_TMPDIR:?}"/*
		boot -t "$type" -p "$hold" -a "$held" -- tmpfsroot /init
		[ "$status" -eq 0 ]
		[[ "${lines[1]}" == "right in "*" rounds" ]]
		[ "${#lines[@]}" -eq 2 ]
	done
}

@test "a tmpfs option that the kernel refuses is left out, with a warning" {
	boot -- tmpfsroot --opts=mpol=bind:77,size=64M /init
	[ "$status" -eq 0 ]
	[[ "$output" == *"this kernel refuses"*mpol=* ]]
	[[ "$output" == *"init: /init  TMPFSROOT=1"* ]]
}

@test "mounts are carried out of a shared root, too" {
	boot -k quiet -p 'mkdir run; mount -t tmpfs the-run run; echo kept >run/file; mount --make-rshared "$root"
		echo cat /run/file /proc/self/mountinfo >probe' -- tmpfsroot /init
	[ "${lines[1]}" = kept ]
	[ "$(grep -c ' /proc .* - proc ' <<<"$output")" -eq 1 ]
	[ "$(grep -c ' /run .* shared:.* - tmpfs the-run ' <<<"$output")" -eq 1 ]
}

@test "a bind mount keeps its flags and what is mounted on it" {
	boot -k quiet -p 'mkdir -p a/sub b; mount --bind a b; mount -o remount,bind,ro,nosuid b
		mount -t tmpfs on-it b/sub; echo precious >b/sub/data
		echo cat /b/sub/data /proc/mounts >probe' -- tmpfsroot /init
	[ "${lines[1]}" = precious ]
	[ "$(grep -c '^tmpfsroot /b tmpfs ro,nosuid,' <<<"$output")" -eq 1 ]
	[ "$(grep -c '^on-it /b/sub tmpfs rw' <<<"$output")" -eq 1 ]
}

@test "what lies hidden below a mount, and the mount point itself, are kept" {
	boot -p 'mkdir -m 1777 mnt; echo hidden >mnt/file; chown 5:6 mnt; mount -t tmpfs x mnt' \
		-a 'umount "$root/mnt"; cat "$root/mnt/file"; stat -c "%a %u:%g" "$root/mnt"' -- tmpfsroot /init
	[ "${lines[1]} ${lines[2]}" = "hidden 1777 5:6" ]
}

@test "flags of the mount are among the options" {
	boot -p 'echo "grep \" / \" /proc/mounts" >probe' -- tmpfsroot --opts=nodev,nosuid,noatime /init
	[[ "${lines[1]}" == "tmpfsroot / tmpfs rw,nosuid,nodev,noatime,"* ]]
}

@test "words of fstab among the options do nothing, but noexec is refused by name" {
	boot -p 'echo "grep \" / \" /proc/mounts" >probe' -- tmpfsroot --opts=rw,noatime,defaults,size=64M /init
	[[ "${lines[1]}" == "tmpfsroot / tmpfs rw,noatime,size=65536k,"* ]]
	boot -- tmpfsroot --onfail=reboot --opts=noexec,size=64M /init
	[ "$status" -eq 129 ]
	[ "${lines[0]}" = 'tmpfsroot: tmpfs option noexec: Invalid argument; change it in rd.tmpfsroot.opts=' ]
}

@test "a setgid top gives its group to nothing that is not its own" {
	boot -p 'mkdir d; touch d/file' -a 'stat -c "%a %g" "$root" "$root/d" "$root/d/file"' -- \
		tmpfsroot --opts=mode=2755,gid=100 /init
	[ "${lines[1]},${lines[2]},${lines[3]}" = "2755 100,755 0,644 0" ]
}

@test "a large file that is open is counted as held twice" {
	boot -n -p 'head -c 50000000 /dev/zero >large; exec 5<large' -- tmpfsroot --dry-run /init
	[[ "$output" == *" available, "[567][0-9].?" MiB needed for the move"* ]]
}

# The kernel signals that to the process that looks, which is not PID 1 here: such a signal would end it.
@test "others open a large file while it is looked whether it is open" {
	boot -n -k '' -p 'head -c 50000000 /dev/zero >large; touch ../looking
			(while [ -e ../looking ]; do : <large; sleep 0.01; done) &' -a 'rm ../looking; wait; grep -m 1 -o F_WRLCK ../trace' \
		-w 'strace -D -f -qq -o ../trace -e trace=fcntl -e inject=fcntl:delay_exit=500000' -- tmpfsroot --dry-run /init
	[ "$status" -eq 0 ]
	[[ "$output" == *" needed for the move"*F_WRLCK ]]
}

