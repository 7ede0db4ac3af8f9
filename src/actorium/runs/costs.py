"""Who pays what for a run, and who is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from actorium.actors.pricing import PayPerEvent
from actorium.runs.row import Run, terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a reader is told."""

    total_usd: float | None
    """None: it is not for this reader."""
    shows_usage: bool
    """Whether the costs of the platform are shown one by one."""


def costs(run: Run, charged: Mapping[str, int], usage_usd: float, *, reader_id: str) -> Cost:
    """What a reader is told of a run's costs. ``reader_id`` is empty for a caller without a token.

    A run's owner pays for the platform, unless somebody else's Actor is charged for by events or items: then that is
    all. Others are told of events only.
    """
    agreed = terms(run)
    is_by_event = isinstance(agreed.pricing, PayPerEvent)
    if reader_id != run.owner_id:
        paid = float(agreed.paid_usd(charged)) if is_by_event and reader_id else None
        return Cost(total_usd=paid, shows_usage=False)
    if pays_platform(run):
        return Cost(total_usd=usage_usd + float(agreed.paid_usd(charged)), shows_usage=True)
    return Cost(total_usd=float(agreed.paid_usd(charged)) if is_by_event else None, shows_usage=False)


def in_list(run: Run, charged: Mapping[str, int], usage_usd: float) -> float:
    """What the owner pays, for lists: there it is a number whatever the price is."""
    return (usage_usd if pays_platform(run) else 0) + float(terms(run).paid_usd(charged))


def pays_platform(run: Run) -> bool:
    """Whether the owner pays for what the run uses: not for a paid Actor of somebody else."""
    return run.document.owns_actor or not terms(run).is_charged
