"""Ends a build step that fills the disk: free space is watched, and what the step holds is counted when it shrinks."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Coroutine, Sequence
from pathlib import Path

from actorium.builders import BuildFailed
from actorium.builders.process.threads import in_thread
from actorium.executors.trees import blocks_below
from actorium.kernel.limits import BUILD_DISK_PERIOD_SECS


async def limited(
    step: Coroutine[None, None, int], folders: Sequence[Path], *, bytes_max: int, told_mbytes: int
) -> int:
    """Await the step's exit code; cancel it and raise ``BuildFailed`` when the folders grow by more than that.

    ``told_mbytes`` is what the whole build may use.
    """
    guard = _Guard(folders, bytes_max)
    try:
        async with asyncio.timeout(None) as scope:
            # Exceptions are collected, so that a cancelled step is waited for until it has cleaned up.
            found, watched = await asyncio.gather(guard.follow(step), guard.watch(scope), return_exceptions=True)
    except TimeoutError:
        if not guard.exceeded:
            raise
        raise too_much(told_mbytes) from None
    for outcome in (found, watched):
        if isinstance(outcome, BaseException):
            raise outcome
    assert isinstance(found, int)
    return found


def too_much(told_mbytes: int) -> BuildFailed:
    return BuildFailed(f"The build wrote more than the {told_mbytes} MB of disk that it may use.")


class _Guard:
    def __init__(self, folders: Sequence[Path], bytes_max: int) -> None:
        self.folders, self.bytes_max = folders, bytes_max
        self.exceeded = False
        self._done = asyncio.Event()
        self._free = _free(folders[0])
        self._since_ns = folders[0].stat().st_mtime_ns  # the layer's own folder has just been made in it

    async def follow(self, step: Coroutine[None, None, int]) -> int:
        try:
            return await step
        finally:
            self._done.set()

    async def watch(self, scope: asyncio.Timeout) -> None:
        while not self._done.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BUILD_DISK_PERIOD_SECS):
                    await self._done.wait()
            if self._free - _free(self.folders[0]) < self.bytes_max or self._done.is_set():
                continue  # cheap: nothing on this disk can have grown that much
            if await in_thread(_written, self.folders, self._since_ns) > self.bytes_max:
                self.exceeded = True
                scope.reschedule(asyncio.get_running_loop().time())
                return


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _written(folders: Sequence[Path], since_ns: int) -> int:
    return sum(blocks_below(folder, since_ns=since_ns) for folder in folders)
