"""JSON as JavaScript writes it: a text that was cut inside an emoji ends with half of a pair, ``"cut \\ud83d"``.

That is JSON and no Unicode, so nothing here can hold it as text. Such a half becomes U+FFFD, which stands for what
cannot be shown; else one cut title would refuse all that was sent with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

T = TypeVar("T")

_raw = msgspec.json.Decoder(msgspec.Raw).decode

_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF = re.compile(rb"%b(?!%b)|(?<!%b)%b" % (_HIGH, _LOW, _HIGH, _LOW))
_BACKSLASH = b"\\\\"
_STAND_IN = b"\0\0"  # occurs in no JSON


def lenient(text: bytes, decode: Callable[[bytes], T]) -> T:
    """What ``decode`` makes of a JSON text, or else of the same without halves of pairs. Raises what it raises."""
    try:
        return decode(text)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        mended = without_halves(text)
        if mended == text:
            raise
        return decode(mended)


def checked(text: bytes) -> bytes:
    """The text itself if it is JSON. Raises msgspec.DecodeError, RecursionError."""
    _raw(text)
    return text


def without_halves(text: bytes) -> bytes:
    """A JSON text with U+FFFD for each escaped half of a surrogate pair that is alone. Linear."""
    if b"\\u" not in text or b"\0" in text:
        return text
    return _HALF.sub(rb"\\ufffd", text.replace(_BACKSLASH, _STAND_IN)).replace(_STAND_IN, _BACKSLASH)
