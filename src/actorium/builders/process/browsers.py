"""Images with a browser: the host's own Chromium stands in for theirs, and where there is none the log says so.

What else Dockerfiles expect in such an image stands in, too: the scripts that start a display, and Playwright's check.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from actorium.builders import BuildFailed
from actorium.builders.process.bases import HOME, PYTHON, SHIMS, BaseRequest
from actorium.builders.process.layers import Layers, LayerWriter
from actorium.builders.process.nodes import chromium

PLAYWRIGHT = "/pw-browsers"
"""Where Playwright's images have their browsers."""
_FFMPEG = "/usr/bin/ffmpeg"  # for videos of pages only, where the machine has it
_PROGRAMS = {
    "chromium": ("chrome-linux/chrome", "chrome-linux64/chrome"),
    "chromium-headless-shell": (
        "chrome-linux/headless_shell", "chrome-headless-shell-linux64/chrome-headless-shell",
    ),
    "ffmpeg": ("ffmpeg-linux",),
}  # fmt: skip
"""Where in its folder a browser is, by versions of Playwright before 1.57 and since."""
_DISPLAY_SCRIPTS = ("start_xvfb_and_run_cmd.sh", "new_xvfb_run_cmd.sh", "xvfb-entrypoint.sh")
"""What the images' commands began with over the years."""
_NO_DISPLAY = """\
#!/bin/sh
# There is no display to start: browsers run headless.
exec "$@"
"""
_XVFB_RUN = """\
#!/bin/sh
[ ! -x /usr/bin/xvfb-run ] || exec /usr/bin/xvfb-run "$@"
# There is no display to start: browsers run headless.
while [ $# -gt 0 ]; do
    case "$1" in
        --) shift; break ;;
        -[efnpsw] | --error-file | --auth-file | --server-num | --xauth-protocol | --server-args | --wait) shift 2 ;;
        -*) shift ;;
        *) break ;;
    esac
done
exec "$@"
"""
_CHECK = "check-playwright-version.mjs"
_CHECKED = """\
console.log("The browser is the machine's own: it is of no version of Playwright.");
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """The host's browser, as an image of it is set up."""

    executable: str
    env: Mapping[str, str]
    toolchain: tuple[str, ...]
    note: str


def browser_for(request: BaseRequest, environment: Mapping[str, str]) -> Browser:
    """What stands in for the browser of an image. Raises ``BuildFailed`` with what is needed where nothing does."""
    where = f"FROM {request.image} (line {request.line})"
    kind = (request.browser or "").rpartition("-")[2]
    if kind in ("firefox", "webkit", "camoufox"):
        raise BuildFailed(
            f"{where} brings {kind.capitalize()}, which cannot be had without a container engine; with Chromium "
            "installed on this machine, the images whose names end with -chrome can be built"
        )
    found = chromium(environment)
    if found is None:
        raise BuildFailed(
            f"{where} brings a browser, and this machine has none: install chromium on it, or use "
            f"{'apify/actor-node' if request.is_node else 'apify/actor-python'} for an Actor that needs no browser"
        )
    executable, toolchain = found
    env = {
        "APIFY_CHROME_EXECUTABLE_PATH": executable,
        "APIFY_DEFAULT_BROWSER_PATH": executable,
        "CRAWLEE_CHROME_EXECUTABLE_PATH": executable,
        "CRAWLEE_DEFAULT_BROWSER_PATH": executable,
        "CRAWLEE_SKIP_BROWSER_INSTALL": "1",
        "PUPPETEER_EXECUTABLE_PATH": executable,
        "PUPPETEER_SKIP_DOWNLOAD": "1",
        "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1",
        "CHROME_PATH": executable,
        "APIFY_HEADLESS": "1",
        "PLAYWRIGHT_BROWSERS_PATH": PLAYWRIGHT,
        "XVFB_WHD": "1920x1080x24+32",
    }
    note = f"its browser is this machine's {executable}; it has no display, so that browsers run headless"
    return Browser(executable=executable, env=env, toolchain=toolchain, note=note)


def write_stand_ins(writer: LayerWriter, workdir: str, executable: str) -> None:
    """The scripts that an image with a browser has in the folder where it begins, and in its user's home.

    Also the browser where the Playwright that the image has looks for its own.
    """
    catalogue = _catalogue(writer.view, workdir)
    for name, revision in catalogue.items():
        if name not in _PROGRAMS:
            continue
        folder = f"{PLAYWRIGHT}/{name.replace('-', '_')}-{revision}"
        for program in _PROGRAMS[name]:
            writer.link(f"{folder}/{program}", _FFMPEG if name == "ffmpeg" else executable)
        writer.put(f"{folder}/INSTALLATION_COMPLETE", b"", mode=0o644)  # so that none is fetched
    for folder in dict.fromkeys((workdir, HOME)):
        for name in _DISPLAY_SCRIPTS:
            writer.put(f"{folder}/{name}", _NO_DISPLAY.encode(), mode=0o755)
        writer.put(f"{folder}/{_CHECK}", _CHECKED.encode(), mode=0o644)
    writer.put(f"{SHIMS}/xvfb-run", _XVFB_RUN.encode(), mode=0o755)


def _catalogue(image: Layers, workdir: str) -> dict[str, str]:
    """The revisions of browsers that the image's Playwright is made for, by their names; empty where it has none."""
    libraries = image.find(image.resolve(f"{PYTHON}/lib"))
    versions = image.names(libraries) if libraries is not None and libraries.is_dir else []
    folders = [f"{PYTHON}/lib/{version}/site-packages/playwright/driver/package" for version in versions]
    folders.append(f"{workdir}/node_modules/playwright-core")
    for folder in folders:
        node = image.find(image.resolve(f"{folder}/browsers.json"))
        if node is not None and node.is_file and not node.of_host:
            browsers = json.loads(node.places[0].read_bytes())["browsers"]
            return {browser["name"]: browser["revision"] for browser in browsers}
    return {}


def stand_ins_fingerprint(workdir: str, executable: str) -> list[object]:
    """What decides what they are, besides the image that they are put on."""
    return ["browser", workdir, executable, PLAYWRIGHT, sorted(_PROGRAMS.items()), _NO_DISPLAY, _XVFB_RUN, _CHECKED]
