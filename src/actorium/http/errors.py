"""From errors to replies: one table of statuses, and the errors that only the edge can meet."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog

from actorium.kernel.errors import ActoriumError, Invalid, Kind, MethodNotAllowed, NotFound, TimedOut
from actorium.kernel.structs import encode

STATUS: dict[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.PAYMENT: 402,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.NOT_ALLOWED: 405,
    Kind.TIMED_OUT: 408,
    Kind.CONFLICT: 409,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED: 415,
    Kind.LIMITED: 429,
    Kind.UNAVAILABLE: 503,
}
STATUS_BUG = 500

_log = structlog.get_logger("actorium.http")


class PageNotFound(NotFound):
    """There is no API endpoint at this URL. Check the path, and that it starts with /v2."""

    type = "page-not-found"


class InvalidParameter(Invalid):
    """A parameter of the query or path is not valid."""

    type = "invalid-parameter"


class ParameterRequired(Invalid):
    """A required query parameter is missing."""

    type = "parameter-required"


class ParamNotOneOf(Invalid):
    """A query parameter is not one of the values it may have."""

    type = "param-not-one-of"


class InvalidContentType(Invalid):
    """The Content-Type header is not one that this endpoint reads."""

    type = "invalid-content-type-header"


class BodyBroken(Invalid):
    """The request body is not what its Content-Encoding header says."""

    type = "invalid-request"


class RequestAborted(Invalid):
    """The request was aborted before its body was complete."""

    type = "request-aborted-prematurely"


class BodyStalled(TimedOut):
    """The request body stopped arriving. Please send it again."""


class WrongMethod(MethodNotAllowed):
    """This API end-point can only be accessed using other HTTP methods."""

    def __init__(self, *, methods: str) -> None:
        super().__init__(f"This API end-point can only be accessed using the following HTTP methods: {methods}")


def status_of(error: BaseException) -> int:
    """The HTTP status of an error."""
    if isinstance(error, ActoriumError):
        return STATUS[error.kind]
    return STATUS[Kind.INVALID] if isinstance(error, msgspec.MsgspecError) else STATUS_BUG


def describe(error: BaseException, *, request_id: str) -> dict[str, Any]:
    """The ``error`` object of a reply. What is not a caller's doing is logged with its traceback."""
    if isinstance(error, ActoriumError):
        shown = {"type": error.type, "message": error.message}
        return shown if error.data is None else {**shown, "data": error.data}
    if isinstance(error, msgspec.ValidationError):
        _log.warning("http.unread_value", request_id=request_id, exc_info=error)
        return {"type": "invalid-input", "message": explain(error, what="value")}
    if isinstance(error, msgspec.DecodeError):
        _log.warning("http.unread_value", request_id=request_id, exc_info=error)
        return {"type": "invalid-request", "message": f"The request body is not valid JSON: {error}."}
    _log.error("http.failed", request_id=request_id, exc_info=error)
    return {
        "type": "internal-server-error",
        "message": f"Internal server error. The server's log says more under the request id {request_id}.",
    }


def error_reply(error: BaseException, *, request_id: str) -> tuple[int, bytes]:
    """Status and JSON body for an error."""
    shown = describe(error, request_id=request_id)
    try:
        return status_of(error), encode({"error": shown})
    except (TypeError, ValueError, NotImplementedError, msgspec.MsgspecError) as unwritable:
        _log.error("http.unwritable_error_data", request_id=request_id, exc_info=unwritable)
        return status_of(error), encode({"error": {"type": shown["type"], "message": shown["message"]}})


def explain(error: msgspec.ValidationError, *, what: str) -> str:
    """msgspec's message with its path as the name of a field: ``options.memory: expected `int`, got `str```."""
    text, _, path = str(error).partition(" - at `")
    field = path.rstrip("`").removeprefix("$").removeprefix(".")
    missing = text.removeprefix("Object missing required field `").rstrip("`")
    if missing != text.rstrip("`"):
        return f'The field "{field}.{missing}" is required.' if field else f'The field "{missing}" is required.'
    text = text[:1].lower() + text[1:]
    if not field:
        return f"The {what} is not valid: {text}."
    return f'The field "{field}" is not valid: {text}.'
