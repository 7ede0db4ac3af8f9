"""The demo itself, as ``make demo`` runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actorium.caller.own_server import live_containers
from actorium.demo.folder import environment

SECS = 300


@pytest.mark.process
@pytest.mark.timeout(SECS + 30)
def test_the_demo_goes_through_and_leaves_no_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "actorium", "demo"],
        cwd=tmp_path,
        env={**environment(os.environ, tmp_path), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=SECS,
        check=False,
    )
    folder = tmp_path / ".actorium" / "demo"
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for part in ("Building it again", "ABORTED, exit code 0", "attempt 2:", "Everything went as it should"):
        assert part in done.stdout
    assert live_containers(folder) == []
    assert processes_that_name(folder) == []


def processes_that_name(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command:
            found.append(command)
    return found
