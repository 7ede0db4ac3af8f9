"""Query strings: what clients send, and what is told to those who send nonsense."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, UnsetType

from actorium.http.paging import PageQuery
from actorium.http.query import parse_query, query_reader
from actorium.kernel.errors import ActoriumError, Invalid
from actorium.kernel.instant import Instant
from actorium.kernel.limits import PAGE_ITEMS_MAX
from actorium.kernel.structs import Wire


class Status(StrEnum):
    READY = "READY"
    TIMED_OUT = "TIMED-OUT"


class Query(Wire, kw_only=True, frozen=True):
    wait_for_finish: int | None = None
    gracefully: bool = False
    max_total_charge_usd: float | None = None
    status: tuple[Status, ...] = ()
    fields: list[str] = []
    started_after: Instant | None = None
    name: str | None = None
    order: Literal["asc", "desc"] = "asc"
    restart: bool | UnsetType = UNSET
    lock_secs: Annotated[int, Meta(ge=1, le=10)] = 5
    either: Annotated[int, Meta(ge=0)] | None = None


class Needs(Wire, kw_only=True, frozen=True):
    target_actor_id: str


read = query_reader(Query)


def query(text: str) -> Any:
    return read(parse_query(text.encode()))


@pytest.mark.parametrize("text", ["1", "true", "TRUE", "True"])
def test_true(text: str) -> None:
    assert query(f"gracefully={text}").gracefully is True


@pytest.mark.parametrize("text", ["0", "false", "FALSE", "False", ""])
def test_false(text: str) -> None:
    assert query(f"gracefully={text}").gracefully is False


def test_values() -> None:
    got = query(
        "waitForFinish=999999&maxTotalChargeUsd=1.5&status=READY,%20TIMED-OUT,&fields=a%2Cb,c&order=desc"
        "&startedAfter=2026-01-31T12:00:00.000Z&name=a+b%21&restart=0&unknown=1&token=x"
    )
    assert got == Query(
        wait_for_finish=999_999,
        max_total_charge_usd=1.5,
        status=(Status.READY, Status.TIMED_OUT),
        fields=["a", "b", "c"],
        order="desc",
        started_after=Instant.parse("2026-01-31T12:00:00Z"),
        name="a b!",
        restart=False,
    )


@pytest.mark.parametrize(("text", "number"), [("300", 300), ("300.0", 300), ("300.5", 301), ("-1", -1), ("3e2", 300)])
def test_integers_may_be_written_as_fractions(text: str, number: int) -> None:
    assert query(f"waitForFinish={text}").wait_for_finish == number


def test_nothing_given_is_the_default_and_costs_no_new_object() -> None:
    assert query("") is query("unknown=1")
    assert query("restart=") == Query()


def test_the_last_of_repeated_parameters_wins() -> None:
    assert query("name=a&name=b").name == "b"
    assert query("name=a&name=").name is None


def test_an_offset_whose_plus_sign_was_not_encoded() -> None:
    expected = Instant.parse("2026-01-31T12:00:00+02:00")
    assert query("startedAfter=2026-01-31T12:00:00%2B02:00").started_after == expected
    assert query("startedAfter=2026-01-31T12:00:00+02:00").started_after == expected
    assert query("startedAfter=2026-01-31").started_after == Instant.parse("2026-01-31")


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("gracefully=yes", "invalid-parameter", '"gracefully" has the value "yes": expected a boolean'),
        ("waitForFinish=x", "invalid-parameter", '"waitForFinish" has the value "x": expected a number'),
        ("waitForFinish=nan", "invalid-parameter", "finite"),
        ("waitForFinish=1e400", "invalid-parameter", "finite"),
        ("waitForFinish=1_000", "invalid-parameter", "number"),
        ("maxTotalChargeUsd=-inf", "invalid-parameter", "finite"),
        ("status=READY,DONE", "param-not-one-of", "expected one of READY, TIMED-OUT"),
        ("order=up", "param-not-one-of", "expected one of asc, desc"),
        ("startedAfter=soon", "invalid-parameter", "ISO 8601"),
        ("startedAfter=0001-01-01T00:00:00%2B14:00", "invalid-parameter", "ISO 8601"),
        ("lockSecs=11", "invalid-value", "`int` <= 10"),
        ("either=-1", "invalid-value", "`int` >= 0"),
        ("name=a%00b", "invalid-parameter", "zero character"),
        ("&".join(["a=1"] * 201), "invalid-parameter", "more than 200"),
    ],
)
def test_refusals_name_the_parameter_and_what_is_accepted(text: str, kind: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        query(text)
    assert caught.value.type == kind
    assert says in caught.value.message


def test_required_parameters() -> None:
    reader = query_reader(Needs)
    assert reader({"targetActorId": "a"}) == Needs(target_actor_id="a")
    with pytest.raises(Invalid, match='"targetActorId" is required') as caught:
        reader({})
    assert caught.value.type == "parameter-required"


def test_fields_that_no_query_can_hold_stop_the_start() -> None:
    class Odd(Wire, kw_only=True, frozen=True):
        nested: dict[str, int] | None = None

    with pytest.raises(TypeError, match=r"Odd\.nested"):
        query_reader(Odd)


def test_paging_clamps_and_reads_zero_as_none_given() -> None:
    reader = query_reader(PageQuery)
    assert reader({}).most() == 1000
    assert reader({"limit": "0"}).most() == 1000
    assert reader({"limit": "10"}).most() == 10
    assert reader({"limit": "99999999"}).most() == 1000
    assert reader({"limit": "5000"}).most(cap=10_000) == 5000
    with pytest.raises(Invalid):
        reader({"offset": "-1"})


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        read(parse_query(raw))
    except ActoriumError as error:
        assert isinstance(error, Invalid)


@given(
    st.sampled_from(list(Query.__struct_encode_fields__)),
    st.one_of(st.text(max_size=40), st.from_regex(r"[-+]?[0-9.e_:TZ+, -]{0,40}", fullmatch=True)),
)
def test_any_value_is_read_or_refused(name: str, text: str) -> None:
    try:
        read({name: text})
    except ActoriumError as error:
        assert isinstance(error, Invalid)
        assert name in error.message


@pytest.mark.parametrize("text", ["9007199254740993", "9999999999999999999", "1e30"])
def test_what_is_too_large_is_clamped_and_not_refused(text: str) -> None:
    assert query_reader(PageQuery)({"limit": text}).most() == PAGE_ITEMS_MAX
