"""The executor port: containers by name. Only the runs' supervisor starts, stops, kills and removes.

A container is one attempt of a run, named ``{run}-{attempt}``. There is no handle, no recover and no "unknown":
names are computed from rows, ``survey`` is whole or an error, and absence from a good survey is a fact.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

from actorium.kernel.instant import Instant

Cursor: TypeAlias = str
"""A place in a container's log, opaque: files have offsets, engines have timestamps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """Everything an executor needs to start one container, and all it may know of a run."""

    name: str
    image: str
    """A reference that the builder of this kind of executor gave."""
    owner_number: int
    """The owner's small number: uids, caches and layers are never shared across owners."""
    env: Mapping[str, str]
    command: tuple[str, ...] | None = None
    """Instead of the image's own entry point and command."""
    memory_mbytes: int
    disk_mbytes: int
    cpu_cores: float
    """The most cores it may use at any moment."""
    cpu_weight: float = 1.0
    """Its share against others when cores are short, 1.0 = one core's worth."""
    pids_max: int
    deadline: Instant | None
    """When the executor itself ends the container, whether or not a server is there."""
    timeout_secs: int | None = None
    """The same where no deadline is known before its process starts: so long after that."""
    log_bytes_max: int
    """What the container may still write to its log, with the time of each line as the API shows it; the rest is
    dropped with one line that says so."""
    web_port: int | None = None
    """Host port that leads to ``container_port`` inside."""
    container_port: int
    api_port: int | None
    """The server's port on the host's loopback; inside the container it answers at the same loopback address."""
    outward: bool = True
    """A network that leads out; without it loopback alone."""


class Phase(StrEnum):
    CREATED = "created"  # known, and its process has not been started; start() again goes on from here
    RUNNING = "running"
    EXITED = "exited"


class Cause(StrEnum):
    """Why a container ended."""

    EXITED = "exited"  # by itself
    KILLED = "killed"  # by kill() or after stop()
    DEADLINE = "deadline"  # the executor ended it at its deadline
    OUT_OF_MEMORY = "out-of-memory"  # the kernel killed for memory and the container ended
    OUT_OF_DISK = "out-of-disk"  # ended for writing more than its disk
    NOT_STARTED = "not-started"  # its command or sandbox could not be started; message says why
    VANISHED = "vanished"  # the executor lost its keeper (machine reboot, kill -9 of the shim)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What was measured since the container started. None: this host cannot measure it; never an invented 0."""

    at: Instant
    mem_avg_bytes: float | None = None
    mem_max_bytes: int | None = None
    mem_current_bytes: int | None = None
    """Memory is resident without page cache."""
    cpu_avg_usage: float | None = None
    cpu_max_usage: float | None = None
    cpu_current_usage: float | None = None
    """CPU in percent, 100 = one core."""
    net_rx_bytes: int | None = None
    net_tx_bytes: int | None = None
    """Everything over the container's own interface, to the API and through its web server's port."""
    internal_rx_bytes: int | None = None
    internal_tx_bytes: int | None = None
    """The part of it that was API traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container as a survey saw it."""

    name: str
    phase: Phase
    started_at: Instant | None = None
    finished_at: Instant | None = None
    exit_code: int | None = None
    """The process's own code; None while it runs and when a signal ended it."""
    cause: Cause | None = None
    message: str | None = None
    """For people, when cause alone does not say it."""
    stats: Stats | None = None
    """The last measurement; final once exited."""


@dataclass(frozen=True, slots=True)
class LogRead:
    """A bounded piece of a log: whole lines without their newline, each with the time it arrived."""

    cursor: Cursor
    lines: list[tuple[Instant, bytes]] = field(default_factory=list)
    more: bool = False
    """There is more to read right now."""


class Hint(StrEnum):
    STATE = "state"
    LOG = "log"


def run_of(name: str) -> tuple[str, int]:
    """The run and attempt that a container's name says; attempt 0 for a name that says none."""
    run_id, _, attempt = name.rpartition("-")
    return (run_id, int(attempt)) if attempt.isdecimal() else (name, 0)


class Executor(Protocol):
    """Starts and ends containers. Every call may be repeated; absent is success for stop, spare, kill and remove."""

    async def start(self, spec: Spec) -> None:
        """Start the container. Idempotent on the name: one that exists, or existed lately, is left as it is.

        Returns once its process runs or its failure is recorded: a command that cannot be started is an EXITED
        container, not an exception. Raises ``BackendUnavailable`` when nothing was started and trying later may help.

        Never two containers of one run at once, however late a call arrives: nothing starts once a later attempt of
        the run is or lately was there, and none starts while an earlier one has not ended (``BackendUnavailable``).
        """
        ...

    async def survey(self) -> Mapping[str, Container]:
        """Every container of this installation by name. Whole or an error, never a part."""
        ...

    async def stop(self, name: str) -> None:
        """Ask the container's processes to leave; returns at once."""
        ...

    async def spare(self, name: str) -> None:
        """Let a container stay for ``GRACEFUL_ABORT_SECS`` from now, also beyond its deadline; then end it by force.

        Only the first call counts, so that nobody stays for ever. Returns at once.
        """
        ...

    async def kill(self, name: str) -> None:
        """End every process of the container, whatever it does against it. Returns when none is left."""
        ...

    async def remove(self, name: str) -> None:
        """Forget an exited container and free what it holds; its name stays taken for a while."""
        ...

    async def bury(self, name: str) -> bool:
        """Let no container of this name start for a while, however late a call to start it arrives.

        False, and nothing is done, if one is there.
        """
        ...

    async def logs(self, name: str, after: Cursor | None) -> LogRead:
        """What was written after the cursor, at least once. Empty when nothing is new or the container is gone."""
        ...

    async def stats(self, name: str) -> Stats | None:
        """The last measurement of a running container; None when it is gone or cannot be measured."""
        ...

    async def web_server_ready(self, name: str) -> bool:
        """Whether something answers HTTP at the container's web port now (a GET with the readiness header)."""
        ...

    def watch(self) -> AsyncIterator[tuple[str, Hint]]:
        """Names whose state or log changed. Only hints: they may be lost, doubled or late."""
        ...

    async def close(self) -> None:
        """Let go of everything held in this process; containers go on."""
        ...
