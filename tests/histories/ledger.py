"""What clients of a server noted while it was killed again and again, and what must hold afterwards. Pure functions.

A client notes a call before it is sent and again when it is acknowledged. A call without an acknowledgement may have
happened or not, but whole; one with it has happened, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Push:
    """One push of ``count`` items by a pusher: items (pusher, first) to (pusher, first + count - 1)."""

    pusher: str
    first: int
    count: int
    acked: bool = False


@dataclass(slots=True)
class Put:
    """One write of a record; the body of a version is made from key and version, so it is known afterwards."""

    key: str
    version: int
    acked: bool = False


@dataclass(slots=True)
class Lock:
    """A request handed to a worker. Times are milliseconds of the machine's clock, which the server shares."""

    worker: str
    id: str
    sent: float
    received: float
    expires: float


@dataclass(slots=True)
class Handled:
    """A worker's update that marks a request as handled, or gives it back."""

    worker: str
    id: str
    sent: float
    received: float
    acked: bool
    first: bool
    """Whether the server said that it had not been handled before."""


@dataclass(slots=True)
class Ledger:
    """Everything all clients noted."""

    pushes: list[Push] = field(default_factory=list)
    puts: list[Put] = field(default_factory=list)
    added: dict[str, bool] = field(default_factory=dict)
    """From uniqueKey to whether its addition was acknowledged."""
    locks: list[Lock] = field(default_factory=list)
    handled: list[Handled] = field(default_factory=list)
    released: list[Handled] = field(default_factory=list)

    def counters(self) -> dict[str, int]:
        """How much happened, to be printed: a history in which nothing happened proves nothing."""
        return {
            "pushes": len(self.pushes),
            "pushes acknowledged": sum(one.acked for one in self.pushes),
            "items acknowledged": sum(one.count for one in self.pushes if one.acked),
            "puts": len(self.puts),
            "puts acknowledged": sum(one.acked for one in self.puts),
            "requests": len(self.added),
            "requests acknowledged": sum(self.added.values()),
            "locks": len(self.locks),
            "handled": sum(one.acked and one.first for one in self.handled),
        }


def wrong_items(pushes: Iterable[Push], items: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with the items of a dataset: lost, doubled, out of order, half a push, made up."""
    wrong: list[str] = []
    seen: dict[str, list[int]] = {}
    places: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        seen.setdefault(str(item["pusher"]), []).append(int(item["n"]))
        places.setdefault(str(item["pusher"]), []).append(place)
    by_pusher: dict[str, list[Push]] = {}
    for push in pushes:
        by_pusher.setdefault(push.pusher, []).append(push)
    for pusher, numbers in seen.items():
        if numbers != sorted(numbers):
            wrong.append(f"items of {pusher} are out of order")
        if len(set(numbers)) < len(numbers):
            wrong.append(f"items of {pusher} are there twice")
        known = {n for push in by_pusher.get(pusher, ()) for n in range(push.first, push.first + push.count)}
        if made_up := set(numbers) - known:
            wrong.append(f"items of {pusher} that nobody pushed: {sorted(made_up)[:5]}")
    for pusher, own in by_pusher.items():
        at = dict(zip(seen.get(pusher, ()), places.get(pusher, ()), strict=True))
        wrong += [f"{pusher}, push of {one.count} at {one.first}: {what}" for one in own if (what := _of_push(one, at))]
    return wrong


def _of_push(push: Push, at: Mapping[int, int]) -> str:
    there = [at[n] for n in range(push.first, push.first + push.count) if n in at]
    if not there:
        return "acknowledged and lost" if push.acked else ""
    if len(there) < push.count:
        return f"only {len(there)} items are there"
    return "" if there == list(range(there[0], there[0] + push.count)) else "its items are not together"


def wrong_record(puts: Sequence[Put], version: int | None) -> str:
    """What is wrong with the version found under a key, of which these are all writes, in order by one client."""
    last_acked = max((at for at, put in enumerate(puts) if put.acked), default=-1)
    legal = {put.version for put in puts[max(last_acked, 0) :]}
    if version is None:
        return f"{puts[0].key}: acknowledged and lost" if last_acked >= 0 else ""
    return "" if version in legal else f"{puts[0].key}: version {version} instead of one of {sorted(legal)}"


def wrong_locks(ledger: Ledger) -> list[str]:
    """Requests that two workers held at once, or that were handed out after they were handled."""
    wrong: list[str] = []
    given_up: dict[tuple[str, str], list[float]] = {}
    for event in (*ledger.handled, *ledger.released):
        given_up.setdefault((event.worker, event.id), []).append(event.sent)
    done = {one.id: one.received for one in ledger.handled if one.acked}
    by_id: dict[str, list[Lock]] = {}
    for lock in ledger.locks:
        if lock.sent > done.get(lock.id, float("inf")):
            wrong.append(f"{lock.id} was handed to {lock.worker} after it was handled")
        by_id.setdefault(lock.id, []).append(lock)
    for one_id, locks in by_id.items():
        for at, first in enumerate(locks):
            wrong += [
                f"{one_id} was held by {first.worker} and {second.worker} at once"
                for second in locks[at + 1 :]
                if not _may_both(first, second, given_up)
            ]
    return wrong


def _may_both(one: Lock, other: Lock, given_up: Mapping[tuple[str, str], Sequence[float]]) -> bool:
    def may_follow(earlier: Lock, later: Lock) -> bool:
        if later.received >= earlier.expires:
            return True
        return any(
            earlier.received <= sent <= later.received for sent in given_up.get((earlier.worker, earlier.id), ())
        )

    if one.received < other.sent:
        return may_follow(one, other)
    if other.received < one.sent:
        return may_follow(other, one)
    return may_follow(one, other) or may_follow(other, one)


def wrong_handling(ledger: Ledger) -> list[str]:
    """Requests that were handled twice."""
    by: dict[str, list[str]] = {}
    for one in ledger.handled:
        if one.acked and one.first:
            by.setdefault(one.id, []).append(one.worker)
    return [f"{one_id} was handled by {' and '.join(workers)}" for one_id, workers in by.items() if len(workers) > 1]


def wrong_requests(ledger: Ledger, keys: Sequence[str], counters: Mapping[str, int]) -> list[str]:
    """What is wrong with the unique keys found in a queue whose every request has been handled by now."""
    wrong: list[str] = []
    there = set(keys)
    if len(there) < len(keys):
        wrong.append("a request is listed twice")
    if lost := [key for key, acked in ledger.added.items() if acked and key not in there]:
        wrong.append(f"requests acknowledged and lost: {lost[:5]}")
    if made_up := there - ledger.added.keys():
        wrong.append(f"requests that nobody added: {sorted(made_up)[:5]}")
    expected = {
        "totalRequestCount": len(there),
        "handledRequestCount": len(there),
        "pendingRequestCount": 0,
    }
    wrong += [
        f"{name} is {counters[name]} instead of {count}" for name, count in expected.items() if counters[name] != count
    ]
    return wrong
