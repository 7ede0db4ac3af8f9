"""Starting a run: everything it needs is made in one transaction, before its process starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol

from actorium.actors.model import PermissionLevel
from actorium.actors.pricing import Tier, in_force
from actorium.actors.row import ActorRow
from actorium.actors.service import Actors
from actorium.builds.row import BuildRow
from actorium.builds.service import Builds
from actorium.builds.storage_schemas import StorageSchemas
from actorium.charging.service import Charging, check_limit
from actorium.charging.terms import agreed
from actorium.database import Database, Tx, UniqueViolation
from actorium.datasets.service import Datasets
from actorium.http.route import Origin, RawBody
from actorium.inputs.prepared import OtherBuild, Prepared
from actorium.inputs.resources import DATASET, KEY_VALUE_STORE, REQUEST_QUEUE
from actorium.inputs.service import Inputs
from actorium.kernel.clock import Clock
from actorium.kernel.errors import Unavailable
from actorium.kernel.ids import Ids
from actorium.kernel.principal import Principal
from actorium.key_value_stores.service import KeyValueStores
from actorium.key_value_stores.writing import Payload
from actorium.logs.service import Logs
from actorium.request_queues.service import RequestQueues
from actorium.runs import changes, store
from actorium.runs.brakes.service import Brakes
from actorium.runs.chosen import Chosen, InputValue, bounds_for, choose
from actorium.runs.lifecycle import Life
from actorium.runs.memory.choice import Bounds
from actorium.runs.model import RunMeta, RunOrigin, StorageIds
from actorium.runs.options import StartOptions, StartTaskOptions
from actorium.runs.permissions import Levels, grants_in
from actorium.runs.ports import Ports
from actorium.runs.row import Document, Run, terms
from actorium.users.quotas import Load, Quotas
from actorium.webhooks import ad_hoc
from actorium.webhooks.model import WebhookRepresentation
from actorium.webhooks.service import add_of_run_in

TRIES = 8  # how often another port is taken when two runs chose the same at once, and an input prepared again
ORIGINS_BY_HEADER = frozenset({RunOrigin.CLI, RunOrigin.CI, RunOrigin.MCP, RunOrigin.WEB, RunOrigin.DEVELOPMENT})
"""What a caller may say of itself; the other origins are facts that the server knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storages:
    """The services that make a run's default storages."""

    datasets: Datasets
    key_value_stores: KeyValueStores
    request_queues: RequestQueues

    @property
    def by_resource(self) -> Mapping[str, Datasets | KeyValueStores | RequestQueues]:
        """By the resourceType that an input schema names them by."""
        return {
            DATASET: self.datasets,
            KEY_VALUE_STORE: self.key_value_stores,
            REQUEST_QUEUE: self.request_queues,
        }


@dataclass(frozen=True, slots=True)
class TaskOfRun:
    """The task that a run is started from."""

    id: str
    count_in: Callable[[Tx], None]
    """Notes the start in its transaction; what it raises ends it."""


class Beginning(Protocol):
    """What a run begins with instead of with nothing."""

    @property
    def keeps_input(self) -> bool:
        """Whether the input is part of it, too."""
        ...

    def bounds(self, build: BuildRow) -> Bounds:
        """Between what its memory can be."""
        ...

    def turn(self) -> AbstractAsyncContextManager[None]:
        """What is held while the run is written."""
        ...

    def run_in(self, tx: Tx, run: Run) -> Run:
        """The new run with what it takes over."""
        ...

    def fill_in(self, tx: Tx, run: Run) -> None:
        """Fill the run's new storages."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A start as it was asked for."""

    actor: str
    options: StartTaskOptions
    origin: Origin
    input: Prepared = Prepared()
    payload: Payload | None = None
    """Of the input; None: there is none."""
    task: TaskOfRun | None
    beginning: Beginning | None
    webhooks: Sequence[WebhookRepresentation]


