"""Routes about brakes. They exist here only; the API has no brakes."""

from __future__ import annotations

from typing import Any

from actorium.http.route import Call, Reply, Route
from actorium.runs.brakes.model import BrakeList, BrakeView, SetBrake
from actorium.runs.brakes.service import Brakes

LIST = "/v2/users/me/brakes"
ONE = "/v2/users/me/brakes/{kind}/{subjectId}"


def routes(brakes: Brakes) -> list[Route]:
    """List, set, lift."""

    async def page(call: Call[Any, None]) -> BrakeList:
        return await brakes.page(call.principal)

    async def put(call: Call[Any, SetBrake]) -> BrakeView:
        return await brakes.set(call.principal, call["kind"], call["subjectId"], call.body.limit_usd_per_day)

    async def delete(call: Call[Any, None]) -> Reply:
        await brakes.remove(call.principal, call["kind"], call["subjectId"])
        return Reply(status=204)

    return [
        Route(
            method="GET", path=LIST, handler=page, operation_id="users_me_brakes_get", tag="Users",
            summary="Get the money brakes of the caller, and what is spent and left today", returns=BrakeList,
        ),
        Route(
            method="PUT", path=ONE, handler=put, operation_id="users_me_brake_put", tag="Users",
            summary="Limit what the caller's runs may cost a day", body=SetBrake, returns=BrakeView,
        ),
        Route(
            method="DELETE", path=ONE, handler=delete, operation_id="users_me_brake_delete", tag="Users",
            summary="Lift a money brake of the caller", statuses=(204,),
        ),
    ]  # fmt: skip
