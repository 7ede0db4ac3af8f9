"""The disk that an engine's build steps take: engines limit none, and tell nobody what a step has written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from actorium.builders.container.group import BuildGroup
from actorium.builders.process.disk_guard import Guard
from actorium.executors.process.keeper.unnamed import unnamed_of
from actorium.executors.trees import blocks_below

_OVERLAYS = "overlay2"
"""Docker names its folders from here."""


class StepsDisk(Guard):
    """Of one build. Each step is held to what the build may use, as far as its processes can be found; where the
    engine's disk is nearly full, builds that were taking of it end."""

    def __init__(self, root: Path, group: BuildGroup, told_mbytes: int) -> None:
        """``root``: the engine's own folder; ``group`` has the steps' processes."""
        super().__init__([root], told_mbytes << 20, told_mbytes)
        self._group = group

    def _exceeds(self) -> bool:
        pids = self._group.processes()
        written = sum(map(blocks_below, set(_layers(pids, self.folders[0]))))
        return written + unnamed_of(pids).disk_bytes > self.bytes_max


def _layers(pids: Iterable[int], root: Path) -> Iterator[Path]:
    """Where processes write: the upper folder of the overlay that is their root."""
    for pid in pids:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
                words = line.split()
                if words[4] == "/":
                    options = dict(option.partition("=")[::2] for option in words[-1].split(","))
                    if upper := options.get("upperdir"):
                        yield root / _OVERLAYS / upper  # an absolute one stays what it is
