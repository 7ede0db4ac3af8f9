"""The walls that do not trust DuckDB: namespaces, an empty root, another user, limits, a filter of system calls.

Each is put up where the host allows it; the last two hold on every Linux of a known processor. Calls that Python does
not have are made by ctypes. Nothing here reads a byte that came from a caller.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
from pathlib import Path

from actorium.datasets.sql.box import syscalls

MACHINE = platform.machine()
LINUX = platform.system() == "Linux"

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWNET = 0x0002_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x4000_0000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT, _MS_REC, _MS_PRIVATE = 1, 2, 4, 8, 32, 16384, 1 << 18
_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1
_CAPABILITY_VERSION = 0x2008_0522
_NUMBERS = {
    "x86_64": {"pivot_root": 155, "capset": 126, "seccomp": 317},
    "aarch64": {"pivot_root": 41, "capset": 91, "seccomp": 277},
}
_NOBODY = 65_534
_FILES_MAX = 64
_MEGABYTE = 1 << 20

_libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int) -> None:
    """End when the server ends, also when it is killed. Forgotten when the user changes."""
    if LINUX:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def be_first_to_go(niceness: int) -> None:
    """Leave the processor to others, and be the one that ends when the machine's memory does."""
    with contextlib.suppress(OSError):
        os.nice(niceness)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def leave_namespaces() -> bool:
    """Go where there is no network, no other mount and no shared memory. Only without other threads."""
    if not LINUX:
        return False
    flags = _NEWNS | _NEWNET | _NEWIPC | _NEWUTS
    outer = os.geteuid(), os.getegid()
    try:
        if outer[0] == 0:
            _call(_libc.unshare, ctypes.c_int(flags))
            return True
        _call(_libc.unshare, ctypes.c_int(flags | _NEWUSER))
    except OSError:
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {outer[0]} 1"), ("gid_map", f"0 {outer[1]} 1")):
        with contextlib.suppress(OSError):  # nobody at all will do as well
            Path("/proc/self", name).write_text(text)
    return True


def empty_root() -> bool:
    """Make an empty read-only folder the root. What is open and loaded stays; needs a namespace of mounts."""
    try:
        _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
        _mount("none", "/tmp", "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, options="size=4k,mode=555")  # noqa: S108
        os.chdir("/tmp")  # noqa: S108 - any folder that is on every system
        _syscall("pivot_root", b".", b".")
        _call(_libc.umount2, b".", ctypes.c_int(_MNT_DETACH))
        _mount("none", "/", None, _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        os.chdir("/")
    except OSError:
        return False
    return True


def drop_privileges() -> None:
    """Be nobody, without capabilities and without a way to new ones. Only without other threads."""
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):  # in a user namespace with one user there is no other one to be
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    if not LINUX:
        return
    with contextlib.suppress(OSError):
        _syscall("capset", struct.pack("=Ii", _CAPABILITY_VERSION, 0), struct.pack("=6I", 0, 0, 0, 0, 0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def limit(*, address_mbytes: int, cpu_secs: int, life_secs: int) -> None:
    """Bounds of the kernel's own: address space, processor time, time, and no files written."""
    for what, most in (
        (resource.RLIMIT_AS, address_mbytes * _MEGABYTE),
        (resource.RLIMIT_CPU, cpu_secs),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _FILES_MAX),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        with contextlib.suppress(OSError, ValueError):  # macOS refuses some of them
            resource.setrlimit(what, (most, most))
    signal.alarm(life_secs)


def close_files() -> None:
    """Keep the two pipes and the place for complaints."""
    os.closerange(3, _FILES_MAX * 16)


def filter_calls() -> bool:
    """From here on every thread may only compute and use its pipes. There is no way back."""
    instructions = syscalls.program(MACHINE) if LINUX else None
    if instructions is None:
        return False
    code = ctypes.create_string_buffer(instructions, len(instructions))
    header = struct.pack("=H6xQ", len(instructions) // 8, ctypes.addressof(code))
    pointer = ctypes.create_string_buffer(header, len(header))
    try:
        refused = _syscall(
            "seccomp",
            ctypes.c_ulong(_SECCOMP_SET_MODE_FILTER),
            ctypes.c_ulong(_SECCOMP_FILTER_FLAG_TSYNC),
            ctypes.byref(pointer),
        )
    except OSError:
        return False
    return refused == 0


def _call(function: ctypes._NamedFuncPointer, *arguments: object) -> int:
    result = int(function(*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _syscall(name: str, *arguments: object) -> int:
    numbers = _NUMBERS.get(MACHINE)
    if numbers is None:
        raise OSError(f"{name}: unknown on a processor of type {MACHINE}")
    return _call(_libc.syscall, ctypes.c_long(numbers[name]), *arguments)


def _prctl(option: int, argument: int) -> None:
    values = [ctypes.c_ulong(value) for value in (argument, 0, 0, 0)]
    _call(_libc.prctl, ctypes.c_int(option), *values)


def _mount(source: str | None, target: str, kind: str | None, flags: int, *, options: str | None = None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    _call(_libc.mount, *texts, ctypes.c_ulong(flags), None if options is None else os.fsencode(options))
