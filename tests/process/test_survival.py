"""Runs outlive their server, however it ends: true codes, whole logs with true times, no attempt started twice."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import URLError

import pytest

from actorium.kernel.instant import Instant
from executor_machine import held
from live_runs import Runs, built_on, keeper_of, processes, spawner_of, state_of

pytestmark = pytest.mark.process
NOTHING = {"groups": 0, "loops": 0, "processes": 0, "mounts": 0}
LATE_MS_MAX = 1500  # how late a line may be stamped on a machine that starts twenty interpreters


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with built_on(tmp_path_factory.mktemp("survival"), ACTORIUM_MEMORY_MBYTES="16384") as made:
        yield made


def at_rest(runs: Runs) -> None:
    """At most the spawner is left of everything that ran: no shim, control group, mount, loop device or folder.

    With its processes a container's network namespace is gone, and with that both ends of its interface.
    """
    state = state_of(runs.server)
    until = time.monotonic() + 20
    while True:
        found, folders = held(state), [*(state / "containers").iterdir()]
        spawners = int(spawner_of(runs.server) is not None)
        if found == NOTHING | {"processes": spawners} and not folders:
            return
        assert time.monotonic() < until, (found, folders, runs.server.tail())
        time.sleep(0.05)


def was_true(runs: Runs, run: str, wanted: dict[str, Any]) -> None:
    """A run of ``counts`` did what it was asked for, once, and everything about it is as it was."""
    ended = runs.ended(run)
    code = wanted["code"]
    assert (ended["status"], ended["exitCode"]) == ("FAILED" if code else "SUCCEEDED", code), runs.log(run)
    lines = runs.log(run).splitlines()[1:]
    assert [line[25:].split()[0] for line in lines] == ["started"] + ["line"] * wanted["lines"]
    assert [int(line.split()[2]) for line in lines[1:]] == list(range(wanted["lines"]))
    late = [Instant.parse(line[:24]) - int(line.split()[3]) for line in lines[1:]]
    assert -2 <= min(late, default=0) <= max(late, default=0) <= LATE_MS_MAX
    assert runs.events(run) == ["CREATED", "RUNNING", ended["status"]]
    spoke_ms = int(lines[-1].split()[-1]) if wanted["lines"] else 0
    assert -LATE_MS_MAX <= Instant.parse(ended["finishedAt"]) - spoke_ms <= LATE_MS_MAX + 1000


class Starter(threading.Thread):
    """Starts runs without a pause, also into the arms of a server that is being killed."""

    def __init__(self, runs: Runs, chance: random.Random, count: int) -> None:
        super().__init__()
        self._runs, self._chance, self._count = runs, chance, count

    def run(self) -> None:
        for _ in range(self._count):
            wanted = {"lines": self._chance.randrange(5, 40), "code": self._chance.randrange(6)}
            while True:
                try:
                    self._runs.start("counts", **wanted)
                    break
                except (URLError, OSError):
                    time.sleep(0.05)


def torture(runs: Runs, *, seed: int, count: int, kills: int) -> None:
    """Kill the server at random moments while runs are started, go on and end."""
    chance = random.Random(seed)
    before = all_runs(runs)
    starter = Starter(runs, chance, count)
    starter.start()
    for _ in range(kills):
        time.sleep(chance.choice([0.01, 0.05, 0.1, 0.3, 0.6, 1.0]) * chance.random())
        runs.server.kill()
        time.sleep(chance.choice([0, 0, 0.2, 1.0]) * chance.random())
        runs.server.start()
    starter.join(60)
    assert not starter.is_alive()
    found = {run: store for run, store in all_runs(runs).items() if run not in before}
    assert len(found) >= count  # a start whose answer was lost may have been made, and is then made again
    for run, store in found.items():
        runs.ended(run)
        was_true(runs, run, runs.server.api("GET", f"/v2/key-value-stores/{store}/records/INPUT")[1])
    at_rest(runs)


def all_runs(runs: Runs) -> dict[str, str]:
    """Every run of the server with its key-value store."""
    items = runs.server.api("GET", "/v2/actor-runs?limit=1000&desc=1")[1]["data"]["items"]
    return {item["id"]: item["defaultKeyValueStoreId"] for item in items}


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_server_that_is_killed_again_and_again(runs: Runs, seed: int) -> None:
    torture(runs, seed=seed, count=14, kills=5)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(10, 20))
def test_many_seeds(runs: Runs, seed: int) -> None:
    torture(runs, seed=seed, count=40, kills=25)


def test_lines_of_the_time_between_are_there_although_nothing_follows(runs: Runs) -> None:
    run = runs.start("counts", lines=10, code=0, stays=True)
    runs.says(run, "line 0")
    runs.server.kill()
    time.sleep(1.5)
    runs.server.start()
    runs.says(run, "line 9", secs=10)
    assert runs.get(run)["status"] == "RUNNING"
    times = [Instant.parse(line[:24]) for line in runs.log(run).splitlines()[2:]]
    assert times[-1] - times[0] > 800
    runs.abort(run)
    runs.ended(run)


def test_a_deadline_that_passes_while_no_server_is_there(runs: Runs) -> None:
    polite = runs.ready("sleeps", query="timeout=2")
    done = runs.ready("leaves", secs=1, code=9)
    runs.server.kill()
    time.sleep(3)
    assert processes(polite) == []
    runs.server.start()
    ended = runs.ended(polite, secs=5)
    assert (ended["status"], ended["exitCode"]) == ("TIMED-OUT", None)
    took_ms = Instant.parse(ended["finishedAt"]) - Instant.parse(ended["startedAt"])
    assert 1900 <= took_ms < 3000  # when it ended, not when that was noticed
    assert runs.events(polite) == ["CREATED", "RUNNING", "TIMING_OUT", "TIMED_OUT"]
    assert runs.ended(done, secs=5)["exitCode"] == 9


@pytest.mark.parametrize("gap_secs", [3, pytest.param(50, marks=pytest.mark.long)])
def test_a_call_of_the_time_between_is_answered_when_the_server_is_back(runs: Runs, gap_secs: float) -> None:
    run = runs.ready("calls_once")
    runs.server.kill()
    time.sleep(gap_secs)
    runs.server.start()
    ended = runs.ended(run)
    assert ended["exitCode"] == 0, runs.log(run)
    waited = float(runs.lines(run)[-1].split()[-1])
    assert gap_secs - 2 < waited < gap_secs + 5
    status, stored = runs.server.api("GET", f"/v2/key-value-stores/{ended['defaultKeyValueStoreId']}/records/after")
    assert (status, stored["does"]) == (200, "calls_once")


def test_a_server_that_is_told_to_stop_leaves_runs_alone(runs: Runs) -> None:
    run = runs.start("counts", lines=20, code=4)
    runs.says(run, "line 0")
    port = runs.server.url
    runs.server.stop()
    assert len(processes(run)) == 1
    runs.server.start()
    assert runs.server.url == port
    was_true(runs, run, {"lines": 20, "code": 4})


def test_a_killed_spawner_is_replaced_and_takes_nothing_along(runs: Runs) -> None:
    before = runs.start("counts", lines=15, code=2)
    runs.says(before, "line 0")
    spawner = spawner_of(runs.server)
    assert spawner is not None
    os.kill(spawner, signal.SIGKILL)
    after = runs.start("counts", lines=1, code=3)
    was_true(runs, after, {"lines": 1, "code": 3})
    was_true(runs, before, {"lines": 15, "code": 2})


def test_what_a_killed_server_left_half_done_is_deleted_by_the_next(runs: Runs) -> None:
    containers = state_of(runs.server) / "containers"
    killed = runs.server.pid
    runs.server.kill()
    for name in (".abc-1.gone", f".abc-2.{killed}"):
        (containers / name / "disk" / "upper").mkdir(parents=True)
        (containers / name / "disk" / "upper" / "file").write_text("x")
    runs.server.start()
    at_rest(runs)


@pytest.mark.parametrize("does", ["is_deaf", "forks"])
def test_a_killed_shim_takes_its_run_along_and_says_so(runs: Runs, does: str) -> None:
    other = runs.start("counts", lines=15, code=0)
    run = runs.ready(does)
    keeper = keeper_of(runs.server, f"{run}-1")
    assert keeper is not None
    os.kill(keeper, signal.SIGKILL)
    ended = runs.ended(run, secs=10)
    assert (ended["status"], ended["exitCode"]) == ("FAILED", None)
    assert "keeper process was killed" in ended["statusMessage"]
    assert processes(run) == []
    was_true(runs, other, {"lines": 15, "code": 0})
    at_rest(runs)


def test_aborts_and_reboots_beside_kills(runs: Runs) -> None:
    """What was answered with 200 holds after the restart, wherever the kill struck."""
    chance = random.Random(5)
    asked: dict[str, list[str]] = {runs.ready("is_deaf"): [] for _ in range(8)}
    for _ in range(5):
        for run in chance.sample(sorted(asked), 4):
            what = chance.choice(["abort", "reboot", "reboot"])
            if runs.server.api("POST", f"/v2/actor-runs/{run}/{what}")[0] == 200:
                asked[run].append(what)
            time.sleep(chance.random() * 0.05)
        runs.server.kill()
        runs.server.start()
    for run, done in asked.items():
        if "abort" not in done:
            runs.abort(run)
        ended = runs.ended(run)
        assert ended["status"] == "ABORTED", runs.log(run)
        assert ended["stats"]["rebootCount"] == done.count("reboot")
        events = runs.events(run)
        assert (events.count("ABORTED"), events.count("REBOOTED")) == (1, done.count("reboot"))
        assert processes(run) == []
    at_rest(runs)
