"""Requests as values: their ids, what is kept of them, cursors through them. Pure functions."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

from actorium.kernel.errors import InvalidInput
from actorium.kernel.instant import Instant
from actorium.kernel.limits import UNIQUE_KEY_BYTES_MAX
from actorium.kernel.structs import dec_hook, encode
from actorium.request_queues.errors import RequestIdInvalid
from actorium.request_queues.model import HeadRequest, Method, RequestFields

ID_CHARS = 15  # the API's own
_NOT_IN_IDS = str.maketrans("", "", "+/=")
_MADE_BY_SERVER = ("id", "lockExpiresAt", "lockByClient")


@dataclass(frozen=True, slots=True)
class Draft:
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
    return base64.b64encode(digest).decode().translate(_NOT_IN_IDS)[:ID_CHARS]


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
    kept: dict[str, Any] = {"id": head.id}
    kept |= {name: value for name, value in given.items() if name not in _MADE_BY_SERVER}
    kept |= {"uniqueKey": head.unique_key, "method": head.method, "retryCount": head.retry_count}
    if handled_at is not None:
        kept["handledAt"] = handled_at
    return kept


def document_with(document: str, **extra: Any) -> msgspec.Raw:
    """A stored request with more properties."""
    if not extra:
        return msgspec.Raw(document.encode())
    return msgspec.Raw(document.encode()[:-1] + b"," + encode(extra)[1:])


def cursor_behind(id: str) -> str:
    """The cursor of a page that begins behind a request."""
    return base64.urlsafe_b64encode(encode({"requestId": id})).decode().rstrip("=")


def behind_cursor(cursor: str) -> str:
    """The id that a cursor names. Raises InvalidInput."""
    try:
        text = base64.b64decode(
            cursor.rstrip("=") + "=" * (-len(cursor.rstrip("=")) % 4), altchars=b"-_", validate=True
        )
        place = msgspec.json.decode(text, type=dict[str, str])
        return place["requestId"]
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError, KeyError):
        raise InvalidInput("The cursor is not valid: send the nextCursor of the page before.") from None
