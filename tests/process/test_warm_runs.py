"""Runs over the API that take over sandboxes made ahead: abort, reboot, timeout and the death of the server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actorium.executors.process.keeper import lock, plan
from live_runs import DOCKERFILE, Runs, end_all, groups, processes
from live_server import LiveServer

pytestmark = pytest.mark.process

INSTALL = 'RUN mv heavy.py "$(python3 -c \'import sysconfig; print(sysconfig.get_path("purelib"))\')"\n'
HEAVY = """
import sys
frame, files = sys._getframe(), []
while frame is not None:
    files.append(frame.f_code.co_filename)
    frame = frame.f_back
AHEAD = any(file.endswith(("<frozen site>", "/site.py")) for file in files)  # the interpreter's own start goes on
"""
MAIN = """
import heavy
import os, time, urllib.request

BASE, TOKEN, RUN = (os.environ[name] for name in ("APIFY_API_BASE_URL", "APIFY_TOKEN", "ACTOR_RUN_ID"))
request = urllib.request.Request(f"{BASE}/v2/actor-runs/{RUN}", headers={"Authorization": f"Bearer {TOKEN}"})
with urllib.request.urlopen(request) as reply:
    print("reached", reply.status, flush=True)
import late  # a file that nothing has looked at before
print("warm" if heavy.AHEAD else "cold", "is ready", flush=True)
time.sleep(3600)
"""


class Warm(Runs):
    """Runs of an Actor with a package of its own."""

    def build(self, name: str = "heavy", command: str = '["python3", "-u", "main.py"]') -> str:
        dockerfile = DOCKERFILE.format(command=command).replace("CMD", f"{INSTALL}CMD")
        files = {"Dockerfile": dockerfile, "main.py": MAIN, "heavy.py": HEAVY, "late.py": ""}
        sources = [{"name": file, "format": "TEXT", "content": text} for file, text in files.items()]
        version = {
            "versionNumber": "0.1", "buildTag": "latest", "sourceType": "SOURCE_FILES", "sourceFiles": sources,
        }  # fmt: skip
        self.actor = str(self._ok("POST", "/v2/acts", {"name": name, "versions": [version]})["id"])
        built = self._ok("POST", f"/v2/acts/{self.actor}/builds?version=0.1&waitForFinish=60")
        assert built["status"] == "SUCCEEDED", self.server.api("GET", f"/v2/logs/{built['id']}")
        return self.actor

    def spares(self) -> list[Path]:
        """Sandboxes whose keeper lives."""
        folder = self.server.folder / "data" / "containers" / plan.SPARES
        found = list(folder.iterdir()) if folder.is_dir() else []
        return [one for one in found if lock.holder(one / plan.LOCK) is not None]

    def warm(self, *, query: str = "") -> str:
        """A run that took over a sandbox; the first ones may be too early for that."""
        until = time.monotonic() + 60
        while True:
            run = self.start("", query=query)
            self.says(run, "is ready")
            if "warm is ready" in self.lines(run):
                return run
            self.abort(run)
            self.ended(run)
            assert time.monotonic() < until, self.server.tail()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    server = LiveServer(tmp_path_factory.mktemp("warm"), ACTORIUM_WARM_STARTS="true")
    server.start()
    try:
        made = Warm(server)
        made.build()
        yield made
    finally:
        end_all(server)


def nothing_left(run: str) -> None:
    until = time.monotonic() + 10
    while processes(run) or groups(run):
        assert time.monotonic() < until, (processes(run), groups(run))
        time.sleep(0.02)


def test_a_warm_run_reaches_the_api_is_rebooted_and_aborted(runs: Warm) -> None:
    run = runs.warm()
    assert runs.lines(run) == ["reached 200", "warm is ready"]
    assert processes(run)
    assert runs.reboot(run)[0] == 200
    runs.says(run, "is ready", times=2)
    assert runs.abort(run)["status"] == "ABORTING"
    assert runs.ended(run)["status"] == "ABORTED"
    nothing_left(run)


def test_a_warm_run_times_out(runs: Warm) -> None:
    run = runs.warm(query="timeout=5")
    seen = runs.ended(run)
    assert seen["status"] == "TIMED-OUT"
    assert seen["stats"]["memMaxBytes"] > 0
    nothing_left(run)


def test_a_killed_server_leaves_its_runs_and_no_spare(runs: Warm) -> None:
    run = runs.warm()
    until = time.monotonic() + 60
    while not runs.spares():
        assert time.monotonic() < until, runs.server.tail()
        time.sleep(0.05)
    runs.server.kill()
    while runs.spares():
        assert time.monotonic() < until
        time.sleep(0.05)
    assert processes(run)
    runs.server.start()
    assert runs.get(run)["status"] == "RUNNING"
    runs.abort(run)
    assert runs.ended(run)["status"] == "ABORTED"


def test_an_actor_that_was_deleted_and_made_again_has_all_its_files(runs: Warm) -> None:
    """Its second image lies where the first one did, and a sandbox that was made on that one sees nothing of it."""
    until = time.monotonic() + 60
    runs.abort(runs.warm())
    before = runs.server.log.read_text().count("warm.ready")
    run = runs.warm()
    runs.abort(run)
    assert runs.ended(run)["status"] == "ABORTED"
    while runs.server.log.read_text().count("warm.ready") == before:
        assert time.monotonic() < until, runs.server.tail()
        time.sleep(0.05)
    layers = {plan.decode((one / plan.PLAN).read_bytes()).layers[-1] for one in runs.spares()}
    assert runs.server.api("DELETE", f"/v2/acts/{runs.actor}")[0] == 204
    while any(Path(one).exists() for one in layers):
        assert time.monotonic() < until, runs.server.tail()
        time.sleep(0.05)
    runs.build()
    run = runs.start("")
    runs.says(run, "is ready")
    runs.abort(run)
    runs.ended(run)
