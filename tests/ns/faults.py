#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""faults.py [WAY...]: lets each system call of the helper fail in each way to boot; prints TAP.

A boot with a failing call must end in one of two outcomes: init runs on a complete new root, or the
source is line by line what it was and a message names what failed. ways.sh makes each WAY's root
and looks at it afterwards; build/tools/fault makes a call fail. The WAYs "signals" and "kills" send
signals to a service at random moments instead. After a kill nothing is lost: each file is in the source or in
the target, and the next run refuses, or begins anew where nothing was moved yet.

FAULT_POINTS  how many times each call fails, spread over a boot (1: each call fails once, with one of
              its errors; more: with each of its errors at least)
FAULT_SEED    makes the random moments those of an earlier run
"""
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.join(HERE, "../../build/tools")
POINTS = int(os.environ.get("FAULT_POINTS", 1))
SIGNALS = 20 if POINTS == 1 else 100
MEMCHECK = "TMPFSROOT_TEST_MEMCHECK" in os.environ
ASAN = "ASAN_OPTIONS" in os.environ
TRIES = 10  # where threads race a boot may not reach the call

# WAY: file system of the initramfs, words of the kernel command line, command.
MOVE = "tmpfsroot --onfail=reboot /init"
SWITCH = "tmpfsroot /sysroot /sbin/init"
WAYS = {
    "ramfs": ("ramfs", "quiet", MOVE),
    "tmpfs": ("tmpfs", "quiet", MOVE),
    "dense": ("tmpfs", "quiet", MOVE),
    "bind": ("tmpfs", "quiet", MOVE.replace("/init", "--method=bind /init")),
    "workers": ("ramfs", "quiet", MOVE),
    "directory": ("ramfs", "quiet root=tmpfsroot rd.tmpfsroot.onfail=reboot", SWITCH),
    "whole": ("ramfs", "quiet root=tmpfsroot rd.tmpfsroot.onfail=reboot", "tmpfsroot /sysroot /init"),
    "realroot": ("ramfs", "quiet rd.tmpfsroot=yes rd.tmpfsroot.onfail=reboot", SWITCH),
    "newroot": ("ramfs", "quiet rd.tmpfsroot.onfail=reboot", SWITCH),
    "service": ("ramfs", "quiet root=tmpfsroot", "tmpfsroot /sysroot"),
    "service-tmpfs": ("tmpfs", "quiet root=tmpfsroot", "tmpfsroot /sysroot"),
}

LOOK = "EIO ENOMEM EACCES"
MAKE = "ENOSPC EIO ENOMEM EPERM"
MOUNT = "EINVAL EPERM ENOMEM"
# CALL: the errors that it may return, and what a message calls the operation. A call that is not here
# is an error of this table.
CALLS = {
    "open|openat|openat2": ("EIO ENOMEM EMFILE EPERM EINTR", "opening|reading /|MOVING (create|open)"),
    "read|pread64": ("EIO SHORT EINTR", "MOVING read|reading /|connecting to systemd|waiting for systemd"),
    "write|pwrite64": ("ENOSPC SHORT EINTR EIO", "MOVING write|connecting to systemd|asking systemd"),
    # EINVAL: a file system that has no splice(2).
    "sendfile": ("ENOSPC SHORT EINTR EIO EINVAL", "MOVING sendfile"),
    "getdents64": ("EIO ENOMEM", "reading (NEWROOT|the directory) /"),
    "mkdir": (MAKE, "mounting the target on /"),
    "mkdirat|mknodat|symlinkat": (MAKE, "MOVING (mkdir|mknod|symlink)"),
    "renameat": (MAKE, "making /etc/os-release"),
    "linkat": (MAKE + " EMLINK", "MOVING link"),
    "unlinkat|rmdir": ("EIO EPERM EBUSY", "MOVING (unlink|rmdir)"),
    "ftruncate|fallocate": ("EIO EINTR EPERM", "MOVING truncate in the (source|target)"),
    "chmod|fchmod|fchmodat": ("EPERM EIO", "MOVING chmod"),
    "fchown|fchownat": ("EPERM EIO", "MOVING chown"),
    "fsetxattr|lsetxattr": ("ENOSPC ENOMEM EPERM", "MOVING (setting its attributes?|noting its times)"),
    "fgetxattr|lgetxattr|flistxattr|llistxattr": ("EIO ENOMEM", "MOVING reading its attributes"),
    "fremovexattr|lremovexattr": ("EIO EPERM", "MOVING forgetting its times"),
    "stat|fstat|lstat|statx|newfstatat": (LOOK, "stat|MOVING stat|opening|reading NEWROOT"),
    "access|faccessat|faccessat2": (LOOK, "looking for /"),
    "readlink|readlinkat": (LOOK, "MOVING readlink|readlink /proc/self/fd"),
    "chdir|fchdir": (LOOK, "moving the new root onto /: fchdir|MOVING (noting its times|.*its attributes)"),
    "fstatfs": (LOOK, "statfs|looking at the tree and its target"),
    "chroot": ("EPERM ENOMEM", "moving the new root onto /: chroot"),
    # By the libc, for memory.
    "mmap|brk|mprotect|madvise": ("ENOMEM", "MOVING (mmap|reading its attributes)|counting|queueing|reading|starting"),
    "munmap|rt_sigprocmask|rt_sigaction": ("EINVAL", "MOVING munmap|blocking signals for the move"),
    "mincore": ("EAGAIN ENOMEM", "MOVING mincore"),
    "lseek": ("EIO EINVAL", "MOVING lseek"),
    "fcntl": ("EINVAL EAGAIN ENOMEM", "MOVING fcntl"),
    "fsopen|fspick": (MOUNT, "(fsopen|fspick) (tmpfs|/)"),
    "fsconfig": (MOUNT, "tmpfs option [a-z]|tmpfs: setting its source and mode|(making|mounting) a tmpfs"),
    "fsmount": (MOUNT, "(making|mounting) a tmpfs"),
    "open_tree": (MOUNT, "open_tree /|binding / over itself|cloning the mount"),
    "move_mount|mount": (MOUNT, "moving the new root onto /: move_mount|mounting the target on /|making the mount"),
    "umount2": ("EBUSY EPERM", "unmounting"),
    "fork|clone|clone3": ("EAGAIN ENOMEM", "fork"),
    "wait4": ("EINTR", "waiting"),
    "unshare": ("EPERM ENOMEM", "unshare"),
    "execve": ("ENOMEM EIO", "executing"),
    "rt_sigtimedwait": ("EINTR", "MOVING sigtimedwait"),
    "syslog": ("EPERM ENOMEM", "there is none: what cannot be read says nothing"),
    "sched_getaffinity|fadvise64": ("EINVAL", "MOVING fadvise"),
    "ioctl": ("EIO", "MOVING ioctl"),
    "close_range": ("EINVAL ENOMEM", "MOVING close_range"),
    "close": ("EIO EINTR", "MOVING close"),
    "socket|connect": ("EMFILE ENOMEM EAGAIN EACCES", "connecting to systemd by /"),
}
# They cannot fail, or are made by the libc before main() alone, or by the address sanitizer.
NEVER = set("any arch_prctl exit exit_group futex geteuid getpid getrandom gettid prlimit64 rseq "
            "set_robust_list set_tid_address sigaltstack umask uname".split())
# Of these memcheck makes few of its own.
OF_MEMCHECK = re.compile(".*xattr|chdir|chroot|connect|fch.*|fs.*|ftruncate|getdents64|linkat|mincore|mk.*|mount|"
                         "move_mount|openat2?|open_tree|pwrite64|read|readlinkat|rmdir|sched_getaffinity|sendfile|socket|"
                         "symlinkat|umount2|unlinkat|utimensat|write")
# What several workers alone do, or do more often than one.
OF_WORKERS = re.compile("clone3?|close_range|m.*|rt_sigprocmask|unshare")
# By musl and by glibc.
TEXTS = {
    "EACCES": "Permission denied",
    "EAGAIN": "Resource temporarily unavailable",
    "EBUSY": "Device or resource busy|Resource busy",
    "EINTR": "Interrupted system call",
    "EINVAL": "Invalid argument",
    "EIO": "I/O error|Input/output error",
    "EMFILE": "No file descriptors available|Too many open files",
    "EMLINK": "Too many links",
    "ENOMEM": "Out of memory|Cannot allocate memory",
    "ENOSPC": "No space left on device",
    "EPERM": "Operation not permitted",
    # A file that is read short has changed under the helper; so has an ELF header.
    "SHORT": "Stale file handle|Exec format error|is neither a #! script nor a program",
}
CALLS["utimensat"] = ("EPERM EIO", "MOVING (setting|restoring) its times")


def row_of(call):
    for names, row in CALLS.items():
        if call in names.split("|"):
            return row
    raise SystemExit(f"Bail out! no error is known for the system call {call}")


class Boot:
    """One boot, with a fault or (fault=None) counting the calls; what is known of it afterwards."""

    def __init__(self, way, fault=None):
        self.way, self.fault = way, fault
        self.service = way.startswith("service")
        self.signal = fault is not None and fault.split(":")[2].startswith("SIG")
        self.killed = fault is not None and fault.endswith(("SIGKILL", "SIGSEGV"))
        self.directory = tempfile.mkdtemp(prefix="faults.")
        try:
            self.run()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def run(self):
        kind, words, command = WAYS[self.way]
        log = f"{self.directory}/fault.log"
        tracer = f"{TOOLS}/fault {'-m ' if ASAN else ''}-l {log} {self.fault or '-c'} --"
        ways = f"way={self.way}; again={'yes' if self.killed else ''}; . {HERE}/ways.sh"
        # One worker, so that the calls come in the same order each time, but where a signal may come.
        one = [] if self.way == "workers" or self.signal and not self.killed else ["taskset", "-c", first_processor()]
        self.status, self.output = run(
            ["timeout", "-s", "KILL", "300", *one, "unshare", "--mount", "--propagation", "private",
             "busybox", "sh", f"{HERE}/boot", *(["-n"] if self.service else []), "-t", kind, "-k", words,
             "-p", f"{ways}; before", "-w", tracer, "-a", "after", self.directory, *command.split()],
            TMPFSROOT_TEST_NAMESPACE="1", **self.no_proc())
        self.lines = self.output.splitlines()
        self.log = read(log)
        self.same_tree = same(f"{self.directory}/tree.before", f"{self.directory}/tree.after")
        self.same_source = same(f"{self.directory}/before.dump", f"{self.directory}/after.dump")
        # Its own words, of reboot(2), are no finding.
        self.memcheck = re.sub(r"(?m)^--\d+-- .*\n?", "", read(f"{self.directory}/memcheck.log")) if MEMCHECK else ""

    def no_proc(self):
        """A /proc that cannot be opened is mounted anew, and has the machine's words: a plain switch."""
        first = r"(open|openat|fstatfs):1:" if ASAN else r"(open|fstatfs):1:"
        return {"WITHOUT_APIS": "1"} if self.way == "newroot" or self.fault and re.match(first, self.fault) else {}

    def has(self, text):
        return text in self.output

    def is_line(self, line):
        return line in self.lines

    def says(self, regex):
        return re.search(f"^tmpfsroot: .*{regex}", self.output, re.M) is not None

    def is_told(self):
        """What is missing in the end, or left over, was told."""
        for line in self.lines:
            if line.endswith(" is not mounted") and not self.says(re.escape(line[: -len(" is not mounted")]) + "[ :]"):
                return False
        if self.is_line("os-release leads nowhere") and not self.says("making /etc/os-release lead"):
            return False
        if self.is_line("the target is mounted") and not self.says("unmounting /run/tmpfsroot/target: "):
            return False
        if self.is_line("the mount was not carried") and not self.killed and not self.says(
                "attaching the mount .*/carried to the new root: it is missing there: "):
            return False
        # EBUSY means that a mount is on the name.
        busy = self.fault is not None and re.fullmatch("unlinkat:.*:EBUSY", self.fault)
        return busy or not self.has("\nleft in the old root: ") or self.says(" old root")

    def is_complete(self, status=0):
        if self.status != status or not self.same_tree or not self.is_told() or not self.is_line("switched"):
            return False
        if self.service:
            return self.is_line("SwitchRoot ['/sysroot', '/sbin/init']")
        return sum(line.startswith("init: ") for line in self.lines) == 1

    def is_unchanged(self, status):
        return (self.status == status and self.same_tree and self.same_source
                and not any(line.startswith("init: ") for line in self.lines)
                and not self.is_line("switched") and not self.is_line("the target is mounted")
                and not self.is_line("the mount is gone"))

    def names_fault(self):
        """A message has what was done, to what, and the error."""
        call, _, error = self.fault.split(":")
        operation = row_of(call)[1].replace("MOVING", "moving /[^:]*:") if call != "any" else "moving /"
        if error.startswith("SIG"):
            operation, text = "moving /", "a signal has ended the move"
        else:
            text = TEXTS[error]
        if error == "SHORT":
            operation += "|/"
        if self.service and self.no_proc():  # then the machine's own words do not ask for the move
            operation, text = "NEWROOT /sysroot is a part of the initramfs", ""
        return re.search(f"^tmpfsroot: ({operation}).*({text})", self.output, re.M) is not None

    def is_made(self):
        return bool(self.log)

    def verdict(self):
        refused = 1 if self.service else 129
        if "ERROR: AddressSanitizer" in self.output or "runtime error:" in self.output or self.memcheck:
            return "WRONG"
        if self.killed and self.status == (137 if self.fault.endswith("KILL") else 139) and not self.has("LOST"):
            if self.is_line("SwitchRoot ['/sysroot', '/sbin/init']") and self.is_line("switched") and self.same_tree:
                return "complete"  # while the initramfs was deleted
            if self.is_line("again 0") and self.same_tree:
                return "begun anew"
            if self.is_line("again 1") and self.says("a move was interrupted: .* restart the machine"):
                return "kept"
        if self.is_complete():
            return "complete"
        if (self.service and self.status == 1 and self.same_tree and self.is_line("switched") and self.names_fault()
                and self.says("the whole tree is in the tmpfs on /sysroot: start .* again")):
            return "kept"  # for the next start of the unit
        if self.is_unchanged(refused) and self.names_fault():
            return "back" if self.has("all that was moved is back in its place") else "refused"
        if self.fault.endswith("TERM") and self.is_unchanged(143) or self.fault.endswith("INT") and self.is_unchanged(130):
            return "ended"
        return "WRONG"

    def describe(self):
        return "\n".join(f"# {line}" for line in
                         [f"{self.way} {self.fault}: status {self.status}, the tree is the same: {self.same_tree}, "
                          f"the source is the same: {self.same_source}", *self.lines[:20], *self.memcheck.splitlines()])


