"""Bringing a finished run back: another attempt on the same storages, with limits chosen anew where asked."""

from __future__ import annotations

from dataclasses import dataclass, replace

from msgspec import structs

from actorium.actors.service import Actors
from actorium.builds.row import BuildRow
from actorium.builds.service import Builds
from actorium.charging.service import Charging, check_limit, counts_in
from actorium.charging.terms import plain
from actorium.database import Tx, UniqueViolation
from actorium.kernel.clock import Clock
from actorium.kernel.instant import Instant
from actorium.kernel.principal import Principal
from actorium.kernel.structs import UNSET, Wire
from actorium.runs.allowance import allowance
from actorium.runs.brakes.service import Brakes
from actorium.runs.chosen import bounds_again
from actorium.runs.datasets import MissingDatasets
from actorium.runs.errors import CannotResurrect, LimitMayOnlyGrow
from actorium.runs.facts import facts_of
from actorium.runs.lifecycle import TERMINAL, Event, step
from actorium.runs.model import RunOptions, RunView
from actorium.runs.options import Defaults, StartTaskOptions, resolve
from actorium.runs.permissions import Levels, present_actor_of
from actorium.runs.ports import Ports
from actorium.runs.row import Run, terms
from actorium.runs.service import Runs
from actorium.runs.view import Views, units_of
from actorium.users.quotas import Load, Quotas

TRIES = 8  # how often another port is taken when its own is another run's by now


class ResurrectOptions(Wire, kw_only=True, frozen=True):
    """Query of a resurrection. Absent: what the run had."""

    build: str | None = None
    """A tag or a build number; absent: the very build that the run had, wherever its tag points now."""
    timeout: float | None = None
    """Seconds from now, 0 = no limit."""
    memory: float | None = None
    """MB, a power of two."""
    max_items: float | None = None
    max_total_charge_usd: float | None = None
    restart_on_error: bool | None = None


class Resurrection:
    """Resurrects runs."""

    def __init__(
        self, runs: Runs, *, actors: Actors, builds: Builds, quotas: Quotas, charging: Charging, brakes: Brakes,
        levels: Levels, views: Views, ports: Ports, datasets: MissingDatasets, clock: Clock,
    ) -> None:  # fmt: skip
        self._runs = runs
        self._charging = charging
        self._brakes = brakes
        self._levels = levels
        self._views = views
        self._actors = actors
        self._builds = builds
        self._quotas = quotas
        self._ports = ports
        self._datasets = datasets
        self._clock = clock

    async def resurrect(self, principal: Principal, run_id: str, asked: ResurrectOptions) -> RunView:
        """Start a finished run again. Raises CannotResurrect, LimitMayOnlyGrow, and what a start raises.

        The port of its web server stays if it is free; else the run gets another one, and another containerUrl.
        """
        port: int | None = None
        for _ in range(TRIES):
            try:
                return await self._runs.change(principal, run_id, self._change(principal, asked, port))
            except UniqueViolation:
                port = self._ports.pick()
        return await self._runs.change(principal, run_id, self._change(principal, asked, self._ports.pick()))

    def _change(self, principal: Principal, asked: ResurrectOptions, port: int | None) -> _Change:
        return _Change(
            self._actors,
            self._builds,
            self._quotas,
            self._charging,
            self._brakes,
            self._levels,
            self._views,
            self._datasets,
            self._clock.now(),
            principal=principal,
            asked=asked,
            port=port,
        )


