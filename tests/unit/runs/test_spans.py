"""A stretch of time cut into spans: nothing is lost, nothing is twice, and there are few of them."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from actorium.runs.spans import DAY, EVER, HOUR, MINUTE, SPANS, Piece, begin_of, cut

NOW = 1_767_225_600_000
NEAR = (
    0,
    1,
    -1,
    MINUTE,
    -MINUTE,
    MINUTE + 1,
    61 * MINUTE,
    HOUR,
    -HOUR,
    23 * HOUR,
    DAY,
    DAY - 1,
    40 * DAY + 7,
    -400 * DAY,
)
FAR = (-62_135_596_800_000, 253_402_300_800_000)
BOUNDS = (None, *(NOW + millis for millis in NEAR), *FAR)
COUNTS = {MINUTE: 59, HOUR: 23}
"""How many of these there are at one end at the most: more would be one of the next."""


@pytest.mark.parametrize("since", BOUNDS)
def test_the_pieces_are_the_stretch(since: int | None) -> None:
    for until in BOUNDS:
        parts = cut(since, until)
        left, right = -EVER if since is None else since, EVER if until is None else until
        pieces = [piece for piece in (*parts.ends, *(piece for _, piece in parts.spans)) if piece.since < piece.until]
        pieces.sort(key=lambda piece: piece.since)
        if left >= right:
            assert pieces == []
            continue
        assert (pieces[0].since, pieces[-1].until) == (left, right)
        assert all(one.until == other.since for one, other in pairwise(pieces))
        inner = [piece for _, piece in parts.spans if piece.since < piece.until]
        if inner:
            bounds = min(piece.since for piece in inner), max(piece.until for piece in inner)
            assert parts.whole == Piece(*bounds)
        else:
            assert parts.whole.since >= parts.whole.until


@pytest.mark.parametrize("seed", range(3))
def test_the_pieces_are_whole_spans_and_few(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(200):
        since = NOW + chance.randrange(40 * DAY)
        until = since + chance.randrange(chance.choice((MINUTE, 3 * MINUTE, 3 * HOUR, 3 * DAY, 400 * DAY)))
        parts = cut(since, until)
        assert sum(piece.until - piece.since for piece in parts.ends) < 2 * MINUTE
        spent = dict.fromkeys(SPANS, 0)
        for span, piece in parts.spans:
            assert begin_of(span, piece.since) == piece.since
            assert begin_of(span, piece.until) == piece.until
            spent[span] += max(0, piece.until - piece.since) // span
        assert all(spent[span] <= 2 * most for span, most in COUNTS.items())


def test_the_number_of_pieces_depends_on_which_bounds_there_are() -> None:
    for bounds, ends, spans in (((None, None), 0, 1), ((1, None), 1, 3), ((None, 1), 1, 3), ((1, 1), 2, 5)):
        for times in (0, 1, HOUR, DAY, NOW + 12_345_678):
            parts = cut(*(None if bound is None else bound * times for bound in bounds))
            assert (len(parts.ends), len(parts.spans)) == (ends, spans)
