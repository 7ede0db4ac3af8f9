"""Runs on several machines: who acts for which, draining one, losing one."""

from __future__ import annotations

import asyncio

import pytest

from actorium.executors import Phase
from actorium.kernel.limits import MIGRATION_SECS, NODE_LOST_SECS
from actorium.runs import nodes
from actorium.runs.lifecycle import Event, RunStatus
from engine import TURNS, Engine, open_engine

pytestmark = pytest.mark.anyio


async def alive(engine: Engine) -> set[str]:
    return {name for name, seen in (await engine.executor.survey()).items() if seen.phase is Phase.RUNNING}


async def drain(engine: Engine, *, is_draining: bool = True) -> None:
    assert await engine.database.write(lambda tx: nodes.drain(tx, engine.node, is_draining=is_draining))


async def test_only_one_machine_has_a_run() -> None:
    async with open_engine() as here:
        there = Engine(beside=here)
        run = await here.started()
        for _ in range(3):
            await there.period()
            await here.period()
        assert (await alive(here), await alive(there)) == ({f"{run}-1"}, set())
        here.executor.exit(f"{run}-1", 0)
        await there.settle()
        assert await here.status(run) is RunStatus.RUNNING, "the other machine knows nothing of it"
        await here.settle()
        assert await here.events(run) == ["CREATED", "RUNNING", "SUCCEEDED"]


async def test_a_drained_machine_tells_its_runs_ends_them_and_another_goes_on() -> None:
    async with open_engine() as here:
        there = Engine(beside=here)
        run = await here.started(timeout_secs=3600)
        await there.settle()
        await drain(here)
        await here.period()
        told = await here.run(run)
        assert told.life.migrate_at == here.now().plus(secs=MIGRATION_SECS)
        await there.settle()
        assert await alive(here) == {f"{run}-1"}
        await here.period(MIGRATION_SECS)
        await there.settle()
        assert (await alive(here), await alive(there)) == (set(), {f"{run}-2"})
        moved = await here.run(run)
        assert (moved.life.node, moved.life.migration_count) == ("there", 1)
        assert moved.life.deadline_at == told.life.deadline_at
        assert await here.events(run) == ["CREATED", "RUNNING", "MIGRATING", "MIGRATED"]
        assert await here.database.read(lambda tx: nodes.runs_left(tx, "here")) == 0


async def test_alone_a_drained_machine_goes_on_when_it_is_over() -> None:
    async with open_engine() as here:
        run = await here.started()
        await drain(here)
        await here.period()
        fresh = await here.add()
        await here.period(MIGRATION_SECS)
        await here.period()
        assert await alive(here) == set()
        assert (await here.status(fresh), await here.status(run)) == (RunStatus.READY, RunStatus.RUNNING)
        await drain(here, is_draining=False)
        await here.period()
        assert await alive(here) == {f"{run}-2", f"{fresh}-1"}
        assert (await here.run(run)).life.migration_count == 1


async def test_a_run_that_was_claimed_and_never_started_has_not_migrated() -> None:
    async with open_engine() as here:
        there = Engine(beside=here)
        here.specs_given.clear()
        run = await here.add()
        await here.supervisor.tick()
        await here.turns(TURNS)
        claimed = await here.run(run)
        assert (claimed.status, claimed.life.node) == (RunStatus.READY, "here")
        await here.crash()
        await drain(here)
        await here.settle()
        await there.settle()
        assert (await alive(here), await alive(there)) == (set(), {f"{run}-2"})
        moved = await here.run(run)
        assert (moved.status, moved.life.node, moved.life.migration_count) == (RunStatus.RUNNING, "there", 0)
        assert await here.events(run) == ["CREATED", "RUNNING"]
        assert await here.log(run) == []


async def test_a_reboot_while_it_is_told_moves_it_at_once() -> None:
    async with open_engine() as here:
        there = Engine(beside=here)
        run = await here.started()
        await drain(here)
        await here.period()
        await here.apply(run, Event.REBOOT)
        await here.settle()
        await there.settle()
        assert (await alive(here), await alive(there)) == (set(), {f"{run}-2"})
        moved = await here.run(run)
        assert (moved.life.migration_count, moved.life.reboot_count) == (1, 0)


async def test_a_metamorph_while_it_is_told_starts_elsewhere() -> None:
    """Also when a call to start it here comes late: found by the simulator, it was started here without its node."""
    async with open_engine() as here:
        there = Engine(beside=here)
        run = await here.started()
        await drain(here)
        await here.period()
        await here.apply(run, Event.METAMORPH)
        late = await here._spec(await here.run(run))
        await here.settle()
        await here.executor.start(late)
        await there.settle()
        assert late.name == f"{run}-2"
        assert (await alive(here), await alive(there)) == (set(), {f"{run}-3"})


@pytest.mark.parametrize("turns", range(12))
async def test_a_run_that_was_nearly_let_go_starts_here_when_the_drain_is_over(turns: int) -> None:
    """Found by the simulator: its name was buried, and then its server died before it was let go."""
    async with open_engine() as here:
        run = await here.started()
        await here.apply(run, Event.REBOOT)
        await here.executor.remove(f"{run}-1")
        await drain(here)
        await here.supervisor.tick()
        await here.turns(turns)
        await here.crash()
        await drain(here, is_draining=False)
        await here.settle()
        await here.period()
        assert len(await alive(here)) == 1


async def test_a_server_does_not_let_go_of_what_another_one_of_its_machine_has_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Found by the simulator: it ran on, and belonged to no machine."""
    async with open_engine() as here:
        run = await here.started()
        await here.apply(run, Event.REBOOT)
        await here.executor.remove(f"{run}-1")
        await drain(here)
        gate, bury = asyncio.Event(), here.executor.bury

        async def bury_later(name: str) -> bool:
            await gate.wait()
            return await bury(name)

        monkeypatch.setattr(here.executor, "bury", bury_later)
        await here.tick()
        one, _ = here.background, here.boot()
        await drain(here, is_draining=False)
        await here.tick()
        assert await alive(here) == {f"{run}-3"}
        gate.set()
        await here.turns(TURNS)
        await one.close()
        assert (await here.run(run)).life.node == "here"


async def test_an_abort_of_a_run_that_is_told_ends_it_here() -> None:
    async with open_engine() as here:
        run = await here.started()
        await drain(here)
        await here.period()
        await here.apply(run, Event.ABORT)
        await here.settle()
        assert await here.events(run) == ["CREATED", "RUNNING", "MIGRATING", "ABORTING", "ABORTED"]


async def test_a_machine_that_is_gone_for_long_loses_its_runs_and_restarts_none() -> None:
    async with open_engine() as here:
        there = Engine(beside=here)
        run = await here.started()
        await there.settle()
        await there.period(NODE_LOST_SECS - 1)
        assert await here.status(run) is RunStatus.RUNNING
        await there.period(2)
        ended = await here.run(run)
        assert ended.status is RunStatus.FAILED
        assert ended.life.status_message is not None
        assert "machine" in ended.life.status_message
        await here.settle()
        assert await alive(here) == set(), "should it come back, it ends what is left"


async def test_a_machine_that_comes_back_in_time_goes_on() -> None:
    async with open_engine() as here:
        there = Engine(beside=here)
        run = await here.started()
        await here.clock.advance(NODE_LOST_SECS - 1)
        await here.crash()
        await here.settle()
        await here.clock.advance(2)
        await there.settle()
        assert await here.status(run) is RunStatus.RUNNING
