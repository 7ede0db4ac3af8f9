"""How the features are handed to each other: over ports only, whatever stands behind them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from actorium.actors import api as actors_api
from actorium.actors import versions_api
from actorium.actors.service import Actors
from actorium.actors.vault import Vault
from actorium.blobs import Blobs
from actorium.builders import Builder
from actorium.builds import api as builds_api
from actorium.builds import changes as builds_changes
from actorium.builds.builder import BuildLoop
from actorium.builds.for_actors import BuildsForActors
from actorium.builds.service import Builds
from actorium.database import Database, Tx
from actorium.datasets import api as datasets_api
from actorium.datasets.segments.merging import Merger
from actorium.datasets.service import Datasets
from actorium.datasets.store import MERGES
from actorium.events.outbox import OutboxPruner
from actorium.events.waiters import Waiters
from actorium.executors import Executor, Hint
from actorium.http.route import Alias, Route
from actorium.kernel.clock import Clock
from actorium.kernel.errors import NotFound
from actorium.kernel.ids import Ids
from actorium.kernel.limits import (
    ACCESSES_PERIOD_SECS,
    MERGE_PERIOD_SECS,
    RETENTION_PERIOD_SECS,
    STATS_PERIOD_SECS,
    SUPERVISOR_PERIOD_SECS,
    SWEEP_PERIOD_SECS,
)
from actorium.kernel.meter import Usage
from actorium.kernel.principal import Principal
from actorium.key_value_stores import api as key_value_stores_api
from actorium.key_value_stores.service import KeyValueStores
from actorium.logs import api as logs_api
from actorium.logs import service as logs_service
from actorium.logs.masking import masked
from actorium.logs.service import Line, Logs
from actorium.loops.background import Background
from actorium.loops.loop import Loop
from actorium.request_queues import api as request_queues_api
from actorium.request_queues.service import RequestQueues
from actorium.runs import api as runs_api
from actorium.runs.aliases import LastRunQuery
from actorium.runs.aliases import aliases as run_aliases
from actorium.runs.authentication import RunAuthentication
from actorium.runs.changes import CHANNEL, WORK
from actorium.runs.ingest import Ingest
from actorium.runs.metering import RunMeter
from actorium.runs.model import StorageIds
from actorium.runs.ports import Ports
from actorium.runs.readiness import Readiness
from actorium.runs.retention import RunRetention
from actorium.runs.row import Run
from actorium.runs.service import Runs
from actorium.runs.socket import EventsSocket
from actorium.runs.specs import Specs
from actorium.runs.start import Starter, Storages
from actorium.runs.supervisor import Capacity, Supervisor
from actorium.runs.tokens import RunTokens
from actorium.runs.usage import PRICES_USD
from actorium.runs.view import Views
from actorium.settings import Settings
from actorium.storages.accesses import Accesses
from actorium.storages.garbage import GarbageCollector
from actorium.storages.kinds import DATASETS, KEY_VALUE_STORES, REQUEST_QUEUES
from actorium.storages.retention import StorageRetention
from actorium.storages.schema_checks import SchemaChecks
from actorium.storages.service import Surroundings
from actorium.storages.survey import SURVEY_PERIOD_SECS, BlobSurvey
from actorium.storages.sweeper import Sweeper
from actorium.tasks import api as tasks_api
from actorium.tasks.service import Tasks
from actorium.users import api as users_api
from actorium.users.service import Users

METER_PERIOD_SECS = 2.0  # usage and measurements reach the tables so often
LOOPBACK = "127.0.0.1"  # where the web servers of runs answer; what leaves the machine is a proxy's business
PRUNE_PERIOD_SECS = 3600.0  # layers that nothing needs, and old events, go so often
BUILD_PERIOD_SECS = 1.0  # how late a missed wake of a build is noticed


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the features stand on: chosen by settings, or by a test."""

    settings: Settings
    database: Database
    blobs: Blobs
    executor: Executor
    builder: Builder
    clock: Clock
    ids: Ids
    secret: str
    """The installation's own."""
    port: int
    """The port the API answers on."""
    base_url: str
    """Where programs on this machine reach the API, without /v2 and without a slash at the end."""
    public_url: str
    """The same for people and browsers."""

    def container_url(self, port: int) -> str:
        """Where a run's web server answers."""
        return f"http://{LOOPBACK}:{port}"


