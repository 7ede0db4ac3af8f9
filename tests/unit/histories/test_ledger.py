"""The history checker sees what it is there to see."""

from __future__ import annotations

from typing import Any

import pytest

from histories.ledger import (
    Handled,
    Ledger,
    Lock,
    Push,
    Put,
    wrong_handling,
    wrong_items,
    wrong_locks,
    wrong_record,
    wrong_requests,
)


def items(*numbers: int, pusher: str = "a") -> list[dict[str, Any]]:
    return [{"pusher": pusher, "n": n} for n in numbers]


PUSHES = [Push("a", 0, 1, acked=True), Push("a", 1, 3, acked=True), Push("a", 4, 2), Push("a", 6, 1, acked=True)]


@pytest.mark.parametrize("found", [items(0, 1, 2, 3, 6), items(0, 1, 2, 3, 4, 5, 6)])
def test_a_push_without_an_answer_is_there_or_not(found: list[dict[str, Any]]) -> None:
    assert wrong_items(PUSHES, found) == []


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (items(0, 1, 2, 3), "lost"),
        (items(0, 1, 2, 3, 4, 6), "only 1 items"),
        (items(0, 1, 2, 3, 3, 6), "twice"),
        (items(1, 0, 2, 3, 6), "out of order"),
        (items(0, 1, 2, 3, 6, 7), "nobody pushed"),
        ([*items(0, 1, 2), *items(0, pusher="b"), *items(3, 6)], "not together"),
        ([*items(0, 1, 2, 3, 6), *items(0, pusher="b")], "nobody pushed"),
    ],
)
def test_items_that_are_wrong_are_told(found: list[dict[str, Any]], what: str) -> None:
    assert any(what in one for one in wrong_items(PUSHES, found))


def test_a_record_is_the_last_acknowledged_one_or_a_later_one() -> None:
    puts = [Put("k", 1, acked=True), Put("k", 2, acked=True), Put("k", 3)]
    assert [wrong_record(puts, version) == "" for version in (1, 2, 3, 4, None)] == [False, True, True, False, False]
    unsure = [Put("k", 1), Put("k", 2)]
    assert [wrong_record(unsure, version) == "" for version in (1, 2, None)] == [True, True, True]


def lock(worker: str, sent: float, received: float, expires: float = 100) -> Lock:
    return Lock(worker, "r", sent, received, expires)


def done(worker: str, sent: float, received: float, *, first: bool = True) -> Handled:
    return Handled(worker, "r", sent, received, acked=True, first=first)


@pytest.mark.parametrize(
    ("ledger", "what"),
    [
        (Ledger(locks=[lock("a", 0, 1), lock("b", 2, 3)]), "at once"),
        (Ledger(locks=[lock("a", 0, 5), lock("b", 2, 3)]), "at once"),
        (Ledger(locks=[lock("a", 0, 1), lock("b", 6, 7, 200)], handled=[done("a", 2, 3)]), "after it was handled"),
    ],
)
def test_locks_that_overlap_are_told(ledger: Ledger, what: str) -> None:
    assert any(what in one for one in wrong_locks(ledger))


@pytest.mark.parametrize(
    "ledger",
    [
        Ledger(locks=[lock("a", 0, 1), lock("b", 99, 101, 300)]),
        Ledger(locks=[lock("a", 0, 1), lock("b", 5, 6)], released=[done("a", 2, 3)]),
        Ledger(locks=[lock("a", 0, 1), lock("b", 2, 5)], released=[done("a", 4, 9)]),
    ],
)
def test_locks_that_follow_each_other_are_fine(ledger: Ledger) -> None:
    assert wrong_locks(ledger) == []


def test_a_request_is_handled_once() -> None:
    again = done("b", 5, 6, first=False)
    assert wrong_handling(Ledger(handled=[done("a", 1, 2), again])) == []
    assert wrong_handling(Ledger(handled=[done("a", 1, 2), done("b", 5, 6)])) == ["r was handled by a and b"]


@pytest.mark.parametrize(
    ("keys", "counters", "wrong"),
    [
        (["x", "y"], (2, 2, 0), 0),
        (["x"], (1, 1, 0), 0),
        (["y"], (1, 1, 0), 1),
        (["x", "x"], (1, 1, 0), 1),
        (["x", "z"], (2, 2, 0), 1),
        (["x", "y"], (2, 1, 1), 2),
        (["x", "y"], (3, 2, 0), 1),
    ],
)
def test_requests_and_counters(keys: list[str], counters: tuple[int, int, int], wrong: int) -> None:
    ledger = Ledger(added={"x": True, "y": False})
    names = ("totalRequestCount", "handledRequestCount", "pendingRequestCount")
    assert len(wrong_requests(ledger, keys, dict(zip(names, counters, strict=True)))) == wrong
