"""The route that forks a run. Apify has none like it."""

from __future__ import annotations

from actorium.http.route import Call, RawBody, Reply, Route
from actorium.kernel.limits import RATE_HIGH
from actorium.runs.forks import ForkOptions, Forks
from actorium.runs.model import RunView
from actorium.runs.service import Runs


def routes(forks: Forks, runs: Runs) -> list[Route]:
    """One: answered as a start is."""

    async def fork(call: Call[ForkOptions, RawBody]) -> Reply:
        run_id = await forks.fork(call.principal, call["runId"], call.query, body=call.body, origin=call.origin)
        view = await runs.wait(call.principal, run_id, call.query.wait_for_finish)
        return Reply(status=201, content=view, headers={"Location": f"/v2/actor-runs/{run_id}"})

    return [
        Route(
            method="POST",
            path="/v2/actor-runs/{runId}/fork",
            handler=fork,
            operation_id="actorRun_fork_post",
            summary="Start a run from a moment of another one's storages",
            tag="Actor runs",
            query=ForkOptions,
            body=RawBody,
            returns=RunView,
            statuses=(201,),
            rate=RATE_HIGH,
        )
    ]
