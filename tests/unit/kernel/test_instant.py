"""Instants: whole milliseconds, printed with three decimals and Z, read from anything ISO 8601."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorium.kernel.ids import ALPHABET, ID_LENGTH, RandomIds, SeededIds
from actorium.kernel.instant import Instant
from actorium.kernel.structs import Wire, decode, encode

LAST = 253_402_300_799_999  # the end of the year 9999


class Moment(Wire, kw_only=True, frozen=True):
    happened_at: Instant


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("2019-11-30T07:34:24.202Z", "2019-11-30T07:34:24.202Z"),
        ("2019-11-30T07:34:24Z", "2019-11-30T07:34:24.000Z"),
        ("2019-11-30T09:34:24.2+02:00", "2019-11-30T07:34:24.200Z"),
        ("2019-11-30T07:34:24.2029999Z", "2019-11-30T07:34:24.202Z"),
        ("2019-11-30", "2019-11-30T00:00:00.000Z"),
        ("2019-11-30 07:34", "2019-11-30T07:34:00.000Z"),
    ],
)
def test_parse(text: str, printed: str) -> None:
    assert str(Instant.parse(text)) == printed


@pytest.mark.parametrize("text", ["", "yesterday", "2019-13-01", "2019-11-30T25:00:00Z", "1", "2019-11-30T07"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Instant.parse(text)


@given(st.integers(0, LAST))
def test_print_and_parse_are_inverse(millis: int) -> None:
    assert Instant.parse(str(Instant(millis))) == millis


@given(st.integers(0, LAST))
def test_the_wire_keeps_it(millis: int) -> None:
    moment = Moment(happened_at=Instant(millis))
    assert encode(moment) == b'{"happenedAt":"%s"}' % str(moment.happened_at).encode()
    assert decode(encode(moment), Moment) == moment


def test_ids_are_seventeen_of_the_alphabet_and_differ() -> None:
    made = {RandomIds().new() for _ in range(2000)}
    assert len(made) == 2000
    assert {len(one) for one in made} == {ID_LENGTH}
    assert set("".join(made)) == set(ALPHABET)


def test_the_same_seed_gives_the_same_ids() -> None:
    first, second = SeededIds(7), SeededIds(7)
    assert [first.new() for _ in range(5)] == [second.new() for _ in range(5)]
    assert SeededIds(8).new() != SeededIds(7).new()
