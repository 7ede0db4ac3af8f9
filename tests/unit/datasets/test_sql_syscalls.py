"""The filter of system calls, run by an interpreter of its few instructions."""

from __future__ import annotations

import struct
from errno import ENOSYS, EPERM

import pytest

from actorium.datasets.sql.box import syscalls

ALLOW, KILL, ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
ARCH = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
ALLOWED = {"x86_64": (0, 1, 3, 202, 231), "aarch64": (63, 64, 57, 98, 94)}
# open, openat, openat2, socket, connect, execve, execveat, fork, vfork, kill, tgkill, ptrace, process_vm_readv,
# unshare, mount, memfd_create, dup, ioctl, prctl, prlimit64, io_uring_setup, bpf, seccomp, pidfd_getfd
REFUSED = {
    "x86_64": (
        2, 257, 437, 41, 42, 59, 322, 57, 58, 62, 234, 101, 310, 272, 165, 319, 32, 16, 157, 302, 425, 321, 317, 438,
    ),
    "aarch64": (
        56, 437, 198, 203, 221, 281, 129, 131, 117, 270, 97, 40, 279, 23, 29, 167, 261, 425, 280, 277, 438,
    ),
}  # fmt: skip
MMAP = {"x86_64": 9, "aarch64": 222}
MPROTECT = {"x86_64": 10, "aarch64": 226}
CLONE = {"x86_64": 56, "aarch64": 220}
THREAD_FLAGS = 0x3D0F00  # what the C library asks for


def verdict(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """What the filter answers to a call."""
    program = syscalls.program(machine)
    assert program is not None
    steps = list(struct.iter_unpack("=HBBI", program))
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    seen = struct.pack("=IIQ6Q", number, ARCH[machine] if arch is None else arch, 0, *padded)
    value = at = 0
    while True:
        code, yes, no, operand = steps[at]
        at += 1
        match code:
            case 0x20:
                value = struct.unpack_from("=I", seen, operand)[0]
            case 0x15:
                at += yes if value == operand else no
            case 0x35:
                at += yes if value >= operand else no
            case 0x45:
                at += yes if value & operand else no
            case 0x06:
                return int(operand)
            case _:
                raise AssertionError(f"an instruction of an unknown kind: {code:#x}")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_computing_is_allowed_and_nothing_else(machine: str) -> None:
    for number in ALLOWED[machine]:
        assert verdict(machine, number) == ALLOW
    for number in REFUSED[machine]:
        assert verdict(machine, number) == ERRNO | EPERM, number
    assert sum(verdict(machine, number) == ALLOW for number in range(1000)) < 50


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_memory_never_becomes_executable(machine: str) -> None:
    for call in (MMAP[machine], MPROTECT[machine]):
        assert verdict(machine, call, 0, 4096, 3) == ALLOW
        for protection in (4, 5, 7):
            assert verdict(machine, call, 0, 4096, protection) == ERRNO | EPERM


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_clone_makes_threads_alone(machine: str) -> None:
    clone = CLONE[machine]
    assert verdict(machine, clone, THREAD_FLAGS) == ALLOW
    assert verdict(machine, clone, 17) == ERRNO | EPERM
    assert verdict(machine, clone, 0x4000_0000 | 17) == ERRNO | EPERM
    assert verdict(machine, clone, THREAD_FLAGS | 0x1000_0000) == ERRNO | EPERM
    assert verdict(machine, 435) == ERRNO | ENOSYS


def test_other_tables_of_calls_are_closed() -> None:
    for number in (0, 2, 59):
        assert verdict("x86_64", number, arch=0x4000_0003) == KILL  # 32 bits
        assert verdict("x86_64", 0x4000_0000 | number) == ERRNO | ENOSYS  # x32
    assert verdict("aarch64", 63, arch=0x4000_0028) == KILL
    assert syscalls.program("riscv64") is None
