"""Counts what a layer's files take of the disk while they are written, and sees when nobody waits for them any more."""

from __future__ import annotations

from actorium.builders import BuildFailed
from actorium.builders.process.threads import StopMark
from actorium.kernel.limits import DISK_BLOCK_BYTES


class Meter:
    """What is left of a build's disk; without an amount it only looks at the mark."""

    def __init__(self, left: int | None = None, *, told_mbytes: int = 0, mark: StopMark | None = None) -> None:
        """``told_mbytes`` is what the whole build may use."""
        self.mark = mark or StopMark()
        self.entries = 0
        self._left, self._told = left, told_mbytes

    def wrote(self, count: int) -> None:
        """So many bytes are about to be written. Raises ``BuildFailed`` and ``Stopped``."""
        self.mark.look()
        if self._left is not None:
            self._left -= count
            if self._left < 0:
                raise too_much(self._told)

    def entry(self) -> None:
        """A file, folder or link is made, which takes a block even when it is empty."""
        self.entries += 1
        self.wrote(DISK_BLOCK_BYTES)


def too_much(told_mbytes: int) -> BuildFailed:
    return BuildFailed(f"The build wrote more than the {told_mbytes} MB of disk that it may use.")
