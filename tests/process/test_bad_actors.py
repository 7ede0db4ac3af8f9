"""Actors that misbehave: a true end, a clear word about it, and a server and other runs that do not notice."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from actorium.kernel.limits import LOG_BYTES_MAX, LOG_LINE_BYTES_MAX
from live_runs import Runs, built_on, groups, processes

pytestmark = pytest.mark.process
ANSWER_SECS_MAX = 2.0  # the slowest answer of a server beside a bad Actor, on two cores that others use too


class Bystander:
    """Another run, and a caller who asks for it again and again; both must notice nothing."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.secs: list[float] = []
        self.run = ""

    def _ask(self) -> None:
        while not self._done.wait(0.02):
            begun = time.monotonic()
            assert self._runs.get(self.run)["status"] in ("RUNNING", "SUCCEEDED")
            self.secs.append(time.monotonic() - begun)

    def __enter__(self) -> Bystander:
        self.run = self._runs.start("counts", lines=20, code=0)
        self._runs.says(self.run, "line 0")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        ended = self._runs.ended(self.run)
        assert (ended["status"], ended["exitCode"]) == ("SUCCEEDED", 0)
        numbers = [line.split()[1] for line in self._runs.lines(self.run) if line.startswith("line")]
        assert numbers == [str(number) for number in range(20)]
        assert self.secs
        assert max(self.secs) < ANSWER_SECS_MAX, sorted(self.secs)[-5:]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with built_on(tmp_path_factory.mktemp("bad"), ACTORIUM_MEMORY_MBYTES="8192") as made:
        yield made


def ends(runs: Runs, does: str, *, query: str = "", **wanted: Any) -> dict[str, Any]:
    """The ended run of an Actor that misbehaves, beside one that does not."""
    with Bystander(runs):
        ended = runs.ended(runs.start(does, query=query, **wanted))
    assert processes(ended["id"]) == []
    return ended


def test_one_that_forks_without_end(runs: Runs) -> None:
    with Bystander(runs):
        run = runs.ready("forks", query="timeout=4")
        ended = runs.ended(run)
    assert ended["exitCode"] is None
    if ended["status"] == "FAILED":  # what it forked needed more memory than it has
        assert "memory" in ended["statusMessage"]
    else:
        assert (ended["status"], ended["statusMessage"]) == ("TIMED-OUT", "Actor timed out after 4 seconds")
    assert (processes(run), groups(run)) == ([], [])


@pytest.mark.parametrize("secs", [0, 2])
def test_one_that_fills_its_disk(runs: Runs, secs: float) -> None:
    ended = ends(runs, "fills_its_disk", secs=secs)
    log = runs.log(ended["id"])
    assert ended["status"] == "FAILED"
    assert log.count("512 MB") == 1
    assert "disk" in log
    if ended["exitCode"] is not None:  # a disk of its own: writing fails, and the Actor says what it thinks of that
        assert ended["exitCode"] == 28
        assert "No space left on device" in log


def test_one_that_prints_100_mb(runs: Runs) -> None:
    ended = ends(runs, "prints_much", mbytes=100)
    assert (ended["status"], ended["exitCode"]) == ("SUCCEEDED", 0)
    log = runs.log(ended["id"])
    assert 0.9 * LOG_BYTES_MAX < len(log) <= LOG_BYTES_MAX + 1000
    assert "limit" in log.splitlines()[-1] or "longer than" in log.splitlines()[-1]


def test_one_that_prints_no_utf8(runs: Runs) -> None:
    run = runs.start("prints_bytes")
    assert runs.ended(run)["status"] == "SUCCEEDED"
    lines = runs.lines(run)
    assert lines[0] == "before \ufffd\ufffd\ufffd after"
    assert lines[1] == "\0nul \ufffd("
    assert lines[-1] == "last, no newline"


def test_one_that_writes_a_line_of_10_mb(runs: Runs) -> None:
    ended = ends(runs, "prints_one_line", mbytes=9)
    assert ended["status"] == "SUCCEEDED"
    lines = runs.lines(ended["id"])
    assert max(map(len, lines)) == LOG_LINE_BYTES_MAX
    assert sum(line.count("z") for line in lines) == 9_000_000
    assert lines[-1] == "the end"
    full = ends(runs, "prints_one_line", mbytes=12)
    assert full["status"] == "SUCCEEDED"
    assert len(runs.log(full["id"])) <= LOG_BYTES_MAX + 1000


def test_one_that_takes_too_much_memory(runs: Runs) -> None:
    ended = ends(runs, "takes_memory")
    assert (ended["status"], ended["exitCode"]) == ("FAILED", None)
    assert "memory" in ended["statusMessage"]
    assert "256 MB of memory" in runs.log(ended["id"])


@pytest.mark.parametrize("number", [9, 11, 15])
def test_one_that_dies_by_a_signal(runs: Runs, number: int) -> None:
    ended = runs.ended(runs.start("dies_by_signal", signal=number))
    assert (ended["status"], ended["exitCode"]) == ("FAILED", None)
    assert "signal" in ended["statusMessage"]


def test_one_that_closes_its_output_early(runs: Runs) -> None:
    ended = ends(runs, "closes_its_output", code=6)
    assert (ended["status"], ended["exitCode"]) == ("FAILED", 6)
    assert runs.lines(ended["id"]) == ["last words"]
    assert ended["stats"]["runTimeSecs"] >= 0.5


def test_one_that_deletes_its_own_folder(runs: Runs) -> None:
    run = runs.start("deletes_its_folder")
    assert runs.ended(run)["status"] == "SUCCEEDED"
    assert runs.ended(runs.start("leaves", code=0))["status"] == "SUCCEEDED"  # the image is whole


def test_one_whose_command_is_unknown(runs: Runs) -> None:
    actor = runs.build("commandless", '["no-such-program"]')
    ended = runs.ended(runs.start("x", actor=actor))
    assert (ended["status"], ended["exitCode"]) == ("FAILED", 127)
    assert "'no-such-program' was not found" in runs.log(ended["id"])


def test_one_whose_program_cannot_be_executed(runs: Runs) -> None:
    actor = runs.build("unexecutable", '["./main.py"]')
    ended = runs.ended(runs.start("x", actor=actor))
    assert (ended["status"], ended["exitCode"]) == ("FAILED", 126)
    assert "could not be started" in runs.log(ended["id"])


def test_one_whose_web_server_is_slow(runs: Runs) -> None:
    with Bystander(runs):
        run = runs.ready("listens_late", secs=3)
        seen = runs.becomes(run, lambda seen: seen["status"] == "RUNNING")
        assert seen["isContainerServerReady"] is False
        runs.becomes(run, lambda seen: seen["isContainerServerReady"], secs=30)
    with urllib.request.urlopen(seen["containerUrl"], timeout=10) as reply:
        assert reply.read() == b"ok"
    runs.abort(run)
    assert runs.ended(run)["status"] == "ABORTED"


def test_log_lines_stay_in_order(runs: Runs) -> None:
    run = runs.start("prints_much", mbytes=3)
    runs.ended(run)
    times = [line[:24] for line in runs.log(run).splitlines()]
    assert len(times) == 3001
    assert all(before <= after for before, after in pairwise(times))