class Features:
    """Every service of the server, from the lowest to the highest."""

    def __init__(self, ground: Ground) -> None:
        database, clock, ids = ground.database, ground.clock, ground.ids
        self.ground = ground
        self.prices = {**PRICES_USD, **{Usage(key): usd for key, usd in ground.settings.prices.items()}}
        self.background = Background()
        self.waiters = Waiters(database)
        self.meter = RunMeter(database, ground.executor)
        self.accesses = Accesses(database)
        self.schemas = SchemaChecks()
        self.logs = Logs(database, self.waiters)
        self.users = Users(database, ids=ids, clock=clock)
        self.tokens = RunTokens(ground.secret)
        around = Surroundings(
            database=database,
            clock=clock,
            ids=ids,
            accesses=self.accesses,
            find_user=self.users.find_id_in,
            public_base_url=lambda: ground.public_url,
            unnamed_days=ground.settings.unnamed_storage_days,
            schemas=self.schemas,
        )
        self.datasets = Datasets(around, blobs=ground.blobs, meter=self.meter)
        self.key_value_stores = KeyValueStores(around, blobs=ground.blobs, meter=self.meter)
        self.request_queues = RequestQueues(around, meter=self.meter)
        self.builds, self.actors = self._sources()
        self.runs = self._runs()
        self.starter = self._starter()
        self.tasks = Tasks(database, actors=self.actors, runs=self.runs, starter=self.starter, ids=ids, clock=clock)
        self.specs = Specs(
            own=self.own_variables,
            tokens=self.tokens,
            clock=clock,
            api_port=ground.port,
            api_base_url=ground.base_url,
            public_base_url=ground.public_url,
            container_url=ground.container_url,
            cpu_cores_min=ground.settings.cpu_cores_min,
        )
        self.events_socket = EventsSocket(
            database,
            waiters=self.waiters,
            stats=ground.executor.stats,
            cpu_cores_min=ground.settings.cpu_cores_min,
            clock=clock,
        )
        self._run_authentication = RunAuthentication(database, tokens=self.tokens, clock=clock)

    def _sources(self) -> tuple[Builds, Actors]:
        ground = self.ground
        actors = Actors(
            ground.database,
            users=self.users,
            builds=BuildsForActors(),
            vault=Vault(ground.secret, ground.ids),
            ids=ground.ids,
            clock=ground.clock,
        )
        builds = Builds(
            ground.database,
            actors=actors,
            logs=self.logs,
            waiters=self.waiters,
            ids=ground.ids,
            clock=ground.clock,
            prices=self.prices,
        )
        return builds, actors

    def _runs(self) -> Runs:
        ground = self.ground
        return Runs(
            ground.database,
            waiters=self.waiters,
            logs=self.logs,
            views=Views(prices=self.prices, container_url=ground.container_url),
            actors=self.actors,
            builds=self.builds,
            delete_storages_in=self._delete_storages_in,
            clock=ground.clock,
            ids=ground.ids,
        )

    def _starter(self) -> Starter:
        ground = self.ground
        return Starter(
            ground.database,
            actors=self.actors,
            builds=self.builds,
            storages=Storages(
                datasets=self.datasets,
                key_value_stores=self.key_value_stores,
                request_queues=self.request_queues,
            ),
            logs=self.logs,
            ports=Ports(*ground.settings.container_ports, host=LOOPBACK, ids=ground.ids),
            clock=ground.clock,
            ids=ground.ids,
        )

    async def own_variables(self, run: Run) -> dict[str, str]:
        """The Actor's own environment variables, as they were when the run's build was started."""
        row = await self.ground.database.read(lambda tx: self.builds.find_in(tx, run.build_id, even_removed=True))
        if row is None:
            raise NotFound(f"its build {run.document.build_number} was deleted")
        return self.builds.env_of(row)

    def mask_in(self, tx: Tx, run_id: str, lines: Sequence[Line]) -> list[Line]:
        """Log lines of a run without its token and without the Actor's secret values."""
        secrets = [secret.encode() for secret in self.runs.build_secrets_in(tx, run_id) if secret]
        return masked(lines, [self.tokens.token(run_id).encode(), *secrets])

    async def authenticate(self, token: str) -> Principal | None:
        """Whose token this is: a run's or a user's."""
        if self.tokens.run_id(token) is not None:
            return await self._run_authentication.authenticate(token)
        return await self.users.authenticate(token)

    async def last_run(self, principal: Principal, actor: str, query: LastRunQuery) -> str:
        """The id of the newest run that fits a last-run path."""
        return await self.runs.last(principal, actor, statuses=runs_api.statuses(query.status), origin=query.origin)

    def _delete_storages_in(self, tx: Tx, ids: StorageIds) -> None:
        for dataset_id in ids.datasets.values():
            self.datasets.delete_in(tx, dataset_id)
        for store_id in ids.key_value_stores.values():
            self.key_value_stores.delete_in(tx, store_id)
        for queue_id in ids.request_queues.values():
            self.request_queues.delete_in(tx, queue_id)


