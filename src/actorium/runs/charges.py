"""Charging a run for its events: only by the run itself, only while it lives."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from actorium.charging.errors import OwnTokenRequired
from actorium.charging.model import ChargeRun
from actorium.charging.service import Charging, check_charge, counts_in
from actorium.charging.terms import Terms
from actorium.database import Database, Tx
from actorium.kernel.principal import Principal
from actorium.runs import store
from actorium.runs.errors import JobFinished
from actorium.runs.lifecycle import TERMINAL
from actorium.runs.row import Run, terms

ReadableRun = Callable[[Tx, Principal, str], Run]
"""A run that a caller may see. Raises RunNotFound."""


def terms_in(tx: Tx, run_id: str) -> Terms | None:
    """What a run is charged for; None when it has ended or is not there."""
    run = store.find(tx, run_id)
    return None if run is None or run.status in TERMINAL else terms(run)


class RunCharges:
    """The charges of runs."""

    def __init__(self, database: Database, *, charging: Charging, readable_in: ReadableRun) -> None:
        self._database = database
        self._charging = charging
        self._readable_in = readable_in

    async def charge(self, principal: Principal, run_id: str, asked: ChargeRun, *, key: str | None) -> None:
        """Count an event; on disk when this returns. A key that is repeated charges once.

        Raises RunNotFound, OwnTokenRequired, NotPayPerEvent, PlatformEvent, UnknownEvent, InvalidCount,
        InvalidIdempotencyKey, JobFinished.
        """
        if principal.run_id not in (None, run_id):
            raise OwnTokenRequired  # whether there is such a run is not said
        run = await self._database.read(lambda tx: self._readable_in(tx, principal, run_id))
        if principal.run_id is None:
            raise OwnTokenRequired
        check_charge(terms(run), asked, key)

        def work(tx: Tx) -> None:
            if not self._charging.is_new_in(tx, run.id, key):
                return
            agreed = terms_in(tx, run.id)
            if agreed is None:
                raise JobFinished(f"Run {run.id} has finished: it can be charged no more.")
            self._charging.charge_in(tx, run.id, agreed, asked)

        # Pushes to the dataset may charge too: in one lane they do not wait for each other crosswise.
        await self._database.write(work, lane=run.document.storage_ids.datasets["default"])

    async def counts(self, run: Run) -> Mapping[str, int]:
        """How often each event of a pay-per-event run was charged until now."""
        if not terms(run).is_charged:
            return {}
        return terms(run).events(await self._database.read(lambda tx: counts_in(tx, run.id))) or {}
