"""The route that charges a run."""

from __future__ import annotations

from typing import Any

from actorium.charging.model import ChargeRun
from actorium.http.route import Call, Reply, Route
from actorium.runs.charges import RunCharges


def routes(charges: RunCharges) -> list[Route]:
    """The one route."""

    async def charge(call: Call[Any, ChargeRun]) -> Reply:
        header = call.exchange.headers.get(b"idempotency-key")
        key = None if header is None else header.decode("latin-1")
        await charges.charge(call.principal, call["runId"], call.body, key=key)
        return Reply(status=201, content={}, envelope=False)

    return [
        Route(
            method="POST", path="/v2/actor-runs/{runId}/charge", handler=charge, operation_id="PostChargeRun",
            tag="Actor runs", summary="Charge for events of a run", body=ChargeRun, envelope=False, statuses=(201,),
        )
    ]  # fmt: skip