def routes(features: Features) -> list[Route]:
    """Every operation of the API."""
    return [
        *users_api.routes(features.users),
        *actors_api.routes(features.actors),
        *versions_api.routes(features.actors.versions),
        *builds_api.routes(features.builds),
        *runs_api.routes(features.runs, features.starter),
        *tasks_api.routes(features.tasks, features.runs),
        *logs_api.routes(features.logs),
        *datasets_api.routes(features.datasets),
        *key_value_stores_api.routes(features.key_value_stores),
        *request_queues_api.routes(features.request_queues),
    ]


def aliases(features: Features) -> list[Alias]:
    """Every path that leads to another one."""
    runs = features.runs
    return [
        *run_aliases(storages=runs.storages, run_of_actor=runs.of_actor, last_run=features.last_run),
        *tasks_api.aliases(features.tasks, runs.storages),
        *builds_api.aliases(features.builds),
    ]


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
        self._build_loop = BuildLoop(
            database,
            builder=ground.builder,
            actors=features.actors,
            users=features.users,
            logs=features.logs,
            background=background,
            clock=clock,
            ids=ground.ids,
            concurrency=settings.concurrent_builds,
            in_use_in=features.runs.uses_build_in,
            wake=self._wake_builds,
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
        clears = {DATASETS: Datasets.clear, KEY_VALUE_STORES: KeyValueStores.clear, REQUEST_QUEUES: RequestQueues.clear}
        return [
            self._loop("runs.readiness", readiness.tick, STATS_PERIOD_SECS),
            self._loop("runs.metering", features.meter.tick, METER_PERIOD_SECS),
            self._loop("storages.accesses", features.accesses.flush, ACCESSES_PERIOD_SECS),
            self._loop("storages.sweeper", Sweeper(database, clock, clears).tick, SWEEP_PERIOD_SECS),
            self._loop("storages.garbage", GarbageCollector(database, ground.blobs).tick, SWEEP_PERIOD_SECS),
            *self._retention(),
            self._loop("events.pruning", OutboxPruner(database, clock).tick, PRUNE_PERIOD_SECS),
            self._loop("builds.pruning", ground.builder.prune, PRUNE_PERIOD_SECS),
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
        survey = BlobSurvey(database, ground.blobs, clock=clock, ids=ground.ids)
        return [
            self._loop("runs.retention", runs.tick, RETENTION_PERIOD_SECS),
            self._loop("storages.retention", storages.tick, RETENTION_PERIOD_SECS),
            self._loop("storages.survey", survey.tick, SURVEY_PERIOD_SECS),
        ]

    def _wake_supervisor(self) -> None:
        self._supervisor.wake()

    def _wake_builds(self) -> None:
        self._builds.wake()

    def start(self) -> None:
        """Begin. Everything is a task of the features' background."""
        features = self._features
        background, waiters = features.background, features.waiters
        for channel in (CHANNEL, logs_service.CHANNEL, builds_changes.CHANNEL):
            background.start(f"listen {channel}", waiters.run(channel))
        background.start("listen runs.work", self._wake_on(WORK, self._supervisor))
        background.start("listen builds.work", self._wake_on(builds_changes.WORK, self._builds))
        background.start("listen datasets.merges", self._wake_on(MERGES, self._merging))
        background.start("watch containers", self._watch())
        for loop in self._loops:
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
