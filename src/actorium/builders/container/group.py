"""One control group around all steps of a build: its limits hold for them together, and its end is theirs.

Docker ends a step whose build is cancelled; Podman lets it go on. Only where this process may make control groups and
the engine takes one by its path (its driver is ``cgroupfs``); elsewhere the engine's own limits hold for each step.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from actorium.executors.process.keeper import cgroups
from actorium.kernel.limits import PIDS_BUILD_MAX

_STEPS = "steps"  # engines remove the group that they were told with each step


class BuildGroup:
    """The control group of one build."""

    def __init__(self, name: str, *, root: Path = cgroups.ROOT) -> None:
        self._root = root
        self._name = f"build-{name}"
        self._group = cgroups.group(self._name, root=root)

    def make(self, *, memory_mbytes: int, cpu_cores: float) -> str | None:
        """Make it. What an engine is to be told; None: nothing can be made here."""
        if self._group is None:
            return None
        try:
            self._group.create(
                memory_bytes=memory_mbytes << 20, cpu_cores=cpu_cores, cpu_weight=1.0, pids_max=PIDS_BUILD_MAX
            )
        except OSError:
            self._group.remove()
            return None
        place = self._folders()[0].relative_to(self._root)
        if not isinstance(self._group, cgroups.GroupV2):
            place = place.relative_to(place.parts[0])  # the same in each hierarchy
        return f"/{place}/{_STEPS}"

    def _folders(self) -> list[Path]:
        if isinstance(self._group, cgroups.GroupV2):
            return [self._group.folder]
        # An engine makes its group in every hierarchy, also in those without limits of ours.
        return sorted(self._root.glob(f"*/{cgroups.TOP}/{self._name}"))

    @classmethod
    def left(cls, installation: str, *, root: Path = cgroups.ROOT) -> set[str]:
        """The names of groups of this installation's builds that there are."""
        begin = f"build-{installation}."
        places = [*root.glob(f"*/{cgroups.TOP}/{begin}*"), *root.glob(f"{cgroups.TOP}/{begin}*")]
        return {place.name.removeprefix("build-") for place in places}

    def processes(self) -> set[int]:
        """Everything in it and below."""
        found: set[int] = set()
        for folder in self._folders() if self._group is not None else ():
            for place, _, _ in os.walk(folder):
                with contextlib.suppress(OSError):
                    found |= {int(pid) for pid in (Path(place) / "cgroup.procs").read_text().split()}
        return found

    def kill(self) -> bool:
        """SIGKILL to everything in it. True: nothing was left to kill."""
        pids = self.processes()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not pids

    def remove(self) -> None:
        """Take it away."""
        for folder in self._folders() if self._group is not None else ():
            for place, _, _ in os.walk(folder, topdown=False):
                with contextlib.suppress(OSError):
                    Path(place).rmdir()