class Starter:
    """Starts runs of Actors."""

    def __init__(
        self, database: Database, *, actors: Actors, builds: Builds, inputs: Inputs, storages: Storages, logs: Logs,
        ports: Ports, quotas: Quotas, charging: Charging, brakes: Brakes, tier: Tier, levels: Levels, clock: Clock,
        ids: Ids,
    ) -> None:  # fmt: skip
        self._database = database
        self._actors = actors
        self._builds = builds
        self._inputs = inputs
        self._storages = storages
        self._logs = logs
        self._ports = ports
        self._quotas = quotas
        quotas.count(store.load)
        self._charging = charging
        self._brakes = brakes
        self._tier = tier
        self._levels = levels
        self._clock = clock
        self._ids = ids

    async def start(
        self, principal: Principal, actor: str, options: StartTaskOptions, *, body: RawBody, origin: Origin,
        task: TaskOfRun | None = None, beginning: Beginning | None = None,
    ) -> str:  # fmt: skip
        """Make a run; the supervisor starts its container. Returns its id. Raises what the contract names."""
        asked = _Asked(
            actor=actor,
            options=options,
            origin=origin,
            task=task,
            beginning=beginning,
            webhooks=ad_hoc.read(options.webhooks) if options.webhooks else (),
        )
        if beginning is not None and beginning.keeps_input:
            return await self._write_again(principal, asked)
        build: BuildRow | None = None
        for _ in range(TRIES):
            prepared = await self._inputs.expected(principal, actor, options.build, body, found=build)
            payload = await self._storages.key_value_stores.prepare(prepared.content) if prepared.content else None
            try:
                return await self._write_again(principal, replace(asked, input=prepared, payload=payload))
            except OtherBuild as other:
                build = other.build
        raise Unavailable("The builds of this Actor change too fast. Please try again later.")

    async def _write_again(self, principal: Principal, asked: _Asked) -> str:
        for _ in range(TRIES - 1):
            try:
                return await self._write(principal, asked)
            except UniqueViolation:
                continue
        return await self._write(principal, asked)

    async def actor_id(self, principal: Principal, actor: str) -> str:
        """The id of an Actor that the caller may see. Raises its not-found error."""
        return await self._database.read(lambda tx: self._actors.resolve_in(tx, principal, actor).id)

    async def _write(self, principal: Principal, asked: _Asked) -> str:
        run_id, web_port = self._ids.new(), self._ports.pick()
        value = InputValue(asked.input.content, asked.input.content_type)

        def work(tx: Tx) -> None:
            actor = self._actors.runnable_in(tx, principal, asked.actor)
            level = self._levels.of_start_in(tx, principal, actor, _forced_level(asked.options))
            build = self._builds.for_run_in(tx, actor, asked.options.build)
            if asked.beginning is None or not asked.beginning.keeps_input:
                asked.input.check_fits(build)
            bounds = bounds_for(build) if asked.beginning is None else asked.beginning.bounds(build)
            chosen = choose(asked.options, actor, build, value, bounds=bounds)
            memory = chosen.options.memory_mbytes
            self._quotas.check_in(tx, principal.user_id, more=Load(memory_mbytes=memory, runs=1))
            granted = grants_in(tx, principal, asked.input.granted, self._storages.by_resource)
            run = self._run(
                principal, asked, chosen, actor=actor, build=build, run_id=run_id, web_port=web_port, level=level,
                granted=granted,
            )  # fmt: skip
            check_limit(terms(run))
            if asked.beginning is not None:
                run = asked.beginning.run_in(tx, run)
            self._brakes.begin_in(tx, run)
            self._builds.note_use_in(tx, build, run.started_at)
            described = self._builds.storages_in(tx, build)
            self._make_storages_in(tx, run, asked, described)
            self._logs.create_in(tx, subject_id=run.id, owner_id=run.owner_id)
            self._logs.append_in(tx, run.id, [(run.started_at, line) for line in _greeting(run, chosen.remark)])
            add_of_run_in(tx, asked.webhooks, run_id=run.id, principal=principal, now=run.started_at, ids=self._ids)
            self._actors.count_run_in(tx, actor.id, run.started_at, user_id=principal.user_id)
            self._inputs.keep_in(tx, run.id, run.document.input_key, asked.input)
            changes.add(tx, run, event_id=self._ids.new())
            self._charging.open_in(tx, run.id, terms(run), memory_mbytes=run.options.memory_mbytes)
            if asked.task is not None:
                asked.task.count_in(tx)

        async with nullcontext() if asked.beginning is None else asked.beginning.turn():
            await self._database.write(work)
        return run_id

    def _run(
        self, principal: Principal, asked: _Asked, chosen: Chosen, *, actor: ActorRow, build: BuildRow, run_id: str,
        web_port: int, level: PermissionLevel, granted: dict[str, tuple[str, ...]],
    ) -> Run:  # fmt: skip
        now, options = self._clock.now(), chosen.options
        ids = self._ids
        document = Document(
            actor_name=actor.name,
            username=actor.username,
            starter_name=principal.username,
            owner_number=principal.number,
            build_number=build.number,
            build_tags=build.tags,
            image_reference=build.image_reference or "",
            options=options,
            storage_ids=StorageIds(
                datasets={alias: ids.new() for alias in dict.fromkeys(("default", *build.facts.dataset_aliases))},
                key_value_stores={"default": ids.new()},
                request_queues={"default": ids.new()},
            ),
            client_ip=asked.origin.client_ip,
            user_agent=asked.origin.user_agent,
            workflow_key=asked.origin.workflow_key,
            git_branch_name=build.git_branch_name,
            output_templates=build.facts.output_templates,
            pricing_info=agreed(in_force(actor.pricing_infos, now), self._tier),
            pricing_tier=self._tier,
            owns_actor=actor.owner_id == principal.user_id,
            input_body_len=asked.input.body_len,
            permission_level=level,
            granted_storages=granted,
        )
        return Run(
            id=run_id,
            owner_id=principal.user_id,
            actor_id=actor.id,
            task_id=None if asked.task is None else asked.task.id,
            build_id=build.id,
            meta=RunMeta(
                origin=_origin(principal, asked.origin),
                client_ip=asked.origin.client_ip,
                user_agent=asked.origin.user_agent,
            ),
            started_at=now,
            web_port=web_port,
            created_by_run=principal.run_id,
            life=Life(timeout_secs=options.timeout_secs, restart_on_error=options.restart_on_error is True),
            document=document,
        )

    def _make_storages_in(self, tx: Tx, run: Run, asked: _Asked, described: StorageSchemas) -> None:
        ids, made = run.document.storage_ids, self._storages
        common: Mapping[str, Any] = {
            "owner_id": run.owner_id,
            "now": run.started_at,
            "created_by_run": run.id,
            "act_id": run.actor_id,
        }
        payer = run.id if terms(run).charges_items else None
        for alias, dataset_id in ids.datasets.items():
            charged = payer if alias == "default" else None
            made.datasets.create_in(
                tx, id=dataset_id, schema=described.datasets.get(alias), charged_run_id=charged, **common
            )
        made.request_queues.create_in(tx, id=ids.request_queues["default"], **common)
        store_id = ids.key_value_stores["default"]
        made.key_value_stores.create_in(tx, id=store_id, schema=described.key_value_store, **common)
        if asked.beginning is not None:
            asked.beginning.fill_in(tx, run)
        if asked.payload is not None:
            made.key_value_stores.put_in(
                tx,
                store_id=store_id,
                key=run.document.input_key,
                payload=asked.payload,
                content_type=asked.input.content_type,
                now=run.started_at,
            )


def _greeting(run: Run, remark: str | None) -> list[bytes]:
    document = run.document
    greeting = (
        f"ACTOR: Run {run.id} of {document.username}/{document.actor_name}, build {document.build_number}, "
        f"{document.options.memory_mbytes} MB of memory."
    )
    origin = document.forked_from
    forked = origin and f"ACTOR: Begins with the storages of run {origin.run_id} as they were at {origin.at}."
    return [line.encode() for line in (greeting, forked, remark and f"ACTOR: {remark}") if line]


def _forced_level(options: StartTaskOptions) -> str | None:
    return options.force_permission_level if isinstance(options, StartOptions) else None


def _origin(principal: Principal, origin: Origin) -> RunOrigin:
    """Who started the run: a run's token says Actor, a header of a known tool names the tool, else it is the API."""
    if principal.run_id is not None:
        return RunOrigin.ACTOR
    said = (origin.request_origin or "").upper()
    return next((known for known in ORIGINS_BY_HEADER if known == said), RunOrigin.API)
