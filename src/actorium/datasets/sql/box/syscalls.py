"""The system calls a box may still make once it is closed: memory, threads, clocks and its pipes. As a BPF filter.

An allow list: what is not named answers EPERM, whatever DuckDB believes it may do. There is no open, no socket, no
exec, no process, no signal, no tracing in it, and no memory can become executable.
"""

from __future__ import annotations

import errno
import struct

# name: (x86_64, aarch64); None where the processor does not have it.
_ALLOWED: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "poll": (7, None),
    "ppoll": (271, 73),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "mincore": (27, 232),
    "brk": (12, 214),
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "set_tid_address": (218, 96),
    "rseq": (334, 293),
    "membarrier": (324, 283),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getcpu": (309, 168),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "gettimeofday": (96, 169),
    "times": (100, 153),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "uname": (63, 160),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getrandom": (318, 278),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
_MMAP, _MPROTECT = (9, 222), (10, 226)
_CLONE, _CLONE3 = (56, 220), (435, 435)
_PROT_EXEC = 4
_CLONE_THREAD = 0x0001_0000
_NEW_NAMESPACES = 0x7E02_0000  # the CLONE_NEW* flags that clone takes
_AUDIT_ARCH = (0xC000_003E, 0xC000_00B7)
_X32 = 0x4000_0000

_LOAD, _EQUAL, _SET, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_NUMBER, _ARCH, _FIRST, _THIRD = 0, 4, 16, 32  # where the filter finds what it looks at


def program(machine: str) -> bytes | None:
    """The filter for a type of processor, or None where its numbers are not known."""
    if machine not in ("x86_64", "aarch64"):
        return None
    column = 0 if machine == "x86_64" else 1
    parts = [
        _step(_LOAD, _ARCH),
        _step(_EQUAL, _AUDIT_ARCH[column], 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        parts += [_step(_AT_LEAST, _X32, 0, 1), _refuse(errno.ENOSYS)]
    for numbers in _ALLOWED.values():
        number = numbers[column]
        if number is not None:
            parts += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _ALLOW)]
    for name in (_MMAP, _MPROTECT):
        parts += _never(name[column], at=_THIRD, bits=_PROT_EXEC)
    parts += [_step(_EQUAL, _CLONE3[column], 0, 1), _refuse(errno.ENOSYS)]  # libraries then take clone
    parts += _threads(_CLONE[column])
    parts.append(_refuse(errno.EPERM))
    return b"".join(parts)


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _refuse(number: int) -> bytes:
    return _step(_RETURN, _ERRNO | number)


def _never(number: int, *, at: int, bits: int) -> list[bytes]:
    """A call that is allowed unless one of the bits is set in an argument's low half."""
    return [
        _step(_EQUAL, number, 0, 4),
        _step(_LOAD, at),
        _step(_SET, bits, 0, 1),
        _refuse(errno.EPERM),
        _step(_RETURN, _ALLOW),
    ]


def _threads(number: int) -> list[bytes]:
    """Clone makes threads of this process and nothing else."""
    return [
        _step(_EQUAL, number, 0, 5),
        _step(_LOAD, _FIRST),
        _step(_SET, _NEW_NAMESPACES, 2, 0),
        _step(_SET, _CLONE_THREAD, 0, 1),
        _step(_RETURN, _ALLOW),
        _refuse(errno.EPERM),
    ]
