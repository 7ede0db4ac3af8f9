"""Containers in memory, with faults on request: for unit tests and the simulator. Nothing happens by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace

from actorium.executors import Cause, Container, Cursor, Hint, LogRead, Phase, Spec, Stats, run_of
from actorium.kernel.clock import Clock
from actorium.kernel.errors import BackendUnavailable
from actorium.kernel.instant import Instant
from actorium.kernel.limits import GRACEFUL_ABORT_SECS, LOG_LINE_BYTES_MAX, TOMBSTONE_SECS


@dataclass(slots=True, kw_only=True)
class Faults:
    """What goes wrong. Sets hold container names; change them at any time."""

    fail_start: set[str] = field(default_factory=set)
    """start() raises and nothing is started."""
    lose_reply: set[str] = field(default_factory=set)
    """start() raises once, but the container is started."""
    not_started: set[str] = field(default_factory=set)
    """The container's command can't be started: it is EXITED with NOT_STARTED."""
    ignore_stop: set[str] = field(default_factory=set)
    """The container's processes don't leave when asked."""
    blind: bool = False
    """survey() raises."""
    mute: bool = False
    """watch() says nothing."""


@dataclass(slots=True)
class _Kept:
    spec: Spec
    seen: Container
    lines: list[tuple[Instant, bytes]] = field(default_factory=list)
    spared_until: Instant | None = None


class FakeExecutor:
    """What a machine would do, decided by the test: ``write``, ``exit``, ``vanish``, ``measure`` play the program."""

    def __init__(self, clock: Clock, *, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.calls: list[tuple[str, str]] = []
        """(method, name) in order, for assertions about who was asked what."""
        self.lines_per_read = 1000
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._tombstones: dict[str, Instant] = {}
        self._watchers: dict[asyncio.Queue[tuple[str, Hint]], None] = {}
        self.answering: set[str] = set()
        """Containers whose web server is ready."""

    # The port

    async def start(self, spec: Spec) -> None:
        """See the port."""
        self.calls.append(("start", spec.name))
        if not self.create(spec):
            return
        self.begin(spec.name)
        if spec.name in self.faults.lose_reply:
            self.faults.lose_reply.discard(spec.name)
            raise BackendUnavailable("The reply to this start was lost.")

    async def survey(self) -> Mapping[str, Container]:
        """See the port."""
        if self.faults.blind:
            raise BackendUnavailable("The machine can't be seen.")
        for name in list(self._kept):
            self.keep_deadline(name)
        return {name: kept.seen for name, kept in self._kept.items()}

    def deadline_of(self, name: str) -> Instant | None:
        """When a container is ended; None: never, or its process has not started."""
        spec, started = self._kept[name].spec, self._kept[name].seen.started_at
        if spec.deadline is not None or started is None or spec.timeout_secs is None:
            return spec.deadline
        return started.plus(secs=spec.timeout_secs)

    def keep_deadline(self, name: str) -> None:
        """End a container whose deadline, or the time it was given beyond that, is over; called by each survey."""
        spared_until, deadline = self._kept[name].spared_until, self.deadline_of(name)
        until = deadline if spared_until is None else spared_until
        if until is not None and until <= self._clock.now():
            self.exit(name, None, cause=Cause.DEADLINE if spared_until is None else Cause.KILLED)

    async def stop(self, name: str) -> None:
        """See the port. The program leaves at once with code 0, unless it is told to ignore that."""
        self.calls.append(("stop", name))
        kept = self._kept.get(name)
        if kept is None or name in self.faults.ignore_stop:
            return
        self.exit(name, 0, cause=Cause.KILLED)

    async def spare(self, name: str) -> None:
        """See the port."""
        self.calls.append(("spare", name))
        kept = self._kept.get(name)
        if kept is not None and kept.spared_until is None:
            kept.spared_until = self._clock.now().plus(secs=GRACEFUL_ABORT_SECS)

    async def kill(self, name: str) -> None:
        """See the port."""
        self.calls.append(("kill", name))
        if name in self._kept:
            self.exit(name, None, cause=Cause.KILLED)

    async def remove(self, name: str) -> None:
        """See the port."""
        self.calls.append(("remove", name))
        if self._kept.pop(name, None) is not None:
            self._tombstones[name] = self._clock.now()

    async def bury(self, name: str) -> bool:
        """See the port."""
        if name in self._kept:
            return False
        self.calls.append(("bury", name))
        self._tombstones[name] = self._clock.now()
        return True

    async def logs(self, name: str, after: Cursor | None) -> LogRead:
        """See the port. The cursor is a number of lines."""
        offset = int(after or 0)
        kept = self._kept.get(name)
        if kept is None:
            return LogRead(str(offset))
        lines = kept.lines[offset : offset + self.lines_per_read]
        return LogRead(str(offset + len(lines)), lines, more=len(kept.lines) > offset + len(lines))

    async def stats(self, name: str) -> Stats | None:
        """See the port."""
        kept = self._kept.get(name)
        return kept.seen.stats if kept is not None else None

    async def web_server_ready(self, name: str) -> bool:
        """See the port."""
        return name in self.answering and name in self._kept

    async def watch(self) -> AsyncIterator[tuple[str, Hint]]:
        """See the port."""
        queue: asyncio.Queue[tuple[str, Hint]] = asyncio.Queue()
        self._watchers[queue] = None
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.pop(queue, None)

    async def close(self) -> None:
        """See the port."""

    # What the test plays

    def create(self, spec: Spec) -> bool:
        """Half of a start: the container is known, its process is not there yet. False: the name is or was taken."""
        name = spec.name
        if self._is_buried(name):
            return False
        run_id, attempt = run_of(name)
        known = [one for one in (*self._kept, *filter(self._is_buried, self._tombstones)) if run_of(one)[0] == run_id]
        if any(run_of(one)[1] > attempt for one in known):
            return False
        if any(run_of(one)[1] < attempt and self._goes_on(one) for one in known):
            raise BackendUnavailable("An earlier container of this run has not ended.")
        if name in self._kept:
            return self._kept[name].seen.phase is Phase.CREATED
        if name in self.faults.fail_start:
            raise BackendUnavailable("This start was told to fail.")
        self._kept[name] = _Kept(spec, Container(name=name, phase=Phase.CREATED))
        self._hint(name, Hint.STATE)
        return True

    def _is_buried(self, name: str) -> bool:
        at = self._tombstones.get(name)
        return at is not None and at.secs_until(self._clock.now()) < TOMBSTONE_SECS

    def _goes_on(self, name: str) -> bool:
        return name in self._kept and self._kept[name].seen.phase is not Phase.EXITED

    def begin(self, name: str) -> None:
        """The other half: the process of a created container starts, unless that was ended or removed meanwhile."""
        kept = self._kept.get(name)
        if kept is None or kept.seen.phase is not Phase.CREATED:
            return
        if name in self.faults.not_started:
            kept.seen = replace(kept.seen, message="This container was told not to start.")
            self.exit(name, None, cause=Cause.NOT_STARTED)
            return
        kept.seen = replace(kept.seen, phase=Phase.RUNNING, started_at=self._clock.now())
        self._hint(name, Hint.STATE)

    def write(self, name: str, text: bytes) -> None:
        """The program prints: whole lines, stamped now."""
        now = self._clock.now()
        for line in text.removesuffix(b"\n").split(b"\n"):
            pieces = [line[i : i + LOG_LINE_BYTES_MAX] for i in range(0, len(line), LOG_LINE_BYTES_MAX)] or [b""]
            self._kept[name].lines += [(now, piece) for piece in pieces]
        self._hint(name, Hint.LOG)

    def exit(self, name: str, code: int | None, *, cause: Cause = Cause.EXITED) -> None:
        """The program ends. A container that has ended stays as it is."""
        kept = self._kept[name]
        if kept.seen.phase is Phase.EXITED:
            return
        kept.seen = replace(kept.seen, phase=Phase.EXITED, finished_at=self._clock.now(), exit_code=code, cause=cause)
        self._hint(name, Hint.STATE)

    def vanish(self, name: str) -> None:
        """The container's keeper is killed."""
        self.exit(name, None, cause=Cause.VANISHED)

    def forget(self, name: str) -> None:
        """The container is gone without a trace, as after a new disk: its name is free again."""
        self._kept.pop(name, None)

    def measure(self, name: str, stats: Stats) -> None:
        """The program uses something."""
        kept = self._kept[name]
        kept.seen = replace(kept.seen, stats=stats)

    def spec(self, name: str) -> Spec:
        """What the container was started with."""
        return self._kept[name].spec

    def _hint(self, name: str, hint: Hint) -> None:
        if self.faults.mute:
            return
        for queue in tuple(self._watchers):
            queue.put_nowait((name, hint))
