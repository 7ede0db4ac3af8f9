"""A record of a key-value store, as its row holds it."""

from __future__ import annotations

import msgspec

from actorium.kernel.instant import Instant


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A record as stored: its bytes may be in a content coding, and inline or in a blob."""

    content_type: str
    content_encoding: str | None
    size: int
    version: str
    """New with each write: equal versions are equal bytes."""
    modified_at: Instant
    blob_key: str | None
    payload: bytes | None
