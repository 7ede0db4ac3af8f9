"""Which record keys there are."""

from __future__ import annotations

import re

from actorium.kernel.limits import RECORD_KEY_CHARS_MAX
from actorium.key_value_stores.errors import InvalidRecordKey

KEY_PUNCTUATION = "!-_.'()"
_PART = re.compile(r"[a-zA-Z0-9!\-_.'()]*")


def check_key(key: str) -> None:
    """Raises InvalidRecordKey."""
    if not key or len(key) > RECORD_KEY_CHARS_MAX or not is_key_part(key):
        raise InvalidRecordKey(key)


def is_key_part(text: str) -> bool:
    """Whether keys can begin with the text."""
    return _PART.fullmatch(text) is not None
