"""The pool of sandboxes made ahead, with a test in place of the spawner: budgets, refusals, what is on disk."""

from __future__ import annotations

import socket
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from actorium.executors.process import warm
from actorium.executors.process.folders import Folders
from actorium.executors.process.keeper import plan
from actorium.kernel.instant import Instant
from actorium.kernel.limits import SPARE_MEASURE_SECS, SPARE_TRIES_MAX
from actorium.testing.clock import ManualClock

pytestmark = pytest.mark.anyio
MB = 1 << 20
TOLD = plan.Plan(
    name="one", argv=("python3", "-m", "src"), env={"SECRET": "hidden-value", "APIFY_TOKEN": "t"}, uid=1,
    memory_mbytes=2048,
)  # fmt: skip


class Spares:
    """What the spawner would start: the ends that are the spares'."""

    def __init__(self) -> None:
        self.made: list[socket.socket] = []
        self.told: list[bytes] = []
        self.words: list[bytes] = []
        """What those to come say at once; the last one again and again."""
        self.leave = False
        """Whether they end then."""

    async def prepare(self, _: str, told: bytes) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.made.append(theirs)
        self.told.append(told)
        theirs.send(self.words.pop(0) if len(self.words) > 1 else self.words[0])
        if self.leave:
            theirs.close()
        return ours

    def close(self) -> None:
        for one in self.made:
            one.close()


