"""The route that checks an input without starting anything."""

from __future__ import annotations

from typing import Any

from actorium.http.reply import JSON
from actorium.http.route import Call, Reply, Route
from actorium.inputs.schema import Values
from actorium.inputs.service import Inputs
from actorium.kernel.structs import Wire


class ValidateQuery(Wire, kw_only=True, frozen=True):
    """Query of a check."""

    build: str | None = None
    """The build whose input schema is meant: a tag or a number; without one, that of a plain run."""


class Validity(Wire, kw_only=True, frozen=True):
    """The answer about a valid input; an invalid one is an error."""

    valid: bool = True


def routes(inputs: Inputs) -> tuple[Route, ...]:
    """Every route about inputs themselves."""

    async def validate(call: Call[ValidateQuery, Any]) -> Reply:
        await inputs.validate(call.principal, call["actorId"], call.query.build, call.body)
        return Reply(content=Validity(), envelope=False, media_type=JSON)

    return (
        Route(
            method="POST",
            path="/v2/actors/{actorId}/validate-input",
            handler=validate,
            operation_id="actor_validateInput_post",
            tag="Actors",
            summary="Check an input against the Actor's input schema",
            query=ValidateQuery,
            body=Values,
            optional_body=True,
            returns=Validity,
            envelope=False,
        ),
    )
