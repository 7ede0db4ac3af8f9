"""Who runs again and who is told what, when the engine misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import pytest

from actorium.database.grouping import Job, RunAgain, Writers, run_group
from actorium.database.wakes import Wake
from actorium.kernel.errors import BackendUnavailable


class ScriptedTx:
    """A transaction without tables."""

    def __init__(self) -> None:
        self.wakes: list[Wake] = []
        self.failure: Exception | None = None
        self.changed = False

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"no work here calls {name}")

    def spoilt(self) -> bool:
        return self.changed or self.failure is not None

    def end(self) -> None: ...


@dataclass
class ScriptedSession:
    """An engine that does what it is told, and writes down what it did."""

    begins: list[Exception | None] = field(default_factory=list)
    commits: list[Exception | None] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    tries: int = 3

    def begin(self) -> None:
        self._step("begin", self.begins)

    def tx(self) -> Any:
        return ScriptedTx()

    def savepoint(self) -> None:
        self._step("savepoint", [])

    def undo(self) -> None:
        self._step("undo", [])

    def commit(self, wakes: Sequence[Wake]) -> None:
        self._step("commit", self.commits)

    def rollback(self) -> None:
        self._step("rollback", [])

    def rest(self) -> bool:
        return False

    def close(self) -> None:
        self._step("close", [])

    def _step(self, name: str, script: list[Exception | None]) -> None:
        self.done.append(name)
        if script and (error := script.pop(0)) is not None:
            raise error


def jobs(count: int) -> list[Job[int]]:
    return [Job(lambda _, n=n: n) for n in range(count)]  # type: ignore[misc]


def fails(_: object) -> int:
    raise KeyError("mine")


def changes_and_fails(tx: Any) -> int:
    tx.changed = True
    raise KeyError("mine")


def test_a_group_is_one_transaction() -> None:
    session = ScriptedSession()
    group = jobs(3)
    run_group(session, group)
    assert [job.result() for job in group] == [0, 1, 2]
    assert session.done == ["begin", "commit"]


def test_a_work_that_fails_before_it_changed_anything_costs_the_others_nothing() -> None:
    session = ScriptedSession()
    group = [Job(fails), *jobs(2), Job(fails)]
    run_group(session, group)
    assert [job.value for job in group] == [None, 0, 1, None]
    assert [isinstance(job.error, KeyError) for job in group] == [True, False, False, True]
    assert session.done == ["begin", "commit"]


def test_a_work_that_fails_after_a_change_is_taken_out_of_its_group() -> None:
    session = ScriptedSession()
    ran: list[int] = []
    group = [Job(lambda _, n=n: ran.append(n)) for n in range(2)]  # type: ignore[misc]
    failing = Job(changes_and_fails)
    run_group(session, [group[0], failing, group[1]])
    assert ran == [0, 0, 1], "the first ran again, the last was not reached before"
    with pytest.raises(KeyError):
        failing.result()
    assert session.done == [
        *("begin", "rollback", "begin"),
        *("savepoint", "savepoint", "undo", "savepoint", "commit"),
    ]


def test_a_work_that_swallows_an_error_of_its_transaction_has_failed() -> None:
    def swallows(tx: Any) -> int:
        tx.failure = BackendUnavailable("refused")
        return 1

    session = ScriptedSession()
    group = [*jobs(1), Job(swallows)]
    run_group(session, group)
    with pytest.raises(BackendUnavailable):
        group[1].result()
    assert session.done == ["begin", "rollback", "begin", "savepoint", "savepoint", "undo", "commit"]


def test_a_lone_work_needs_no_savepoint_and_a_failed_one_no_commit() -> None:
    session = ScriptedSession()
    run_group(session, jobs(1))
    run_group(session, [Job(fails)])
    assert session.done == ["begin", "commit", "begin", "rollback"]


def test_a_failed_commit_runs_each_again_alone_a_bounded_number_of_times() -> None:
    again = RunAgain()
    session = ScriptedSession(commits=[again, None, again, again, again, again, None])
    group = jobs(3)
    run_group(session, group)
    assert group[0].result() == 0
    with pytest.raises(BackendUnavailable):
        group[1].result()  # its three tries failed
    assert group[2].result() == 2  # its second try did not


def test_a_commit_of_unknown_outcome_is_not_run_again() -> None:
    session = ScriptedSession(commits=[BackendUnavailable("lost")])
    group = jobs(3)
    run_group(session, group)
    assert [job.error.message for job in group if isinstance(job.error, BackendUnavailable)] == ["lost"] * 3
    assert session.done.count("begin") == 1


def test_an_engine_that_has_gone_is_asked_once_for_all() -> None:
    gone = BackendUnavailable("gone")
    session = ScriptedSession(commits=[RunAgain(), None], begins=[None, None, gone])
    group = jobs(50)
    run_group(session, group)
    assert group[0].result() == 0
    assert all(isinstance(job.error, BackendUnavailable) for job in group[1:])
    assert session.done.count("begin") == 3


def test_errors_are_not_shared_between_callers() -> None:
    group = jobs(2)
    run_group(ScriptedSession(begins=[BackendUnavailable("gone")]), group)
    assert group[0].error is not group[1].error


@pytest.mark.anyio
async def test_a_lone_work_that_fails_still_reaches_its_caller_from_a_group() -> None:
    session = ScriptedSession()
    writers = Writers([session], committed=lambda _: None)
    results = await asyncio.gather(*(writers.write(fails) for _ in range(5)), return_exceptions=True)
    assert [repr(result) for result in results] == ["KeyError('mine')"] * 5
    await writers.close()
    assert "commit" not in session.done
    assert session.done[-1] == "close"


class HeldUp(ScriptedSession):
    """An engine that begins when it may, and writes down what it ran."""

    def __init__(self, may: Event) -> None:
        super().__init__()
        self.may = may
        self.ran: list[str] = []

    def begin(self) -> None:
        assert self.may.wait(20)

    def tx(self) -> Any:
        tx = ScriptedTx()
        tx.ran = self.ran  # type: ignore[attr-defined]
        return tx


@pytest.mark.anyio
async def test_works_of_one_lane_share_a_writer_and_others_go_where_least_waits() -> None:
    may = Event()
    sessions = [HeldUp(may), HeldUp(may)]
    writers = Writers(sessions, committed=lambda _: None)
    lanes = [asyncio.ensure_future(writers.write(lambda tx: tx.ran.append("lane"), lane="a")) for _ in range(4)]
    others = [asyncio.ensure_future(writers.write(lambda tx: tx.ran.append("other"))) for _ in range(6)]
    await asyncio.wait([*lanes, *others], timeout=0)
    may.set()
    await asyncio.gather(*lanes, *others)
    ran = sorted((session.ran for session in sessions), key=lambda ran: ran.count("lane"))
    assert [one.count("lane") for one in ran] == [0, 4]
    assert [len(one) for one in ran] == [5, 5]
    await writers.close()


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_if_one_of_two_writers_dies_the_other_does_its_work() -> None:
    writers = Writers([ScriptedSession(begins=[AssertionError("a bug")]), ScriptedSession()], committed=lambda _: None)
    first = await asyncio.gather(*(writers.write(lambda _: 1) for _ in range(20)), return_exceptions=True)
    assert 1 in first
    assert any(isinstance(result, BackendUnavailable) for result in first)
    assert await asyncio.gather(*(writers.write(lambda _: 1, lane=f"{n}") for n in range(20))) == [1] * 20
    await asyncio.wait_for(writers.close(), 20)


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_if_a_writer_dies_of_a_bug_nobody_waits_for_ever() -> None:
    writers = Writers([ScriptedSession(begins=[AssertionError("a bug")])], committed=lambda _: None)
    results = await asyncio.wait_for(
        asyncio.gather(*(writers.write(lambda _: 1) for _ in range(10)), return_exceptions=True), 20
    )
    assert {type(result) for result in results} == {BackendUnavailable}
    with pytest.raises(BackendUnavailable):
        await writers.write(lambda _: 1)
    await asyncio.wait_for(writers.close(), 20)
