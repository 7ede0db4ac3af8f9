"""Requests a second of a typed GET against a bare "hello world" on the same server, in one run.

    python benchmarks/http_kernel.py [--secs 1] [--rounds 9] [--connections 32]

The typed GET goes through everything a run read does except its store: router, token, rate limits, a query struct,
a 1.6 kB struct encoded as JSON. Each application runs in a process of its own with the settings of ``http/server.py``;
the load comes from this process over keep-alive connections, the applications taking turns. Prints one ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import statistics
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

import structlog
from starlette.types import Receive, Scope, Send

from actorium.http.app import HttpApp, HttpLimits
from actorium.http.route import Call, Route
from actorium.http.server import bind, loop_factory, serve
from actorium.kernel.clock import SystemClock
from actorium.kernel.ids import RandomIds
from actorium.kernel.instant import Instant
from actorium.kernel.principal import Principal
from actorium.kernel.structs import Wire


class Query(Wire, kw_only=True, frozen=True):
    """What a run read takes."""

    wait_for_finish: int | None = None


class Options(Wire, kw_only=True, frozen=True):
    """Part of the reply."""

    build: str = "latest"
    timeout_secs: int = 3600
    memory_mbytes: int = 1024
    disk_mbytes: int = 2048


class RunView(Wire, kw_only=True, frozen=True):
    """A reply of about the size and shape of a run: 1.6 kB."""

    id: str
    started_at: Instant
    finished_at: Instant | None = None
    status: str = "RUNNING"
    status_message: str = "Crawled 120 of 500 pages, 3 failed. " * 5
    options: Options = Options()
    stats: dict[str, float]
    usage: dict[str, int]
    storage_ids: list[str]


STATS = {f"statNumber{n}": n * 1.5 for n in range(20)}
USAGE = {f"USAGE_OF_SOMETHING_{n}": n for n in range(20)}
STORAGES = ["abcdefghijklmnopq"] * 12


async def read_run(call: Call[Query, None]) -> RunView:
    started_at = Instant(1_767_225_600_123)
    return RunView(id=call["runId"], started_at=started_at, stats=STATS, usage=USAGE, storage_ids=STORAGES)


async def authenticate(token: str) -> Principal | None:
    return Principal(user_id="u", username="bob", number=1) if token == "secret" else None


def typed_app() -> HttpApp:
    route = Route(
        method="GET",
        path="/v2/actor-runs/{runId}",
        handler=read_run,
        operation_id="actorRun_get",
        tag="Actor runs",
        summary="Get run",
        query=Query,
        returns=RunView,
    )
    limits = HttpLimits(rate_scale=10_000)  # counted like any other, and never reached
    return HttpApp([route], authenticate=authenticate, clock=SystemClock(), ids=RandomIds(), limits=limits)


async def hello(scope: Scope, _receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"11")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello world"})


def run_server(name: str, pipe: Connection) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(20))  # info, as a server has it

    async def main() -> None:
        app: Any = typed_app() if name == "typed" else hello
        async with serve(app, bind("127.0.0.1", 0), shutdown_secs=1) as bound:
            pipe.send(bound.port)
            while await asyncio.to_thread(pipe.recv) == "cpu":
                used = resource.getrusage(resource.RUSAGE_SELF)
                pipe.send(used.ru_utime + used.ru_stime)

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())


class Caller(asyncio.Protocol):
    """One keep-alive connection that sends the next request as soon as a reply is complete."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.count = 0
        self.transport: Any = None
        self.buffer = b""
        self.expected = -1

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.expected < 0:
            end = self.buffer.index(b"\r\n\r\n") + 4
            head = self.buffer[:end]
            assert head.startswith(b"HTTP/1.1 200"), self.buffer
            at = head.index(b"content-length: ") + 16
            self.expected = end + int(head[at : head.index(b"\r\n", at)])
        if len(self.buffer) >= self.expected:
            self.count += 1
            self.buffer, self.expected = b"", -1
            self.transport.write(self.request)


async def load(port: int, *, secs: float, connections: int) -> float:
    """Requests a second."""
    request = (
        b"GET /v2/actor-runs/abcdefghijklmnopq?waitForFinish=0 HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n"
        b"user-agent: ApifyClient/3.4.0 (linux; Python/3.11)\r\nauthorization: Bearer secret\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    callers = []
    for _ in range(connections):
        _, caller = await loop.create_connection(lambda: Caller(request), "127.0.0.1", port)
        callers.append(caller)
    started, before = time.perf_counter(), sum(caller.count for caller in callers)
    await asyncio.sleep(secs)
    rate = (sum(caller.count for caller in callers) - before) / (time.perf_counter() - started)
    for caller in callers:
        caller.transport.abort()
    return rate


def measure(*, secs: float, rounds: int, connections: int) -> dict[str, list[tuple[float, float]]]:
    """By application and round: requests a second, and the server's CPU time for one in microseconds."""
    spawn = multiprocessing.get_context("spawn")
    servers: dict[str, Connection] = {}
    processes, ports = [], {}
    for name in ("hello", "typed"):
        servers[name], theirs = spawn.Pipe()
        processes.append(spawn.Process(target=run_server, args=(name, theirs)))
        processes[-1].start()
        ports[name] = servers[name].recv()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in servers}
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        for _ in range(rounds):
            for name, pipe in servers.items():
                pipe.send("cpu")
                before = pipe.recv()
                rate = runner.run(load(ports[name], secs=secs, connections=connections))
                pipe.send("cpu")
                found[name].append((rate, (pipe.recv() - before) / (rate * secs) * 1e6))
    for pipe in servers.values():
        pipe.send("stop")
    for process in processes:
        process.join(10)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--secs", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    found = measure(secs=options.secs, rounds=options.rounds, connections=options.connections)
    pairs = list(zip(found["typed"], found["hello"], strict=True))  # a round's two rates saw the same machine
    shown: dict[str, Any] = {
        name: {
            "requests_per_second": round(statistics.median(rate for rate, _ in rounds)),
            "server_cpu_micros": round(statistics.median(micros for _, micros in rounds), 1),
        }
        for name, rounds in found.items()
    }
    shown["ratio"] = round(statistics.median(typed[0] / hello[0] for typed, hello in pairs), 2)
    shown["ratio_of_cpu"] = round(statistics.median(hello[1] / typed[1] for typed, hello in pairs), 2)
    print(json.dumps({**shown, "goal": 0.5}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
