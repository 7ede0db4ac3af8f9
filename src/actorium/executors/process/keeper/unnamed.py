"""What no walk through folders finds: files without a name, which take disk as long as a process holds them."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from actorium.kernel.limits import IN_FLIGHT_LOOKS, UNNAMED_LOOKS_MAX

_MORE_THAN_ANY_DISK = 1 << 62


@dataclass(slots=True)
class Unnamed:
    """Of the processes below one."""

    disk_bytes: int = 0
    """Held by descriptors and by mappings; more than any disk has where somebody holds too many to be looked at."""
    in_flight: int = 0
    """Descriptors on their way through sockets: what they hold can't be looked at."""


class _TooMany(Exception):
    pass


def unnamed(top: int) -> Unnamed:
    """Look at every process below ``top``. What may not be looked at is left out: mappings, for others than root."""
    return unnamed_of(_below(top))


def unnamed_of(pids: Iterable[int]) -> Unnamed:
    """The same for these processes."""
    found = Unnamed()
    look = _Look(found)
    try:
        for pid in pids:
            with contextlib.suppress(OSError):  # it has ended meanwhile
                for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
                    look.at(thread)
    except _TooMany:
        found.disk_bytes = _MORE_THAN_ANY_DISK
    return found


class Hidden:
    """What a run holds without a name, from look to look."""

    def __init__(self, folder: Path) -> None:
        """``folder`` lies on the disk that it writes to."""
        self._folder = folder
        self._free = _free(folder)
        self._looks = 0

    def bytes_below(self, top: int, most: int) -> int:
        """Of the processes below ``top``. More than any disk has when at each look they have descriptors on their way
        through sockets, and the disk lost more than ``most`` bytes: what these hold can't be looked at."""
        found = unnamed(top)
        self._looks = self._looks + 1 if found.in_flight else 0
        if self._looks >= IN_FLIGHT_LOOKS:
            with contextlib.suppress(OSError):  # its folder is gone
                if self._free - _free(self._folder) > most:
                    return _MORE_THAN_ANY_DISK
        return found.disk_bytes


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _below(top: int) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            with contextlib.suppress(OSError):
                parent = int(_read(f"/proc/{name}/stat").rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    todo = children.get(top, []) if top > 0 else []
    while todo:
        pid = todo.pop()
        yield pid
        todo += children.get(pid, [])


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


class _Look:
    def __init__(self, found: Unnamed) -> None:
        self._found = found
        self._left = UNNAMED_LOOKS_MAX
        self._seen: set[tuple[int, int]] = set()
        self._views: dict[str, set[int]] = {}
        probe = os.memfd_create("probe")
        self._memory = os.fstat(probe).st_dev  # of every memory file of the machine
        os.close(probe)

    def at(self, thread: str) -> None:
        """A thread may have descriptors of its own, and memory when its process's first thread has ended."""
        here = f"/proc/{thread}"  # not listed there, but found by its number
        with contextlib.suppress(OSError):
            memory = self._in_memory(here)
            for fd in os.listdir(f"{here}/fd"):  # noqa: PTH208
                with contextlib.suppress(OSError):
                    self._descriptor(here, fd, memory)
            with open(f"{here}/maps", "rb") as maps:  # noqa: PTH123
                for line in maps:
                    with contextlib.suppress(OSError):
                        self._mapping(here, line, memory)

    def _in_memory(self, here: str) -> set[int]:
        """Devices whose files take memory, for which there is another limit, as far as this thread sees them."""
        view = os.readlink(f"{here}/ns/mnt")  # noqa: PTH115
        if view not in self._views:
            mounts = (line.split() for line in _read(f"{here}/mountinfo").splitlines())
            found = (mount[2].split(b":") for mount in mounts if mount[mount.index(b"-") + 1] == b"tmpfs")
            self._views[view] = {self._memory, *(os.makedev(int(major), int(minor)) for major, minor in found)}
        return self._views[view]

    def _descriptor(self, here: str, fd: str, memory: set[int]) -> None:
        status = self._status(f"{here}/fd/{fd}")
        if stat.S_ISSOCK(status.st_mode):
            for line in _read(f"{here}/fdinfo/{fd}").splitlines():
                if line.startswith(b"scm_fds:"):
                    self._found.in_flight += int(line.split()[1])
        else:
            self._count(status, memory)

    def _mapping(self, here: str, line: bytes, memory: set[int]) -> None:
        if line.endswith(b" (deleted)\n"):
            low, high = (int(each, 16) for each in line.split(b" ", 1)[0].split(b"-"))
            self._count(self._status(f"{here}/map_files/{low:x}-{high:x}"), memory)

    def _status(self, path: str) -> os.stat_result:
        self._left -= 1
        if self._left < 0:
            raise _TooMany
        return os.stat(path)  # noqa: PTH116

    def _count(self, status: os.stat_result, memory: set[int]) -> None:
        # By time of change instead of by device: an overlay and what lies below it have two for one file.
        key = (status.st_ino, status.st_ctime_ns)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink or status.st_dev in memory:
            return
        if key not in self._seen:
            self._seen.add(key)
            self._found.disk_bytes += status.st_blocks * 512
