"""Scrapyd and Prefect as servers of their own on loopback, each told what to run and asked until it has ended."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parent / "programs"
START_SECS = 120
RUN_SECS = 120
STOP_SECS = 10
CALL_SECS = 30
BUSY_TRIES, BUSY_SECS = 20, 0.2
ASK_SECS = 0.01
"""How late the end of a peer's run may be noticed: neither tells it."""


@dataclass(frozen=True, slots=True)
class Times:
    """Of one run, in seconds from its request."""

    first_line: float
    finished: float


Run = Callable[[], Times]


def times(begun: float, finished: float, log: str, *, pages: int = 0) -> Times:
    """From what a program has left. Raises AssertionError if it has not done what it was asked for."""
    found = re.search(r"first line (\d+\.\d+)", log)
    assert found is not None, log
    assert not pages or f"{pages} pages" in log, log
    return Times(float(found[1]) - begun, finished - begun)


class Peer:
    """An engine on a port of its own, asked at any moment between two of its looks at what is to be done."""

    def __init__(self, python: Path, folder: Path, *, poll_secs: float) -> None:
        self._python = python
        self._folder = folder
        self._poll_secs = poll_secs
        self._port = free_port()
        self._chance = random.Random(1)


class Scrapyd(Peer):
    """One Scrapyd. With ``packages``, a folder of them, it has the one spider that imports some of those."""

    def __init__(self, python: Path, folder: Path, *, poll_secs: float, packages: Path | None = None) -> None:
        super().__init__(python, folder, poll_secs=poll_secs)
        self._environment = {"PYTHONPATH": str(PROGRAMS), "PYTHONWARNINGS": "ignore"}
        if packages is not None:
            self._environment["BENCH_PACKAGES"] = str(packages)

    @contextmanager
    def running(self) -> Iterator[Scrapyd]:
        self._folder.mkdir(parents=True)
        (self._folder / "scrapyd.conf").write_text(
            f"[scrapyd]\nhttp_port = {self._port}\npoll_interval = {self._poll_secs}\n"
        )
        (self._folder / "scrapy.cfg").write_text("[settings]\nbench = bench_spiders.settings\n")
        command = [str(self._python), "-W", "ignore", "-m", "scrapyd"]
        with process(
            command,
            self._folder,
            self._environment,
            lambda: self._call("daemonstatus.json"),
        ):
            yield self

    def run(self, spider: str, *, pages: int = 0, **arguments: str) -> Times:
        """Schedule a spider, at any moment between two looks at the queue, and wait for its end."""
        time.sleep(self._chance.random() * self._poll_secs)
        begun = time.time()
        job = self._call("schedule.json", project="bench", spider=spider, **arguments)["jobid"]
        waited(lambda: any(one["id"] == job for one in self._call("listjobs.json")["finished"]))
        finished = time.time()
        log = self._folder / "logs" / "bench" / spider / f"{job}.log"
        return times(begun, finished, log.read_text(), pages=pages)

    def _call(self, path: str, **form: str) -> Any:
        return call(f"http://127.0.0.1:{self._port}/{path}", urllib.parse.urlencode(form).encode() if form else None)


class Prefect(Peer):
    """A server and a process that serves the flows."""

    @contextmanager
    def running(self) -> Iterator[Prefect]:
        stamps = self._folder / "stamps"
        stamps.mkdir(parents=True)
        environment = {
            "PREFECT_HOME": str(self._folder),
            "PREFECT_API_URL": f"http://127.0.0.1:{self._port}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_RUNNER_POLL_FREQUENCY": f"{self._poll_secs:.0f}",
            "BENCH_STAMPS": str(stamps),
            "PYTHONPATH": str(PROGRAMS),
        }
        python = str(self._python)
        server = [
            python,
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            str(self._port),
            "--no-ui",
        ]
        serving = [python, str(PROGRAMS / "flows.py")]
        with (
            process(server, self._folder / "server", environment, lambda: self._call("health")),
            process(serving, self._folder / "serving", environment, lambda: self._deployment("crawl", "crawl")),
        ):
            time.sleep(2 * self._poll_secs)  # the first look at the queue comes late
            yield self

    def run(self, flow: str, *, pages: int = 0, **parameters: str) -> Times:
        """Create a run of a served flow, at any moment between two looks at the queue, and wait for its end."""
        deployment = self._deployment(flow, flow)["id"]
        time.sleep(self._chance.random() * self._poll_secs)
        begun = time.time()
        made = self._call(f"deployments/{deployment}/create_flow_run", {"parameters": parameters})
        ended: dict[str, Any] = {}

        def is_over() -> bool:
            ended.update(self._call(f"flow_runs/{made['id']}"))
            return ended["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

        waited(is_over)
        finished = time.time()
        assert ended["state_type"] == "COMPLETED", ended
        return times(begun, finished, (self._folder / "stamps" / made["id"]).read_text(), pages=pages)

    def _deployment(self, flow: str, name: str) -> Any:
        return self._call(f"deployments/name/{flow}/{name}")

    def _call(self, path: str, body: Any = None) -> Any:
        return call(f"http://127.0.0.1:{self._port}/api/{path}", None if body is None else json.dumps(body).encode())


def call(url: str, content: bytes | None) -> Any:
    """One request, again while the peer is too busy: Prefect on SQLite says so on a loaded machine, and its own client
    tries again too."""
    request = urllib.request.Request(url, data=content)
    if content and content[:1] in b"{[":
        request.add_header("Content-Type", "application/json")
    for _ in range(BUSY_TRIES):
        try:
            with urllib.request.urlopen(request, timeout=CALL_SECS) as reply:
                return json.loads(reply.read())
        except urllib.error.HTTPError as error:
            if error.code != http.client.SERVICE_UNAVAILABLE:
                raise
            time.sleep(BUSY_SECS)
    raise OSError(f"{url} stays unavailable")


def waited(is_so: Callable[[], object], *, secs: float = RUN_SECS) -> None:
    """Ask until it is so."""
    until = time.monotonic() + secs
    while not is_so():
        assert time.monotonic() < until, "a peer takes too long"
        time.sleep(ASK_SECS)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def process(
    command: list[str], folder: Path, environment: Mapping[str, str], answers: Callable[[], object]
) -> Iterator[None]:
    """A process in a session of its own, once it answers; ended with all that it started."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "output.log").open("wb") as log:
        started = subprocess.Popen(
            command, cwd=folder, env=os.environ | environment, stdout=log, stderr=log, start_new_session=True
        )

    def is_up() -> bool:
        assert started.poll() is None, (folder / "output.log").read_text(errors="replace")[-2000:]
        try:
            answers()
        except OSError:
            return False
        return True

    try:
        waited(is_up, secs=START_SECS)
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(STOP_SECS)
