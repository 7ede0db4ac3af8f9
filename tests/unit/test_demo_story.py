"""The demo notices when something does not come out as it should."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from rich.console import Console

from actorium.caller.actor_folder import ActorFolder, source_files
from actorium.caller.failure import Failed
from actorium.demo.screen import Screen
from actorium.demo.story import Story, example_folder
from actorium.kernel.clock import SystemClock

pytestmark = pytest.mark.anyio

PAGES = 12
STATS = {"durationMillis": 900, "runTimeSecs": 0.9, "computeUnits": 0.001, "rebootCount": 0}


class Server:
    """Answers as a server would that runs the example Actor; ``faults`` say in what it goes wrong."""

    def __init__(self, **faults: Any) -> None:
        self.faults = faults
        self.calls: list[str] = []
        self.runs: dict[str, dict[str, Any]] = {}

    async def call(self, method: str, path: str, body: Any = None, **query: object) -> Any:
        self.calls.append(f"{method} {path}")
        match [method, *path.removeprefix("/v2/").split("/")]:
            case ["POST", "actors"]:
                return {"id": "actor", "username": "local", "name": body["name"]}
            case ["POST", "actors", _, "builds"] | ["GET", "actor-builds", _]:
                return self._build()
            case ["POST", "actors", _, "runs"]:
                return self._start(body)
            case ["GET", "actor-runs"]:
                return {"items": [{"id": name} for name, run in self.runs.items() if run["status"] == "RUNNING"]}
            case ["GET", "actor-runs", name]:
                return self.runs[name]
            case ["POST", "actor-runs", name, "abort"]:
                return self._abort(name, graceful="gracefully" in query)
            case ["POST", "actor-runs", name, "reboot"]:
                self.runs[name]["stats"]["rebootCount"] += 1
                return self.runs[name]
            case ["GET", "datasets", name, "items"]:
                return self.runs[name]["items"]
        raise AssertionError(path)

    async def log_lines(self, subject_id: str) -> AsyncIterator[str]:
        run = self.runs.get(subject_id)
        if run is None:
            yield "2026-11-22T17:00:00.000Z Step 1/1"
            return
        for number in range(PAGES):
            if run["status"] != "RUNNING":
                break
            run["items"].append(self._item(number, attempt=1 + run["stats"]["rebootCount"]))
            yield f"2026-11-22T17:00:00.000Z Crawled {number + 1} of 40 pages: x"
            if self.faults.get("stuck"):
                await asyncio.Event().wait()
        self._end(run)

    def _build(self) -> dict[str, Any]:
        status = self.faults.get("build", "SUCCEEDED")
        return {"id": "build", "buildNumber": "0.1.1", "status": status, "stats": {"durationMillis": 10}}

    def _start(self, body: Any) -> dict[str, Any]:
        name = f"run{len(self.runs)}"
        self.runs[name] = {
            "id": name, "defaultDatasetId": name, "status": "RUNNING", "exitCode": None, "statusMessage": None,
            "isStatusMessageTerminal": None, "stats": dict(STATS), "options": {"memoryMbytes": 512},
            "usage": {"DATASET_WRITES": self.faults.get("writes", PAGES)}, "items": [], "delay": body["delaySecs"],
        }  # fmt: skip
        return self.runs[name]

    def _abort(self, name: str, *, graceful: bool) -> dict[str, Any]:
        run = self.runs[name]
        if run["status"] == "RUNNING":
            run["status"] = "ABORTING" if graceful else "ABORTED"
        return run

    def _item(self, number: int, *, attempt: int) -> dict[str, Any]:
        number = 0 if self.faults.get("twice") and number == 3 else number
        attempt = 1 if self.faults.get("no_reboot") else attempt
        return {"url": f"/{number}", "title": "t", "headings": 1, "links": 2, "textLength": 3, "attempt": attempt}

    def _end(self, run: dict[str, Any]) -> None:
        aborted = run["status"] == "ABORTING"
        run["status"] = "ABORTED" if aborted else "SUCCEEDED"
        run["exitCode"] = self.faults.get("exit_code", 0)
        said = "Stopped after 4 pages" if aborted else f"Crawled {len(run['items'])} pages"
        run["statusMessage"] = self.faults.get("message", said)
        run["isStatusMessageTerminal"] = True


def story(server: Server) -> tuple[Story, io.StringIO]:
    output = io.StringIO()
    screen = Screen(SystemClock(), Console(file=output, width=100))
    return Story(server, "http://here", screen=screen, source=example_folder()), output  # type: ignore[arg-type]


async def test_a_demo_that_goes_well_is_told() -> None:
    server = Server()
    told, output = story(server)
    await told.tell()
    text = output.getvalue()
    for part in ("1. Pushing", "SUCCEEDED", "ABORTED, exit code 0", "attempt 1: 5 pages, attempt 2: 7 pages"):
        assert part in text
    assert [run["status"] for run in server.runs.values()] == ["SUCCEEDED", "ABORTED", "SUCCEEDED"]
    assert [bool(run["delay"]) for run in server.runs.values()] == [False, True, True]


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ({"build": "FAILED"}, "The build is FAILED"),
        ({"exit_code": 1}, "exit code is 1"),
        ({"message": "Crawled 3 pages"}, "12 items"),
        ({"twice": True}, "Crawled more than once: /0"),
        ({"no_reboot": True}, "Both attempts"),
        ({"writes": 3}, "3 dataset writes"),
    ],
)
async def test_what_goes_wrong_fails_the_demo(faults: dict[str, Any], message: str) -> None:
    told, _ = story(Server(**faults))
    with pytest.raises(Failed, match=message):
        await told.tell()


async def test_a_run_that_hangs_ends_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actorium.demo.story.DEMO_RUN_SECS", 0.01)
    server = Server(stuck=True)
    told, _ = story(server)
    with pytest.raises(Failed, match="took more than"):
        await told.tell()
    await told.abandon()
    assert [run["status"] for run in server.runs.values()] == ["ABORTED"]


def test_the_example_is_sent_without_what_is_made_beside_it() -> None:
    files = {file["name"]: file for file in source_files(ActorFolder(example_folder()).files())}
    assert {".actor/actor.json", "Dockerfile", "requirements.txt", "site_crawler/main.py"} <= set(files)
    assert not [name for name in files if "__pycache__" in name or name.startswith("storage")]
    assert files["Dockerfile"]["format"] == "TEXT"
    assert files["Dockerfile"]["content"].startswith("FROM apify/actor-python")
