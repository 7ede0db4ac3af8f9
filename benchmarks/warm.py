"""Warm starts: POST to the first line of user code of an Actor on SDK and Crawlee, beside cold ones and peers."""

from __future__ import annotations

import asyncio
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.live_server import LiveServer

from benchmarks.client import Client, client
from benchmarks.figure import Figure
from benchmarks.runs import isolated
from benchmarks.warm_peers import Start, peers

STARTS = 20
COLD_STARTS = 5
SPARE_SECS_MAX = 60.0
MEMORY_MBYTES = 4096  # the share of a whole core, as a shell has: other programs want the machine, too
PROGRAM = """\
from apify import Actor
from crawlee.crawlers import BeautifulSoupCrawler
import time

print(f"{time.time():.6f}", flush=True)
"""
REQUIREMENTS = "apify==4.1.0\ncrawlee[beautifulsoup]==1.11.0\n"
BARE = "import time\nprint(f'{time.time():.6f}', flush=True)\n"


@dataclass(slots=True)
class Starts:
    """Milliseconds to the first line of user code, of rounds taken in turns."""

    warm: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    shell: list[float] = field(default_factory=list)
    bare_run: list[float] = field(default_factory=list)
    bare_ready: list[float] = field(default_factory=list)
    bare_shell: list[float] = field(default_factory=list)
    bare_isolated: list[float] = field(default_factory=list)
    peers: dict[str, list[float]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def measure(folder: Path) -> list[Figure]:
    """Every figure about warm and cold starts."""
    seen = Starts()
    with (
        LiveServer(folder / "warm", ACTORIUM_WARM_STARTS="true") as warm,
        LiveServer(folder / "cold", ACTORIUM_WARM_STARTS="false") as cold,
        peers(folder, PROGRAM) as (others, seen.missing),
    ):
        asyncio.run(_measure(seen, warm, cold, folder, others))
    return _figures(seen)


async def _measure(seen: Starts, warm: LiveServer, cold: LiveServer, folder: Path, others: Mapping[str, Start]) -> None:
    files = {"src/__init__.py": "", "src/__main__.py": PROGRAM, "requirements.txt": REQUIREMENTS}
    command = ["python", "-m", "src"]
    async with client(warm.url, warm.token) as here, client(cold.url, cold.token) as there:
        sdk = await here.actor("sdk", command, files=files)
        other = await there.actor("sdk", command, files=files)
        bare = await there.actor("bare", ["python", "main.py"], files={"main.py": BARE})
        ready = await here.actor("bare", ["python", "main.py"], files={"main.py": BARE})
        spares = warm.folder / "data" / "containers" / "spares"
        await _start(here, sdk)
        await _start(here, ready)
        await _start(there, other)
        for number in range(STARTS):
            await asyncio.to_thread(_await_spares, spares)
            seen.warm.append(await _start(here, sdk))
            seen.bare_ready.append(await _start(here, ready))
            seen.bare_run.append(await _start(there, bare))
            seen.bare_shell.append(_shell([], BARE))
            seen.bare_isolated.append(_shell(isolated(folder), BARE))
            if number < COLD_STARTS:
                seen.cold.append(await _start(there, other))
                seen.shell.append(_shell([], PROGRAM))
                for name, start in others.items():
                    seen.peers.setdefault(name, []).append(await asyncio.to_thread(start))


async def _start(api: Client, actor_id: str) -> float:
    begun = time.time()
    run = await api.finish(actor_id, memory=MEMORY_MBYTES)
    log = await api.text(f"/logs/{run['id']}")
    first = next((float(line[25:]) for line in log.splitlines() if line[25:26].isdigit()), None)
    assert first is not None, log
    return (first - begun) * 1000


def _shell(prefix: list[str], program: str) -> float:
    begun = time.time()
    done = subprocess.run([*prefix, sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return (float(done.stdout) - begun) * 1000


def _await_spares(spares: Path) -> None:
    """Until a sandbox of either Actor waits, and no interpreter imports any more."""
    until = time.monotonic() + SPARE_SECS_MAX
    idle = 0
    while idle < 3:
        assert time.monotonic() < until, f"no sandbox waits in {spares}"
        time.sleep(0.2)
        idle = idle + 1 if spares.is_dir() and len(list(spares.iterdir())) > 1 and not _is_any_busy() else 0


def _is_any_busy() -> bool:
    """Whether an interpreter imports ahead: it does anything but read its pipe."""
    for entry in Path("/proc").iterdir():
        try:
            is_one = b"ACTORIUM_FORERUNNER=" in (entry / "environ").read_bytes()
            if is_one and "pipe" not in (entry / "wchan").read_text():
                return True
        except OSError:
            continue
    return False


def _figures(seen: Starts) -> list[Figure]:
    p50, p95 = statistics.median(seen.warm), sorted(seen.warm)[math.ceil(len(seen.warm) * 0.95) - 1]
    cold, shell = statistics.median(seen.cold), statistics.median(seen.shell)
    ours, bare, typed = (statistics.median(one) for one in (seen.bare_run, seen.bare_shell, seen.bare_isolated))
    ready = statistics.median(seen.bare_ready)
    return [
        Figure(
            name=f"warm: POST to first line of user code with SDK and Crawlee, p50 of {STARTS}", value=p50, unit="ms",
            against=f"cold {cold:,.0f} ms, from a shell {shell:,.0f} ms", goal="<= 80 ms", met=p50 <= 80,
        ),
        Figure(
            name=f"the same, p95 of {STARTS}", value=p95, unit="ms",
            against=f"slowest {max(seen.warm):,.0f} ms", goal="<= 200 ms", met=p95 <= 200,
        ),
        Figure(
            name=f"cold: more than interpreter and imports from a shell, p50 of {COLD_STARTS}", value=cold - shell,
            unit="ms", against=f"{cold:,.0f} ms here, {shell:,.0f} ms from a shell", goal="<= 100 ms",
            met=cold - shell <= 100,
        ),
        Figure(
            name=f"POST and sandbox of a bare program, more than from a shell, p50 of {STARTS}", value=ready - bare,
            unit="ms", against=f"{ready:,.0f} ms here, {bare:,.0f} ms from a shell, {typed:,.0f} ms isolated by hand",
            goal="<= 30 ms", met=ready - bare <= 30,
        ),
        Figure(
            name=f"the same without sandboxes made ahead, p50 of {STARTS}", value=ours - bare, unit="ms",
            against=f"{ours:,.0f} ms here", goal="none of its own",
        ),
        *_beside(seen, p50, cold),
    ]  # fmt: skip


def _beside(seen: Starts, warm: float, cold: float) -> list[Figure]:
    figures = [
        Figure(
            name=f"warm: the same program, part of {name}", value=warm / statistics.median(times), unit="x",
            against=f"p50 of {len(times)}: {statistics.median(times):,.0f} ms there, {cold:,.0f} ms cold here", goal="",
        )
        for name, times in seen.peers.items()
    ]  # fmt: skip
    return figures + [Figure(name="a peer", value=0, unit="", against=reason, goal="") for reason in seen.missing]