@dataclass(frozen=True, slots=True)
class _Change:
    """What a resurrection makes of a run, decided in its transaction."""

    actors: Actors
    builds: Builds
    quotas: Quotas
    charging: Charging
    brakes: Brakes
    levels: Levels
    views: Views
    datasets: MissingDatasets
    now: Instant
    principal: Principal
    asked: ResurrectOptions
    port: int | None

    def __call__(self, tx: Tx, run: Run) -> Run:
        if run.status not in TERMINAL:
            raise CannotResurrect(f"Run {run.id} is {run.status}; only a run that has finished can be resurrected.")
        actor = self.actors.find_in(tx, present_actor_of(run))
        if actor is not None and not actor.is_public and actor.owner_id != run.owner_id:
            raise CannotResurrect(
                f"Run {run.id} is one of {actor.username}/{actor.name}, which is private now; ask its owner to "
                "publish it again."
            )
        self.levels.check_again_in(tx, self.principal, run, actor)
        build = self._build_in(tx, run)
        options = _options(run, self.asked, build)
        self.quotas.check_in(tx, run.owner_id, more=Load(memory_mbytes=options.memory_mbytes, runs=1))
        document = structs.replace(
            run.document,
            options=options,
            build_number=build.number,
            image_reference=build.image_reference or "",
            unpaid_usd=terms(run).unpaid_after(counts_in(tx, run.id)),
            why_aborted=None,
            resurrected_at=int(self.now),
            earlier_compute_units=units_of(run, run.life.active_millis_at(self.now)),
            earlier_millis=run.life.active_millis_at(self.now),
        )
        if build.id != run.build_id:
            before = dict.fromkeys((*document.earlier_build_ids, run.build_id))
            document = structs.replace(
                document,
                build_tags=build.tags,
                output_templates=build.facts.output_templates,
                git_branch_name=build.git_branch_name,
                earlier_build_ids=tuple(before),
            )
        life = replace(run.life, timeout_secs=options.timeout_secs, restart_on_error=options.restart_on_error is True)
        after = replace(
            run,
            build_id=build.id,
            web_port=self.port or run.web_port,
            document=document,
            life=step(life, Event.RESURRECT, self.now),
        )
        self._check_limit_in(tx, run, after)
        self.brakes.begin_again_in(tx, run, after)
        self.charging.resurrected_in(tx, run.id, terms(after))
        self.builds.note_use_in(tx, build, self.now)
        return self.datasets.made_in(tx, after, build)

    def _check_limit_in(self, tx: Tx, before: Run, after: Run) -> None:
        """Raises LimitBelowMinimum, LimitMayOnlyGrow."""
        if self.asked.max_total_charge_usd is not None:
            check_limit(terms(after))
        _check_paid_stays(tx, before, after)
        left = allowance(self.views, after, facts_of(tx, before), self.now)
        if left is not None and left.secs_left <= 0:
            raise LimitMayOnlyGrow(
                f"Run {before.id} has used {plain(round(left.used_usd, 9))} USD of its maxTotalChargeUsd of"
                f" {plain(left.limit_usd)} USD, and what is left pays for no start; name a higher one."
            )

    def _build_in(self, tx: Tx, run: Run) -> BuildRow:
        if self.asked.build is not None:
            actor = self.actors.resolve_in(tx, self.principal, present_actor_of(run))
            return self.builds.for_run_in(tx, actor, self.asked.build)
        build = self.builds.find_in(tx, run.build_id)
        if build is None:
            raise CannotResurrect(
                f"Build {run.document.build_number} of this run was deleted; name another one with the parameter build."
            )
        return build


def _options(run: Run, asked: ResurrectOptions, build: BuildRow) -> RunOptions:
    """The run's options with what was asked for. Raises LimitMayOnlyGrow and the errors of a start."""
    before = run.options
    had = Defaults(
        timeout_secs=before.timeout_secs,
        memory_mbytes=before.memory_mbytes,
        max_items=before.max_items if before.max_items is not UNSET else None,
        max_total_charge_usd=before.max_total_charge_usd if before.max_total_charge_usd is not UNSET else None,
        restart_on_error=before.restart_on_error is True,
    )
    wanted = StartTaskOptions(
        timeout=asked.timeout,
        memory=asked.memory,
        max_items=asked.max_items,
        max_total_charge_usd=asked.max_total_charge_usd,
        restart_on_error=asked.restart_on_error,
    )
    bounds = bounds_again(build, memory=asked.memory, had_mbytes=before.memory_mbytes, had_build_id=run.build_id)
    after = resolve(wanted, had, build=asked.build or before.build, bounds=bounds)
    _check_grown("maxItems", had.max_items, after.max_items)
    _check_grown("maxTotalChargeUsd", had.max_total_charge_usd, after.max_total_charge_usd)
    return after


def _check_paid_stays(tx: Tx, before: Run, after: Run) -> None:
    """A first limit is none on what was charged without one: that would take back what is owed."""
    counts = counts_in(tx, before.id)
    owed = terms(before).paid_usd(counts)
    if terms(after).paid_usd(counts) < owed:
        raise LimitMayOnlyGrow(
            f"Run {before.id} was charged {plain(float(owed))} USD without this limit; set a higher one or none."
        )


def _check_grown(name: str, before: float | None, after: object) -> None:
    """A limit of what is charged may be raised or taken away."""
    if before is not None and isinstance(after, int | float) and after < before:
        raise LimitMayOnlyGrow(f"{name} was {before:g} and may only grow when a run is resurrected; {after:g} is less.")
