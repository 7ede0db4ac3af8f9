"""Routes about logs."""

from __future__ import annotations

from typing import Any

from actorium.http.route import Auth, Call, Reply, Route
from actorium.kernel.structs import Wire
from actorium.logs.service import Logs

MEDIA_TYPE = "text/plain; charset=utf-8"


class LogQuery(Wire, kw_only=True, frozen=True):
    """How to read a log."""

    stream: bool = False
    """Keep the connection and send new lines until the run or build has ended."""
    download: bool = False
    raw: bool = False
    """Keep terminal colours."""


def routes(logs: Logs) -> list[Route]:
    """The route of the tag Logs; runs and builds lead here by aliases."""

    async def get(call: Call[LogQuery, Any]) -> Reply:
        subject = await logs.subject(call.principal, call["buildOrRunId"])
        query = call.query
        if query.stream:
            text = logs.follow(call.principal, subject, raw=query.raw)
        else:
            text = logs.read(subject, raw=query.raw)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        if query.download:
            headers["Content-Disposition"] = f'attachment; filename="{subject.id}.log"'
        return Reply(content=text, media_type=MEDIA_TYPE, headers=headers)

    return [
        Route(
            method="GET",
            path="/v2/logs/{buildOrRunId}",
            handler=get,
            operation_id="log_get",
            tag="Logs",
            summary="Get the log of a run or build, if wanted live",
            query=LogQuery,
            media_type="text/plain",
            auth=Auth.OPTIONAL,
        )
    ]
