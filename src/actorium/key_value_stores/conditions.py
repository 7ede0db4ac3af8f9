"""What a request says about the copy it has and the part it wants: entity tags and ranges of bytes. Pure functions."""

from __future__ import annotations

import re

import msgspec

_TAG = re.compile(r'(?:W/)?("[^"]*")')
_RANGE = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)
_DIGITS_MAX = 18  # more than any record has, fewer than would take long to read


class Unsatisfiable(Exception):
    """No byte of the record lies in the range."""


class Span(msgspec.Struct, frozen=True):
    """The bytes [start, end) of what is stored."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether an If-None-Match header names the tag: ``*``, or a list in which weak tags count as well."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag.removeprefix("W/") in _TAG.findall(if_none_match)


def part_of(header: str | None, size: int, *, if_range: str | None = None, tag: str = "") -> Span | None:
    """The part that a Range header asks for; None where all is to be sent.

    All is sent without the header, for one that is not understood, for several ranges (a server may choose to), and
    where If-Range names another version. Raises Unsatisfiable.
    """
    if header is None or (if_range is not None and if_range.strip() != tag):
        return None
    found = _RANGE.fullmatch(header)
    if found is None:
        return None
    first, last = found.groups()
    if max(len(first), len(last)) > _DIGITS_MAX or not (first or last):
        return None
    if not first:
        if int(last) == 0 or size == 0:
            raise Unsatisfiable
        return Span(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise Unsatisfiable
    return Span(int(first), min(int(last) + 1, size) if last else size)
