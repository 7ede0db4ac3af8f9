"""A hostile Actor on a server of its own, in a build step, a cold run, ahead of a run and in a warm one."""

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

from hostile_table import INSIDE, PHASES, TABLE, Attempt

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a network of its own"),
    pytest.mark.skipif(shutil.which("ip") is None, reason="needs the program ip of iproute2"),
]
TESTS = Path(__file__).parents[1]
SECS_MAX = 110
FROM_INSIDE = [row for row in TABLE if row.proof == INSIDE]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What ``hostile_machine.py`` found: one server, three builds and a few runs that each try everything."""
    folder = tmp_path_factory.mktemp("hostile") / "machine"
    command = [sys.executable, str(TESTS / "hostile_machine.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECS_MAX)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("row", FROM_INSIDE, ids=lambda row: row.name)
def test_an_attempt_from_inside(said: Any, row: Attempt) -> None:
    for phase in PHASES:
        found = said[phase][row.name]
        assert found["tries"] > 0, phase
        assert found["done"] == [], phase


def test_every_attempt_is_in_the_table(said: Any) -> None:
    for phase in PHASES:
        assert set(said[phase]) == {row.name for row in FROM_INSIDE}


def test_what_it_is_after_is_really_there(said: Any) -> None:
    """Outside of a sandbox the same code reaches all of it; and what a run may reach, it reaches."""
    for name, found in said["outside"].items():
        assert found["done"], name
    assert len(said["outside"]["reach_metadata"]["done"]) == 3
    assert said["world"]


def test_what_runs_share_stays_as_it_was_built(said: Any) -> None:
    assert said["layers changed"] is False
    assert said["machine changed"] is False
    assert said["damage seen"] is False
    assert said["exit code"] == 0  # it came to the end of the damage that it could do


def test_nothing_is_left_behind(said: Any) -> None:
    assert said["left behind"] == 0
    assert said["left by steps"] == 0
    assert (said["victim"], said["server answers"]) == ("RUNNING", 200)


def test_packages_fetched_for_one_actor_are_not_used_for_another(said: Any) -> None:
    """Found by this test: a step of any Actor could write what all Actors of its owner installed."""
    assert said["planted"] is True
    assert said["clean"] is True


def test_a_builds_secret_is_in_no_log_and_on_no_disk(said: Any) -> None:
    assert said["told"] is True  # the step did print it
    assert said["secret in log"] is False
    assert said["secret on disk"] == []


def test_each_row_names_a_test_that_there_is() -> None:
    for row in TABLE:
        path, _, name = row.proof.partition("::")
        text = (TESTS.parent / path).read_text()
        assert not name or re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), row
