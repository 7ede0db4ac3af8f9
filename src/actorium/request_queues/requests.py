"""Requests as values: their ids, what is kept of them, cursors through them. Pure functions."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from actorium.kernel.errors import InvalidInput
from actorium.kernel.instant import Instant
from actorium.kernel.limits import UNIQUE_KEY_BYTES_MAX
from actorium.kernel.structs import Wire, dec_hook, decode, encode
from actorium.request_queues.errors import RequestIdInvalid
from actorium.request_queues.model import HeadRequest, Method, RequestFields, State

ID_CHARS = 15  # the API's own
ID_PATTERN = "[A-Za-z0-9]{15}"
PLACES_PER_MILLI = 1_000_000
PLACE_FIRST, PLACE_LAST = -(2**63) + 1, 2**63 - 1
_NOT_IN_IDS = b"+/=\n"
_MADE_BY_SERVER = ("lockExpiresAt", "lockByClient")


class Draft(msgspec.Struct, frozen=True):
    """A request to be stored."""

    head: HeadRequest
    document: str
    size: int
    handled: bool

    @property
    def id(self) -> str:
        return self.head.id


def request_id(unique_key: str) -> str:
    """The id that belongs to a uniqueKey: clients compute the same."""
    digest = hashlib.sha256(unique_key.encode()).digest()
    return binascii.b2a_base64(digest).translate(None, _NOT_IN_IDS)[:ID_CHARS].decode()


def draft_of(given: dict[str, Any], *, id: str | None = None) -> Draft:
    """A request as its sender gave it. Raises InvalidInput, or RequestIdInvalid if an id is not that of its uniqueKey.

    id: the id it must have, for an update.
    """
    try:
        fields = msgspec.convert(given, RequestFields, dec_hook=dec_hook)
    except (msgspec.ValidationError, ValueError) as error:
        raise InvalidInput(f"The request is not valid: {error}.") from None
    unique_key = fields.unique_key or fields.url
    if not unique_key or len(unique_key.encode()) > UNIQUE_KEY_BYTES_MAX:
        raise InvalidInput(f"A request needs a url and a uniqueKey of 1 to {UNIQUE_KEY_BYTES_MAX} bytes.")
    true_id = request_id(unique_key)
    for claimed in (fields.id, id):
        if claimed is not None and claimed != true_id:
            raise RequestIdInvalid(f"The id {claimed[:40]!r} does not belong to the uniqueKey; its id is {true_id}.")
    head = HeadRequest(
        id=true_id,
        unique_key=unique_key,
        url=fields.url,
        method=fields.method or Method.GET,
        retry_count=fields.retry_count or 0,
    )
    document = encode(_kept(given, head, handled_at=fields.handled_at))
    return Draft(head, document.decode(), len(document), fields.handled_at is not None)


def _kept(given: dict[str, Any], head: HeadRequest, *, handled_at: Instant | None) -> dict[str, Any]:
    kept = {"id": head.id, **given, "uniqueKey": head.unique_key, "method": head.method, "retryCount": head.retry_count}
    for name in _MADE_BY_SERVER:
        kept.pop(name, None)
    kept["id"] = head.id
    if handled_at is not None:
        kept["handledAt"] = handled_at
    return kept


def document_with(document: str, **extra: Any) -> msgspec.Raw:
    """A stored request with more properties."""
    if not extra:
        return msgspec.Raw(document.encode())
    return msgspec.Raw(document.encode()[:-1] + b"," + encode(extra)[1:])


class Cursor(Wire, kw_only=True, frozen=True, omit_defaults=True):
    """Where a page of requests ended: at an id, or where a list is narrowed to some states, at a place in the queue."""

    request_id: Annotated[str, Meta(pattern=f"^{ID_PATTERN}$")]
    place: Annotated[int, Meta(ge=PLACE_FIRST, le=PLACE_LAST)] = 0
    states: list[State] = []


def cursor_text(cursor: Cursor) -> str:
    """A cursor as clients get and send it."""
    return base64.urlsafe_b64encode(encode(cursor)).decode().rstrip("=")


def read_cursor(cursor: str) -> Cursor:
    """The cursor that a client sent. Raises InvalidInput."""
    bare = cursor.rstrip("=")
    try:
        text = base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
        return decode(text, Cursor)
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError):
        raise InvalidInput("The cursor is not valid: send the nextCursor of the page before.") from None
