"""A container's limits and counters in the kernel: control groups of version 1 and 2 behind one small interface."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from actorium.executors.process.keeper import clock

ROOT = Path("/sys/fs/cgroup")
TOP = "actorium"
REMOVE_TRIES = 200  # the kernel lets go of a group a moment after its last process
REMOVE_PAUSE_SECS = 0.005
_CPU_PERIOD_US = 100_000
_STOCK_BYTES = 64 * 4096  # what the kernel lets one processor have of a group in advance
_CONTROLLERS = ("memory", "cpu", "cpuacct", "pids")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Counters of one moment; None is what this host cannot measure."""

    cpu_ns: int | None = None
    mem_bytes: int | None = None
    """Resident without page cache: anonymous and shared memory."""
    mem_other_bytes: int | None = None
    """What the group holds beside that: page cache, and what the kernel keeps for it."""
    mem_peak_bytes: int | None = None
    """The most that both were together, as the kernel saw it: since the group was made, or made again."""


class Group(Protocol):
    """The control group of one container."""

    limits: frozenset[str]
    """Which of memory, cpu, pids are limited."""

    def create(self, *, memory_bytes: int, cpu_cores: float, cpu_weight: float, pids_max: int) -> None:
        """Make it, with its limits; again for another program that takes it over."""
        ...

    def entries(self) -> list[int]:
        """Descriptors: a process that writes "0" into each of them is in the group."""
        ...

    def usage(self) -> Usage: ...

    def out_of_memory(self) -> int:
        """How many of its processes the kernel killed for memory."""
        ...

    def kill(self) -> None:
        """SIGKILL to whatever is in it."""
        ...

    def remove(self) -> bool:
        """Take it away; True when nothing is left. Absent is success."""
        ...


def _read(path: Path) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 65536).decode()
    finally:
        os.close(fd)


def _number(path: Path) -> int | None:
    """A file's number; None on a kernel that has no such file."""
    try:
        return int(_read(path))
    except FileNotFoundError:
        return None


def _write(path: Path, value: object) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, str(value).encode())
    finally:
        os.close(fd)


def _fields(text: str) -> dict[str, int]:
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _remove_folder(path: Path) -> bool:
    for _ in range(REMOVE_TRIES):
        try:
            path.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            clock.pause(REMOVE_PAUSE_SECS)
        else:
            return True
    return False


def _kill_all(procs: Path) -> None:
    with contextlib.suppress(OSError):
        for pid in _read(procs).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def _other(held: int | None, resident: int, files: int, kernel: int) -> int | None:
    """What a group holds beside the resident part: the rest of the whole, which has the stocks of processors in it.

    While a program lets go of much, the whole has memory that nothing has any more: so the rest is bounded by what it
    can be, and never less than the page cache, however the whole changed between two reads.
    """
    if held is None:
        return None
    stocks = _STOCK_BYTES * (os.cpu_count() or 1)
    return min(max(held - resident, files), files + kernel + stocks)


class GroupV1:
    """One folder in each of the hierarchies memory, cpu, cpuacct and pids."""

    def __init__(self, root: Path, name: str) -> None:
        mounted = [kind for kind in _CONTROLLERS if (root / kind / "tasks").exists()]
        self.folders = {kind: root / kind / TOP / name for kind in mounted}
        self.limits = frozenset(mounted) & {"memory", "cpu", "pids"}

    def create(self, *, memory_bytes: int, cpu_cores: float, cpu_weight: float, pids_max: int) -> None:
        for folder in self.folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        if memory := self.folders.get("memory"):
            with contextlib.suppress(
                OSError
            ):  # the limit of both can't be below that of memory: where it is raised, first
                _write(memory / "memory.memsw.limit_in_bytes", memory_bytes)
            _write(memory / "memory.limit_in_bytes", memory_bytes)
            with contextlib.suppress(OSError):  # a kernel without swap accounting
                _write(memory / "memory.memsw.limit_in_bytes", memory_bytes)
            with contextlib.suppress(OSError):
                _write(memory / "memory.swappiness", 0)
            with contextlib.suppress(OSError):  # what was imported ahead of a run is not the run's peak
                _write(memory / "memory.max_usage_in_bytes", 0)
        if cpu := self.folders.get("cpu"):
            with contextlib.suppress(FileNotFoundError):  # a kernel without bandwidth control
                _write(cpu / "cpu.cfs_period_us", _CPU_PERIOD_US)
                _write(cpu / "cpu.cfs_quota_us", max(1000, round(cpu_cores * _CPU_PERIOD_US)))
            _write(cpu / "cpu.shares", max(2, round(1024 * cpu_weight)))
        if pids := self.folders.get("pids"):
            _write(pids / "pids.max", pids_max)

    def entries(self) -> list[int]:
        # A thread that moves itself by "tasks" needs no lock over the whole machine; "cgroup.procs" does (10-20 ms).
        return [os.open(folder / "tasks", os.O_WRONLY | os.O_CLOEXEC) for folder in self.folders.values()]

    def usage(self) -> Usage:
        cpu_ns = int(_read(folder / "cpuacct.usage")) if (folder := self.folders.get("cpuacct")) else None
        memory = self.folders.get("memory")
        if memory is None:
            return Usage(cpu_ns=cpu_ns)
        held = _number(memory / "memory.usage_in_bytes")
        seen = _fields(_read(memory / "memory.stat"))
        anonymous, shared, cache = (seen.get(f"total_{one}", seen.get(one, 0)) for one in ("rss", "shmem", "cache"))
        kernel = _number(memory / "memory.kmem.usage_in_bytes") or 0
        return Usage(
            cpu_ns=cpu_ns,
            mem_bytes=anonymous + shared,
            mem_other_bytes=_other(held, anonymous + shared, cache - shared, kernel),
            mem_peak_bytes=_number(memory / "memory.max_usage_in_bytes"),
        )

    def out_of_memory(self) -> int:
        folder = self.folders.get("memory")
        return _fields(_read(folder / "memory.oom_control")).get("oom_kill", 0) if folder else 0

    def kill(self) -> None:
        for folder in self.folders.values():
            _kill_all(folder / "cgroup.procs")

    def remove(self) -> bool:
        return sum(not _remove_folder(folder) for folder in self.folders.values()) == 0


