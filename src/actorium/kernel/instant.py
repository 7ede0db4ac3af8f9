"""Moments in time: whole milliseconds since 1970 in UTC, printed as the API prints them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Self

_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)

_SECOND = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}")

_FIRST, _LAST = -62_135_596_800_000, 253_402_300_799_999  # the years 1 to 9999: beyond them there is no text


class Instant(int):
    """Milliseconds since 1970 in UTC. An integer in the database, ISO 8601 with three decimals and Z on the wire."""

    __slots__ = ()

    def __str__(self) -> str:
        seconds, millis = divmod(self, 1000)
        return f"{_second(seconds)}.{millis:03d}Z"

    def __repr__(self) -> str:
        return f"Instant({self})"

    def plus(self, *, secs: float = 0, millis: int = 0) -> Instant:
        return Instant(int(self) + round(secs * 1000) + millis)

    def secs_until(self, later: int) -> float:
        return (int(later) - int(self)) / 1000

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ISO 8601; without an offset it is UTC. Raises ValueError."""
        if len(text) == 24 and text[23] == "Z" and text[19] == "." and text[20:23].isdigit() and text.isascii():
            return cls(_seconds(text[:19]) * 1000 + int(text[20:23]))  # as the API and its clients print it
        match = _ISO.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"not an ISO 8601 date: {text!r}")
        day, time, fraction, offset = match.groups()
        time = time or "00:00"
        full = f"{day}T{time}{':00' if len(time) == 5 else ''}{'+00:00' if offset in (None, 'Z', 'z') else offset}"
        whole = datetime.fromisoformat(full)
        instant = cls(round(whole.timestamp()) * 1000 + int((fraction or "0").ljust(3, "0")[:3]))
        if not _FIRST <= instant <= _LAST:
            raise ValueError(f"beyond the calendar: {text!r}")
        return instant


@lru_cache(maxsize=1024)
def _seconds(text: str) -> int:
    """What ``_second`` prints, as a number. Raises ValueError."""
    if _SECOND.fullmatch(text) is None:
        raise ValueError(f"not an ISO 8601 date: {text!r}")
    return round(datetime.fromisoformat(f"{text}+00:00").timestamp())


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
