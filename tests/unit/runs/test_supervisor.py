"""What the supervisor does with what was decided: starts, ends, adoption, reboots, reaping, waiting."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

import pytest

from actorium.executors import Cause, Container, Phase
from actorium.kernel.errors import NotFound
from actorium.runs.lifecycle import Event, RunStatus, container_name
from engine import Engine, open_engine

pytestmark = pytest.mark.anyio


def calls(engine: Engine, method: str) -> list[str]:
    return [name for called, name in engine.executor.calls if called == method]


async def running(engine: Engine) -> set[str]:
    return {name for name, seen in (await engine.executor.survey()).items() if seen.phase == "running"}


async def test_a_run_from_start_to_end() -> None:
    async with open_engine() as engine:
        run = await engine.started()
        engine.executor.write(f"{run}-1", b"hello\nworld")
        engine.executor.exit(f"{run}-1", 0)
        await engine.settle()
        ended = await engine.run(run)
        assert (ended.status, ended.life.exit_code) == (RunStatus.SUCCEEDED, 0)
        assert await engine.log(run) == ["hello", "world"]
        assert await engine.events(run) == ["CREATED", "RUNNING", "SUCCEEDED"]
        assert [method for method, _ in engine.executor.calls] == ["start", "remove"]


async def test_nothing_is_left_to_do_at_rest() -> None:
    async with open_engine() as engine:
        for _ in range(3):
            await engine.started()
        assert await engine.settle() == 1


async def test_an_abort_kills_and_keeps_no_code() -> None:
    async with open_engine() as engine:
        run = await engine.started()
        engine.faults.ignore_stop.add(f"{run}-1")
        await engine.apply(run, Event.ABORT)
        await engine.settle()
        ended = await engine.run(run)
        assert (ended.status, ended.life.exit_code) == (RunStatus.ABORTED, None)
        assert (ended.life.status_message, ended.life.is_status_message_terminal) == ("Actor was aborted", True)
        assert await engine.events(run) == ["CREATED", "RUNNING", "ABORTING", "ABORTED"]


async def test_a_graceful_abort_waits_for_the_actor_and_then_no_longer() -> None:
    async with open_engine() as engine:
        quick, deaf = await engine.started(), await engine.started()
        for run in (quick, deaf):
            await engine.apply(run, Event.ABORT_GRACEFULLY)
        await engine.settle()
        engine.executor.exit(f"{quick}-1", 0)
        await engine.period(29)
        assert (await engine.run(quick)).life.exit_code == 0
        assert [await engine.status(run) for run in (quick, deaf)] == [RunStatus.ABORTED, RunStatus.ABORTING]
        await engine.period(1)
        assert await engine.status(deaf) is RunStatus.ABORTED
        assert calls(engine, "kill") == [f"{deaf}-1"]


@pytest.mark.parametrize("secs", [8, 10])
async def test_a_graceful_abort_has_its_time_also_at_the_deadline(secs: int) -> None:
    """Shortly before it, and in TIMING-OUT, once and told once."""
    async with open_engine() as engine:
        run = await engine.started(timeout_secs=10)
        engine.faults.ignore_stop.add(f"{run}-1")
        await engine.clock.advance(secs)
        if secs == 10:
            await engine.apply(run, Event.DEADLINE)
        await engine.apply(run, Event.ABORT_GRACEFULLY)
        await engine.settle()
        for _ in range(29):
            await engine.period()
        assert await engine.status(run) is RunStatus.ABORTING
        assert (calls(engine, "spare"), calls(engine, "kill")) == ([f"{run}-1"], [])
        await engine.period()
        assert await engine.status(run) is RunStatus.ABORTED


async def test_an_abort_while_the_machine_is_looked_at_is_no_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by the simulator: the run was killed by what its row had said before."""
    async with open_engine() as engine:
        run = await engine.started(timeout_secs=10)
        engine.faults.ignore_stop.add(f"{run}-1")
        await engine.clock.advance(9)
        await engine.apply(run, Event.DEADLINE)
        await engine.settle()
        look = engine.executor.survey

        async def slow() -> Mapping[str, Container]:
            monkeypatch.undo()
            await engine.apply(run, Event.ABORT_GRACEFULLY)
            await engine.executor.spare(f"{run}-1")
            await engine.clock.advance(5)
            return await look()

        monkeypatch.setattr(engine.executor, "survey", slow)
        await engine.settle()
        assert (await engine.status(run), calls(engine, "kill")) == (RunStatus.ABORTING, [])


