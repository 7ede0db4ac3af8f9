"""The supervisor when something fails: nothing is done twice, nothing is forgotten, and it never spins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from actorium.executors import Container, Phase
from actorium.executors.fake import Faults
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.limits import STARTS_CONCURRENT_MAX
from actorium.runs.lifecycle import Event, RunStatus
from engine import Engine, open_engine

pytestmark = pytest.mark.anyio


def count(engine: Engine, method: str) -> int:
    return sum(called == method for called, _ in engine.executor.calls)


async def test_a_start_that_fails_is_tried_again_without_a_hot_loop() -> None:
    async with open_engine() as engine:
        run = await engine.add()
        engine.faults.fail_start.add(f"{run}-1")
        for _ in range(10):
            await engine.period()
        assert 5 <= count(engine, "start") <= 12
        assert engine.ticks <= 40
        engine.faults.fail_start.clear()
        await engine.period(2)
        assert await engine.status(run) is RunStatus.RUNNING


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("a bug")])
@pytest.mark.parametrize("method", ["start", "kill", "remove", "logs"])
async def test_an_unexpected_error_neither_spins_nor_hurts_others(
    error: Exception, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_engine() as engine:
        other = await engine.started()
        run = await engine.add() if method == "start" else await engine.started()
        engine.executor.write(f"{other}-1", b"fine")
        await _break(engine, monkeypatch, method, run, error)
        if method == "kill":
            await engine.apply(run, Event.ABORT)
        elif method != "start":
            engine.executor.exit(f"{run}-1", 0)
        before = engine.ticks
        for _ in range(10):
            await engine.period()
        assert engine.ticks - before <= 60
        engine.executor.exit(f"{other}-1", 0)
        await engine.settle()
        assert await engine.status(other) is RunStatus.SUCCEEDED
        monkeypatch.undo()
        await engine.period(2)
        if method == "start":
            assert await engine.status(run) is RunStatus.RUNNING
        else:
            assert f"{run}-1" not in await engine.executor.survey()


async def _break(engine: Engine, monkeypatch: pytest.MonkeyPatch, method: str, run: str, error: Exception) -> None:
    working: Callable[..., object] = getattr(engine.executor, method)

    async def broken(first: object, *rest: object) -> object:
        if str(getattr(first, "name", first)).startswith(run):
            raise error
        return await working(first, *rest)  # type: ignore[misc]

    monkeypatch.setattr(engine.executor, method, broken)


async def test_a_machine_that_cannot_be_seen_changes_nothing() -> None:
    async with open_engine() as engine:
        run = await engine.started()
        engine.faults.blind = True
        for _ in range(3):
            with pytest.raises(BackendUnavailable):
                await engine.supervisor.tick()
        engine.faults.blind = False
        assert await engine.settle() == 1
        assert await engine.status(run) is RunStatus.RUNNING


async def test_without_hints_everything_still_happens_by_period() -> None:
    async with open_engine(faults=Faults(mute=True)) as engine:
        run = await engine.started()
        engine.executor.write(f"{run}-1", b"while it runs")
        for _ in range(6):
            await engine.period()
        assert await engine.log(run) == ["while it runs"]
        engine.executor.exit(f"{run}-1", 4)
        await engine.period()
        assert (await engine.run(run)).life.exit_code == 4


async def test_lines_of_the_time_without_a_server_are_there_soon_after_it() -> None:
    async with open_engine() as engine:
        run = await engine.started()
        await engine.background.close()
        at = engine.now()
        engine.executor.write(f"{run}-1", b"nobody heard")
        await engine.clock.advance(60)
        engine.boot()
        await engine.settle()
        assert await engine.timed_log(run) == [f"{at} nobody heard"]


@pytest.mark.parametrize("ended", [False, True])
async def test_a_run_that_reboots_keeps_its_place(ended: bool) -> None:
    async with open_engine(containers=1) as engine:
        first = await engine.started()
        waiting = await engine.add()
        if ended:
            engine.executor.exit(f"{first}-1", 0)
        await engine.apply(first, Event.REBOOT)
        await engine.settle()
        assert {name for name, _ in (await engine.executor.survey()).items()} == {f"{first}-2"}
        assert await engine.status(waiting) is RunStatus.READY
        engine.executor.exit(f"{first}-2", 0)
        await engine.settle()
        assert await engine.status(waiting) is RunStatus.RUNNING


@pytest.mark.parametrize("count", [3, STARTS_CONCURRENT_MAX + 5])
async def test_what_is_being_done_is_not_begun_again_and_starts_beside_each_other_are_bounded(count: int) -> None:
    async with open_engine() as engine:
        engine.specs_given.clear()
        runs = [await engine.add() for _ in range(count)]
        for _ in range(5):
            await engine.tick()
        first = [f"{run}-1" for run in runs[:STARTS_CONCURRENT_MAX]]
        assert engine.specs_asked == first
        await engine.apply(runs[0], Event.ABORT)
        await engine.tick()
        engine.specs_given.set()
        await engine.settle()
        assert sorted(engine.specs_asked) == sorted(f"{run}-1" for run in runs)
        assert await engine.status(runs[0]) is RunStatus.ABORTED
        assert {await engine.status(run) for run in runs[1:]} == {RunStatus.RUNNING}


async def test_a_container_that_was_never_begun_is_dead_before_the_abort_is_told() -> None:
    """A crash left a folder; its shim may be about to begin."""
    async with open_engine() as engine:
        run = await engine.add()
        engine.faults.lose_reply.add(f"{run}-1")
        await engine.tick()
        kept = engine.executor._kept[f"{run}-1"]
        kept.seen = replace(kept.seen, phase=Phase.CREATED, started_at=None)
        await engine.apply(run, Event.ABORT)
        await engine.crash()
        await engine.tick()
        assert await engine.status(run) is RunStatus.ABORTING
        await engine.settle()
        assert engine.executor.calls[-2:] == [("kill", f"{run}-1"), ("remove", f"{run}-1")]
        assert await engine.events(run) == ["CREATED", "ABORTING", "ABORTED"]


async def test_starts_of_before_a_crash_count_against_the_capacity() -> None:
    async with open_engine(containers=2) as engine:
        runs = [await engine.add() for _ in range(4)]
        await engine.supervisor.tick()
        for _ in range(12):
            if len(await engine.executor.survey()) == 2:
                break
            await engine.tick()
        await engine.crash()
        await engine.settle()
        assert set(await engine.executor.survey()) == {f"{run}-1" for run in runs[:2]}
        assert count(engine, "start") == 2


async def test_what_another_server_started_since_the_rows_were_read_is_left_alone() -> None:
    async with open_engine() as engine:
        run = await engine.started()
        seen = (await engine.executor.survey())[f"{run}-1"]
        engine.supervisor._reap(seen)
        await engine.settle()
        assert await engine.status(run) is RunStatus.RUNNING
        assert count(engine, "kill") == 0


@pytest.mark.parametrize("turns", range(0, 60, 3))
async def test_a_crash_at_any_moment_of_a_reboot(turns: int) -> None:
    async with open_engine() as engine:
        run = await engine.started()
        engine.executor.write(f"{run}-1", b"one")
        await engine.settle()
        await engine.apply(run, Event.REBOOT)
        tick = engine.background.start("tick", engine.supervisor.tick())
        await engine.turns(turns)
        await engine.crash()
        assert tick.done()
        await engine.settle()
        engine.executor.write(f"{run}-2", b"two")
        engine.executor.exit(f"{run}-2", 0)
        await engine.settle()
        told = "ACTOR: The run goes on in a new container (attempt 2)."
        assert await engine.log(run) == ["one", told, "two"]
        assert await engine.events(run) == ["CREATED", "RUNNING", "REBOOTED", "SUCCEEDED"]
        assert count(engine, "start") - engine.executor.calls.count(("start", f"{run}-1")) >= 1
        assert await engine.executor.survey() == {}


async def test_an_attempt_that_was_given_up_unseen_never_starts() -> None:
    """A call to start it may still be on its way."""
    async with open_engine() as engine:
        run = await engine.started()
        late = await engine._spec(await engine.run(run))
        engine.executor.forget(f"{run}-1")
        await engine.settle()
        assert await engine.status(run) is RunStatus.FAILED
        await engine.executor.start(late)
        assert await engine.executor.survey() == {}


async def test_an_attempt_that_started_late_is_ended_before_the_abort_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_engine() as engine:
        run = await engine.add()
        await engine.apply(run, Event.ABORT)
        late = await engine._spec(await engine.run(run))
        look = engine.executor.survey

        async def look_too_early() -> Mapping[str, Container]:
            seen = await look()
            await engine.executor.start(late)
            return seen

        with monkeypatch.context() as early:
            early.setattr(engine.executor, "survey", look_too_early)
            await engine.tick()
        assert await engine.status(run) is RunStatus.ABORTING
        await engine.settle()
        assert await engine.status(run) is RunStatus.ABORTED
        assert count(engine, "kill") == 1
