"""Routes that change the life of a run: abort, reboot, metamorph, resurrect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actorium.http.route import Call, RawBody, Route
from actorium.kernel.limits import RATE_HIGH
from actorium.kernel.structs import Wire
from actorium.runs.metamorph import Metamorphosis, MetamorphQuery
from actorium.runs.model import RunView
from actorium.runs.resurrect import Resurrection, ResurrectOptions
from actorium.runs.service import Runs

RUN = "/v2/actor-runs/{runId}"


class AbortQuery(Wire, kw_only=True, frozen=True):
    """How to abort."""

    gracefully: bool = False
    """Send the events aborting and persistState first, and end the run by force after 30 seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transitions:
    """What callers may make of a run."""

    runs: Runs
    resurrection: Resurrection
    metamorphosis: Metamorphosis

    async def abort(self, call: Call[AbortQuery, None]) -> RunView:
        return await self.runs.abort(call.principal, call["runId"], gracefully=call.query.gracefully)

    async def reboot(self, call: Call[Any, None]) -> RunView:
        return await self.runs.reboot(call.principal, call["runId"])

    async def metamorph(self, call: Call[MetamorphQuery, RawBody]) -> RunView:
        return await self.metamorphosis.metamorph(call.principal, call["runId"], call.query, body=call.body)

    async def resurrect(self, call: Call[ResurrectOptions, None]) -> RunView:
        return await self.resurrection.resurrect(call.principal, call["runId"], call.query)


def routes(transitions: Transitions) -> Sequence[Route]:
    """A POST each, answered with the run object."""

    def route(verb: str, handler: Any, operation_id: str, summary: str, **more: Any) -> Route:
        return Route(
            method="POST",
            path=f"{RUN}/{verb}",
            handler=handler,
            operation_id=operation_id,
            summary=summary,
            tag="Actor runs",
            returns=RunView,
            **more,
        )

    return [
        route("abort", transitions.abort, "actorRun_abort_post", "Abort a run", query=AbortQuery),
        route("reboot", transitions.reboot, "actorRun_reboot_post", "Reboot a run"),
        route(
            "metamorph", transitions.metamorph, "actorRun_metamorph_post", "Turn a run into another Actor",
            query=MetamorphQuery, body=RawBody, rate=RATE_HIGH,
        ),
        route(
            "resurrect", transitions.resurrect, "PostResurrectRun", "Start a finished run again", query=ResurrectOptions
        ),
    ]  # fmt: skip
