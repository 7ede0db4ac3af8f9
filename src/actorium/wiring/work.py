"""What goes on behind the requests: every background loop, with its period."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from actorium.builds import changes as builds_changes
from actorium.builds.builder import BuildLoop
from actorium.builds.retention import BuildRetention
from actorium.builds.sources.fetching import Fetcher
from actorium.builds.sources.git import GitRepositories
from actorium.builds.sources.proxies import Proxies
from actorium.builds.sources.reach import Reach
from actorium.builds.sources.records import Records
from actorium.datasets.segments.merging import Merger
from actorium.datasets.service import Datasets
from actorium.datasets.store import MERGES
from actorium.events.outbox import OutboxPruner
from actorium.executors import Hint
from actorium.inputs.definition_checks import DefinitionChecks
from actorium.kernel.limits import (
    ACCESSES_PERIOD_SECS,
    BRAKE_PERIOD_SECS,
    CHARGE_LIMIT_PERIOD_SECS,
    MERGE_PERIOD_SECS,
    RETENTION_PERIOD_SECS,
    STATS_PERIOD_SECS,
    SUPERVISOR_PERIOD_SECS,
    SWEEP_PERIOD_SECS,
)
from actorium.key_value_stores.service import KeyValueStores
from actorium.key_value_stores.store import WRITES
from actorium.logs import service as logs_service
from actorium.loops.loop import Loop
from actorium.request_queues.service import RequestQueues
from actorium.runs.brakes.loop import BrakeLoop
from actorium.runs.capacity import Capacity
from actorium.runs.changes import CHANNEL, ENDED, WORK
from actorium.runs.charge_limits import ChargeLimits
from actorium.runs.ingest import Ingest
from actorium.runs.memory.choice import fault
from actorium.runs.readiness import Readiness
from actorium.runs.retention import RunRetention
from actorium.runs.supervisor import Supervisor
from actorium.storages.garbage import GarbageCollector
from actorium.storages.kinds import DATASETS, KEY_VALUE_STORES, REQUEST_QUEUES
from actorium.storages.retention import StorageRetention
from actorium.storages.survey import SURVEY_PERIOD_SECS, BlobSurvey
from actorium.storages.sweeper import Sweeper
from actorium.wiring.features import Features

METER_PERIOD_SECS = 2.0  # usage and measurements reach the tables so often
PRUNE_PERIOD_SECS = 3600.0  # layers that nothing needs, and old events, go so often
BUILD_PERIOD_SECS = 1.0  # how late a missed wake of a build is noticed


class Work:
    """What goes on behind the requests: the supervisor, builds, metering, sweeping."""

    def __init__(self, features: Features) -> None:
        ground = features.ground
        database, executor, clock = ground.database, ground.executor, ground.clock
        settings, background = ground.settings, features.background
        self._features = features
        self._ingest = Ingest(database, executor, logs=features.logs, background=background, mask_in=features.mask_in)
        supervisor = Supervisor(
            database,
            executor,
            node=ground.node,
            ingest=self._ingest,
            meter=features.meter,
            spec_of=features.specs.of,
            capacity=Capacity(memory_mbytes=settings.memory_mbytes, containers=settings.concurrent_runs),
            background=background,
            clock=clock,
            ids=ground.ids,
            wake=self._wake_supervisor,
        )
        self._supervisor = self._loop("runs.supervisor", supervisor.tick, SUPERVISOR_PERIOD_SECS)
        reach, key = Reach(settings.source_networks, proxies=Proxies(ground.environment)), settings.git_ssh_key
        git = GitRepositories(reach, environment=ground.environment, ssh_key=Path(key).expanduser() if key else None)
        self._sources = Fetcher(
            records=Records(features.key_value_stores.read, own=ground.own_urls()),
            reach=reach,
            git=git,
            scratch=ground.scratch,
            clock=clock,
        )
        self._build_loop = BuildLoop(
            database,
            builder=ground.builder,
            sources=self._sources,
            actors=features.actors,
            users=features.users,
            logs=features.logs,
            background=background,
            clock=clock,
            ids=ground.ids,
            concurrency=settings.concurrent_builds,
            in_use_in=features.runs.uses_build_in,
            wake=self._wake_builds,
            check=DefinitionChecks(features.schemas, fault_of_expression=fault).check,
            alone=settings.database.startswith("sqlite:"),
        )
        self._builds = self._loop("builds.builder", self._build_loop.tick, BUILD_PERIOD_SECS)
        merger = Merger(database, ground.blobs, ids=ground.ids, clock=clock)
        self._merging = self._loop("datasets.merging", merger.tick, MERGE_PERIOD_SECS)
        self._loops = [self._supervisor, self._builds, self._merging, *self._chores()]

    def _chores(self) -> list[Loop]:
        """What is done now and then, whoever asks for what."""
        features, ground = self._features, self._features.ground
        database, executor, clock = ground.database, ground.executor, ground.clock
        readiness = Readiness(database, executor, clock=clock)
        limits = ChargeLimits(
            database, charging=features.charging, brakes=features.brakes, views=features.views,
            clock=clock, ids=ground.ids,
        )  # fmt: skip
        brakes = BrakeLoop(database, views=features.views, clock=clock, ids=ground.ids)
        clears = {DATASETS: Datasets.clear, KEY_VALUE_STORES: KeyValueStores.clear, REQUEST_QUEUES: RequestQueues.clear}
        return [
            self._loop("runs.readiness", readiness.tick, STATS_PERIOD_SECS),
            self._loop("runs.metering", features.meter.tick, METER_PERIOD_SECS),
            self._loop("runs.charge_limits", limits.tick, CHARGE_LIMIT_PERIOD_SECS),
            self._loop("runs.brakes", brakes.tick, BRAKE_PERIOD_SECS),
            self._loop("storages.accesses", features.accesses.flush, ACCESSES_PERIOD_SECS),
            self._loop("storages.sweeper", Sweeper(database, clock, clears).tick, SWEEP_PERIOD_SECS),
            self._loop("storages.garbage", GarbageCollector(database, ground.blobs).tick, SWEEP_PERIOD_SECS),
            *self._retention(),
            self._loop("events.pruning", OutboxPruner(database, clock).tick, PRUNE_PERIOD_SECS),
            self._loop("charging.pruning", features.charging.prune, RETENTION_PERIOD_SECS),
            self._loop("builds.pruning", ground.builder.prune, PRUNE_PERIOD_SECS),
            self._loop("builds.sources", self._sources.prune, PRUNE_PERIOD_SECS),
        ]

    def _retention(self) -> list[Loop]:
        """What is forgotten by rule, and what a crash left behind."""
        features, ground = self._features, self._features.ground
        database, clock, settings = ground.database, ground.clock, ground.settings
        storages = StorageRetention(
            database,
            clock,
            accesses=features.accesses,
            is_kept=features.runs.exists_in,
            days=settings.unnamed_storage_days,
        )
        runs = RunRetention(
            database,
            clock,
            logs=features.logs,
            accesses=features.accesses,
            days=settings.run_days,
            newest_kept=settings.runs_kept,
        )
        builds = BuildRetention(database, clock, actors=features.actors, days=settings.build_days)
        survey = BlobSurvey(database, ground.blobs, clock=clock, ids=ground.ids)
        return [
            self._loop("runs.retention", runs.tick, RETENTION_PERIOD_SECS),
            self._loop("builds.retention", builds.tick, RETENTION_PERIOD_SECS),
            self._loop("storages.retention", storages.tick, RETENTION_PERIOD_SECS),
            self._loop("storages.survey", survey.tick, SURVEY_PERIOD_SECS),
        ]

    def _wake_supervisor(self) -> None:
        self._supervisor.wake()

    def _wake_builds(self) -> None:
        self._builds.wake()

    def start(self, *, only: Collection[str] | None = None) -> None:
        """Begin all loops, or ``only`` those of these names. Everything is a task of the features' background."""
        features = self._features
        background, waiters = features.background, features.waiters
        for channel in (CHANNEL, ENDED, logs_service.CHANNEL, builds_changes.CHANNEL, WRITES):
            background.start(f"listen {channel}", waiters.run(channel))
        background.start("listen runs.work", self._wake_on(WORK, self._supervisor))
        background.start("listen builds.work", self._wake_on(builds_changes.WORK, self._builds))
        background.start("listen datasets.merges", self._wake_on(MERGES, self._merging))
        background.start("watch containers", self._watch())
        for loop in self._loops:
            if only is None or loop.name in only:
                background.start(loop.name, loop.run())

    async def stop(self) -> None:
        """Stop ticking, leave containers alone, and keep what is still only in memory."""
        await self._build_loop.close()
        await self._features.background.close()
        await self._features.meter.tick()
        await self._features.accesses.flush()
        await self._features.schemas.close()

    def _loop(self, name: str, tick: Callable[[], Awaitable[None]], period_secs: float) -> Loop:
        ground = self._features.ground
        return Loop(name, tick, period_secs=period_secs, clock=ground.clock, ids=ground.ids)

    async def _wake_on(self, channel: str, loop: Loop) -> None:
        async for _ in self._features.ground.database.listen(channel):
            loop.wake()

    async def _watch(self) -> None:
        async for name, hint in self._features.ground.executor.watch():
            if hint is Hint.LOG:
                self._ingest.hint(name)
            else:
                self._supervisor.wake()
