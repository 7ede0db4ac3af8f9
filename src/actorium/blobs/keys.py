"""What every blob store does alike: which keys are allowed, and what a range means."""

from __future__ import annotations

import re

from actorium.kernel.limits import BLOB_KEY_CHARS_MAX

_KEY = re.compile(r"[a-z0-9][a-z0-9_-][a-z0-9._-]*")


def checked(key: str) -> str:
    """The key, if a store can hold it. Raises ValueError.

    Lower case only, because some file systems do not tell cases apart; two characters at least, for the folders.
    """
    if len(key) > BLOB_KEY_CHARS_MAX or _KEY.fullmatch(key) is None:
        raise ValueError(f"not a blob key: {key[:BLOB_KEY_CHARS_MAX]!r}")
    return key


def cut(size: int, *, start: int, end: int | None) -> tuple[int, int]:
    """The part of [start, end) that lies within the size, as start and end; empty if there is none."""
    if start < 0 or (end is not None and end < 0):
        raise ValueError(f"a range of a blob starts at 0 or later: {start}-{end}")
    stop = size if end is None else min(end, size)
    return min(start, stop), stop