class GroupV2:
    """One folder of the unified hierarchy."""

    def __init__(self, parent: Path, name: str, controllers: frozenset[str]) -> None:
        self.folder = parent / name
        self.limits = controllers

    def create(self, *, memory_bytes: int, cpu_cores: float, cpu_weight: float, pids_max: int) -> None:
        self.folder.mkdir(exist_ok=True)
        if "memory" in self.limits:
            _write(self.folder / "memory.max", memory_bytes)
            with contextlib.suppress(FileNotFoundError):  # a kernel without swap
                _write(self.folder / "memory.swap.max", 0)
            with contextlib.suppress(FileNotFoundError):
                _write(self.folder / "memory.oom.group", 1)
        if "cpu" in self.limits:
            _write(self.folder / "cpu.max", f"{max(1000, round(cpu_cores * _CPU_PERIOD_US))} {_CPU_PERIOD_US}")
            _write(self.folder / "cpu.weight", min(10_000, max(1, round(100 * cpu_weight))))
        if "pids" in self.limits:
            _write(self.folder / "pids.max", pids_max)

    def entries(self) -> list[int]:
        return [os.open(self.folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)]

    def usage(self) -> Usage:
        cpu_ns = None
        with contextlib.suppress(FileNotFoundError):
            cpu_ns = _fields(_read(self.folder / "cpu.stat"))["usage_usec"] * 1000
        if "memory" not in self.limits:
            return Usage(cpu_ns=cpu_ns)
        held = _number(self.folder / "memory.current")
        seen = _fields(_read(self.folder / "memory.stat"))
        anonymous, shared, cache, kernel = (seen.get(one, 0) for one in ("anon", "shmem", "file", "kernel"))
        return Usage(
            cpu_ns=cpu_ns,
            mem_bytes=anonymous + shared,
            mem_other_bytes=_other(held, anonymous + shared, cache - shared, kernel),
            mem_peak_bytes=_number(self.folder / "memory.peak"),
        )

    def out_of_memory(self) -> int:
        if "memory" not in self.limits:
            return 0
        return _fields(_read(self.folder / "memory.events")).get("oom_kill", 0)

    def kill(self) -> None:
        try:
            _write(self.folder / "cgroup.kill", 1)
        except OSError:  # kernels before 5.14, or it is gone
            _kill_all(self.folder / "cgroup.procs")

    def remove(self) -> bool:
        return _remove_folder(self.folder)


def is_v2(root: Path = ROOT) -> bool:
    return (root / "cgroup.controllers").exists()


def own_v2(self_cgroup: str) -> str:
    """This process's place in the unified hierarchy, from the text of /proc/self/cgroup."""
    for line in self_cgroup.splitlines():
        if line.startswith("0::"):
            return line[3:].strip("/")
    return ""


def parent_v2(root: Path, self_cgroup: str, *, is_root: bool) -> tuple[Path, frozenset[str]] | None:
    """The folder below which containers get their groups, with the limits that work there; None: nowhere.

    Root takes ``/actorium``, as engines do. Others get the nearest folder above them that was delegated to them.
    """
    if is_root:
        return _opened(root, root / TOP)
    place = root / own_v2(self_cgroup)
    while place != root and root in place.parents:
        if os.access(place / "cgroup.procs", os.W_OK) and os.access(place, os.W_OK):
            found = _opened(place, place / TOP)
            if found is not None and found[1]:
                return found
        place = place.parent
    return None


def _opened(above: Path, parent: Path) -> tuple[Path, frozenset[str]] | None:
    """Make the common parent and let its children have the controllers that can be had."""
    wanted = [kind for kind in ("memory", "cpu", "pids") if kind in _read(above / "cgroup.controllers").split()]
    try:
        parent.mkdir(exist_ok=True)
    except OSError:
        return None
    for folder in (above, parent):
        for kind in set(wanted) - set(_read(folder / "cgroup.subtree_control").split()):
            with contextlib.suppress(OSError):  # its processes stand in the way, or it is not ours to give
                _write(folder / "cgroup.subtree_control", f"+{kind}")
    given = frozenset(_read(parent / "cgroup.subtree_control").split())
    return parent, given & {"memory", "cpu", "pids"}


def group(name: str, *, root: Path = ROOT) -> GroupV1 | GroupV2 | None:
    """The group of a container, which may exist or not; None where this process may make none."""
    if is_v2(root):
        found = parent_v2(root, _read(Path("/proc/self/cgroup")), is_root=os.geteuid() == 0)
        return GroupV2(found[0], name, found[1]) if found else None
    made = GroupV1(root, name)
    if not made.folders or os.geteuid() != 0:
        return None
    return made
