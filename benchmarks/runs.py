"""Runs: how soon user code starts, how soon its end is known, how many a second; against the same from a shell."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from tests.live_server import LiveServer

from benchmarks.client import Client, client
from benchmarks.figure import Figure

STARTS = 50
BURST = 200
PYTHON_BURST = 100
CAPACITY = 16
STAMP = "import time;print(f'{time.time():.6f}',flush=True)"
SCRIPT = Path(__file__).with_name("isolated_start.sh")
_numbers = itertools.count()
SHELL = ("--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--mount-proc")


def measure(folder: Path) -> list[Figure]:
    """Every figure about runs."""
    with LiveServer(folder / "server", ACTORIUM_CONCURRENT_RUNS=str(CAPACITY), ACTORIUM_LOG_LEVEL="info") as server:
        return asyncio.run(_measure(server, folder))


async def _measure(server: LiveServer, folder: Path) -> list[Figure]:
    async with client(server.url, server.token) as api:
        stamp = await api.actor("stamp", ["python3", "-c", STAMP])
        true = await api.actor("true", ["/bin/true"])
        leave = await api.actor("leave", ["python3", "-c", "pass"])
        for _ in range(3):
            await api.finish(stamp, memory=256)
        starts, ends = [], []
        shell = []
        for _ in range(STARTS):
            begun, first, finished, answered = await _one(api, stamp)
            starts.append(first - begun)
            ends.append(answered - finished)
            shell.append(shell_start(isolated(folder)))
        return [*_latencies(starts, ends, shell), *await _bursts(api, true, leave, folder)]


async def _one(api: Client, actor_id: str) -> tuple[float, float, float, float]:
    begun = time.time()
    run = await api.finish(actor_id, memory=256)
    answered = time.time()
    log = await api.text(f"/logs/{run['id']}")
    first = next(float(line[25:]) for line in log.splitlines() if line[25:26].isdigit())
    return begun, first, datetime.fromisoformat(run["finishedAt"]).timestamp(), answered


def shell_start(prefix: list[str]) -> float:
    """The same program started from a shell: seconds to its first line."""
    begun = time.time()
    done = subprocess.run([*prefix, sys.executable, "-c", STAMP], capture_output=True, text=True, check=True)
    return float(done.stdout) - begun


def bare() -> list[str]:
    """Namespaces alone: no disk, no overlay, no limits, no other user."""
    unshare = shutil.which("unshare")
    return [unshare, *SHELL] if unshare else []


def isolated(folder: Path) -> list[str]:
    """Everything a run gets, as a person would type it; namespaces alone where this machine has not the tools."""
    tools = ("unshare", "mkfs.ext4", "setpriv", "ip")
    if os.geteuid() or not all(shutil.which(tool) for tool in tools) or not Path("/sys/fs/cgroup/memory").is_dir():
        return bare()
    return ["sh", str(SCRIPT), str(folder / f"start-{next(_numbers)}")]


def _latencies(starts: list[float], ends: list[float], shell: list[float]) -> list[Figure]:
    ours, theirs, end = (statistics.median(values) * 1000 for values in (starts, shell, ends))
    return [
        Figure(
            name=f"start: POST to first line of user code, p50 of {STARTS}, more than from a shell",
            value=ours - theirs,
            unit="ms",
            against=f"{ours:.0f} ms here, {theirs:.0f} ms from a shell, so isolated",
            goal="<= 100 ms more",
            met=ours - theirs <= 100,
        ),
        Figure(
            name=f"end: process gone to waitForFinish answering, p50 of {STARTS}",
            value=end,
            unit="ms",
            against=f"p95 {sorted(ends)[int(len(ends) * 0.95)] * 1000:.0f} ms",
            goal="<= 50 ms",
            met=end <= 50,
        ),
    ]


async def _bursts(api: Client, true: str, leave: str, folder: Path) -> list[Figure]:
    async def burst(actor_id: str, count: int) -> float:
        begun = time.perf_counter()
        done = await asyncio.gather(*(api.finish(actor_id) for _ in range(count)))
        assert all(run["status"] == "SUCCEEDED" for run in done)
        return count / (time.perf_counter() - begun)

    trues = await best(lambda: burst(true, BURST))
    shells = max([await asyncio.to_thread(shell_rate, PYTHON_BURST, lambda: isolated(folder)) for _ in range(2)])
    bares = max([await asyncio.to_thread(shell_rate, PYTHON_BURST, bare) for _ in range(2)])
    pythons = await best(lambda: burst(leave, PYTHON_BURST))
    return [
        Figure(
            name=f"{BURST} runs of true started at once", value=trues, unit="runs/s",
            against=f"capacity {CAPACITY}", goal=">= 40 runs/s", met=trues >= 40,
        ),
        Figure(
            name=f"{PYTHON_BURST} runs of a Python program that only exits, part of the shell's rate",
            value=pythons / shells, unit="x",
            against=f"{pythons:.0f}/s here, {shells:.0f}/s so isolated from a shell, {bares:.0f}/s namespaces alone",
            goal=">= 0.6 x", met=pythons / shells >= 0.6,
        ),
    ]  # fmt: skip


async def best(measured: Callable[[], Awaitable[float]], rounds: int = 2) -> float:
    return max([await measured() for _ in range(rounds)])


def shell_rate(count: int, prefix: Callable[[], list[str]]) -> float:
    """Starts a second from a shell at the same concurrency."""
    commands = [[*prefix(), sys.executable, "-c", "pass"] for _ in range(count)]
    with ThreadPoolExecutor(CAPACITY) as pool:
        begun = time.perf_counter()
        list(pool.map(lambda command: subprocess.run(command, check=True), commands))
        return count / (time.perf_counter() - begun)
