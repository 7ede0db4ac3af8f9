"""More attempts of one run on real sandboxed processes: resurrect, metamorph, restart on error, a machine drained."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from live_runs import Runs, built_on, processes, quick_limits

pytestmark = pytest.mark.process

MIGRATION_SECS = 2  # as the server of these tests has it


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with built_on(tmp_path_factory.mktemp("attempts"), quick_limits(MIGRATION_SECS=MIGRATION_SECS)) as made:
        yield made


def test_a_resurrected_run_finds_its_storages_and_goes_on_in_its_log(runs: Runs) -> None:
    run = runs.ready("reboots", query="timeout=60")
    runs.abort(run)
    before = runs.ended(run)
    status, reply = runs.server.api("POST", f"/v2/actor-runs/{run}/resurrect?memory=512")
    assert (status, reply["data"]["finishedAt"], reply["data"]["options"]["memoryMbytes"]) == (200, None, 512)
    runs.says(run, "ready", times=2)
    assert len(processes(run)) == 2  # of the new attempt, which forked once
    runs.abort(run)
    after = runs.ended(run)
    assert after["stats"]["resurrectCount"] == 1
    assert after["stats"]["runTimeSecs"] > before["stats"]["runTimeSecs"]
    lines = runs.lines(run)
    assert sum(line.startswith("found attempts") for line in lines) == 1
    assert [line for line in lines if line.startswith("found files")] == ["found files []"] * 2
    told = {line for line in lines if line.startswith("told")}
    assert len(told) == 1, "token, address and store are the same"
    names = ["CREATED", "RUNNING", "ABORTING", "ABORTED", "RESURRECTED", "RUNNING", "ABORTING", "ABORTED"]
    assert runs.events(run) == names


def test_a_metamorph_ends_one_actor_and_starts_the_other(runs: Runs) -> None:
    other = runs.build("other")
    run = runs.ready("is_deaf")
    old = set(processes(run))
    path = f"/v2/actor-runs/{run}/metamorph?targetActorId={other}"
    status, _ = runs.server.api("POST", path, {"does": "leaves", "code": 5})
    assert status == 200
    ended = runs.ended(run)
    assert (ended["status"], ended["exitCode"], ended["stats"]["metamorph"]) == ("FAILED", 5, 1)
    assert ended["metamorphs"][0]["actorId"] == other
    assert not old & set(processes(run))


def test_a_process_that_fails_is_started_four_times(runs: Runs) -> None:
    run = runs.start("leaves", query="restartOnError=1", code=3)
    ended = runs.ended(run)
    assert (ended["status"], ended["exitCode"], ended["stats"]["restartCount"]) == ("FAILED", 3, 3)
    assert [line for line in runs.lines(run) if line == "ready"] == ["ready"] * 4


def test_a_drained_machine_is_empty_and_its_runs_go_on_when_the_server_starts_again(runs: Runs) -> None:
    run = runs.ready("hears")
    environment = os.environ | {"ACTORIUM_DATA": str(runs.server.folder / "data")}
    command = [sys.executable, "-m", "actorium", "drain"]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stderr + runs.server.tail()
    assert "1 run is still on this machine" in made.stdout
    assert "No run is left" in made.stdout
    assert not processes(run)
    assert runs.get(run)["status"] == "RUNNING"
    waiting = runs.start("leaves")
    assert runs.get(waiting)["status"] == "READY"
    runs.server.stop()
    runs.server.start()
    assert runs.ended(waiting)["status"] == "SUCCEEDED"
    runs.says(run, "ready", times=2)
    moved = runs.get(run)
    assert (moved["stats"]["migrationCount"], moved["stats"]["rebootCount"]) == (1, 0)
    assert "event migrating" in runs.lines(run)
    runs.abort(run)
    assert runs.events(run) == ["CREATED", "RUNNING", "MIGRATING", "MIGRATED", "ABORTING"]
    runs.ended(run)