async def test_a_container_that_has_its_time_ends_without_a_server_too() -> None:
    async with open_engine() as engine:
        run = await engine.started(timeout_secs=10)
        await engine.clock.advance(9)
        await engine.apply(run, Event.ABORT_GRACEFULLY)
        await engine.settle()
        await engine.clock.advance(29)
        assert (await engine.executor.survey())[f"{run}-1"].phase is Phase.RUNNING
        await engine.clock.advance(1)
        assert (await engine.executor.survey())[f"{run}-1"].phase is Phase.EXITED


async def test_an_abort_before_the_start_never_starts() -> None:
    async with open_engine(containers=1) as engine:
        first = await engine.started()
        second = await engine.add()
        await engine.settle()
        await engine.apply(second, Event.ABORT)
        await engine.settle()
        assert await engine.status(second) is RunStatus.ABORTED
        engine.executor.exit(f"{first}-1", 0)
        await engine.settle()
        assert calls(engine, "start") == [f"{first}-1"]


async def test_a_deadline_stops_then_kills() -> None:
    async with open_engine() as engine:
        run = await engine.started(timeout_secs=10)
        assert (await engine.run(run)).life.deadline_at == engine.now().plus(secs=10)
        engine.faults.ignore_stop.add(f"{run}-1")
        await engine.clock.advance(10)
        engine.executor.spec(f"{run}-1")
        await engine.settle()
        assert calls(engine, "stop") == [f"{run}-1"]
        assert await engine.status(run) is RunStatus.TIMING_OUT
        await engine.period(5)
        assert await engine.status(run) is RunStatus.TIMED_OUT
        assert await engine.events(run) == ["CREATED", "RUNNING", "TIMING_OUT", "TIMED_OUT"]


@pytest.mark.parametrize(("seed", "memory_mbytes"), [(1, 100_000), (2, 1024), (3, 640)])
async def test_two_hundred_runs_never_pass_the_capacity_and_start_in_order(seed: int, memory_mbytes: int) -> None:
    chance = random.Random(seed)
    async with open_engine(containers=5, memory_mbytes=memory_mbytes) as engine:
        runs: list[str] = []
        wants: dict[str, int] = {}
        for _ in range(200):
            memory = chance.choice([128, 256, 512])
            runs.append(await engine.add(memory_mbytes=memory))
            wants[runs[-1]] = memory
        while await engine.live():
            await engine.tick()
            now = await running(engine)
            assert len(now) <= 5
            assert sum(wants[name.rpartition("-")[0]] for name in now) <= memory_mbytes
            for name in now:
                if chance.random() < 0.4:
                    engine.executor.exit(name, chance.choice([0, 0, 3]))
                elif chance.random() < 0.1 and await engine.status(run := name.rpartition("-")[0]) is RunStatus.RUNNING:
                    await engine.apply(run, Event.REBOOT)
        starts = [name for name in calls(engine, "start") if name.endswith("-1")]
        assert starts == [container_name(run, 1) for run in runs]
        await engine.settle()
        assert await engine.executor.survey() == {}


