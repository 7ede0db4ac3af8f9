"""The counters of a container's control group, wherever its engine made it; gone with the container."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from actorium.executors.process.keeper import cgroups
from actorium.executors.process.keeper.cgroups import GroupV1, GroupV2, Usage

_KINDS = ("memory", "cpu", "cpuacct", "pids")


class Counters:
    """A control group that is read, and neither made nor removed. Before ``follow`` it counts nothing."""

    def __init__(self) -> None:
        self.limits: frozenset[str] = frozenset()
        self.short_of_memory = False
        """The kernel ended one of its processes for memory, as far as anybody said."""
        self.alarm: int | None = None
        """Readable when the kernel is about to do so, or when the group goes. Version 1 only: there Podman does not
        tell."""
        self._group: GroupV1 | GroupV2 | None = None

    def follow(self, pid: int, root: Path = cgroups.ROOT) -> None:
        """Count what the control group of a process uses. Raises OSError when it has ended."""
        self.follow_place(Path(f"/proc/{pid}/cgroup").read_text(), root)

    def follow_place(self, text: str, root: Path) -> None:
        """Count for the group that the text of a process's ``/proc/PID/cgroup`` names."""
        if cgroups.is_v2(root):
            place = root / cgroups.own_v2(text)
            self._group = GroupV2(place.parent, place.name, frozenset({"memory", "cpu", "pids"}))
            return
        group = GroupV1(root, "")
        places = {kind: path for line in text.splitlines() for kind, path in _hierarchies(line)}
        group.folders = {kind: root / kind / places[kind] for kind in group.folders if kind in places}
        self._group = group
        with contextlib.suppress(OSError, KeyError):
            self.alarm = _alarm(group.folders["memory"])

    def alarmed(self) -> None:
        """The alarm was readable."""
        if self.alarm is None or self._group is None:
            return
        os.eventfd_read(self.alarm)
        with contextlib.suppress(OSError):  # it is only the group that goes
            self._group.out_of_memory()
            self.short_of_memory = True

    def create(self, *, memory_bytes: int, cpu_cores: float, cpu_weight: float, pids_max: int) -> None:
        """The engine's to do."""

    def entries(self) -> list[int]:
        """Nothing is put into it from here."""
        return []

    def usage(self) -> Usage:
        """What it uses; nothing is known of a group that is gone."""
        if self._group is not None:
            with contextlib.suppress(OSError):
                return self._group.usage()
        return Usage()

    def out_of_memory(self) -> int:
        """Whether the kernel killed for memory, as a number."""
        return int(self.short_of_memory)

    def kill(self) -> None:
        """The engine's to do."""

    def remove(self) -> bool:
        """The engine's to do; only the alarm is ours."""
        if self.alarm is not None:
            os.close(self.alarm)
            self.alarm = None
        return True


def _hierarchies(line: str) -> list[tuple[str, str]]:
    _, kinds, place = line.split(":", 2)
    return [(kind, place.lstrip("/")) for kind in kinds.split(",") if kind in _KINDS]


def _alarm(memory: Path) -> int:
    alarm = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    try:
        control = os.open(memory / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
        try:
            (memory / "cgroup.event_control").write_text(f"{alarm} {control}")
        finally:
            os.close(control)
    except OSError:
        os.close(alarm)
        raise
    return alarm