class Pool:
    def __init__(self, folder: Path, mbytes: int) -> None:
        self.state, self.clock, self.spares = folder, ManualClock(), Spares()
        self.usage: dict[str, int] = {}
        self.pool = warm.WarmPool(folder, self.spares, clock=self.clock, memory_mbytes=mbytes)  # type: ignore[arg-type]
        self.pool._used = self.usage.get  # type: ignore[assignment,method-assign]

    async def start(self, told: plan.Plan = TOLD) -> list[int]:
        """One run is started. Megabytes of those that wait then."""
        self.pool.started(told)
        assert self.pool._work is not None
        await self.pool._work
        return self.waiting

    @property
    def waiting(self) -> list[int]:
        return [one.mem_bytes // MB for one in self.pool.spares]

    @property
    def reasons(self) -> list[str]:
        return [str(one["reason"]) for one in warm.refusals(self.state)]


@pytest.fixture
async def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    monkeypatch.setattr(warm, "SPARE_DELAY_SECS", 0)
    made = Pool(tmp_path, 150)
    yield made
    await made.pool.close()
    made.spares.close()


def ready(mbytes: int) -> bytes:
    return b"ready %d %d\n" % (MB, (mbytes - 1) * MB)


async def test_one_that_is_larger_than_the_budget_is_not_kept(pool: Pool) -> None:
    pool.spares.words = [ready(507), ready(5)]
    assert await pool.start() == [5]  # a sandbox alone
    assert pool.reasons == ["its imports take 507 MB of memory or more, which is all that they may"]


async def test_one_that_is_larger_than_was_guessed_takes_the_place_of_others(pool: Pool) -> None:
    pool.spares.words = [ready(20)]
    assert await pool.start() == [20]
    pool.spares.words = [ready(140)]
    assert await pool.start(replace(TOLD, uid=2)) == [140]


async def test_what_is_left_is_the_limit_of_one_that_is_made(pool: Pool) -> None:
    pool.spares.words = [ready(60)]
    pool.pool.started(TOLD)
    assert await pool.start() == [60, 60]
    limits = [int.from_bytes(told[:4], "little") for told in pool.spares.told]
    assert limits == [150, 90]
    pool.pool.take(TOLD)
    pool.spares.words = [b"large 90\n"]
    assert await pool.start() == [60]
    assert pool.reasons == []  # beside another one there was no room, alone there is
    pool.pool.take(TOLD)
    pool.spares.words = [b"large 150\n", ready(5)]
    assert await pool.start() == [5, 5, 5, 5]
    assert pool.reasons == ["its imports take 150 MB of memory or more, which is all that they may"]


async def test_one_that_grows_while_it_waits_is_ended(pool: Pool) -> None:
    pool.spares.words = [ready(20)]
    await pool.start()
    pool.spares.words = [ready(15)]
    assert await pool.start(replace(TOLD, uid=2)) == [20, 15]
    first, second = pool.pool.spares
    pool.usage.update({first.name: 20 * MB, second.name: 100 * MB})
    await pool.clock.advance(SPARE_MEASURE_SECS)
    assert pool.waiting == [21, 101]
    pool.usage[second.name] = 140 * MB
    await pool.clock.advance(SPARE_MEASURE_SECS)
    assert pool.waiting == [21]


async def test_one_whose_program_ends_unused_is_a_refusal(pool: Pool) -> None:
    ended = b"cold its program ended while it waited for a run, with 0\n"
    pool.spares.words = [ready(20)]
    await pool.start()
    pool.spares.made[0].send(ended)
    await pool.clock.advance(1)
    assert pool.waiting == []
    assert pool.reasons == ["its program ended while it waited for a run, with 0"]
    pool.spares.words = [ready(20) + ended, ready(5)]
    assert await pool.start(replace(TOLD, uid=2)) == [5]


async def test_one_that_is_gone_at_once_is_not_made_again_and_again(pool: Pool) -> None:
    pool.spares.words, pool.spares.leave = [ready(20)], True
    for _ in range(10):
        pool.pool.started(TOLD)
    await pool.start()
    assert 1 <= len(pool.spares.made) <= SPARE_TRIES_MAX


async def test_variables_of_a_waiting_spare_are_in_no_file(pool: Pool) -> None:
    pool.spares.words = [ready(20)]
    await pool.start()
    (told,) = pool.spares.told
    assert b"SECRET=hidden-value" in told
    files = [path for path in pool.state.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"hidden-value" in path.read_bytes()]


def test_a_containers_plan_is_for_the_servers_user_alone(tmp_path: Path) -> None:
    Folders(tmp_path).create("one", TOLD, now=Instant(0))
    path = tmp_path / plan.CONTAINERS / "one" / plan.PLAN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert plan.decode(path.read_bytes()) == TOLD


async def test_one_whose_image_was_deleted_is_for_nobody(pool: Pool, tmp_path: Path) -> None:
    """Also when an equal image was built since, at the same place: there is nothing below the old one any more."""
    layer, aside = tmp_path / "layer", tmp_path / "aside"
    layer.mkdir()
    told = replace(TOLD, layers=(str(layer),))
    pool.spares.words = [ready(20)]
    assert await pool.start(told) == [20]
    layer.rename(aside)
    layer.mkdir()
    assert pool.pool.take(told) is None
    assert await pool.start(told) == [20, 20]
    assert pool.pool.take(told) is not None


async def test_what_an_images_spares_hold_goes_soon_after_it(pool: Pool, tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.mkdir()
    told = replace(TOLD, layers=(str(layer),))
    pool.spares.words = [ready(20)]
    assert await pool.start(told) == [20]
    layer.rmdir()
    await pool.clock.advance(SPARE_MEASURE_SECS)
    assert pool.waiting == []
    assert pool.spares.made[0].recv(10) == b""
    assert await pool.start(told) == []


async def test_one_whose_image_was_deleted_meanwhile_is_no_refusal(pool: Pool, tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.mkdir()
    prepare = pool.spares.prepare

    async def deleting(name: str, told: bytes) -> socket.socket:
        layer.rmdir()
        return await prepare(name, told)

    pool.spares.prepare = deleting  # type: ignore[method-assign]
    pool.spares.words = [b"cold The sandbox could not be made: no such file\n"]
    assert await pool.start(replace(TOLD, layers=(str(layer),))) == []
    assert pool.reasons == []
