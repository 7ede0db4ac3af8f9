"""The base of every object on the wire: camelCase names, unknown fields ignored, absent is not null."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from actorium.kernel.instant import Instant

__all__ = ["UNSET", "UnsetType", "Wire", "decode", "encode"]


class Wire(msgspec.Struct, rename="camel", kw_only=True, frozen=True, omit_defaults=False):
    """Base of wire structs. ``kw_only`` and ``frozen`` are repeated on subclasses: msgspec does not inherit the first,
    and the type checker does not see the second."""


def _enc(value: object) -> Any:
    if isinstance(value, Instant):
        return str(value)
    raise NotImplementedError(f"no wire form for {type(value).__name__}")


def dec_hook(kind: type, value: Any) -> Any:
    """Read what msgspec does not know itself; used by the edge too."""
    if kind is Instant:
        if isinstance(value, str):
            return Instant.parse(value)
        if isinstance(value, Instant):
            return value
        raise ValueError("expected a date in ISO 8601")
    raise NotImplementedError(f"no wire form for {kind.__name__}")


_encoder = msgspec.json.Encoder(enc_hook=_enc)


def encode(value: object) -> bytes:
    """JSON of a wire struct or of plain values, instants with milliseconds and Z."""
    return _encoder.encode(value)


T = TypeVar("T")


def decode(data: bytes | str, kind: type[T]) -> T:
    """A struct from JSON. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return msgspec.json.decode(data, type=kind, dec_hook=dec_hook)
