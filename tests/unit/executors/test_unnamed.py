"""Files that have no name any more, as the keeper finds them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actorium.executors.process.keeper import unnamed as module
from actorium.executors.process.keeper.unnamed import Hidden, Unnamed, unnamed

MB = 1 << 20
HOLDS = """
import ctypes, os, socket, sys, threading
def made(name, mbytes):
    fd = os.open(name, os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(fd, 0, mbytes << 20)
    os.unlink(name)
    return fd
kept = [made("a", 1), os.memfd_create("m")]
kept.append(os.dup(kept[0]))
os.write(kept[1], bytes(1 << 20))
if os.fork() == 0:
    kept.append(made("b", 2))
    mapped = made("c", 4)
    libc = ctypes.CDLL(None)
    libc.mmap.argtypes = (ctypes.c_void_p, *[ctypes.c_size_t] * 5)
    libc.mmap(None, 4096, 1, 1, mapped, 0)
    os.close(mapped)
    def wait():
        print("ready", flush=True)
        sys.stdin.read()
        os._exit(0)
    threading.Thread(target=wait).start()
    libc.syscall(*({"x86_64": 60, "aarch64": 93}[os.uname().machine], 0))  # the first thread only
os.wait()
"""


@pytest.fixture
def holds(tmp_path: Path) -> Iterator[int]:
    """The pid above a process and a child of it that hold files without a name: this one has other children."""
    command = ["sh", "-c", '"$0" -c "$1"; true', sys.executable, HOLDS]
    above = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with above:
        assert above.stdout is not None
        assert above.stdout.readline() == b"ready\n"
        yield above.pid


def test_each_is_counted_once_and_memory_is_none(holds: int) -> None:
    found = unnamed(holds)
    mapped = 4 * MB if os.geteuid() == 0 else 0  # others than root may not look at mappings
    assert (found.disk_bytes, found.in_flight) == (3 * MB + mapped, 0)


def test_who_holds_too_many_holds_more_than_any_disk(monkeypatch: pytest.MonkeyPatch, holds: int) -> None:
    monkeypatch.setattr(module, "UNNAMED_LOOKS_MAX", 3)
    assert unnamed(holds).disk_bytes > 1 << 60


def test_descriptors_in_a_socket_are_seen() -> None:
    ends = socket.socketpair()
    socket.send_fds(ends[0], [b"x"], [0, 1])
    command = ["sh", "-c", "sh -c 'echo ready; read x'; true"]  # one above it: this process has other children
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             pass_fds=(ends[1].fileno(),))  # fmt: skip
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        assert unnamed(child.pid).in_flight == 2
    for end in ends:
        end.close()


@pytest.mark.usefixtures("holds")
def test_nothing_is_below_no_process() -> None:
    assert unnamed(0).disk_bytes == 0


def test_who_hides_on_the_way_is_told_from_who_sends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Browsers send descriptors all the time; the disk has to have lost as much as a run may write, too."""
    free, in_flight = 100, 1
    monkeypatch.setattr(module, "_free", lambda _: free)
    monkeypatch.setattr(module, "unnamed", lambda _: Unnamed(disk_bytes=7, in_flight=in_flight))
    hidden = Hidden(tmp_path)
    assert [hidden.bytes_below(1, 50) for _ in range(9)] == [7] * 9
    free, in_flight = 40, 0
    assert hidden.bytes_below(1, 50) == 7
    in_flight = 1
    assert [hidden.bytes_below(1, 50) > 1 << 60 for _ in range(3)] == [False, False, True]
