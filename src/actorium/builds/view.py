"""From a build's row to what callers see."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import structs

from actorium.builds.definition import input_schema_text
from actorium.builds.model import BuildShort, BuildStats, BuildView
from actorium.builds.row import BuildRow
from actorium.kernel.instant import Instant
from actorium.kernel.meter import Usage
from actorium.kernel.structs import UNSET

Prices = Mapping[Usage, float]
"""USD a unit."""
_HIDDEN = {"git_repo_url": UNSET}  # it may hold a password


def compute_units(row: BuildRow, now: Instant) -> float:
    """Gigabytes of memory times hours of the last attempt."""
    hours = row.life.active_millis_at(now) / 3_600_000
    return row.document.options.memory_mbytes / 1024 * hours


def short_view(row: BuildRow, prices: Prices, now: Instant) -> BuildShort:
    """A build in a list."""
    return BuildShort(
        id=row.id,
        act_id=row.actor_id,
        user_id=row.owner_id,
        status=row.status,
        started_at=row.started_at,
        finished_at=row.life.finished_at,
        usage_total_usd=compute_units(row, now) * prices[Usage.ACTOR_COMPUTE_UNITS],
        build_number=row.number,
        build_number_int=row.number_int,
        meta=row.document.meta,
    )


def build_view(row: BuildRow, definition: str | None, prices: Prices, now: Instant, *, is_owner: bool) -> BuildView:
    """The whole build. ``definition``: the Actor's definition as JSON."""
    document = None if definition is None else msgspec.json.decode(definition, type=dict)
    millis, units = row.life.active_millis_at(now), compute_units(row, now)
    usd = units * prices[Usage.ACTOR_COMPUTE_UNITS]
    return BuildView(
        id=row.id,
        act_id=row.actor_id,
        user_id=row.owner_id,
        status=row.status,
        started_at=row.started_at,
        finished_at=row.life.finished_at,
        build_number=row.number,
        build_number_int=row.number_int,
        meta=row.document.meta,
        stats=BuildStats(
            duration_millis=millis,
            run_time_secs=millis / 1000,
            compute_units=units,
            image_size_bytes=row.document.image_size_bytes,
        ),
        options=row.document.options,
        usage={Usage.ACTOR_COMPUTE_UNITS: units},
        usage_total_usd=usd if is_owner else UNSET,
        usage_usd={Usage.ACTOR_COMPUTE_UNITS: usd} if is_owner else UNSET,
        act_version=row.document.act_version if is_owner else structs.replace(row.document.act_version, **_HIDDEN),
        input_schema=input_schema_text(document),
        readme=None if document is None else document.get("readme"),
        actor_definition=document,
    )
