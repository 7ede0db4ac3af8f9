"""Abort over the API on real sandboxed processes: nothing survives it, and the run says truly how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from live_runs import Runs, built_on, groups, processes, quick_limits

pytestmark = pytest.mark.process
GRACE_SECS = 2.0
ROOMY = "memory=2048"  # so that a bomb meets the limit of processes, where it stays, and not that of memory


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """A server whose graceful abort waits two seconds instead of thirty."""
    with built_on(
        tmp_path_factory.mktemp("abort"), quick_limits(GRACEFUL_ABORT_SECS=GRACE_SECS), ACTORIUM_MEMORY_MBYTES="8192"
    ) as made:
        yield made


def nothing_is_left(run: str) -> None:
    until = time.monotonic() + 5
    while (left := (processes(run), groups(run))) != ([], []):
        assert time.monotonic() < until, left
        time.sleep(0.02)


@pytest.mark.parametrize("does", ["sleeps", "is_deaf", "forks"])
def test_nothing_survives_an_abort(runs: Runs, does: str) -> None:
    run = runs.ready(does, query=ROOMY)
    wanted = {"sleeps": 1, "is_deaf": 3, "forks": 30}[does]
    until = time.monotonic() + 30
    while len(processes(run)) < wanted:
        assert time.monotonic() < until, processes(run)
        time.sleep(0.02)
    begun = time.monotonic()
    assert runs.abort(run)["status"] == "ABORTING"
    ended = runs.ended(run)
    assert processes(run) == []  # the end is told when it is true
    assert (ended["status"], ended["exitCode"]) == ("ABORTED", None)
    assert (ended["statusMessage"], ended["isStatusMessageTerminal"]) == ("Actor was aborted", True)
    assert time.monotonic() - begun < 20, "far below the time that a graceful abort gives"
    nothing_is_left(run)
    assert runs.events(run) == ["CREATED", "RUNNING", "ABORTING", "ABORTED"]


def test_a_fork_bomb_stays_within_its_run(runs: Runs) -> None:
    """The server answers quickly beside it, and other runs start and end."""
    bomb = runs.ready("forks", query=ROOMY)
    begun = time.monotonic()
    other = runs.ended(runs.start("leaves", code=5))
    assert other["exitCode"] == 5
    assert time.monotonic() - begun < 20
    runs.abort(bomb)
    assert runs.ended(bomb)["status"] == "ABORTED"
    nothing_is_left(bomb)


def test_a_graceful_abort_tells_the_actor_and_takes_its_code(runs: Runs) -> None:
    run = runs.ready("hears", code=0)
    begun = time.monotonic()
    assert runs.abort(run, "gracefully=true")["status"] == "ABORTING"
    ended = runs.ended(run)
    assert time.monotonic() - begun < GRACE_SECS  # it left by itself
    assert (ended["status"], ended["exitCode"]) == ("ABORTED", 0)
    assert (ended["statusMessage"], ended["isStatusMessageTerminal"]) == ("Actor was aborted", True)
    told = [line for line in runs.lines(run) if line.startswith("event")]
    assert told == ["event aborting", "event persistState"]


def test_an_actor_that_stays_is_ended_when_its_time_is_over(runs: Runs) -> None:
    run = runs.ready("hears")
    begun = time.monotonic()
    runs.abort(run, "gracefully=1")
    ended = runs.ended(run)
    assert GRACE_SECS <= time.monotonic() - begun < GRACE_SECS + 5
    assert (ended["status"], ended["exitCode"]) == ("ABORTED", None)
    assert [line for line in runs.lines(run) if "persistState" in line] == ["event persistState"]
    nothing_is_left(run)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_message_of_the_actor_stays(runs: Runs, terminal: bool) -> None:
    run = runs.ready("hears", code=7, message="Half way", terminal=terminal)
    runs.abort(run, "gracefully=true")
    ended = runs.ended(run)
    assert (ended["status"], ended["exitCode"]) == ("ABORTED", 7)
    assert (ended["statusMessage"], ended["isStatusMessageTerminal"]) == ("Half way", terminal)


def test_a_second_abort_and_one_of_a_finished_run_change_nothing(runs: Runs) -> None:
    run = runs.ready("hears")
    first = runs.abort(run, "gracefully=true")
    again = runs.abort(run)
    assert (again["status"], again["finishedAt"]) == ("ABORTING", None)
    assert first["startedAt"] == again["startedAt"]
    ended = runs.ended(run)
    assert runs.abort(run) == ended
    assert runs.events(run).count("ABORTING") == 1


def test_a_run_that_waits_for_room_is_aborted_without_a_start(runs: Runs) -> None:
    first = runs.ready("sleeps")
    waiting = runs.start("sleeps", query="memory=32768")  # more than the whole machine: only alone
    assert runs.get(waiting)["status"] == "READY"
    for query in ("", "gracefully=true"):
        run = waiting if not query else runs.start("sleeps", query="memory=32768")
        runs.abort(run, query)
        ended = runs.ended(run)
        assert (ended["status"], ended["exitCode"], ended["stats"]["runTimeSecs"]) == ("ABORTED", None, 0)
        assert runs.lines(run) == []
        assert runs.events(run) == ["CREATED", "ABORTING", "ABORTED"]
    runs.abort(first)
    runs.ended(first)


def test_a_run_that_is_timing_out_can_be_aborted(runs: Runs) -> None:
    run = runs.ready("is_deaf", query="timeout=1")
    runs.becomes(run, lambda seen: seen["status"] == "TIMING-OUT")
    begun = time.monotonic()
    assert runs.abort(run)["status"] == "ABORTING"
    ended = runs.ended(run)
    assert time.monotonic() - begun < 4.5, "at once, not when its time is over"
    assert ended["status"] == "ABORTED"
    assert runs.events(run) == ["CREATED", "RUNNING", "TIMING_OUT", "ABORTING", "ABORTED"]
    nothing_is_left(run)


def test_aborts_at_any_moment_of_a_start(runs: Runs) -> None:
    def start_and_abort(number: int) -> str:
        run = runs.start("is_deaf")
        time.sleep(0.02 * number)
        runs.abort(run, "gracefully=true" if number % 4 == 3 else "")
        return run

    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(start_and_abort, range(12)))
    for run in started:
        assert runs.ended(run)["status"] == "ABORTED"
        nothing_is_left(run)
        events = runs.events(run)
        assert events[-2:] == ["ABORTING", "ABORTED"]
        assert len(set(events)) == len(events)
        times = [line[:24] for line in runs.log(run).splitlines()]
        assert all(before <= after for before, after in pairwise(times))


@pytest.mark.long
def test_the_api_s_own_thirty_seconds(tmp_path: Path) -> None:
    with built_on(tmp_path) as slow:
        run = slow.ready("hears")
        begun = time.monotonic()
        slow.abort(run, "gracefully=true")
        slow.ended(run, secs=40)
        assert 30 <= time.monotonic() - begun < 33
