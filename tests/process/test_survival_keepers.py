"""A spawner that hangs and a folder that is broken: each is told or mended, and stops nobody else."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from live_runs import Runs, built_on, processes, spawner_of, state_of

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with built_on(tmp_path_factory.mktemp("keepers"), ACTORIUM_CONCURRENT_RUNS="1") as made:
        yield made


def test_a_spawner_that_hangs_is_replaced(runs: Runs) -> None:
    before = runs.ready("leaves", secs=3, code=4)
    hung = spawner_of(runs.server)
    assert hung is not None
    runs.server.kill()
    os.kill(hung, signal.SIGSTOP)
    try:
        runs.server.start()
        after = runs.start("leaves", code=5)
        assert runs.ended(after)["exitCode"] == 5
        assert runs.ended(before)["exitCode"] == 4
        assert spawner_of(runs.server) not in (None, hung)
    finally:
        if spawner_of(runs.server) == hung:
            os.kill(hung, signal.SIGCONT)


def test_a_folder_whose_plan_is_broken_fails_its_run_and_says_so(runs: Runs) -> None:
    """As a machine leaves it that lost its power between two writes."""
    first = runs.ready("sleeps")
    run = runs.start("leaves", code=0)  # waits for the first: there is room for one
    assert runs.get(run)["status"] == "READY"
    folder = state_of(runs.server) / "containers" / f"{run}-1"
    runs.server.kill()
    folder.mkdir()
    (folder / "plan.json").write_text('{"name": ')
    runs.server.start()
    runs.abort(first)
    ended = runs.ended(run, secs=20)
    assert (ended["status"], ended["exitCode"]) == ("FAILED", None)
    assert "damaged" in ended["statusMessage"]
    assert processes(run) == []
    assert runs.ended(runs.start("leaves", code=3))["exitCode"] == 3
