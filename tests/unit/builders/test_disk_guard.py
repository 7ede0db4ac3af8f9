"""The second alarm: a disk that is nearly full ends the builds that were writing, whoever filled it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from actorium.builders import BuildFailed
from actorium.builders.process import disk_guard
from actorium.builders.process.disk_guard import Guard
from actorium.kernel.limits import BUILD_DISK_FREE_BYTES_MIN as KEPT
from actorium.kernel.limits import BUILD_DISK_FREE_FILES_MIN as PLACES

pytestmark = pytest.mark.anyio


class Disk:
    """What is left on it at each look; when the looks are used up, the step ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *free: int, files: tuple[int, ...] = ()) -> None:
        self._free = list(zip(free, files or (PLACES + 1,) * len(free), strict=True))
        self._ended = asyncio.Event()
        monkeypatch.setattr(disk_guard, "_free", lambda _: self._look())
        monkeypatch.setattr(disk_guard, "BUILD_DISK_PERIOD_SECS", 0.001)

    def _look(self) -> tuple[int, int]:
        if len(self._free) == 1:
            self._ended.set()
        return self._free.pop(0)

    async def step(self) -> int:
        await self._ended.wait()
        return 7


async def test_a_disk_that_gets_full_ends_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch, 3 * KEPT, 2 * KEPT, KEPT - 1, 0)
    with pytest.raises(BuildFailed, match=r"disk is nearly full: 511 MB are left, 1024 MB less .*Free some"):
        await Guard([tmp_path], bytes_max=100 * KEPT, told_mbytes=1).limited(disk.step())


async def test_one_that_was_full_before_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch, KEPT, KEPT // 2, 0)
    assert await Guard([tmp_path], bytes_max=100 * KEPT, told_mbytes=1).limited(disk.step()) == 7


async def test_one_that_has_no_places_for_files_left_ends_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = (2 * PLACES, PLACES, PLACES - 1, 0)
    disk = Disk(monkeypatch, *[2 * KEPT] * 4, files=places)
    with pytest.raises(BuildFailed, match=r"only 49999 more files, 50001 fewer .* Delete some"):
        await Guard([tmp_path], bytes_max=100 * KEPT, told_mbytes=1).limited(disk.step())


async def test_one_that_knows_no_limit_of_files_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch, *[2 * KEPT] * 3, files=(0, 0, 0))
    assert await Guard([tmp_path], bytes_max=100 * KEPT, told_mbytes=1).limited(disk.step()) == 7
