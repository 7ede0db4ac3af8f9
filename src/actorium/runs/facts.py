"""What stands beside a run's row: counted operations, measurements and charges."""

from __future__ import annotations

from actorium.charging.service import counts_in
from actorium.database import Tx
from actorium.kernel.meter import Usage
from actorium.kernel.structs import decode, encode
from actorium.runs import store
from actorium.runs.measurements import Measurement, join
from actorium.runs.row import Run, terms
from actorium.runs.view import Facts


def facts_of(tx: Tx, run: Run) -> Facts:
    """The facts of one run."""
    run_id = run.id
    charged = counts_in(tx, run_id) if terms(run).is_charged else {}
    operations = {Usage(key): amount for key, amount in store.usage(tx, (run_id,))[run_id].items()}
    stored = store.measured(tx, run_id)
    if stored is None:
        return Facts(operations=operations, earlier=Measurement(), latest=None, charged=charged)
    _, earlier, latest = stored
    return Facts(
        operations=operations,
        earlier=decode(earlier, Measurement),
        latest=decode(latest, Measurement),
        charged=charged,
    )


def measure(tx: Tx, run_id: str, *, attempt: int, latest: Measurement) -> None:
    """Store the newest measurement of an attempt; that of an attempt before it becomes part of the earlier ones."""
    stored = store.measured(tx, run_id)
    earlier = Measurement()
    if stored is not None:
        before, earlier_text, latest_text = stored
        if before > attempt:
            return
        earlier = decode(earlier_text, Measurement)
        if before < attempt:
            earlier = join(earlier, decode(latest_text, Measurement))
    store.save_measured(tx, run_id, attempt=attempt, earlier=encode(earlier).decode(), latest=encode(latest).decode())
