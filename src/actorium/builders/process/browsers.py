"""Images with a browser: the host's own Chromium stands in for theirs, and where there is none the log says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from actorium.builders import BuildFailed
from actorium.builders.process.bases import BaseRequest
from actorium.builders.process.nodes import chromium


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """The host's browser, as an image of it is set up."""

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
    }
    note = f"its browser is this machine's {executable}; it has no display, so that browsers run headless"
    return Browser(env=env, toolchain=toolchain, note=note)
