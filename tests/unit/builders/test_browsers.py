"""The scripts that images with a browser have: what they do where there is no display."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from actorium.builders.process.bases import HOME, SHIMS
from actorium.builders.process.browsers import write_stand_ins
from actorium.builders.process.layers import LayerWriter

WORKDIR = "/usr/src/app"


@pytest.mark.parametrize(
    "command",
    [
        "./start_xvfb_and_run_cmd.sh && echo 'a  b' c",
        "./start_xvfb_and_run_cmd.sh echo 'a  b' c",
        "./new_xvfb_run_cmd.sh ./start_xvfb_and_run_cmd.sh echo 'a  b' c",
        """./xvfb-entrypoint.sh /bin/sh -c "./start_xvfb_and_run_cmd.sh && echo 'a  b' c" """,
        "xvfb-run echo 'a  b' c",
        "xvfb-run -a -s '-ac -screen 0 1920x1080x24+32 -nolisten tcp' echo 'a  b' c",
        "xvfb-run --auto-servernum --server-args='-ac' -e /dev/null -- echo 'a  b' c",
    ],
)
@pytest.mark.parametrize("folder", [WORKDIR, HOME])
def test_a_command_goes_on_without_a_display(tmp_path: Path, command: str, folder: str) -> None:
    write_stand_ins(LayerWriter(tmp_path, (), host=tmp_path / "no-host"), WORKDIR)
    place = tmp_path / folder.lstrip("/")
    env = {"PATH": f"{tmp_path}{SHIMS}:/usr/bin:/bin"}
    done = subprocess.run(["/bin/sh", "-c", command], cwd=place, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "a  b c\n"
