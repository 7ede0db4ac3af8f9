"""Halves of surrogate pairs in JSON: each becomes U+FFFD, and nothing else changes."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.kernel.json_texts import lenient, without_halves

PARTS = st.sampled_from(
    ["\ud83d", "\ude00", "\U0001f600", "\\", "\\ud83d", "\\u", "u", "d83d", '"', "\n", "\0", "é", "x"]
)
_PAIR = re.compile("([\ud800-\udbff])([\udc00-\udfff])")


def expected(text: str) -> str:
    """By code points: neighbours are one character, what is left of halves cannot be shown."""
    joined = _PAIR.sub(lambda pair: (pair[1] + pair[2]).encode("utf-16", "surrogatepass").decode("utf-16"), text)
    return re.sub("[\ud800-\udfff]", "\ufffd", joined)


@given(st.lists(PARTS).map("".join), st.booleans())
def test_every_half_is_replaced_and_nothing_else(text: str, is_upper: bool) -> None:
    written = json.dumps({"a": text})
    if is_upper:
        written = re.sub(r"d83d|de00", lambda found: found[0].upper(), written)
        text = re.sub(r"d83d|de00", lambda found: found[0].upper(), text)
    assert msgspec.json.decode(without_halves(written.encode())) == {"a": expected(text)}


def test_what_is_no_json_stays_refused_and_what_is_of_another_type_is_told_as_such() -> None:
    for broken in (b'{"a":"\\ud83d"', b'{"a":"\\ud83"}', b'"\\ud83d\0"', b"\\ud83d", b'{"a":\\ud83d}'):
        with pytest.raises(msgspec.DecodeError):
            lenient(broken, msgspec.json.decode)
    with pytest.raises(msgspec.ValidationError):
        lenient(b'"\\ud83d"', msgspec.json.Decoder(int).decode)
    assert lenient(b'"cut \\ud83d"', msgspec.json.decode) == "cut \ufffd"
