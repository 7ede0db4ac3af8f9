"""The server at rest and under reads: a run read against a bare hello world, idle memory and CPU, cold start."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import statistics
import time
from pathlib import Path

from tests.live_server import LiveServer

from actorium.http.server import loop_factory
from benchmarks.client import client
from benchmarks.figure import Figure
from benchmarks.http_kernel import Caller, run_server

ROUNDS = 5
SECS = 1.0
CONNECTIONS = 32
IDLE_SECS = 10.0
COLD_STARTS = 5
MEGABYTE = 1_000_000


def measure(folder: Path) -> list[Figure]:
    """Every figure about the server itself."""
    cold = [_cold_start(folder / f"cold-{number}") for number in range(COLD_STARTS)]
    with LiveServer(folder / "server", ACTORIUM_LOG_LEVEL="info") as server:
        memory, busy = _idle(server.pid)
        ours, hello = _reads(server)
    again = statistics.median(cold)
    return [
        Figure(
            name="GET run, part of hello world on the same server", value=ours / hello, unit="x",
            against=f"{ours:,.0f}/s and {hello:,.0f}/s", goal=">= 0.5 x", met=ours / hello >= 0.5,
        ),
        Figure(
            name="idle server, resident memory", value=memory / MEGABYTE, unit="MB",
            against="right after its start", goal="<= 120 MB", met=memory <= 120 * MEGABYTE,
        ),
        Figure(
            name="idle server, part of a core", value=busy * 100, unit="%",
            against=f"over {IDLE_SECS:.0f} s", goal="< 1 %", met=busy < 0.01,
        ),
        Figure(
            name=f"cold start to first answered request, p50 of {COLD_STARTS}", value=again, unit="s",
            against=f"first ever {cold[0]:.2f} s", goal="<= 1.5 s", met=again <= 1.5,
        ),
    ]  # fmt: skip


def _cold_start(folder: Path) -> float:
    begun = time.perf_counter()
    with LiveServer(folder) as server:
        status, _ = server.api("GET", "/v2/users/me")
        assert status == 200
        return time.perf_counter() - begun


def _idle(pid: int) -> tuple[int, float]:
    time.sleep(2)
    before = _cpu(pid)
    time.sleep(IDLE_SECS)
    busy = (_cpu(pid) - before) / IDLE_SECS
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), busy


def _cpu(pid: int) -> float:
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def _reads(server: LiveServer) -> tuple[float, float]:
    run_id = asyncio.run(_finished_run(server))
    port = int(server.url.rpartition(":")[2])
    spawn = multiprocessing.get_context("spawn")
    pipe, theirs = spawn.Pipe()
    process = spawn.Process(target=run_server, args=("hello", theirs))
    process.start()
    hello_port = pipe.recv()
    ours, hello = [], []
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        for _ in range(ROUNDS):
            ours.append(runner.run(_load(port, f"/v2/actor-runs/{run_id}", server.token)))
            hello.append(runner.run(_load(hello_port, "/", server.token)))
    pipe.send("stop")
    process.join(10)
    return statistics.median(ours), statistics.median(hello)


async def _finished_run(server: LiveServer) -> str:
    async with client(server.url, server.token) as api:
        return str((await api.finish(await api.actor("true", ["/bin/true"])))["id"])


async def _load(port: int, path: str, token: str) -> float:
    """Requests a second over keep-alive connections."""
    request = (
        f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n"
        f"user-agent: ApifyClient/3.4.0 (linux; Python/3.11)\r\nauthorization: Bearer {token}\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    callers = [
        (await loop.create_connection(lambda: Caller(request), "127.0.0.1", port))[1] for _ in range(CONNECTIONS)
    ]
    started, before = time.perf_counter(), sum(caller.count for caller in callers)
    await asyncio.sleep(SECS)
    rate = (sum(caller.count for caller in callers) - before) / (time.perf_counter() - started)
    for caller in callers:
        caller.transport.abort()
    return rate