def run(command, **environment):
    done = subprocess.run(command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          close_fds=False)  # the coverage build counts in descriptor 9
    return done.returncode, done.stdout.decode(errors="replace")


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def same(path, other):
    text = read(path)
    return bool(text) and text == read(other)


def first_processor():
    return str(min(os.sched_getaffinity(0)))


def count(way):
    """How often a boot makes each call; with several workers, at least."""
    least = {}
    for _ in range(6 if way == "workers" else 1):
        boot = Boot(way)
        if not boot.is_complete():
            raise SystemExit(f"Bail out! {way} does not boot without a fault\n{boot.describe()}")
        for line in boot.log.splitlines():
            call, number = line.split()
            least[call] = min(int(number), least.get(call, int(number)))
    return least


def points_of(number):
    """Which of so many calls fail: the first, the last and between; one: in the middle."""
    points = min(number, 1 if MEMCHECK else POINTS)
    if points == 1:
        return [(number + 1) // 2]
    return [1 + (number - 1) * i // (points - 1) for i in range(points)]


def faults_of(way):
    wanted = OF_WORKERS if way == "workers" else OF_MEMCHECK if MEMCHECK else re.compile(".*")
    counts = {call: number for call, number in count(way).items() if call not in NEVER and wanted.fullmatch(call)}
    for turn, call in enumerate(sorted(counts)):
        errors, points = row_of(call)[0].split(), points_of(counts[call])
        for i in range(max(len(points), len(errors)) if POINTS > 1 and not MEMCHECK else 1):
            yield f"{call}:{points[i % len(points)]}:{errors[(i + (turn if POINTS == 1 else 0)) % len(errors)]}"


def outcomes(faults):
    """Boots with each (WAY, FAULT), and prints what is wrong; the numbers of each verdict."""
    found = {}
    for way, fault in faults:
        for _ in range(TRIES):
            boot = Boot(way, fault)
            if boot.is_made():
                break
        verdict = boot.verdict()
        if verdict == "WRONG":
            print(boot.describe())
        if not boot.is_made():
            verdict += ", not made"
        found[verdict] = found.get(verdict, 0) + 1
    return found


def report(name, found, expected, least):
    """One line of TAP. Of a hundred calls one may never be reached, where threads race."""
    total = sum(found.values())
    missed = found.pop("complete, not made", 0)
    good = sum(found.get(verdict, 0) for verdict in expected)
    ok = good + missed == total and missed <= max(1, total // 100) and all(
        found.get(verdict, 0) >= number for verdict, number in least.items())
    numbers = ", ".join(f"{number} {verdict}" for verdict, number in sorted(found.items()))
    print(f"{'ok' if ok else 'not ok'} - {name}: {total} boots: {numbers}{f', {missed} not made' if missed else ''}", flush=True)
    return ok


def at_random(name, signals):
    """Signals come to a service, which alone can be ended, at random moments of a boot."""
    seed = int(os.environ.get("FAULT_SEED", random.randrange(1 << 30)))
    print(f"# {name}: FAULT_SEED={seed}")
    moments = random.Random(seed)
    for way in "service", "service-tmpfs":
        calls = count(way)["any"]
        for i in range(SIGNALS // 2):
            yield way, f"any:{moments.randint(1, calls)}:{signals[i % len(signals)]}"


def test(name):
    if name == "signals":
        found = outcomes(at_random(name, ["SIGTERM", "SIGINT"]))
        return report(name, found, ["complete", "back", "ended", "refused"], {"back": SIGNALS // 10})
    if name == "kills":
        found = outcomes(at_random(name, ["SIGKILL", "SIGSEGV", "SIGKILL"]))
        return report(name, found, ["kept", "begun anew", "complete"], {"kept": SIGNALS // 4})
    found = outcomes((name, fault) for fault in faults_of(name))
    # Only what is moved or made can be given back or made incomplete.
    least = {"complete": 1} if name in ("workers", "newroot") else {"complete": 1, "refused": 1}
    if name not in ("bind", "workers", "newroot", "realroot"):
        least["back"] = 5
    kept = ["kept"] if name.startswith("service") else []
    return report(name, found, ["complete", "back", "refused", *kept], {} if MEMCHECK else least)


def main():
    names = sys.argv[1:] or [*WAYS, "signals", "kills"]
    print(f"1..{len(names)}")
    failed = False
    for name in names:
        if os.uname().machine != "x86_64":
            print(f"ok - {name} # SKIP tests/tools/fault.c knows the registers of x86-64 alone")
        elif MEMCHECK and name in ("signals", "kills", "workers"):
            print(f"ok - {name} # SKIP memcheck runs one thread at a time, and most calls are its own")
        elif name == "workers" and len(os.sched_getaffinity(0)) == 1:
            print(f"ok - {name} # SKIP there is one processor")
        else:
            failed |= not test(name)
    sys.exit(1 if failed else 0)


main()
