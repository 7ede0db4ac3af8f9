"""Taking logs in: each line once, in order, with its own time, whoever else reads at the same moment."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.limits import LOG_BYTES_MAX, LOG_LOOK_SECS
from actorium.runs.ingest import Piece
from actorium.runs.lifecycle import Event
from engine import TURNS, Engine, open_engine

pytestmark = pytest.mark.anyio
PIECE = 1000  # lines that the fake executor gives at once


def numbers(count: int) -> bytes:
    return b"\n".join(b"%d" % number for number in range(count))


async def test_readers_beside_each_other_take_each_line_once() -> None:
    async with open_engine() as engine:
        run = await engine.started()
        engine.executor.write(f"{run}-1", numbers(5 * PIECE))
        for _ in range(5):
            engine.ingest.hint(f"{run}-1")
        await asyncio.gather(*(engine.ingest.take(f"{run}-1") for _ in range(4)))
        await engine.settle()
        assert await engine.log(run) == [str(number) for number in range(5 * PIECE)]


async def test_lines_that_come_while_others_are_taken_in_are_not_forgotten() -> None:
    async with open_engine() as engine:
        run = await engine.started()
        for number in range(50):
            engine.executor.write(f"{run}-1", b"%d" % number)
            engine.ingest.hint(f"{run}-1")
            await engine.turns(number % 7)
        await engine.settle()
        assert await engine.log(run) == [str(number) for number in range(50)]


async def test_lines_keep_the_times_of_their_arrival() -> None:
    async with open_engine() as engine:
        run = await engine.started()
        times = []
        for _ in range(3):
            times.append(engine.now())
            engine.executor.write(f"{run}-1", b"line")
            await engine.clock.advance(7)
        await engine.ingest.take(f"{run}-1")
        assert await engine.timed_log(run) == [f"{at} line" for at in times]


@pytest.mark.parametrize("turns", range(0, 40, 2))
async def test_a_crash_at_any_moment_neither_loses_nor_doubles_lines(turns: int) -> None:
    async with open_engine() as engine:
        run = await engine.started()
        engine.executor.write(f"{run}-1", numbers(3 * PIECE))
        engine.ingest.hint(f"{run}-1")
        await engine.turns(turns)
        await engine.crash()
        engine.executor.exit(f"{run}-1", 0)
        await engine.settle()
        assert await engine.log(run) == [str(number) for number in range(3 * PIECE)]


async def test_what_cannot_be_taken_in_is_told_in_a_line_and_taken_in_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_engine() as engine:
        run = await engine.started()
        engine.executor.write(f"{run}-1", b"line")

        async def away(*_: object, **__: object) -> None:
            raise BackendUnavailable("The database is away.")

        with capture_logs() as told, monkeypatch.context() as outage:
            outage.setattr(engine.database, "write", away)
            engine.ingest.hint(f"{run}-1")
            await engine.turns(TURNS)
        container = f"{run}-1"
        assert told == [
            {"event": "run.log_unavailable", "container": container, "error": "The database is away.",
             "log_level": "warning"}
        ]  # fmt: skip
        await engine.period(LOG_LOOK_SECS)
        assert await engine.log(run) == ["line"]


async def test_a_run_that_was_deleted_does_not_hold_its_reader_for_ever() -> None:
    """Its container was not put away yet, and its log is longer than one piece."""
    async with open_engine() as engine:
        run = await engine.started()
        engine.executor.write(f"{run}-1", numbers(3 * PIECE))
        await _delete(engine, run)
        async with asyncio.timeout(5):
            await engine.ingest.take(f"{run}-1")
        await engine.settle()
        assert await engine.executor.survey() == {}


async def _delete(engine: Engine, run: str) -> None:
    await engine.database.write(lambda tx: engine.logs.delete_in(tx, run))
    await engine.database.write(lambda tx: tx.run("DELETE FROM runs WHERE id = :id", id=run))


async def test_a_full_log_ends_with_a_notice_and_its_reader_with_the_container() -> None:
    async with open_engine() as engine:
        run = await engine.started()
        line = b"x" * 60_000
        for _ in range(LOG_BYTES_MAX // len(line) + 50):
            engine.executor.write(f"{run}-1", line)
        engine.executor.exit(f"{run}-1", 0)
        await engine.settle()
        log = await engine.log(run)
        assert "limit" in log[-1]
        assert sum(map(len, log)) <= LOG_BYTES_MAX
        assert await engine.executor.survey() == {}


async def test_who_was_outrun_by_a_reader_that_read_less_looks_again() -> None:
    """Found by the simulator: the last line was lost, because its reader took another's shorter piece for its own."""
    async with open_engine() as engine:
        run = await engine.started()
        name = f"{run}-1"
        engine.executor.write(name, b"one")
        less = await engine.executor.logs(name, None)
        engine.executor.write(name, b"two")
        whole = await engine.executor.logs(name, None)
        await engine.database.write(lambda tx: engine.ingest.write_in(tx, name, None, less))
        assert await engine.database.write(lambda tx: engine.ingest.write_in(tx, name, None, whole)) is Piece.OUTRUN
        await engine.ingest.take(name)
        assert await engine.log(run) == ["one", "two"]


async def test_a_late_reader_of_an_earlier_attempt_does_not_take_its_lines_again() -> None:
    """Found by the simulator: the log remembers one cursor, which by then is that of the later attempt."""
    async with open_engine() as engine:
        run = await engine.started()
        engine.executor.write(f"{run}-1", b"first attempt")
        late = await engine.executor.logs(f"{run}-1", None)
        await engine.apply(run, Event.REBOOT)
        await engine.settle()
        engine.executor.write(f"{run}-2", b"second attempt")
        await engine.ingest.take(f"{run}-2")
        await engine.database.write(lambda tx: engine.ingest.write_in(tx, f"{run}-1", None, late))
        lines = [line for line in await engine.log(run) if line.endswith("attempt")]
        assert lines == ["first attempt", "second attempt"]
