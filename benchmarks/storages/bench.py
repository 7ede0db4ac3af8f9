"""What every part of the storage benchmarks works with: a server, a load, peers, and turns taken side by side."""

from __future__ import annotations

import json
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from tests.live_server import LiveServer

from benchmarks.storages.load import Loader, Outcome, Talk, converse, request
from benchmarks.storages.peers import Peers
from benchmarks.storages.talks import Repeat

CONNECTIONS = 32
MEGABYTE = 1_000_000
SAMPLE_SECS = 0.005
SAMPLES_A_FAMILY = 20  # then the server's children are looked for again
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
QUIET_CPU = 0.05  # a server that uses less of a core has nothing to do
QUIET_LOOK_SECS = 0.5
QUIET_LOOKS = 3  # in a row: its loops take turns, and pause
QUIET_SECS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Measured:
    """A load, and what the server used for it."""

    outcome: Outcome
    cpu_secs: float

    @property
    def rate(self) -> float:
        return self.outcome.rate

    @property
    def cpu_micros(self) -> float:
        """CPU time of the server for one operation."""
        return self.cpu_secs / max(self.outcome.done, 1) * 1e6

    @property
    def load_cpu_micros(self) -> float:
        """CPU time of the load for one operation."""
        return self.outcome.load_cpu_secs / max(self.outcome.done, 1) * 1e6


@dataclass(slots=True)
class Growth:
    """How much memory a server took beyond what it had, in bytes."""

    before: int = 0
    most: int = 0

    @property
    def grown(self) -> int:
        return max(self.most - self.before, 0)


@dataclass(kw_only=True)
class Bench:
    """One run of the storage benchmarks."""

    folder: Path
    server: LiveServer
    load: Loader
    peers: Peers
    full: bool = False
    """Whether sizes are those of the goals even where that takes many minutes."""
    hello_port: int = 0
    """Where a bare "hello world" answers."""

    @property
    def port(self) -> int:
        return int(self.server.url.rpartition(":")[2])

    @property
    def token(self) -> str:
        return self.server.token

    def request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The bytes of a request of the first user."""
        return request(method, path, token=self.token, body=body)

    def storage(self, kind: str) -> str:
        """The id of a new storage without a name: ``datasets``, ``key-value-stores`` or ``request-queues``."""
        status, answer = self.server.api("POST", f"/v2/{kind}")
        assert status == 201, answer
        return str(answer["data"]["id"])

    def converse(self, talks: Sequence[Talk], *, secs: float) -> Measured:
        """Load the server, and tell what it used."""
        before = self.cpu_secs()
        outcome = self.load.call(converse, self.port, talks, secs)
        return Measured(outcome, self.cpu_secs() - before)

    def hello(self, secs: float) -> float:
        """Requests a second of "hello world", under the same load."""
        talks = [Repeat(requests=[self.request("GET", "/")]) for _ in range(CONNECTIONS)]
        return self.load.call(converse, self.hello_port, talks, secs).rate

    @staticmethod
    def costs(loads: Sequence[Measured]) -> str:
        """What an operation cost, in words."""
        ours = statistics.median(one.cpu_micros for one in loads)
        median, slow, theirs = (
            statistics.median(values)
            for values in zip(
                *((one.outcome.median_secs, one.outcome.slow_secs, one.load_cpu_micros) for one in loads), strict=True
            )
        )
        return (
            f"server {few(ours)} us and load {few(theirs)} us of CPU each,"
            f" a call {median * 1000:.1f} ms, p95 {slow * 1000:.1f} ms"
        )

    def cpu_secs(self) -> float:
        """CPU time of the server and its children so far."""
        total = 0.0
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
                if process.pid == self.server.pid:
                    total += times.children_user + times.children_system
        return total

    def memory(self, pids: Sequence[int] = ()) -> int:
        """Resident memory of the server and its children, in bytes. Looking for children costs milliseconds."""
        pages = 0
        for pid in pids or self._pids():
            with suppress(OSError):
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * PAGE_BYTES

    def _pids(self) -> list[int]:
        return [process.pid for process in self._processes()]

    def _processes(self) -> list[psutil.Process]:
        server = psutil.Process(self.server.pid)
        return [server, *server.children(recursive=True)]

    @contextmanager
    def growth(self) -> Iterator[Growth]:
        """The most memory that the server has while the block runs."""
        found = Growth(before=self.memory())
        over = threading.Event()

        def sample() -> None:
            pids, looked = self._pids(), 0
            while not over.wait(SAMPLE_SECS):
                looked += 1
                if looked % SAMPLES_A_FAMILY == 0:
                    pids = self._pids()
                found.most = max(found.most, self.memory(pids))

        sampler = threading.Thread(target=sample, daemon=True)
        sampler.start()
        try:
            yield found
        finally:
            over.set()
            sampler.join()

    def restart(self) -> None:
        """A fresh, quiet server on the same data."""
        self.server.stop()
        self.server.start()
        self.settle()

    def settle(self, secs_max: float = QUIET_SECS_MAX) -> float:
        """Wait until the server has done what it does by itself after its start or many writes. Seconds it took."""
        begun = time.monotonic()
        quiet = 0
        while (waited := time.monotonic() - begun) < secs_max:
            before = self.cpu_secs()
            time.sleep(QUIET_LOOK_SECS)
            quiet = quiet + 1 if self.cpu_secs() - before < QUIET_CPU * QUIET_LOOK_SECS else 0
            if quiet == QUIET_LOOKS:
                break
        return waited


def few(number: float) -> str:
    """Two digits or more."""
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}"


def take_turns(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each contender reached in each round; all of a round see about the same machine."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            found[name].append(contender())
    return found


def ratio(found: Mapping[str, Sequence[float]], one: str, other: str) -> float:
    """How many times the other the one is: the median of the rounds' own ratios."""
    return statistics.median(a / b for a, b in zip(found[one], found[other], strict=True))


def shown(found: Mapping[str, Sequence[float]], *, without: str = "ours", unit: str = "/s") -> str:
    """The peers' medians in words."""
    return ", ".join(
        f"{name} {statistics.median(values):,.0f}{unit}" for name, values in found.items() if name != without
    )


def raw_appends(folder: Path, group: Sequence[bytes], *, worth: int, secs: float) -> float:
    """The disk's limit, in operations a second: what a group of writers sent, appended and synced together."""
    folder.mkdir(exist_ok=True)
    path = folder / "appended"
    content = b"\n".join(group)
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        begun, groups = time.perf_counter(), 0
        while (took := time.perf_counter() - begun) < secs:
            os.write(handle, content)
            os.fdatasync(handle)
            groups += 1
        return groups * worth / took
    finally:
        os.close(handle)
        path.unlink()


def body_of(values: object) -> bytes:
    """As clients send it."""
    return json.dumps(values, separators=(",", ":")).encode()