async def test_what_is_larger_than_the_machine_runs_alone() -> None:
    async with open_engine(memory_mbytes=1024) as engine:
        small, large, after = await engine.add(), await engine.add(memory_mbytes=4096), await engine.add()
        for run in (small, large, after):
            await engine.settle()
            assert await running(engine) == {f"{run}-1"}
            engine.executor.exit(f"{run}-1", 0)
        await engine.settle()
        assert not await engine.live()


async def test_a_lost_reply_of_a_start_is_adopted() -> None:
    async with open_engine() as engine:
        run = await engine.add()
        engine.faults.lose_reply.add(f"{run}-1")
        await engine.settle()
        await engine.period()
        assert await engine.status(run) is RunStatus.RUNNING
        assert calls(engine, "start") == [f"{run}-1"]
        engine.executor.exit(f"{run}-1", 5)
        await engine.settle()
        assert (await engine.run(run)).life.exit_code == 5


async def test_a_start_whose_reply_was_lost_and_that_ended_meanwhile() -> None:
    async with open_engine() as engine:
        run = await engine.add()
        engine.faults.lose_reply.add(f"{run}-1")
        await engine.tick()
        engine.executor.exit(f"{run}-1", 0)
        await engine.period()
        assert await engine.events(run) == ["CREATED", "RUNNING", "SUCCEEDED"]


async def test_what_vanished_has_failed() -> None:
    async with open_engine() as engine:
        run, gone = await engine.started(), await engine.started()
        engine.executor.vanish(f"{run}-1")
        del engine.executor._kept[f"{gone}-1"]  # the machine was set up anew: not even a trace
        await engine.settle()
        for one in (run, gone):
            ended = await engine.run(one)
            assert (ended.status, ended.life.exit_code) == (RunStatus.FAILED, None)
            assert "lost" in (ended.life.status_message or "")


async def test_what_cannot_start_has_failed_and_says_why() -> None:
    async with open_engine() as engine:
        by_executor, by_spec = await engine.add(), await engine.add()
        engine.faults.not_started.add(f"{by_executor}-1")
        engine.specs_refused[by_spec] = NotFound("its build 0.1.1 was deleted")
        await engine.settle()
        messages = [(await engine.run(run)).life.status_message or "" for run in (by_executor, by_spec)]
        assert "told not to start" in messages[0]
        assert "was deleted" in messages[1]
        assert {await engine.status(run) for run in (by_executor, by_spec)} == {RunStatus.FAILED}


async def test_a_row_that_changed_meanwhile_is_decided_again() -> None:
    """The abort lands between the tick's read and its save."""
    async with open_engine() as engine:
        run = await engine.started()
        engine.executor.exit(f"{run}-1", 0)
        await engine.supervisor.tick()  # decided; nothing saved yet
        await engine.apply(run, Event.ABORT)
        await engine.settle()
        ended = await engine.run(run)
        assert (ended.status, ended.life.exit_code) == (RunStatus.ABORTED, 0)
        assert Counter(await engine.events(run))["ABORTED"] == 1


async def test_a_run_that_ends_while_its_start_is_under_way_is_reaped() -> None:
    async with open_engine() as engine:
        run = await engine.add()
        engine.faults.lose_reply.add(f"{run}-1")
        await engine.tick()
        await engine.apply(run, Event.ABORT)
        await engine.period()
        assert await engine.status(run) is RunStatus.ABORTED
        assert await engine.executor.survey() == {}
        assert calls(engine, "kill") == [f"{run}-1"]


async def test_a_container_without_a_live_row_is_ended() -> None:
    async with open_engine() as engine:
        run = await engine.started()
        await engine.database.write(lambda tx: tx.run("DELETE FROM runs"))
        await engine.settle()
        assert await engine.executor.survey() == {}
        assert calls(engine, "kill") == [f"{run}-1"]


