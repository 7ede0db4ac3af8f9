"""What every blob store does alike: which keys are allowed, and what a range means."""

from __future__ import annotations

import re

from actorium.kernel.store_limits import BLOB_KEY_CHARS_MAX

KEY_CHARS = "-.0123456789_abcdefghijklmnopqrstuvwxyz"
"""What a key is made of, in byte order."""
_KEY = re.compile(r"[a-z0-9][a-z0-9_-][a-z0-9._-]*")


def is_key(text: str) -> bool:
    """Whether a store can hold it.

    Lower case only, because some file systems do not tell cases apart; two characters at least, for the folders.
    """
    return len(text) <= BLOB_KEY_CHARS_MAX and _KEY.fullmatch(text) is not None


def checked(key: str) -> str:
    """The key, if a store can hold it. Raises ValueError."""
    if not is_key(key):
        raise ValueError(f"not a blob key: {key[:BLOB_KEY_CHARS_MAX]!r}")
    return key


def may_begin(prefix: str) -> bool:
    """Whether there can be a key with the prefix."""
    return is_key(prefix) or is_key(f"{prefix}00")


def checked_range(start: int, end: int | None) -> None:
    """Raises ValueError for a range that begins or ends before the first byte."""
    if start < 0 or (end is not None and end < 0):
        raise ValueError(f"a range of a blob starts at 0 or later: {start}-{end}")


def cut(size: int, *, start: int, end: int | None) -> tuple[int, int]:
    """The part of [start, end) that lies within the size, as start and end; empty if there is none."""
    checked_range(start, end)
    stop = size if end is None else min(end, size)
    return min(start, stop), stop
