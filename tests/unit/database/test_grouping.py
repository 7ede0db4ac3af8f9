"""Who runs again and who is told what, when the engine misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
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

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"no work here calls {name}")

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


def test_a_group_is_one_transaction() -> None:
    session = ScriptedSession()
    group = jobs(3)
    run_group(session, group)
    assert [job.result() for job in group] == [0, 1, 2]
    assert session.done == ["begin", "savepoint", "savepoint", "savepoint", "commit"]


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
