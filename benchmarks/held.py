"""Connections that are held: many followers of one log, many callers that wait for the end of one run."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import time
from pathlib import Path
from typing import Any

import httptools
from tests.live_server import LiveServer

from actorium.http.server import loop_factory
from benchmarks.client import client
from benchmarks.figure import Figure
from benchmarks.storages.load import request

FOLLOWERS = 500
LINES = 200
LINE_GAP_SECS = 0.1
GATHER_SECS = 20  # until the first line: all followers are there by then
WAITS = 1000
HELD_SECS = 10.0
SETTLE_SECS = 1.0
SECS_MAX = 120.0
MEGABYTE = 1_000_000
SAYS = (
    "import time\n"
    f"time.sleep({GATHER_SECS})\nfor n in range({LINES}):\n"
    " print(f'\\x1b[32mline\\x1b[0m {n} {time.time():.6f} end', flush=True)\n"
    f" time.sleep({LINE_GAP_SECS})\n"
)
_LINE = re.compile(rb"line (\d+) ([0-9.]+) end\n")


def measure(folder: Path) -> list[Figure]:
    """Every figure about connections that are held."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        with LiveServer(folder / "waits", ACTORIUM_LOG_LEVEL="info") as server:
            waits = runner.run(_waits(server))
        with LiveServer(folder / "followers", ACTORIUM_LOG_LEVEL="debug") as server:  # it notes each read of a log
            return [*runner.run(_followers(server)), *waits]


class Held(asyncio.Protocol):
    """One request, and what of its reply came when."""

    def __init__(self, content: bytes) -> None:
        self.arrived: list[tuple[float, bytes]] = []
        self.whole: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.status = 0
        self._content = content
        self._parser = httptools.HttpResponseParser(self)
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self._content)

    def data_received(self, data: bytes) -> None:
        self._now = time.time()
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, piece: bytes) -> None:
        self.arrived.append((self._now, piece))

    def on_message_complete(self) -> None:
        self.whole.set_result(self._now)

    def leave(self) -> None:
        """Hang up."""
        self.whole.cancel()
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.whole.done():
            self.whole.set_exception(exc or ConnectionError("the server closed a connection before its reply"))


async def _hold(server: LiveServer, path: str, number: int) -> list[Held]:
    """So many connections with the same request, once the server has nothing more to do about them."""
    port = int(server.url.rpartition(":")[2])
    content = request("GET", path, token=server.token)
    loop = asyncio.get_running_loop()
    made = [(await loop.create_connection(lambda: Held(content), "127.0.0.1", port))[1] for _ in range(number)]
    await _settled(server.pid)
    return made


async def _settled(pid: int) -> None:
    while True:
        before = cpu_secs(pid)
        await asyncio.sleep(SETTLE_SECS)
        if cpu_secs(pid) - before <= 0.05 * SETTLE_SECS:
            return


async def _waits(server: LiveServer) -> list[Figure]:
    async with client(server.url, server.token) as api:
        actor = await api.actor("sleeps", ["sleep", "600"])
        run = (await api.call("POST", f"/actors/{actor}/runs?memory=128"))["id"]
        path = f"/v2/actor-runs/{run}?waitForFinish=60"
        await api.call("GET", f"/actor-runs/{run}?waitForFinish=1")
        for held in await _hold(server, path, 1):
            held.leave()
        await _settled(server.pid)
        before = memory_bytes(server.pid)
        held = await _hold(server, path, WAITS)
        grown = memory_bytes(server.pid) - before
        cpu = cpu_secs(server.pid)
        await asyncio.sleep(HELD_SECS)
        busy = (cpu_secs(server.pid) - cpu) / HELD_SECS
        cpu, begun = cpu_secs(server.pid), time.time()
        await api.call("POST", f"/actor-runs/{run}/abort")
        async with asyncio.timeout(SECS_MAX):
            answered = [await one.whole for one in held]
        assert all(one.status == 200 and b'"ABORTED"' in one.arrived[-1][1] for one in held)
        took, spent = max(answered) - begun, cpu_secs(server.pid) - cpu
    return [
        Figure(
            name=f"{WAITS} held waitForFinish, memory", value=grown / MEGABYTE, unit="MB",
            against=f"{grown / WAITS / 1000:.1f} kB each", goal="<= 30 MB", met=grown <= 30 * MEGABYTE,
        ),
        Figure(
            name=f"{WAITS} held waitForFinish, part of a core", value=busy * 100, unit="%",
            against=f"over {HELD_SECS:.0f} s", goal="no polling", met=busy < 0.02,
        ),
        Figure(
            name=f"{WAITS} held waitForFinish, from the abort to the last reply", value=took, unit="s",
            against=f"{spent / WAITS * 1000:.2f} ms of CPU a reply", goal="",
        ),
    ]  # fmt: skip


async def _followers(server: LiveServer) -> list[Figure]:
    async with client(server.url, server.token) as api:
        actor = await api.actor("says", ["python3", "-c", SAYS])
        run = (await api.call("POST", f"/actors/{actor}/runs?memory=128"))["id"]
        await _settled(server.pid)
        memory = memory_bytes(server.pid)
        held = await _hold(server, f"/v2/logs/{run}?stream=1", FOLLOWERS)
        grown, reads, cpu = memory_bytes(server.pid) - memory, _log_reads(server, run), cpu_secs(server.pid)
        assert not _LINE.search(held[-1].arrived[-1][1]), "the followers came too late"
        async with asyncio.timeout(SECS_MAX):
            await asyncio.gather(*(one.whole for one in held))
        reads, spent = _log_reads(server, run) - reads, cpu_secs(server.pid) - cpu
    late = sorted(wait for one in held for wait in _latencies(one))
    assert len(late) == FOLLOWERS * LINES
    p50, p95 = statistics.median(late), late[int(len(late) * 0.95)]
    return [
        Figure(
            name=f"{FOLLOWERS} followers of one log, a line at each of them, p95", value=p95 * 1000, unit="ms",
            against=f"p50 {p50 * 1000:.0f} ms, last {late[-1] * 1000:.0f} ms", goal="<= 150 ms", met=p95 <= 0.15,
        ),
        Figure(
            name=f"{FOLLOWERS} followers of one log, reads of the table for each line", value=reads / LINES, unit="",
            against=f"{reads} for {LINES} lines", goal="1, not 500", met=reads <= 1.1 * LINES,
        ),
        Figure(
            name=f"{FOLLOWERS} followers of one log, CPU for each line", value=spent / LINES * 1000, unit="ms",
            against=f"{spent / LINES / FOLLOWERS * 1e6:.0f} µs a follower", goal="",
        ),
        Figure(
            name=f"{FOLLOWERS} followers of one log, memory", value=grown / MEGABYTE, unit="MB",
            against=f"{grown / FOLLOWERS / 1000:.1f} kB each", goal="",
        ),
    ]  # fmt: skip


def _latencies(held: Held) -> list[float]:
    """From the moment before the program printed a line to its arrival, for each line of one follower."""
    waits, end, ends = [], 0, []
    for at, piece in held.arrived:
        end += len(piece)
        ends.append((end, at))
    arrival = iter(ends)
    until, at = next(arrival)
    for line in _LINE.finditer(b"".join(piece for _, piece in held.arrived)):
        while until < line.end():
            until, at = next(arrival)
        waits.append(at - float(line[2]))
    return waits


def _log_reads(server: LiveServer, run: str) -> int:
    """How often the server has read this log from its table, by its own log."""
    return sum("log.read" in line and run in line for line in server.log.read_text().splitlines())


def memory_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_secs(pid: int) -> float:
    """CPU time that a process has used."""
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")
