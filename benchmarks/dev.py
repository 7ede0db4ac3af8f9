"""``actorium dev``: from a saved file to the line that the new code prints, and to the end of its run."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.live_server import LiveServer

from actorium.dev.watching import LOOK_SECS, SETTLE_SECS
from benchmarks.figure import Figure
from benchmarks.warm import REQUIREMENTS

EDITS = 10
SETTLE_AFTER_SECS = 1.0  # the next edit finds the server at rest
DOCKERFILE = """\
FROM apify/actor-python:3.11
COPY requirements.txt ./
RUN pip install -r requirements.txt
COPY . ./
CMD ["python3", "-u", "main.py"]
"""
BARE = "print('edit {mark}')\n"
SDK = """\
import asyncio
from apify import Actor
from crawlee.crawlers import BeautifulSoupCrawler

async def main():
    async with Actor:
        print('edit {mark}', flush=True)
        await Actor.push_data({{"edit": 1}})

asyncio.run(main())
"""


@dataclass(slots=True)
class Edits:
    """Milliseconds from the write of the file."""

    line: list[float] = field(default_factory=list)
    end: list[float] = field(default_factory=list)
    """Until the run's results are shown."""
    shell: list[float] = field(default_factory=list)
    """The same program without an Actor around it, up to the line."""


def measure(folder: Path) -> list[Figure]:
    """Every figure about edits."""
    with LiveServer(folder / "server", ACTORIUM_WARM_STARTS="true") as server:
        bare = _edits(server, folder / "bare", BARE, "")
        sdk = _edits(server, folder / "sdk", SDK, REQUIREMENTS)
    return [*_figures("one line of Python", bare), *_figures("SDK and Crawlee", sdk)]


def _edits(server: LiveServer, actor: Path, program: str, requirements: str) -> Edits:
    seen, main = Edits(), actor / "main.py"
    (actor / ".actor").mkdir(parents=True)
    (actor / ".actor" / "actor.json").write_text(json.dumps({"name": f"dev-{actor.name}", "version": "0.1"}))
    (actor / "Dockerfile").write_text(DOCKERFILE)
    (actor / "requirements.txt").write_text(requirements)
    main.write_text(program.format(mark="first"))
    with _dev(server, actor) as output:
        _read_to(output, "Waiting for changes")
        for number in range(EDITS):
            time.sleep(SETTLE_AFTER_SECS)
            begun = time.monotonic()
            main.write_text(program.format(mark=number))
            _read_to(output, f"edit {number}")
            seen.line.append((time.monotonic() - begun) * 1000)
            _read_to(output, "Waiting for changes")
            seen.end.append((time.monotonic() - begun) * 1000)
            seen.shell.append(_shell(program))
    return seen


@contextmanager
def _dev(server: LiveServer, actor: Path) -> Iterator[IO[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ACTORIUM_", "APIFY_"))}
    environment |= {"APIFY_CLIENT_BASE_URL": server.url, "APIFY_TOKEN": server.token, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "actorium", "dev", str(actor)]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.kill()


def _read_to(output: IO[str], wanted: str) -> None:
    said = []
    for line in output:
        said.append(line)
        if wanted in line:
            return
    raise AssertionError(f"actorium dev ended before it said {wanted!r}:\n{''.join(said)}")


def _shell(program: str) -> float:
    """Without ``Actor``, which would look for a server: interpreter, imports and the line."""
    imports = [line for line in program.splitlines() if line.startswith(("import", "from"))]
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", "\n".join([*imports, "print('edit')"])], capture_output=True, check=True)
    return (time.monotonic() - begun) * 1000


def _figures(what: str, seen: Edits) -> list[Figure]:
    line, end, shell = (statistics.median(one) for one in (seen.line, seen.end, seen.shell))
    looking = (LOOK_SECS / 2 + SETTLE_SECS) * 1000
    return [
        Figure(
            name=f"actorium dev, a saved file to the line it prints, {what}, p50 of {EDITS}", value=line, unit="ms",
            against=f"{shell:,.0f} ms from a shell, {looking:,.0f} ms until the change is noticed", goal="",
        ),
        Figure(
            name="the same, to the results on the screen", value=end, unit="ms",
            against=f"slowest {max(seen.end):,.0f} ms", goal="",
        ),
    ]  # fmt: skip
