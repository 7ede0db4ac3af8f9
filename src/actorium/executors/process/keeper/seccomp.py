"""The system calls that no Actor needs and that reach deep into the kernel: a small deny list in BPF."""

from __future__ import annotations

import errno
import struct

from actorium.executors.process.keeper import linux

NEW_NAMESPACES = 0x7E02_0080  # every CLONE_NEW* flag, time included

# name: (x86_64, aarch64); None where the processor does not have it.
DENIED: dict[str, tuple[int | None, int | None]] = {
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "open_by_handle_at": (304, 265),
    "lookup_dcookie": (212, 18),
    "acct": (163, 89),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "quotactl": (179, 60),
    "ioperm": (173, None),
    "iopl": (172, None),
    "vhangup": (153, 58),
    "syslog": (103, 116),  # the kernel's log is the whole machine's
}
# Answered as if the kernel were older: libraries then take the way that can be looked at (clone), or do without.
UNKNOWN: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}
_SETRLIMIT = (160, 164)
_PRLIMIT = (302, 261)
_CLONE = (56, 220)
_SOCKET = (41, 198)
_SOCKETPAIR = (53, 199)
RLIMIT_CORE = 4
FAMILIES = (1, 2, 10, 16)
"""Kinds of sockets that there are: Unix, IPv4, IPv6 and netlink. Others are parts of the kernel that few look at, and
that it loads for whoever asks; vsock leads past the network namespace to the machine's own host."""
_AUDIT_ARCH = (0xC000_003E, 0xC000_00B7)
_X32 = 0x4000_0000

_LOAD, _EQUAL, _SET, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000


def _instruction(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _refuse(number: int) -> bytes:
    """0: nothing is done, and the caller is told that it was."""
    return _instruction(_RETURN, _ERRNO | number)


def program(machine: str = linux.MACHINE) -> bytes | None:
    """The filter for this processor, or None where its numbers are not known."""
    if machine not in ("x86_64", "aarch64"):
        return None
    column = 0 if machine == "x86_64" else 1
    parts = [
        _instruction(_LOAD, 4),
        _instruction(_EQUAL, _AUDIT_ARCH[column], 1, 0),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, 0),
    ]
    if machine == "x86_64":
        parts += [_instruction(_AT_LEAST, _X32, 0, 1), _refuse(errno.ENOSYS)]
    for table, answer in ((DENIED, errno.EPERM), (UNKNOWN, errno.ENOSYS)):
        for numbers in table.values():
            number = numbers[column]
            if number is not None:
                parts += [_instruction(_EQUAL, number, 0, 1), _refuse(answer)]
    parts += _core_limit(column)
    parts += _arguments(column)
    parts.append(_instruction(_RETURN, _ALLOW))
    return b"".join(parts)


def _core_limit(column: int) -> list[bytes]:
    """The limit of core files stays what it is: with any other than 1 the kernel starts the machine's own program for
    crashes, as root and outside of every sandbox, where ``core_pattern`` names one. Programs that set 0 go on."""
    return [
        _instruction(_EQUAL, _SETRLIMIT[column], 0, 4),
        _instruction(_LOAD, 16),
        _instruction(_EQUAL, RLIMIT_CORE, 0, 1),
        _refuse(0),
        _instruction(_RETURN, _ALLOW),
        _instruction(_EQUAL, _PRLIMIT[column], 0, 9),
        _instruction(_LOAD, 24),
        _instruction(_EQUAL, RLIMIT_CORE, 1, 0),
        _instruction(_RETURN, _ALLOW),
        _instruction(_LOAD, 32),
        _instruction(_EQUAL, 0, 0, 2),  # both halves of a pointer: no new limit is told, it is only asked for
        _instruction(_LOAD, 36),
        _instruction(_EQUAL, 0, 1, 0),
        _refuse(0),
        _instruction(_RETURN, _ALLOW),
    ]


def _arguments(column: int) -> list[bytes]:
    """Rules that look at the first argument: its low half stands at offset 16 (little endian)."""
    return [
        _instruction(_EQUAL, _CLONE[column], 0, 4),
        _instruction(_LOAD, 16),
        _instruction(_SET, NEW_NAMESPACES, 0, 1),
        _refuse(errno.EPERM),
        _instruction(_RETURN, _ALLOW),
        _instruction(_EQUAL, _SOCKET[column], 1, 0),
        _instruction(_EQUAL, _SOCKETPAIR[column], 0, len(FAMILIES) + 2),
        _instruction(_LOAD, 16),
        *(_instruction(_EQUAL, family, len(FAMILIES) - at, 0) for at, family in enumerate(FAMILIES)),
        _refuse(errno.EAFNOSUPPORT),
    ]
