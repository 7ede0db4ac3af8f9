"""Runs of the troubled Actor on a live server: how tests start them, wait for them and look at what they left."""

from __future__ import annotations

import json
import os
import sqlite3
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from actorium.executors.process.keeper import lock, plan, shim
from live_server import LiveServer

ACTOR = Path(__file__).with_name("troubled_actor") / "main.py"
DOCKERFILE = "FROM apify/actor-python:3.11\nCOPY . ./\nCMD {command}\n"
COMMAND = '["python3", "-u", "main.py"]'
TERMINAL = {"SUCCEEDED", "FAILED", "ABORTED", "TIMED-OUT"}
SECS_MAX = 60.0


def quick_limits(**limits: float) -> tuple[str, ...]:
    """The command of a server whose limits are shorter than the API's, so that tests are."""
    changes = "".join(f"limits.{name} = {value}; " for name, value in limits.items())
    start = "import sys; sys.argv = ['actorium', 'serve']; from actorium.__main__ import main; main()"
    return ("-c", f"from actorium.kernel import limits; {changes}{start}")


class Runs:
    """Starts and watches runs on one server. ``build`` first."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.actor = ""

    def build(self, name: str = "troubled", command: str = COMMAND) -> str:
        """The Actor, built; its id."""
        files = {"Dockerfile": DOCKERFILE.format(command=command), "main.py": ACTOR.read_text()}
        version = {
            "versionNumber": "0.1",
            "buildTag": "latest",
            "sourceType": "SOURCE_FILES",
            "sourceFiles": [{"name": file, "format": "TEXT", "content": text} for file, text in files.items()],
        }
        actor = self._ok("POST", "/v2/acts", {"name": name, "versions": [version]})["id"]
        built = self._ok("POST", f"/v2/acts/{actor}/builds?version=0.1&waitForFinish=60")
        while built["status"] in ("READY", "RUNNING"):
            built = self._ok("GET", f"/v2/actor-builds/{built['id']}?waitForFinish=60")
        assert built["status"] == "SUCCEEDED", self.server.api("GET", f"/v2/logs/{built['id']}")
        self.actor = self.actor or actor
        return str(actor)

    def start(self, does: str, *, query: str = "", actor: str = "", **wanted: Any) -> str:
        """A new run; its id."""
        path = f"/v2/acts/{actor or self.actor}/runs?memory=256&{query}"
        return str(self._ok("POST", path, {"does": does, **wanted})["id"])

    def ready(self, does: str, *, query: str = "", **wanted: Any) -> str:
        """A new run that has said that it is ready."""
        run = self.start(does, query=query, **wanted)
        self.says(run, "ready")
        return run

    def get(self, run: str) -> dict[str, Any]:
        return self._ok("GET", f"/v2/actor-runs/{run}")

    def ended(self, run: str, *, secs: float = SECS_MAX) -> dict[str, Any]:
        """The run once it has ended."""
        until = time.monotonic() + secs
        while True:
            left = max(until - time.monotonic(), 0)
            seen = self._ok("GET", f"/v2/actor-runs/{run}?waitForFinish={left:.0f}")
            if seen["status"] in TERMINAL:
                return seen
            assert left, f"still {seen['status']}\n{self.log(run)}\n{self.server.tail()}"

    def becomes(self, run: str, is_so: Callable[[dict[str, Any]], bool], *, secs: float = 20.0) -> dict[str, Any]:
        """The run once it fits."""
        until = time.monotonic() + secs
        while not is_so(seen := self.get(run)):
            assert time.monotonic() < until, f"{seen}\n{self.log(run)}\n{self.server.tail()}"
            time.sleep(0.02)
        return seen

    def abort(self, run: str, query: str = "") -> dict[str, Any]:
        return self._ok("POST", f"/v2/actor-runs/{run}/abort?{query}")

    def reboot(self, run: str) -> tuple[int, Any]:
        return self.server.api("POST", f"/v2/actor-runs/{run}/reboot")

    def log(self, run: str) -> str:
        """The whole log with its times."""
        content = self.server.api("GET", f"/v2/logs/{run}")[1]
        return content.decode() if isinstance(content, bytes) else json.dumps(content)

    def lines(self, run: str) -> list[str]:
        """What the Actor printed, without the times and the server's own lines."""
        return [line[25:] for line in self.log(run).splitlines() if not line[25:].startswith("ACTOR: ")]

    def says(self, run: str, text: str, *, times: int = 1, secs: float = SECS_MAX) -> None:
        """Follow the log until a line with this text has come so often."""
        request = urllib.request.Request(f"{self.server.url}/v2/logs/{run}?stream=1")
        request.add_header("Authorization", f"Bearer {self.server.token}")
        with urllib.request.urlopen(request, timeout=secs) as stream:
            for line in stream:
                times -= text in line.decode("utf-8", "replace")
                if times == 0:
                    return
        raise AssertionError(f"{text!r} was not said:\n{self.log(run)}\n{self.server.tail()}")

    def events(self, run: str) -> list[str]:
        """What the outbox holds about a run."""
        file = self.server.folder / "data" / "actorium.db"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT type FROM events WHERE subject_id = ? ORDER BY rowid", (run,)).fetchall()
        return [str(row[0]).removeprefix("ACTOR.RUN.") for row in rows]

    def _ok(self, method: str, path: str, body: Any = None) -> Any:
        status, reply = self.server.api(method, path, body)
        assert status < 300, (status, reply, self.server.tail())
        return reply["data"]


def processes(run: str) -> list[int]:
    """Processes of the machine that were started inside a run's containers: they inherit its environment."""
    mark = f"ACTOR_RUN_ID={run}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def groups(run: str) -> list[Path]:
    """Control groups of a run's containers."""
    return [Path(place, name) for place, names, _ in os.walk("/sys/fs/cgroup") for name in names if run in name]


def end_all(server: LiveServer) -> None:
    """End the server, its spawner and its containers, however deaf; return when they are gone."""
    server.stop()
    folder = str(server.folder / "data" / "containers").encode()
    until = time.monotonic() + 20
    while time.monotonic() < until and (pids := _with(folder)):
        for pid in pids:
            try:
                os.kill(pid, shim.KILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)


def _with(text: bytes) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and text in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def state_of(server: LiveServer) -> Path:
    """The folder of the server's containers."""
    return server.folder / "data" / "containers"


def keeper_of(server: LiveServer, name: str) -> int | None:
    """The process id of a container's shim."""
    return lock.holder(state_of(server) / plan.CONTAINERS / name / plan.LOCK)


def spawner_of(server: LiveServer) -> int | None:
    """The process id of the server's spawner."""
    return lock.holder(state_of(server) / plan.SPAWNER_LOCK)


@contextmanager
def built_on(folder: Path, command: tuple[str, ...] = (), **settings: str) -> Iterator[Runs]:
    """The Actor, built on a server of its own; whatever still runs at the end is ended with the server."""
    server = LiveServer(folder, **settings)
    server.command = command or server.command
    server.start()
    try:
        runs = Runs(server)
        runs.build()
        yield runs
    finally:
        end_all(server)
