"""A stretch of time, cut into whole days, hours and minutes and the two ends that are no whole minutes.

Times are milliseconds since 1970. A span begins at a multiple of its length: an hour and a day are those of UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

MOMENT, MINUTE, HOUR, DAY = 1, 60_000, 3_600_000, 86_400_000
EVER = 10_000_000 * DAY
"""Longer than the calendar, so that one span has everything since 1970."""
SPANS = (MINUTE, HOUR, DAY, EVER)


def begin_of(span: int, at: int) -> int:
    """When the span began that a time is in."""
    return at // span * span


@dataclass(frozen=True, slots=True)
class Piece:
    """From a time until before another. Nothing, if they are the same or the wrong way round."""

    since: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The pieces of a stretch.

    How many there are depends on which bounds are set and on nothing else: statements have the same text each time.
    """

    whole: Piece
    """The whole minutes in it."""
    ends: tuple[Piece, ...]
    """What is before the whole minutes and behind them; if there are none, then all of it, which is less than two."""
    spans: tuple[tuple[int, Piece], ...]
    """The whole minutes as few spans: the length of each, and from where to where there are such."""


def cut(since: int | None, until: int | None) -> Cut:
    """Cut the time from ``since`` until before ``until``; None: without that bound."""
    left = -EVER if since is None else since
    right = EVER if until is None else until
    if since is None and until is None:
        return Cut(whole=Piece(left, right), ends=(), spans=((EVER, Piece(left, right)),))
    whole = None
    pieces: list[tuple[int, Piece]] = []
    for span, larger in pairwise((MOMENT, MINUTE, HOUR, DAY)):
        inner_left, inner_right = begin_of(larger, left + larger - 1), begin_of(larger, right)
        before, behind = Piece(left, inner_left), Piece(inner_right, right)
        if inner_left >= inner_right:  # no larger span fits in
            before, behind = Piece(left, right), Piece(0, 0)
            inner_left = inner_right = 0
        # Far beyond the calendar, where there is no bound, every span begins: there is nothing at that end.
        pieces += [(span, before)] if since is not None else []
        pieces += [(span, behind)] if until is not None else []
        left, right = inner_left, inner_right
        whole = whole or Piece(left, right)
    assert whole is not None
    ends = tuple(piece for span, piece in pieces if span == MOMENT)
    spans = (*((span, piece) for span, piece in pieces if span != MOMENT), (DAY, Piece(left, right)))
    return Cut(whole=whole, ends=ends, spans=spans)
