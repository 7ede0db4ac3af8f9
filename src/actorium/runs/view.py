"""From a stored run to the run object of the API; the only bridge between the two."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec import structs

from actorium.kernel.instant import Instant
from actorium.kernel.meter import Usage
from actorium.kernel.structs import UNSET
from actorium.runs.costs import costs, in_list
from actorium.runs.lifecycle import TERMINAL
from actorium.runs.measurements import Measurement, ended, join, wire
from actorium.runs.model import RunShort, RunStats, RunUsage, RunUsageUsd, RunView
from actorium.runs.output import output
from actorium.runs.row import Run, terms
from actorium.runs.usage import Used, compute_units, used


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What stands beside the run's own row."""

    operations: Mapping[Usage, int]
    earlier: Measurement
    """All attempts but the latest measured one."""
    latest: Measurement | None
    charged: Mapping[str, int]
    """How often each event was charged, the platform's own included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Draws run objects: what the settings add is given once."""

    prices: Mapping[Usage, float]
    container_url: Callable[[int], str]
    """From a run's web port to an address that curl and Actors can open."""
    public_base_url: str
    """Where callers find this server: links in outputs begin with it."""

    def full(self, run: Run, facts: Facts, now: Instant, *, reader_id: str) -> RunView:
        """The whole run object, for a user; costs are not everybody's business."""
        measured = _measured(run, facts)
        total = _used(run, facts, measured, now)
        usd = total.usd(self.prices)
        cost = costs(run, facts.charged, math.fsum(usd.values()), reader_id=reader_id)
        events = terms(run).events(facts.charged)
        document, life = run.document, run.life
        ids = document.storage_ids
        view = RunView(
            id=run.id,
            act_id=run.actor_id,
            user_id=run.owner_id,
            actor_task_id=run.task_id,
            started_at=run.started_at,
            finished_at=life.finished_at,
            status=life.status,
            status_message=life.status_message,
            is_status_message_terminal=life.is_status_message_terminal,
            meta=run.meta,
            pricing_info=UNSET if events is None or document.pricing_info is None else document.pricing_info,
            charged_event_counts=UNSET if events is None else events,
            stats=_stats(run, measured, now),
            options=document.options,
            build_id=run.build_id,
            exit_code=life.exit_code,
            general_access=document.general_access,
            default_key_value_store_id=ids.key_value_stores["default"],
            default_dataset_id=ids.datasets["default"],
            default_request_queue_id=ids.request_queues["default"],
            storage_ids=ids,
            build_number=document.build_number,
            container_url=self.container_url(run.web_port),
            is_container_server_ready=document.is_container_server_ready and life.status not in TERMINAL,
            git_branch_name=document.git_branch_name,
            usage=RunUsage(**{key.lower(): amount for key, amount in total.amounts.items()}),  # type: ignore[arg-type]
            usage_total_usd=UNSET if cost.total_usd is None else cost.total_usd,
            usage_usd=_usage_usd(usd) if cost.shows_usage else UNSET,
            metamorphs=list(document.metamorphs) or None,
            forked_from=UNSET if document.forked_from is None else document.forked_from,
        )
        if document.output_templates is None:
            return view
        return structs.replace(view, output=output(document.output_templates, view, base_url=self.public_base_url))

    def usage_usd(self, run: Run, facts: Facts, now: Instant) -> float:
        """What the run's use of the platform comes to until now."""
        return math.fsum(_used(run, facts, _measured(run, facts), now).usd(self.prices).values())

    def short(self, run: Run, facts: Facts, now: Instant) -> RunShort:
        """A run in a list."""
        document = run.document
        ids = document.storage_ids
        return RunShort(
            id=run.id,
            act_id=run.actor_id,
            user_id=run.owner_id,
            actor_task_id=run.task_id,
            status=run.life.status,
            started_at=run.started_at,
            finished_at=run.life.finished_at,
            build_id=run.build_id,
            build_number=document.build_number,
            build_number_int=build_number_int(document.build_number),
            meta=run.meta,
            usage_total_usd=in_list(run, facts.charged, self.usage_usd(run, facts, now)),
            default_key_value_store_id=ids.key_value_stores["default"],
            default_dataset_id=ids.datasets["default"],
            default_request_queue_id=ids.request_queues["default"],
        )


def build_number_int(number: str) -> int:
    """The API's integer form of MAJOR.MINOR.BUILD."""
    major, minor, build = (int(part) for part in number.split("."))
    return major * 10_000_000 + minor * 100_000 + build


def _usage_usd(usd: Mapping[str, float]) -> RunUsageUsd:
    return RunUsageUsd(**{key.lower(): amount for key, amount in usd.items()})


def _measured(run: Run, facts: Facts) -> Measurement | None:
    if facts.latest is None:
        return None
    whole = join(facts.earlier, facts.latest)
    has_process = run.life.status not in TERMINAL and run.life.attempt_started_at is not None
    return whole if has_process else ended(whole)


def units_of(run: Run, active_millis: int) -> float:
    """Compute units of a run whose containers have run so long: what it used with an earlier memory, and since."""
    document = run.document
    since = max(active_millis - document.earlier_millis, 0)
    return document.earlier_compute_units + compute_units(run.options.memory_mbytes, since)


def _stats(run: Run, measured: Measurement | None, now: Instant) -> RunStats:
    millis = run.life.active_millis_at(now)
    return RunStats(
        input_body_len=UNSET if run.document.input_body_len is None else run.document.input_body_len,
        migration_count=run.life.migration_count,
        reboot_count=run.life.reboot_count,
        restart_count=run.life.restart_count,
        resurrect_count=run.life.resurrect_count,
        duration_millis=millis,
        run_time_secs=millis / 1000,
        metamorph=len(run.document.metamorphs),
        compute_units=units_of(run, millis),
        **wire(measured),
    )


def _used(run: Run, facts: Facts, measured: Measurement | None, now: Instant) -> Used:
    return used(
        units=units_of(run, run.life.active_millis_at(now)),
        operations=facts.operations,
        internal_bytes=measured.internal_bytes if measured is not None else None,
        external_bytes=measured.external_bytes if measured is not None else None,
    )
