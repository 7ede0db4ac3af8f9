"""The program of the warm starts elsewhere: in a container of Podman's, and as a spider of Scrapyd's."""

from __future__ import annotations

import json
import platform
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests import container_engine
from tests.container_engine import TestEngine

from benchmarks.engines.peers import Scrapyd
from benchmarks.storages.peers import PeersMissing, environment_of

BASE = "apify/actor-python:3.11"
PACKAGES = Path(sysconfig.get_path("purelib"))
"""Those of this checkout, with SDK and Crawlee in them: for every peer the same files."""
INSIDE = "/packages"
LIBRARIES = Path("/usr/lib") / f"{platform.machine()}-linux-gnu"
"""What native code in the packages needs beyond the base image of the tests, which holds the least."""
SCRAPYD_OFTEN_SECS = 0.1
_FRAME_BYTES = 8  # before each piece of a log that an engine sends

Start = Callable[[], float]
"""Milliseconds from asking for a start to the first line of the program."""


@contextmanager
def peers(folder: Path, program: str) -> Iterator[tuple[dict[str, Start], list[str]]]:
    """Those that can be had here, by name, and a line for each other one."""
    found: dict[str, Start] = {}
    missing: list[str] = []
    with ExitStack() as stack:
        container_engine.install()
        if reason := container_engine.missing("podman"):
            missing.append(f"Podman: {reason}")
        else:
            engine = stack.enter_context(TestEngine("podman"))
            found["Podman"] = lambda: podman(engine, program)
        try:
            python = environment_of("peers-engines")
        except (PeersMissing, OSError, subprocess.SubprocessError) as error:
            missing.append(f"Scrapyd: {str(error)[-200:]}")
        else:
            scrapyd = Scrapyd(python, folder / "scrapyd", poll_secs=SCRAPYD_OFTEN_SECS, packages=PACKAGES)
            stack.enter_context(scrapyd.running())
            found["Scrapyd, looking often"] = lambda: scrapyd.run("imports").first_line * 1000
        yield found, missing


def podman(engine: TestEngine, program: str) -> float:
    """A container that is made, started and removed by the engine's own API."""
    begun = time.time()
    wanted = {
        "Image": BASE,
        "Cmd": ["python3", "-c", program],
        "Env": [f"PYTHONPATH={INSIDE}", "LD_LIBRARY_PATH=/usr/lib:/libraries"],
        "HostConfig": {"Binds": [f"{PACKAGES}:{INSIDE}:ro", f"{LIBRARIES}:/libraries:ro"], "NetworkMode": "none"},
    }
    status, reply = engine.call("POST", "/containers/create", wanted)
    assert status == 201, reply
    container = json.loads(reply)["Id"]
    try:
        status, reply = engine.call("POST", f"/containers/{container}/start")
        assert status == 204, reply
        assert engine.call("POST", f"/containers/{container}/wait")[0] == 200
        log = engine.call("GET", f"/containers/{container}/logs?stdout=true&stderr=true")[1]
        return (float(log[_FRAME_BYTES:].split()[0]) - begun) * 1000
    finally:
        engine.call("DELETE", f"/containers/{container}?force=true")