async def test_a_reboot_ends_the_old_container_before_the_new_one_starts() -> None:
    async with open_engine() as engine:
        run = await engine.started()
        await engine.apply(run, Event.REBOOT)
        await engine.settle()
        assert engine.executor.calls == [
            ("start", f"{run}-1"),
            ("kill", f"{run}-1"),
            ("remove", f"{run}-1"),
            ("start", f"{run}-2"),
        ]
        assert await engine.events(run) == ["CREATED", "RUNNING", "REBOOTED"]
        assert (await engine.run(run)).life.attempt_started_at == engine.now()


async def test_a_reboot_keeps_its_place_before_an_older_run_that_was_committed_later_and_does_not_fit() -> None:
    async with open_engine(memory_mbytes=1024) as engine:
        run = await engine.started(memory_mbytes=512)
        large = await engine.add(memory_mbytes=1024)
        older = "UPDATE runs SET started_at = started_at - 1000 WHERE id = :id"
        await engine.database.write(lambda tx: tx.run(older, id=large))
        await engine.apply(run, Event.REBOOT)
        await engine.settle()
        assert await running(engine) == {f"{run}-2"}
        engine.executor.exit(f"{run}-2", 0)
        await engine.settle()
        assert await running(engine) == {f"{large}-1"}


async def test_an_old_container_that_left_by_itself_is_put_away_before_the_new_one_starts() -> None:
    """Else its shim might still hold the web port, and two logs would be taken in at once with one cursor."""
    async with open_engine() as engine:
        run = await engine.started()
        engine.executor.write(f"{run}-1", b"first\nsecond")
        engine.executor.exit(f"{run}-1", 0)
        await engine.apply(run, Event.REBOOT)
        await engine.settle()
        assert [call for call in engine.executor.calls if call[0] != "kill"] == [
            ("start", f"{run}-1"),
            ("remove", f"{run}-1"),
            ("start", f"{run}-2"),
        ]
        engine.executor.write(f"{run}-2", b"third")
        await engine.settle()
        engine.executor.exit(f"{run}-2", 0)
        await engine.settle()
        assert await engine.log(run) == [
            "first",
            "second",
            "ACTOR: The run goes on in a new container (attempt 2).",
            "third",
        ]


async def test_an_old_container_takes_its_memory_until_it_is_gone() -> None:
    async with open_engine(memory_mbytes=1024) as engine:
        first = await engine.started(memory_mbytes=1024)
        await engine.apply(first, Event.REBOOT)
        await engine.add(memory_mbytes=1024)
        await engine.supervisor.tick()  # the old one is seen alive, and its end has only begun
        assert calls(engine, "start") == [f"{first}-1"]
        await engine.settle()
        assert await running(engine) == {f"{first}-2"}


async def test_a_reboot_over_a_crash_keeps_each_line_once() -> None:
    """Killed after the old log was taken in and before the old container was removed."""
    async with open_engine() as engine:
        run = await engine.started()
        engine.executor.write(f"{run}-1", b"first")
        engine.executor.exit(f"{run}-1", None, cause=Cause.KILLED)
        await engine.ingest.take(f"{run}-1")
        await engine.apply(run, Event.REBOOT)
        await engine.crash()
        await engine.tick()
        for name in await running(engine):
            engine.executor.write(name, b"second")
            engine.ingest.hint(name)
        await engine.settle()
        for name in await running(engine):
            engine.executor.write(name, b"second")
            engine.executor.exit(name, 0)
        await engine.settle()
        log = await engine.log(run)
        assert log[0] == "first"
        assert log.count("first") == 1


async def test_the_end_of_the_log_is_there_before_the_end_is_seen() -> None:
    async with open_engine(faults=None) as engine:
        run = await engine.started()
        engine.faults.mute = True
        lines = b"\n".join(b"%d" % number for number in range(5000))
        engine.executor.write(f"{run}-1", lines)
        engine.executor.exit(f"{run}-1", 0)
        await engine.supervisor.tick()
        while await engine.status(run) is RunStatus.RUNNING:
            await engine.tick()
        assert len(await engine.log(run)) == 5000
