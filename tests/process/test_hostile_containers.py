"""The hostile Actor on Docker's daemon and on Podman: in a build step, and in runs as root and as a user."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from container_engine import KINDS, install, missing
from hostile_table import ENGINE, ENGINE_PHASES, ENGINE_TABLE, INSIDE, TABLE, Attempt, not_prevented

pytestmark = [pytest.mark.process, pytest.mark.long]
TESTS = Path(__file__).parents[1]
SECS_MAX = 300
FROM_INSIDE = [row for row in ENGINE_TABLE if row.proof == ENGINE]


class Found:
    """What ``hostile_containers.py`` found on one kind of engine."""

    def __init__(self, kind: str, said: Any) -> None:
        self.kind, self.said = kind, said


@pytest.fixture(scope="module", params=KINDS)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """An engine and a server in a network of their own, four builds, and runs that try everything."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and the program ip of iproute2 to make a network of its own")
    if missing(request.param):
        install()
    if why := missing(request.param):
        pytest.skip(f"no {request.param}: {why}")
    folder = tmp_path_factory.mktemp("hostile") / "machine"
    command = [sys.executable, str(TESTS / "hostile_containers.py"), str(folder), request.param]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECS_MAX)
    assert done.returncode == 0, done.stderr
    return Found(request.param, json.loads(done.stdout))


@pytest.mark.parametrize("row", FROM_INSIDE, ids=lambda row: row.name)
def test_an_attempt_from_inside(found: Found, row: Attempt) -> None:
    for phase in ENGINE_PHASES:
        tried = found.said[phase][row.name]
        assert tried["tries"] > 0, phase
        assert set(tried["done"]) <= not_prevented(found.kind, phase, row.name), phase


def test_what_it_is_after_is_really_there(found: Found) -> None:
    """Without a sandbox the same code reaches all of it; and what a run and a step may reach, they reach."""
    for name, tried in found.said["outside"].items():
        assert tried["done"], name
    assert len(found.said["outside"]["reach_metadata"]["done"]) == 3
    assert found.said["world"]
    assert found.said["step went out"] is True


def test_what_runs_share_stays_as_it_was_built(found: Found) -> None:
    """The Actor wrote over its packages and into /usr; neither its next run, nor another image, nor the machine has
    it."""
    assert [found.said[f"exit code {user}"] for user in ("root", "user")] == [0, 0]
    assert found.said["damage seen"] is False
    assert (found.said["clean"], found.said["looked"]) == (True, True)
    assert found.said["machine changed"] is False


def test_nothing_is_left_behind(found: Found) -> None:
    assert [found.said[f"left behind {user}"] for user in ("root", "user")] == [0, 0]
    assert found.said["left by steps"] == 0
    assert found.said["containers"] == 1  # the victim's
    assert (found.said["victim"], found.said["server answers"]) == ("RUNNING", 200)


def test_a_builds_secret_is_in_no_log(found: Found) -> None:
    """Nor in a file of the server's; engines do keep it, in the history of the image, which no Actor can ask for."""
    assert found.said["told"] is True  # the step did print it
    assert found.said["secret in log"] is False
    assert found.said["secret on disk"] == []
    assert found.said["secret in history"] is True


@pytest.mark.parametrize("row", ENGINE_TABLE, ids=lambda row: row.name)
def test_each_row_names_a_test_that_there_is(row: Attempt) -> None:
    path, _, name = row.proof.partition("::")
    assert re.search(rf"^ *(async )?def {name}\(", (TESTS.parent / path).read_text(), re.MULTILINE)
    alone = {"signal_init"}  # a container's first process is its own: who ends it ends the run
    both = {one.name for one in TABLE if one.proof == INSIDE} - alone
    assert both == {one.name for one in FROM_INSIDE}
