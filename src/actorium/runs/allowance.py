"""How long a run may go on by its maxTotalChargeUsd, where that limits its use of the platform: looked at ahead, as the
money brakes do, so that a run has ended when its limit is used up. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from actorium.kernel.instant import Instant
from actorium.kernel.limits import CHARGE_LIMIT_PERIOD_SECS, GRACEFUL_ABORT_SECS, USAGE_END_SECS
from actorium.kernel.meter import Usage
from actorium.runs.row import Run, terms
from actorium.runs.view import Facts, Views


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a run's limit leaves it."""

    limit_usd: float
    used_usd: float
    usd_per_sec: float
    """What it costs to go on: its computing, or all that it has used by the second, if that is more."""

    @property
    def secs_left(self) -> float:
        """Until it has to be asked to end at once, so that it is gone when its limit is used up."""
        if self.usd_per_sec <= 0:
            return float("inf")
        return (self.limit_usd - self.used_usd) / self.usd_per_sec - USAGE_END_SECS

    @property
    def grace_secs(self) -> float | None:
        """How long a graceful end may take if it has to begin now, 0 for none; None: it need not begin yet.

        The last 30 seconds that the limit pays for, at most half of all that it pays for: a small one is for work, too.
        """
        left = self.secs_left
        if left == float("inf"):
            return None
        wanted = min(GRACEFUL_ABORT_SECS, self.limit_usd / self.usd_per_sec / 2)
        if left > wanted + CHARGE_LIMIT_PERIOD_SECS:
            return None
        return max(min(left, GRACEFUL_ABORT_SECS), 0)


def allowance(views: Views, run: Run, facts: Facts, now: Instant) -> Allowance | None:
    """None: nothing limits what the run uses, or its limit is one of charges."""
    agreed = terms(run)
    if agreed.max_total_usd is None or agreed.is_charged:
        return None
    used = views.usage_usd(run, facts, now)
    computing = run.options.memory_mbytes / 1024 / 3600 * views.prices[Usage.ACTOR_COMPUTE_UNITS]
    active_secs = max(run.life.active_millis_at(now) / 1000, 1)
    return Allowance(
        limit_usd=agreed.max_total_usd, used_usd=used, usd_per_sec=max(computing, used / active_secs)
    )  # fmt: skip
