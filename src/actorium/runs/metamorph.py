"""Turning a running run into another Actor: the same run and storages, another build, input and token."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from actorium.actors.model import PermissionLevel
from actorium.actors.pricing import PayPerEvent, PricePerDatasetItem, in_force
from actorium.actors.row import ActorRow
from actorium.actors.service import Actors
from actorium.builds.row import BuildRow
from actorium.builds.service import Builds
from actorium.database import Tx
from actorium.http.route import RawBody
from actorium.inputs.prepared import OtherBuild, Prepared, as_sent
from actorium.inputs.service import Inputs
from actorium.kernel.clock import Clock
from actorium.kernel.errors import Unavailable
from actorium.kernel.instant import Instant
from actorium.kernel.limits import METAMORPHS_MAX
from actorium.kernel.principal import Principal
from actorium.kernel.structs import Wire
from actorium.key_value_stores.service import KeyValueStores
from actorium.key_value_stores.writing import Payload
from actorium.runs.datasets import MissingDatasets
from actorium.runs.errors import JobFinished, PaidByResult, TooManyMetamorphs
from actorium.runs.lifecycle import ALLOWED, Event, step
from actorium.runs.model import Metamorph, RunView
from actorium.runs.permissions import Levels, grants_in
from actorium.runs.row import Run
from actorium.runs.service import Runs
from actorium.runs.start import TRIES, Storages


class MetamorphQuery(Wire, kw_only=True, frozen=True):
    """What to become."""

    target_actor_id: str
    """An id, or username~name."""
    build: str | None = None
    """A tag or a build number; absent: the target's default."""


class Metamorphosis:
    """Metamorphs runs."""

    def __init__(
        self, runs: Runs, *, actors: Actors, builds: Builds, inputs: Inputs, storages: Storages,
        datasets: MissingDatasets, levels: Levels, clock: Clock,
    ) -> None:  # fmt: skip
        self._runs = runs
        self._actors = actors
        self._builds = builds
        self._inputs = inputs
        self._levels = levels
        self._storages = storages
        self._datasets = datasets
        self._stores: KeyValueStores = storages.key_value_stores
        self._clock = clock

    async def metamorph(self, principal: Principal, run_id: str, asked: MetamorphQuery, *, body: RawBody) -> RunView:
        """End the run's container and go on as another Actor. The body is its input, under a key of its own.

        Raises JobFinished unless RUNNING, TooManyMetamorphs, LimitedRun, and what a start raises.
        """
        prepared = as_sent(body)
        for _ in range(TRIES):
            try:
                return await self._become(principal, run_id, asked, prepared)
            except OtherBuild as other:
                prepared = await self._inputs.prepare(principal.user_id, other.build, body)
        raise Unavailable("The builds of the target Actor change too fast. Please try again later.")

    async def _become(self, principal: Principal, run_id: str, asked: MetamorphQuery, prepared: Prepared) -> RunView:
        payload = await self._stores.prepare(prepared.content) if prepared.content else None

        def change(tx: Tx, run: Run) -> Run:
            _check(run)
            actor = self._actors.runnable_in(tx, principal, asked.target_actor_id)
            level = self._levels.of_metamorph_in(tx, principal, run, actor)
            self._check_price_in(tx, run, actor)
            build = self._builds.for_run_in(tx, actor, asked.build)
            prepared.check_fits(build)
            granted = grants_in(tx, principal, prepared.granted, self._storages.by_resource)
            after = _become(run, actor, build, level=level, granted=granted, now=self._clock.now())
            after = self._datasets.made_in(tx, after, build)
            self._builds.note_use_in(tx, build, self._clock.now())
            if payload is not None:
                self._put_in(tx, after, payload, prepared.content_type)
            self._inputs.keep_in(tx, after.id, after.document.input_key, prepared)
            return after

        return await self._runs.change(principal, run_id, change)

    def _check_price_in(self, tx: Tx, run: Run, target: ActorRow) -> None:
        """The run keeps its price, so it becomes nothing whose owner would get nothing. Raises PaidByResult.

        The price of the target cannot be taken over: nobody who started a run agreed to it.
        """
        price = in_force(target.pricing_infos, self._clock.now())
        if isinstance(price, PricePerDatasetItem):
            raise PaidByResult
        started = self._actors.find_in(tx, run.actor_id)
        agreed = {run.owner_id, None if started is None else started.owner_id}
        if isinstance(price, PayPerEvent) and target.owner_id not in agreed:
            raise PaidByResult(
                f"{target.username}/{target.name} of another user charges for events, and the price of a run is fixed "
                "at its start, so this one would not pay for them. Start it as a run of its own."
            )

    def _put_in(self, tx: Tx, run: Run, payload: Payload, content_type: str) -> None:
        self._stores.put_in(
            tx,
            store_id=run.document.storage_ids.key_value_stores["default"],
            key=run.document.input_key,
            payload=payload,
            content_type=content_type,
            now=self._clock.now(),
        )


def _check(run: Run) -> None:
    if run.status not in ALLOWED[Event.METAMORPH]:
        raise JobFinished.for_lack_of(run.id, run.status, "metamorphs")
    if len(run.document.metamorphs) >= METAMORPHS_MAX:
        raise TooManyMetamorphs


def _become(
    run: Run, actor: ActorRow, build: BuildRow, *, level: PermissionLevel, granted: dict[str, tuple[str, ...]],
    now: Instant,
) -> Run:  # fmt: skip
    document = run.document
    input_key = f"INPUT-METAMORPH-{len(document.metamorphs) + 1}"
    entry = Metamorph(created_at=now, actor_id=actor.id, build_id=build.id, input_key=input_key)
    document = structs.replace(
        document,
        present_actor_id=actor.id,
        actor_name=actor.name,
        username=actor.username,
        build_number=build.number,
        build_tags=build.tags,
        image_reference=build.image_reference or "",
        git_branch_name=build.git_branch_name,
        output_templates=build.facts.output_templates,
        input_key=input_key,
        permission_level=level,
        granted_storages=granted,  # those of before were for the Actor that it was
        metamorphs=(*document.metamorphs, entry),
        earlier_build_ids=(*document.earlier_build_ids, run.build_id),
    )
    return replace(run, build_id=build.id, document=document, life=step(run.life, Event.METAMORPH, now))
