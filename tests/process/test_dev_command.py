"""``actorium dev`` as a person uses it: a real server, real builds and runs, files that change, Ctrl+C."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actorium.kernel.limits import SOURCE_BYTES_MAX
from live_server import LiveServer

pytestmark = pytest.mark.process

SECS_MAX = 100.0
SAYS = "print('it says {}')\n"
STAYS = "import time\nprint('it stays {}', flush=True)\ntime.sleep(600)\n"
FAILS = "import json, os, sys\nprint(len(open('large').read()))\nsys.exit(7)\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("server")) as made:
        yield made


@pytest.fixture
def actor(tmp_path: Path) -> Path:
    (tmp_path / ".actor").mkdir()
    (tmp_path / ".actor" / "actor.json").write_text(json.dumps({"name": "dev-test", "version": "0.1"}))
    (tmp_path / "Dockerfile").write_text('FROM python:3.11\nCOPY . ./\nCMD ["python3", "main.py"]\n')
    return tmp_path


def _hears_ctrl_c() -> None:
    """A program that was started in the background of a shell without a terminal has it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Command:
    """The command, and what it has printed."""

    def __init__(self, server: LiveServer, folder: Path, *arguments: str) -> None:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("ACTORIUM_", "APIFY_"))
        }
        environment["ACTORIUM_DATA"] = str(server.folder / "data")
        environment["PYTHONUNBUFFERED"] = "1"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "actorium", "dev", str(folder), *arguments],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=_hears_ctrl_c,
        )  # fmt: skip
        self.text = ""

    def says(self, wanted: str) -> None:
        """Wait until it has printed this since it was asked last."""
        assert self.process.stdout is not None
        until = time.monotonic() + SECS_MAX
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while wanted not in self.text:
                ready = selector.select(max(until - time.monotonic(), 0))
                piece = os.read(self.process.stdout.fileno(), 65_536) if ready else b""
                assert piece, f"it never said {wanted!r}:\n{self.text}"
                self.text += piece.decode()
        self.text = self.text.partition(wanted)[2]

    def end(self) -> int:
        """Read on until it has ended; its exit code."""
        assert self.process.stdout is not None
        self.text += self.process.stdout.read().decode()
        return self.process.wait(SECS_MAX)

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def test_an_edit_replaces_the_run_and_ctrl_c_aborts_it(server: LiveServer, actor: Path) -> None:
    (actor / "main.py").write_text(SAYS.format("one"))
    with Command(server, actor) as command:
        command.says("it says one")
        command.says("SUCCEEDED")
        command.says("Waiting for changes")
        (actor / "main.py").write_text(STAYS.format("two"))
        command.says("Changed: main.py")
        command.says("it stays two")
        (actor / "main.py").write_text(STAYS.format("three"))
        command.says("it stays three")
        command.process.send_signal(signal.SIGINT)
        assert command.end() == 0
    _, listed = server.api("GET", "/v2/actor-runs?desc=1")
    assert [run["status"] for run in listed["data"]["items"]] == ["ABORTED", "ABORTED", "SUCCEEDED"]
    assert {run["meta"]["origin"] for run in listed["data"]["items"]} == {"DEVELOPMENT"}
    _, found = server.api("GET", "/v2/actors/~dev-test")
    assert list(found["data"]["taggedBuilds"]) == ["dev"]


@pytest.mark.long
def test_once_is_for_scripts_and_large_folders_fit(server: LiveServer, actor: Path) -> None:
    (actor / "main.py").write_text(FAILS)
    (actor / "large").write_text("x" * SOURCE_BYTES_MAX)
    with Command(server, actor, "--once") as command:
        assert command.end() == 7, command.text
        assert f"{SOURCE_BYTES_MAX}\n" in command.text
        assert "exit code 7" in command.text
    _, found = server.api("GET", "/v2/actors/~dev-test/versions/0.1")
    assert found["data"]["sourceType"] == "TARBALL"
