"""The whole way with the official JavaScript client, on the Node.js of a wheel."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from clients.conftest import source_files
from clients.node import installed, node
from live_server import LiveServer

pytestmark = [pytest.mark.clients]

HERE = Path(__file__).parent / "javascript"
STORY_SECS = 110


@pytest.fixture(scope="session")
def packages() -> Path:
    """A folder with the client in it."""
    return installed(HERE)


@pytest.fixture(scope="module")
def steps(server: LiveServer, packages: Path) -> dict[str, dict[str, Any]]:
    """What the story told, by step."""
    story = server.folder / "story.mjs"
    shutil.copy(HERE / "story.mjs", story)
    (server.folder / "node_modules").symlink_to(packages / "node_modules")
    sources = server.folder / "sources.json"
    sources.write_text(json.dumps(source_files("plain")))
    told = node(str(story), server.url, server.token, str(sources), folder=server.folder, secs=STORY_SECS)
    assert told.returncode == 0, f"{told.stdout}\n{told.stderr}\n{server.tail(2000)}"
    return {step.pop("step"): step for step in map(json.loads, told.stdout.splitlines())}


def test_actor_build_and_user(steps: dict[str, dict[str, Any]]) -> None:
    build = steps["build"]
    assert (build["status"], build["number"], build["tagged"], build["createdAtIsADate"]) == (
        "SUCCEEDED",
        "0.3.1",
        True,
        True,
    )
    assert "FROM apify/actor-python" in build["log"]
    assert steps["me"] == {"username": "local"}


def test_run_wait_items_records_queue_and_log(steps: dict[str, dict[str, Any]]) -> None:
    run = steps["run"]
    assert run["ready"] in ("READY", "RUNNING")
    assert (run["status"], run["exitCode"]) == ("SUCCEEDED", 0)
    assert run["startedAtIsADate"]
    assert run["absent"] == [True, True]
    assert run["options"] == {
        "build": "latest",
        "timeoutSecs": 120,
        "memoryMbytes": 256,
        "diskMbytes": 512,
        "maxItems": 50,
    }
    assert (run["total"], [item["index"] for item in run["items"]]) == (3, [2, 1])
    assert run["csv"].split() == ["index", "0", "1", "2"]
    assert run["output"] == {"starts": 1, "input": {"items": 3}}
    assert run["missing"]
    assert run["keys"] == ["INPUT", "OUTPUT", "STATE"]
    assert run["nextKeyIsNull"]
    assert (run["locked"], run["left"]) == (["0", "1"], ["2"])
    assert run["log"][-4:] == ["item 0", "item 1", "item 2", ""]
    assert run["last"]
    assert steps["compressed"] == {"same": True}


def test_exit_code(steps: dict[str, dict[str, Any]]) -> None:
    assert steps["exit code"] == {
        "status": "FAILED",
        "exitCode": 91,
        "statusMessage": "Actor failed with exit code 91",
        "isStatusMessageTerminal": None,
        "rebootCount": 0,
    }


def test_reboot(steps: dict[str, dict[str, Any]]) -> None:
    reboot = steps["reboot"]
    assert (reboot["status"], reboot["rebootCount"], reboot["exitCode"]) == ("RUNNING", 1, None)
    assert "start 1, the mark is not there" in reboot["lines"]
    assert "start 2, the mark is not there" in reboot["lines"]


def test_graceful_abort(steps: dict[str, dict[str, Any]]) -> None:
    abort = steps["graceful abort"]
    assert abort["first"]["status"] == "ABORTING"
    assert (abort["refused"]["statusCode"], abort["refused"]["type"]) == (403, "job-finished")
    assert (abort["status"], abort["exitCode"], abort["rebootCount"]) == ("ABORTED", 0, 1)
    assert (abort["statusMessage"], abort["isStatusMessageTerminal"]) == ("Actor was aborted", True)


def test_immediate_abort(steps: dict[str, dict[str, Any]]) -> None:
    abort = steps["abort"]
    assert abort["first"]["status"] == "ABORTING"
    assert (abort["status"], abort["exitCode"], abort["again"]) == ("ABORTED", None, True)
    assert (abort["statusMessage"], abort["isStatusMessageTerminal"]) == ("Actor was aborted", True)


def test_what_is_not_there_and_what_is_wrong(steps: dict[str, dict[str, Any]]) -> None:
    gone = steps["gone"]
    assert [gone[name] for name in ("run", "actor", "log", "build")] == [True] * 4
    assert gone["updated"] == "Goodbye"
    assert gone["runs"] == ["ABORTED", "FAILED", "SUCCEEDED"]
    assert (gone["unknown"]["statusCode"], gone["unknown"]["type"]) == (404, "record-not-found")
    assert (gone["wrong"]["statusCode"], gone["wrong"]["type"]) == (400, "invalid-value")
    assert "power of two" in gone["wrong"]["message"]
