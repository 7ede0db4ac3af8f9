"""Every service of the server, from the lowest to the highest, over ports only."""

from __future__ import annotations

from collections.abc import Sequence

from actorium.actors.approvals import Approvals
from actorium.actors.pricing import Tier
from actorium.actors.service import Actors
from actorium.actors.vault import Vault
from actorium.builds.for_actors import BuildsForActors
from actorium.builds.service import Builds
from actorium.charging.service import Charging
from actorium.database import Tx
from actorium.datasets.replies import ItemsReplies
from actorium.datasets.service import Datasets
from actorium.datasets.sql.boxes import Boxes
from actorium.datasets.sql.service import Queries
from actorium.events.waiters import Waiters
from actorium.inputs.keys import Keys
from actorium.inputs.service import Inputs
from actorium.kernel.errors import NotFound
from actorium.kernel.principal import Principal
from actorium.key_value_stores.service import KeyValueStores
from actorium.logs.masking import masked
from actorium.logs.service import Line, Logs
from actorium.loops.background import Background
from actorium.request_queues.service import RequestQueues
from actorium.runs import api as runs_api
from actorium.runs.aliases import LastRunQuery
from actorium.runs.authentication import RunAuthentication
from actorium.runs.brakes.service import Brakes
from actorium.runs.charges import RunCharges, terms_in
from actorium.runs.datasets import MissingDatasets
from actorium.runs.forks import Forks
from actorium.runs.metamorph import Metamorphosis
from actorium.runs.metering import RunMeter
from actorium.runs.model import StorageIds
from actorium.runs.permissions import Levels, starter_of_in
from actorium.runs.persisting import Patience, Persisting
from actorium.runs.ports import Ports
from actorium.runs.resurrect import Resurrection
from actorium.runs.row import Run
from actorium.runs.service import Runs
from actorium.runs.snapshots import Snapshots
from actorium.runs.socket import EventsSocket
from actorium.runs.specs import Specs
from actorium.runs.start import Starter, Storages
from actorium.runs.sync import SyncRuns
from actorium.runs.tokens import RunTokens
from actorium.runs.transitions_api import Transitions
from actorium.runs.usage import prices_of
from actorium.runs.view import Views
from actorium.storages.accesses import Accesses
from actorium.storages.schema_checks import SchemaChecks
from actorium.storages.service import Surroundings
from actorium.tasks.service import Tasks
from actorium.users.model import Quota
from actorium.users.quotas import Quotas
from actorium.users.service import Users
from actorium.wiring.ground import LOOPBACK, Ground


