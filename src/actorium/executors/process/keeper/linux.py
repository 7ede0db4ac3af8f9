"""Calls of the kernel that Python 3.11 does not have: namespaces, mounts, capabilities."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct

CLONE_NEWNS = 0x0002_0000
CLONE_NEWCGROUP = 0x0200_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_NOATIME = 1024
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PTRACE_DETACH = 17
_CAPABILITY_VERSION = 0x2008_0522
_CAPABILITIES = 64

CAP_KILL = 5

MACHINE = platform.machine()
_NUMBERS = {
    "x86_64": {"clone": 56, "pivot_root": 155, "capset": 126},
    "aarch64": {"clone": 220, "pivot_root": 41, "capset": 91},
}

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(name: str, *arguments: object) -> int:
    numbers = _NUMBERS.get(MACHINE)
    if numbers is None:
        raise OSError(f"{name}: unknown on a processor of type {MACHINE}; use the container executor")
    return _checked(_libc.syscall(ctypes.c_long(numbers[name]), *arguments), name)


def unshare(flags: int) -> None:
    """Leave the given namespaces for new ones."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def fork_into(flags: int) -> int:
    """Fork, the child in new namespaces: 0 in the child, its process id in the parent. Only without other threads."""
    zero = ctypes.c_ulong(0)
    return _syscall("clone", ctypes.c_ulong(flags | signal.SIGCHLD), zero, zero, zero, zero)


def mount(source: str, target: str, kind: str = "", *, flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        os.fsencode(options) if options else None,
    )
    _checked(result, f"mount {kind or 'bind'} {source} on {target}")


def bind(source: str, target: str, *, writable: bool = False, nodev: bool = True) -> None:
    """Show a folder or file at a second place, read-only unless said otherwise."""
    mount(source, target, flags=MS_BIND)
    flags = MS_BIND | MS_REMOUNT | MS_NOSUID | (MS_NODEV if nodev else 0) | (0 if writable else MS_RDONLY)
    try:
        mount("none", target, flags=flags)
    except PermissionError:
        # In a user namespace the flags that the host's mount is locked with must be repeated.
        mount("none", target, flags=flags | _locked_flags(target))


def _locked_flags(path: str) -> int:
    seen = os.statvfs(path).f_flag
    pairs = ((os.ST_NOEXEC, MS_NOEXEC), (os.ST_NOATIME, MS_NOATIME), (os.ST_RELATIME, 1 << 21), (os.ST_NODEV, MS_NODEV))
    return sum(flag for bit, flag in pairs if seen & bit)


def detach(target: str) -> None:
    """Take a mount away; what is open below it goes on."""
    _checked(_libc.umount2(os.fsencode(target), ctypes.c_int(MNT_DETACH)), f"umount {target}")


def setns(fd: int, kind: int) -> None:
    """Enter the namespace of this kind that a descriptor names."""
    _checked(_libc.setns(ctypes.c_int(fd), ctypes.c_int(kind)), "setns")


def pivot_root(new: str, old: str) -> None:
    """Make a mount the root of this mount namespace."""
    _syscall("pivot_root", os.fsencode(new), os.fsencode(old))


def _prctl(option: int, argument: int = 0, *rest: int) -> int:
    values = [ctypes.c_ulong(value) for value in (argument, *rest, 0, 0, 0)][:4]
    return int(_libc.prctl(ctypes.c_int(option), *values))


def die_with_parent() -> None:
    """Be killed when the thread that forked this process ends. Forgotten when the user id changes."""
    _checked(_prctl(_PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")


def set_dumpable(value: bool) -> None:
    """Whether processes of the same user may look into this one."""
    _checked(_prctl(_PR_SET_DUMPABLE, int(value)), "prctl")


def set_name(name: str) -> None:
    """What ``ps`` and ``top`` call this process, 15 characters."""
    _libc.prctl(ctypes.c_int(_PR_SET_NAME), name.encode()[:15], 0, 0, 0)


def stop_tracing(pid: int, number: int) -> None:
    """Let a process that stopped because this one traces it go on, with the signal that stopped it."""
    passed_on = 0 if number == signal.SIGTRAP else number  # that one is said of a program's start
    _libc.ptrace(ctypes.c_long(_PTRACE_DETACH), ctypes.c_long(pid), ctypes.c_void_p(0), ctypes.c_long(passed_on))


def hide_arguments() -> None:
    """Blank out this process's command line as others see it: it names folders of the host."""
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    ctypes.memset(start, 0, end - start)


def no_new_privileges() -> None:
    """From here on no program that is started gains anything: setuid bits are ignored."""
    _checked(_prctl(_PR_SET_NO_NEW_PRIVS, 1), "prctl")


def drop_bounding_set() -> None:
    """No program started from here on can have any capability, whatever its file says."""
    for capability in range(_CAPABILITIES):
        if _prctl(_PR_CAPBSET_DROP, capability) != 0:
            break  # past the last one this kernel knows


def keep_capabilities(kept: int) -> None:
    """Give up every capability but those in the bit set."""
    _prctl(_PR_CAP_AMBIENT, 4)
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    low, high = kept & 0xFFFF_FFFF, kept >> 32
    _syscall("capset", header, struct.pack("=6I", low, low, 0, high, high, 0))


def install_seccomp(instructions: bytes) -> None:
    """Filter the system calls of this process and its children by a BPF program of 8-byte instructions."""
    program = ctypes.create_string_buffer(instructions, len(instructions))
    header = struct.pack("=H6xQ", len(instructions) // 8, ctypes.addressof(program))
    pointer = ctypes.create_string_buffer(header, len(header))
    filtered = _libc.prctl(
        ctypes.c_int(_PR_SET_SECCOMP), ctypes.c_ulong(2), ctypes.c_ulong(ctypes.addressof(pointer)), 0, 0
    )
    _checked(filtered, "seccomp")
