"""The events websocket of a run: the server tells the Actor how much it uses and when it has to leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from actorium.database import Database
from actorium.events.waiters import Bell, Waiters
from actorium.executors import Stats
from actorium.http.websocket import Socket
from actorium.kernel.clock import Clock
from actorium.kernel.instant import Instant
from actorium.kernel.limits import EVENT_SOCKETS_PER_RUN_MAX, FORK_PERSIST_SECS, STATS_PERIOD_SECS
from actorium.kernel.structs import encode
from actorium.loops.background import first
from actorium.runs import store
from actorium.runs.changes import CHANNEL
from actorium.runs.environment import cpu_cores
from actorium.runs.lifecycle import TERMINAL, RunStatus, container_name
from actorium.runs.row import Run, instant

UNKNOWN_RUN = TOO_MANY = 1008  # SDKs do not reconnect after this code
OVERLOADED_PART = 0.95  # of the cores a run may use

ReadStats = Callable[[str], Awaitable[Stats | None]]


class EventsSocket:
    """Serves ``/v2/actor-runs/{runId}/events``.

    What to tell is read from the run's row, so a socket that reconnects, or a restarted server, tells it too.
    """

    def __init__(
        self, database: Database, *, waiters: Waiters, stats: ReadStats, cpu_cores_min: float, clock: Clock
    ) -> None:
        self._database = database
        self._waiters = waiters
        self._stats = stats
        self._cpu_cores_min = cpu_cores_min
        self._clock = clock
        self._open: Counter[str] = Counter()
        """Sockets by run."""

    async def serve(self, socket: Socket) -> None:
        """Talk until the run has ended or the Actor has left."""
        await socket.accept()
        run = await self._database.read(lambda tx: store.find(tx, socket["runId"]))
        principal = socket.principal
        scope = principal.scope
        if run is None or run.owner_id != principal.user_id or (scope is not None and scope.run_id != run.id):
            await socket.close(UNKNOWN_RUN, "unknown run")
            return
        if self._open[run.id] >= EVENT_SOCKETS_PER_RUN_MAX:
            await socket.close(TOO_MANY, "too many connections")
            return
        self._open[run.id] += 1
        try:
            await first(self._talk(socket, run.id), socket.wait_closed())
        finally:
            self._open[run.id] -= 1
            self._open += Counter()  # forgets runs without sockets

    async def _talk(self, socket: Socket, run_id: str) -> None:
        with self._waiters.watch((CHANNEL, run_id)) as bell:
            was_told = was_moved = False
            told_at: Instant | None = None
            while True:
                run = await self._database.read(lambda tx: store.find(tx, run_id))
                if run is None or run.status in TERMINAL:
                    return
                if run.status is RunStatus.ABORTING and run.life.is_graceful and not was_told:
                    was_told = True
                    await self._send(socket, "aborting", {})
                    await self._send(socket, "persistState", {"isMigrating": False})
                if run.life.migrate_at is not None and not was_moved:
                    was_moved = True
                    left = max(self._clock.now().secs_until(run.life.migrate_at), 0)
                    await self._send(socket, "migrating", {"timeRemainingSecs": left})
                if (asked := self._persist_asked(run)) is not None and asked != told_at:
                    told_at = asked
                    await self._send(socket, "persistState", {"isMigrating": False})
                await self._tell_usage(socket, run)
                await self._pause(bell)

    def _persist_asked(self, run: Run) -> Instant | None:
        """When a fork asked the Actor to write its state, if it still waits for that."""
        asked = instant(run.document.persist_at)
        return asked if asked is not None and self._clock.now() <= asked.plus(secs=FORK_PERSIST_SECS) else None

    async def _tell_usage(self, socket: Socket, run: Run) -> None:
        stats = await self._stats(container_name(run.id, run.life.attempt))
        cores = max(cpu_cores(run.options.memory_mbytes), self._cpu_cores_min)
        if stats is not None and (facts := system_info(stats, cores=cores)) is not None:
            await self._send(socket, "systemInfo", facts)

    async def _pause(self, bell: Bell) -> None:
        await bell.ring(STATS_PERIOD_SECS)

    async def _send(self, socket: Socket, name: str, data: dict[str, Any]) -> None:
        now: Instant = self._clock.now()
        await socket.send_text(encode({"name": name, "createdAt": now, "data": data}).decode())


def system_info(stats: Stats, *, cores: float) -> dict[str, Any] | None:
    """The data of a systemInfo event, or None where the host cannot measure all of it: SDKs need every field."""
    facts = {
        "memAvgBytes": stats.mem_avg_bytes,
        "memCurrentBytes": stats.mem_current_bytes,
        "memMaxBytes": stats.mem_max_bytes,
        "cpuAvgUsage": stats.cpu_avg_usage,
        "cpuMaxUsage": stats.cpu_max_usage,
        "cpuCurrentUsage": stats.cpu_current_usage,
    }
    if None in facts.values() or stats.cpu_current_usage is None:
        return None
    return facts | {
        "isCpuOverloaded": stats.cpu_current_usage > 100 * cores * OVERLOADED_PART,
        "createdAt": stats.at,
    }
