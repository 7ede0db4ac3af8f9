"""The scripts that images with a browser have: what they do where there is no display."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from actorium.builders.process.bases import HOME, PYTHON, SHIMS
from actorium.builders.process.browsers import PLAYWRIGHT, write_stand_ins
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
    write_stand_ins(LayerWriter(tmp_path, (), host=tmp_path / "no-host"), WORKDIR, "/usr/bin/chromium")
    place = tmp_path / folder.lstrip("/")
    env = {"PATH": f"{tmp_path}{SHIMS}:/usr/bin:/bin"}
    done = subprocess.run(["/bin/sh", "-c", command], cwd=place, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "a  b c\n"


@pytest.mark.parametrize(
    "package",
    [
        f"{PYTHON}/lib/python3.13/site-packages/playwright/driver/package",
        f"{WORKDIR}/node_modules/playwright-core",
    ],
)
def test_playwright_finds_the_browser_where_it_looks_for_its_own(tmp_path: Path, package: str) -> None:
    (tmp_path / "below" / package.lstrip("/")).mkdir(parents=True)
    browsers = [{"name": name, "revision": "1194"} for name in ("chromium", "chromium-headless-shell", "firefox")]
    (tmp_path / "below" / package.lstrip("/") / "browsers.json").write_text(json.dumps({"browsers": browsers}))
    (tmp_path / "made").mkdir()
    writer = LayerWriter(tmp_path / "made", [tmp_path / "below"], host=tmp_path / "no-host")
    write_stand_ins(writer, WORKDIR, "/usr/bin/chromium")
    root = tmp_path / "made" / PLAYWRIGHT.lstrip("/")
    assert {str(path.relative_to(root)): str(path.readlink()) for path in root.rglob("*/*") if path.is_symlink()} == {
        "chromium-1194/chrome-linux/chrome": "/usr/bin/chromium",
        "chromium-1194/chrome-linux64/chrome": "/usr/bin/chromium",
        "chromium_headless_shell-1194/chrome-linux/headless_shell": "/usr/bin/chromium",
        "chromium_headless_shell-1194/chrome-headless-shell-linux64/chrome-headless-shell": "/usr/bin/chromium",
    }
    assert len(list(root.glob("*/INSTALLATION_COMPLETE"))) == 2