class Features:
    """Every service of the server, from the lowest to the highest."""

    def __init__(self, ground: Ground) -> None:
        database, clock, ids = ground.database, ground.clock, ground.ids
        self.ground = ground
        self.prices = prices_of(ground.settings.prices)
        self.background = Background()
        self.waiters = Waiters(database)
        self.meter = RunMeter(database, ground.executor)
        self.accesses = Accesses(database)
        self.schemas = SchemaChecks()
        self.logs = Logs(database, self.waiters, self.background)
        self.users = Users(database, ids=ids, clock=clock)
        settings = ground.settings
        self.quotas = Quotas(
            Quota(memory_mbytes=settings.user_memory_mbytes, concurrent_runs=settings.user_concurrent_runs)
        )
        self.tokens = RunTokens(ground.secret)
        approvals = Approvals(database, users=self.users, clock=clock)
        self.levels = Levels(approvals, public_base_url=ground.public_url)
        around = self._surroundings()
        self.views = Views(prices=self.prices, container_url=ground.container_url, public_base_url=ground.public_url)
        self.brakes = Brakes(database, views=self.views, clock=clock)
        self.charging = Charging(database, terms_in=terms_in, allowed_in=self.brakes.allowed_in, clock=clock)
        self.datasets = Datasets(around, blobs=ground.blobs, meter=self.meter, charge_in=self.charging.items_stored_in)
        self.key_value_stores = KeyValueStores(around, blobs=ground.blobs, meter=self.meter)
        self.request_queues = RequestQueues(around, meter=self.meter)
        self.vault = Vault(ground.secret, ids)
        self.builds, self.actors = self._sources()
        self.inputs = self._inputs()
        self.runs = self._runs()
        self.charges = RunCharges(database, charging=self.charging, readable_in=self.runs.readable_in)
        self.queries = Queries(self.datasets, Boxes())
        self.sync_runs = self._sync_runs()
        storages = Storages(
            datasets=self.datasets, key_value_stores=self.key_value_stores, request_queues=self.request_queues
        )
        ports = Ports(*ground.settings.container_ports, host=LOOPBACK, ids=ids, is_free=ground.port_is_free)
        self.starter = self._starter(storages, ports)
        self.transitions = self._transitions(storages, ports)
        self.forks = self._forks(storages)
        self.tasks = Tasks(
            database, actors=self.actors, inputs=self.inputs, runs=self.runs, starter=self.starter, ids=ids, clock=clock
        )
        self.specs = self._specs()
        self.events_socket = self._events_socket()
        self._run_authentication = RunAuthentication(database, tokens=self.tokens, clock=clock)

    def _surroundings(self) -> Surroundings:
        ground = self.ground
        return Surroundings(
            database=ground.database,
            clock=ground.clock,
            ids=ground.ids,
            accesses=self.accesses,
            find_user=self.users.find_id_in,
            starter_of=starter_of_in,
            public_base_url=lambda: ground.public_url,
            unnamed_days=ground.settings.unnamed_storage_days,
            schemas=self.schemas,
        )

    def _sources(self) -> tuple[Builds, Actors]:
        ground = self.ground
        actors = Actors(
            ground.database,
            users=self.users,
            builds=BuildsForActors(),
            vault=self.vault,
            ids=ground.ids,
            clock=ground.clock,
        )
        builds = Builds(
            ground.database,
            actors=actors,
            logs=self.logs,
            waiters=self.waiters,
            quotas=self.quotas,
            ids=ground.ids,
            clock=ground.clock,
            prices=self.prices,
            public_base_url=ground.public_url,
        )
        return builds, actors

    def _inputs(self) -> Inputs:
        ground = self.ground
        return Inputs(
            ground.database,
            actors=self.actors,
            builds=self.builds,
            keys=Keys(ground.database, vault=self.vault, ids=ground.ids, clock=ground.clock),
            vault=self.vault,
            schemas=self.schemas,
            ids=ground.ids,
        )

    def _runs(self) -> Runs:
        ground = self.ground
        return Runs(
            ground.database,
            waiters=self.waiters,
            logs=self.logs,
            views=self.views,
            actors=self.actors,
            builds=self.builds,
            delete_storages_in=self._delete_storages_in,
            clock=ground.clock,
            ids=ground.ids,
        )

    def _starter(self, storages: Storages, ports: Ports) -> Starter:
        ground = self.ground
        return Starter(
            ground.database,
            actors=self.actors,
            builds=self.builds,
            inputs=self.inputs,
            storages=storages,
            logs=self.logs,
            charging=self.charging,
            brakes=self.brakes,
            tier=Tier(ground.settings.pricing_tier),
            levels=self.levels,
            ports=ports,
            quotas=self.quotas,
            clock=ground.clock,
            ids=ground.ids,
        )

    def _transitions(self, storages: Storages, ports: Ports) -> Transitions:
        clock = self.ground.clock
        datasets = MissingDatasets(builds=self.builds, datasets=self.datasets, clock=clock, ids=self.ground.ids)
        return Transitions(
            runs=self.runs,
            resurrection=Resurrection(
                self.runs,
                actors=self.actors,
                builds=self.builds,
                quotas=self.quotas,
                charging=self.charging,
                brakes=self.brakes,
                levels=self.levels,
                views=self.views,
                ports=ports,
                datasets=datasets,
                clock=clock,
            ),
            metamorphosis=Metamorphosis(
                self.runs,
                actors=self.actors,
                builds=self.builds,
                inputs=self.inputs,
                storages=storages,
                datasets=datasets,
                levels=self.levels,
                clock=clock,
            ),
        )

    def _forks(self, storages: Storages) -> Forks:
        database, clock = self.ground.database, self.ground.clock
        persisting = Persisting(
            self.runs,
            database,
            waiters=self.waiters,
            stores=self.key_value_stores,
            clock=clock,
            patience=Patience(),
        )
        return Forks(
            self.runs,
            database,
            starter=self.starter,
            snapshots=Snapshots(storages),
            builds=self.builds,
            inputs=self.inputs,
            persisting=persisting,
            clock=clock,
            ids=self.ground.ids,
        )

    def _specs(self) -> Specs:
        ground = self.ground
        return Specs(
            own=self.own_variables,
            charged=self.charges.counts,
            tokens=self.tokens,
            clock=ground.clock,
            api_port=ground.port,
            api_base_url=ground.base_url,
            public_base_url=ground.public_url,
            container_url=ground.container_url,
            cpu_cores_min=ground.settings.cpu_cores_min,
        )

    def _events_socket(self) -> EventsSocket:
        ground = self.ground
        return EventsSocket(
            ground.database,
            waiters=self.waiters,
            stats=ground.executor.stats,
            cpu_cores_min=ground.settings.cpu_cores_min,
            clock=ground.clock,
        )

    def _sync_runs(self) -> SyncRuns:
        items = ItemsReplies(self.datasets, self.queries)
        return SyncRuns(self.runs, stores=self.key_value_stores, items=items)

    async def own_variables(self, run: Run) -> dict[str, str]:
        """The Actor's own environment variables, as they were when the run's build was started, and the key to secrets
        in its input."""

        def work(tx: Tx) -> dict[str, str]:
            row = self.builds.find_in(tx, run.build_id, even_removed=True)
            if row is None:
                raise NotFound(f"its build {run.document.build_number} was deleted")
            keys = self.inputs.keys.environment_in(tx, run.owner_id, row.actor_id) if row.facts.has_input_schema else {}
            return self.builds.env_of(row) | keys

        return await self.ground.database.read(work)

    def mask_in(self, tx: Tx, run_id: str, lines: Sequence[Line]) -> list[Line]:
        """Log lines of a run without its token, secret values of the Actor and of its input, and the keys to these."""
        been, keys_in = self.runs.actors_been_in(tx, run_id), self.inputs.keys.environment_in
        keys = (key for pair in dict.fromkeys(been) for key in keys_in(tx, *pair).values())
        texts = (*self.runs.build_secrets_in(tx, run_id), *self.inputs.secrets_in(tx, run_id), *keys)
        tokens = (self.tokens.token(run_id, count) for count in range(max(len(been), 1)))
        return masked(lines, [text.encode() for text in (*tokens, *texts) if text])

    async def authenticate(self, token: str) -> Principal | None:
        """Whose token this is: a run's or a user's."""
        if self.tokens.bearer(token) is not None:
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
