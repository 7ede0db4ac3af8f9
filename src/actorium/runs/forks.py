"""Forking a run: a new one that begins with a moment of another one's default storages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from weakref import WeakValueDictionary

from msgspec import structs

from actorium.builds.row import BuildRow
from actorium.builds.service import Builds
from actorium.database import Database, Tx
from actorium.http.route import Origin, RawBody
from actorium.inputs.prepared import is_nothing
from actorium.inputs.service import Inputs
from actorium.kernel.clock import Clock
from actorium.kernel.errors import StaleWrite
from actorium.kernel.ids import Ids
from actorium.kernel.limits import STALE_TRIES_MAX
from actorium.kernel.principal import Principal
from actorium.kernel.structs import UNSET
from actorium.runs.chosen import bounds_again
from actorium.runs.errors import CannotFork
from actorium.runs.memory.choice import Bounds
from actorium.runs.model import ForkedFrom
from actorium.runs.options import StartOptions
from actorium.runs.persisting import ASLEEP, Persisting
from actorium.runs.resurrect import ResurrectOptions
from actorium.runs.row import Run
from actorium.runs.service import Runs
from actorium.runs.snapshots import Snapshots
from actorium.runs.start import Starter


class ForkState(StrEnum):
    """Which moment a fork begins with."""

    NOW = "now"
    PERSISTED = "persisted"


class ForkOptions(ResurrectOptions, kw_only=True, frozen=True):
    """Query of a fork. Absent: what the source run has."""

    state: ForkState = ForkState.NOW
    """``persisted``: ask a running source to write its state first, and wait some seconds for it."""
    wait_for_finish: float | None = None
    """Seconds to hold the answer until the new run has finished, 60 at most."""
    webhooks: str | None = None
    """base64 of a JSON array of webhooks about the new run alone; those of the source are about the source."""
    force_permission_level: str | None = None


class Forks:
    """Forks runs."""

    def __init__(
        self, runs: Runs, database: Database, *, starter: Starter, snapshots: Snapshots, builds: Builds, inputs: Inputs,
        persisting: Persisting, clock: Clock, ids: Ids,
    ) -> None:  # fmt: skip
        self.persisting = persisting
        self._runs = runs
        self._database = database
        self._starter = starter
        self._snapshots = snapshots
        self._builds = builds
        self._inputs = inputs
        self._clock = clock
        self._ids = ids
        self._turns = _Turns()

    async def fork(
        self, principal: Principal, run_id: str, asked: ForkOptions, *, body: RawBody, origin: Origin
    ) -> str:
        """Start a run that goes on from where another one of the caller's is; the body is its input, if there is one.

        Returns its id. Raises RunNotFound, CannotFork, TooLargeToFork, and what a start raises.
        """
        has_persisted = asked.state is ForkState.PERSISTED and await self.persisting.persist(principal, run_id)
        for tries_left in reversed(range(STALE_TRIES_MAX)):
            source = await self._database.read(lambda tx: self._source_in(tx, principal, run_id, asked))
            beginning = _Fork(
                self._runs, self._snapshots, self._inputs, self._clock, self._ids, principal=principal, source=source,
                turns=self._turns, keeps_input=is_nothing(body), has_persisted=has_persisted,
                memory=asked.memory,
            )  # fmt: skip
            actor_id = source.document.present_actor_id or source.actor_id
            options = _options(source, asked)
            try:
                return await self._starter.start(
                    principal, actor_id, options, body=body, origin=origin, beginning=beginning
                )
            except StaleWrite:
                if not tries_left:
                    raise
        raise AssertionError

    def _source_in(self, tx: Tx, principal: Principal, run_id: str, asked: ForkOptions) -> Run:
        source = self._runs.owned_in(tx, principal, run_id)
        if asked.build is None and self._builds.find_in(tx, source.build_id) is None:
            raise CannotFork(
                f"Build {source.document.build_number} of this run was deleted; name another one with the parameter "
                "build."
            )
        return source


class _Turns:
    """One fork copies at a time, so that others write in between. Each user has a line of their own for the turn."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._lines: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, user_id: str) -> AsyncIterator[None]:
        async with self._lines.setdefault(user_id, asyncio.Lock()), self._turn:
            yield


@dataclass(frozen=True, slots=True)
class _Fork:
    """What the new run has of its source. Made for the source as it was read; a later one is another fork."""

    runs: Runs
    snapshots: Snapshots
    inputs: Inputs
    clock: Clock
    ids: Ids
    principal: Principal
    source: Run
    turns: _Turns
    keeps_input: bool
    has_persisted: bool
    memory: float | None
    """What the caller asks for; None: what the source has."""

    def bounds(self, build: BuildRow) -> Bounds:
        """Between what memory the new run can be. Raises InvalidMemory."""
        had = self.source.options.memory_mbytes
        return bounds_again(build, memory=self.memory, had_mbytes=had, had_build_id=self.source.build_id)

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Held while it is written."""
        return self.turns.of(self.principal.user_id)

    def run_in(self, tx: Tx, run: Run) -> Run:
        """Stop the moment. Raises StaleWrite if the source became another Actor or build since it was read."""
        ids = self.source.document.storage_ids
        self.snapshots.hold_in(tx, ids)
        source = self.runs.owned_in(tx, self.principal, self.source.id)  # who held them before may have deleted it
        if source.build_id != self.source.build_id or source.document.storage_ids != ids:
            raise StaleWrite
        own = run.document.storage_ids
        missing = {alias: self.ids.new() for alias in ids.datasets if alias not in own.datasets}
        is_persisted = self.has_persisted or source.status in ASLEEP
        document = structs.replace(
            run.document,
            storage_ids=structs.replace(own, datasets=own.datasets | missing),
            input_key=source.document.input_key,
            forked_from=ForkedFrom(run_id=source.id, at=self.clock.now(), is_persisted=is_persisted),
        )
        if self.keeps_input:
            document = structs.replace(
                document,
                input_body_len=source.document.input_body_len,
                granted_storages=source.document.granted_storages,
            )
        return replace(run, task_id=source.task_id, document=document)

    def fill_in(self, tx: Tx, run: Run) -> None:
        """Copy what was held, and what the log must not show of it."""
        self.snapshots.copy_in(tx, self.source.document.storage_ids, run.document.storage_ids)
        self.inputs.carry_in(tx, self.source.id, run.id)


def _options(source: Run, asked: ForkOptions) -> StartOptions:
    """The options of the source where the caller names none. They are named, so that no default of the Actor counts."""
    had, document = source.options, source.document
    return StartOptions(
        build=asked.build or document.build_number,
        timeout=_first(asked.timeout, had.timeout_secs),
        memory=_first(asked.memory, had.memory_mbytes),
        max_items=_first(asked.max_items, 0 if had.max_items is UNSET else had.max_items),
        max_total_charge_usd=_first(
            asked.max_total_charge_usd, None if had.max_total_charge_usd is UNSET else had.max_total_charge_usd
        ),
        restart_on_error=had.restart_on_error is True if asked.restart_on_error is None else asked.restart_on_error,
        force_permission_level=asked.force_permission_level or document.permission_level,
        webhooks=asked.webhooks,
    )


def _first(asked: float | None, had: float | None) -> float | None:
    return had if asked is None else asked
