"""Records as replies, for every route that sends them."""

from __future__ import annotations

from starlette.requests import Request

from actorium.http.route import Reply
from actorium.key_value_stores.reading import Content
from actorium.key_value_stores.serving import Plan, media_type

_UNSATISFIABLE = {
    "error": {
        "type": "invalid-value",
        "message": "No byte of the record lies in the range that the Range header names.",
    }
}


def is_private(request: Request) -> bool:
    """Whether the URL holds the caller's own token: a page at it could read that."""
    return b"token=" in request.scope["query_string"]


def record_reply(found: Content, plan: Plan) -> Reply:
    """A record that was found, sent as planned."""
    if plan.status == 304:
        return Reply(status=304, headers=plan.headers)
    if plan.status == 416:
        return Reply(status=416, content=_UNSATISFIABLE, headers=plan.headers, envelope=False)
    content = found.plain() if plan.decoded else found.body  # of a stream's length nothing is said to HEAD
    return Reply(
        status=plan.status, content=content, headers=plan.headers, media_type=media_type(found.record), envelope=False
    )
