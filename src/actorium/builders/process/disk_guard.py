"""Ends a build step that fills the disk: free space is watched, and what the step holds is counted when it shrinks."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Coroutine, Sequence
from pathlib import Path

from actorium.builders import BuildFailed
from actorium.builders.process.meter import too_much
from actorium.builders.process.threads import in_thread
from actorium.executors.process.keeper.unnamed import unnamed
from actorium.executors.trees import blocks_below
from actorium.kernel.limits import BUILD_DISK_FREE_BYTES_MIN, BUILD_DISK_FREE_FILES_MIN, BUILD_DISK_PERIOD_SECS


class Guard:
    """Of one step: what it writes below the folders, and what it holds open without a name."""

    def __init__(self, folders: Sequence[Path], bytes_max: int, told_mbytes: int) -> None:
        """``told_mbytes`` is what the whole build may use."""
        self.folders, self.bytes_max, self.told_mbytes = folders, bytes_max, told_mbytes
        self._ended: BuildFailed | None = None
        self._done = asyncio.Event()
        self._pid = 0
        self._in_flight = False
        self._free = _free(folders[0])
        self._since_ns = folders[0].stat().st_mtime_ns  # the layer's own folder has just been made in it

    def started(self, pid: int) -> None:
        """The step's processes are those below this one."""
        self._pid = pid

    async def limited(self, step: Coroutine[None, None, int]) -> int:
        """Await the step's exit code; cancel it and raise ``BuildFailed`` when it takes too much."""
        try:
            async with asyncio.timeout(None) as scope:
                # Exceptions are collected, so that a cancelled step is waited for until it has cleaned up.
                found, watched = await asyncio.gather(self._follow(step), self._watch(scope), return_exceptions=True)
        except TimeoutError:
            if self._ended is None:
                raise
            raise self._ended from None
        for outcome in (found, watched):
            if isinstance(outcome, BaseException):
                raise outcome
        assert isinstance(found, int)
        return found

    async def _follow(self, step: Coroutine[None, None, int]) -> int:
        try:
            return await step
        finally:
            self._done.set()

    async def _watch(self, scope: asyncio.Timeout) -> None:
        while not self._done.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BUILD_DISK_PERIOD_SECS):
                    await self._done.wait()
            if not self._done.is_set() and await self._look():
                scope.reschedule(asyncio.get_running_loop().time())
                return

    async def _look(self) -> bool:
        """Whether the step must end."""
        free, files = _free(self.folders[0])
        lost, lost_files = self._free[0] - free, self._free[1] - files
        if lost >= self.bytes_max and await in_thread(self._exceeds):  # else nothing here can have grown that much
            self._ended = too_much(self.told_mbytes)
        elif free < BUILD_DISK_FREE_BYTES_MIN < lost:  # whoever it was, and however it hides
            self._ended = BuildFailed(
                f"The server's disk is nearly full: {free >> 20} MB are left, {lost >> 20} MB less than when this step "
                "began. Free some of it, or build while less is going on, then build again."
            )
        elif files < BUILD_DISK_FREE_FILES_MIN < lost_files:  # empty ones take no space, but their places
            self._ended = BuildFailed(
                f"The server's disk can hold only {files} more files, {lost_files} fewer than when this step began. "
                "Delete some, or build while less is going on, then build again."
            )
        return self._ended is not None

    def _exceeds(self) -> bool:
        hidden = unnamed(self._pid)
        # Twice in a row: descriptors that nobody takes out of their socket are there to be hidden.
        hides, self._in_flight = self._in_flight and hidden.in_flight > 0, hidden.in_flight > 0
        return hides or hidden.disk_bytes + _written(self.folders, self._since_ns) > self.bytes_max


def _free(folder: Path) -> tuple[int, int]:
    """Bytes and files; no files from the first on where the file system knows no limit of them."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize, found.f_favail


def _written(folders: Sequence[Path], since_ns: int) -> int:
    return sum(blocks_below(folder, since_ns=since_ns) for folder in folders)
