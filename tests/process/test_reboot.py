"""Reboot over the API on real sandboxed processes: the old tree is dead before the new one starts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from live_runs import Runs, built_on, groups, processes

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with built_on(tmp_path_factory.mktemp("reboot")) as made:
        yield made


def attempts_of(log: list[str]) -> list[list[str]]:
    """The lines of each attempt: every attempt that got so far begins by telling its token."""
    found: list[list[str]] = []
    for line in log:
        if line.startswith("told"):
            found.append([])
        if found:
            found[-1].append(line)
    return found


def beats(attempt: list[str]) -> list[int]:
    return [int(line.split()[1]) for line in attempt if line.startswith("beat")]


def test_a_reboot_keeps_the_run_and_loses_the_rest(runs: Runs) -> None:
    run = runs.ready("reboots")
    before = runs.becomes(run, lambda seen: seen["status"] == "RUNNING")
    status, reply = runs.reboot(run)
    assert (status, reply["data"]["status"]) == (200, "RUNNING")
    runs.says(run, "ready", times=2)
    after = runs.becomes(run, lambda seen: seen["stats"]["rebootCount"] == 1)
    same = ("id", "status", "startedAt", "storageIds", "containerUrl", "buildId", "options", "exitCode")
    assert {key: before[key] for key in same} == {key: after[key] for key in same}
    assert len(processes(run)) == 2  # of the new attempt, which forked once
    assert {group.name.partition(".")[2] for group in groups(run)} == {f"{run}-2"}
    runs.abort(run)
    runs.ended(run)
    lines = runs.lines(run)
    first, second = attempts_of(lines)
    assert first[0] == second[0]  # token, address and store
    assert [line for line in lines if line.startswith("found files")] == ["found files []"] * 2
    assert sum(line.startswith("found attempts") for line in lines) == 1  # the second found what the first had stored
    assert max(beats(first)) < min(beats(second))
    assert runs.events(run) == ["CREATED", "RUNNING", "REBOOTED", "ABORTING", "ABORTED"]


def test_the_time_limit_goes_on(runs: Runs) -> None:
    run = runs.ready("sleeps", query="timeout=5")
    time.sleep(1)
    runs.reboot(run)
    runs.says(run, "ready", times=2)
    time.sleep(1)
    runs.reboot(run)
    ended = runs.ended(run)
    assert ended["status"] == "TIMED-OUT"
    assert 4.5 <= ended["stats"]["runTimeSecs"] < 5.5  # without the time between the attempts
    assert runs.events(run)[-2:] == ["TIMING_OUT", "TIMED_OUT"]
    assert ended["stats"]["rebootCount"] == 2


def test_ten_reboots_in_a_row(runs: Runs) -> None:
    run = runs.ready("reboots")
    runs.becomes(run, lambda seen: seen["status"] == "RUNNING")
    for _ in range(10):
        assert runs.reboot(run)[0] == 200
    runs.says(run, "ready", times=2)
    seen = runs.becomes(run, lambda seen: len(processes(run)) == 2)
    assert (seen["status"], seen["stats"]["rebootCount"]) == ("RUNNING", 10)
    runs.abort(run)
    runs.ended(run)
    told = attempts_of(runs.lines(run))
    assert len({attempt[0] for attempt in told}) == 1
    for before, after in pairwise(told):
        assert max(beats(before), default=0) < min(beats(after), default=2**62)
    assert runs.events(run).count("REBOOTED") == 10
    assert (processes(run), groups(run)) == ([], [])


def test_ten_reboots_each_after_the_other_has_started(runs: Runs) -> None:
    run = runs.ready("reboots")
    runs.becomes(run, lambda seen: seen["status"] == "RUNNING")
    for number in range(10):
        assert runs.reboot(run)[0] == 200
        runs.says(run, "ready", times=number + 2)
    runs.abort(run)
    ended = runs.ended(run)
    assert ended["stats"]["rebootCount"] == 10
    told = attempts_of(runs.lines(run))
    assert len(told) == 11
    for before, after in pairwise(told):
        assert max(beats(before), default=0) < min(beats(after), default=2**62)


@pytest.mark.parametrize("gracefully", ["", "gracefully=true"])
def test_reboots_beside_an_abort(runs: Runs, gracefully: str) -> None:
    run = runs.ready("reboots" if not gracefully else "sleeps")
    runs.becomes(run, lambda seen: seen["status"] == "RUNNING")

    def ask(number: int) -> int:
        if number == 5:
            runs.abort(run)
            return 200
        return runs.reboot(run)[0]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(12)))
    assert set(answers) <= {200, 403}
    ended = runs.ended(run)
    assert ended["status"] == "ABORTED"
    assert processes(run) == []
    assert ended["stats"]["rebootCount"] == answers.count(200) - 1
    events = runs.events(run)
    assert events[-2:] == ["ABORTING", "ABORTED"]
    assert events.count("REBOOTED") == answers.count(200) - 1


def test_what_does_not_run_does_not_reboot(runs: Runs) -> None:
    run = runs.ready("sleeps")
    runs.abort(run)
    runs.ended(run)
    status, reply = runs.reboot(run)
    assert (status, reply["error"]["type"]) == (403, "job-finished")


def test_a_run_that_ends_while_it_reboots(runs: Runs) -> None:
    """The old attempt may leave by itself before it is ended: the run goes on with the new one or had ended before."""
    for number in range(6):
        run = runs.ready("leaves", secs=0.05 * number, code=3)
        status, _ = runs.reboot(run)
        ended = runs.ended(run)
        assert (ended["status"], ended["exitCode"]) == ("FAILED", 3)
        ready = runs.lines(run).count("ready")
        assert ready == (2 if status == 200 else 1)
        assert runs.events(run).count("FAILED") == 1
