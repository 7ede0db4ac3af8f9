"""What a request queue is, in the simplest words that are still exact: a model for tests to compare with.

It knows no places. Each waiting request has the moment at which it came to where it stands, and where several came
together, their order; requests that came at one moment by different ways may stand in either order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count


class Refused(Exception):
    """Handled already, or locked by another client."""


class Missing(Exception):
    """There is no such request."""


@dataclass(frozen=True)
class Who:
    """A client, and the run it works in ('' for none)."""

    key: str
    run: str = ""


@dataclass(frozen=True)
class Stand:
    """Where a request stands: in front of or among those that wait, since when, and its order among its company."""

    front: bool
    since: int
    company: int
    rank: int

    def before(self, other: Stand) -> bool:
        """Whether it is certain to come first."""
        if self.front != other.front:
            return self.front
        if self.since != other.since:
            return (self.since > other.since) == self.front
        return self.company == other.company and self.rank < other.rank


@dataclass
class Request:
    """One request."""

    stand: Stand
    handled: bool
    note: int
    """Stands for all else that its sender put into it."""
    locked_until: int = 0
    holder: Who = Who("")


ADDED = 0  # the company of all that is put at an end of the queue, one after the other


@dataclass
class QueueModel:
    """A queue. Moments are milliseconds; every method that changes the queue is given the present one."""

    requests: dict[int, Request] = field(default_factory=dict)
    first_client: str | None = None
    several_clients: bool = False
    latest: int = 0
    _ranks: count[int] = field(default_factory=lambda: count(1))
    _companies: count[int] = field(default_factory=lambda: count(1))

    # looking

    def locked(self, number: int, now: int) -> bool:
        request = self.requests[number]
        return not request.handled and request.locked_until > now

    def pending(self) -> set[int]:
        return {number for number, request in self.requests.items() if not request.handled}

    def waiting(self, now: int) -> set[int]:
        return {number for number in self.pending() if not self.locked(number, now)}

    def in_order(self, numbers: list[int]) -> bool:
        """Whether none of these stands behind one that comes after it."""
        stands = [self.requests[number].stand for number in numbers]
        return not any(stands[b].before(stands[a]) for b in range(len(stands)) for a in range(b))

    def heads(self, numbers: list[int], now: int) -> bool:
        """Whether these are the first of those that wait, in order."""
        rest = self.waiting(now) - set(numbers)
        stands = self.requests
        return (
            set(numbers) <= self.waiting(now)
            and self.in_order(numbers)
            and not any(stands[left].stand.before(stands[taken].stand) for left in rest for taken in numbers)
        )

    # changing

    def seen(self, who: Who) -> None:
        """A client has come."""
        if self.first_client is None:
            self.first_client = who.key
        self.several_clients |= who.key != self.first_client

    def add(
        self, who: Who, given: dict[int, tuple[int, bool]], now: int, *, front: bool
    ) -> dict[int, tuple[bool, bool]]:
        """Add numbers with their notes, some as handled already; for each whether it was present, and handled."""
        self._entered(who, now)
        found = {}
        stands = self._ends(len(given), front=front)
        for (number, (note, handled)), stand in zip(given.items(), stands, strict=True):
            old = self.requests.get(number)
            found[number] = (old is not None, old is not None and old.handled)
            if old is None:
                self.requests[number] = Request(stand, handled, note)
        return found

    def update(self, who: Who, number: int, note: int, now: int, *, handled: bool, front: bool) -> tuple[bool, bool]:
        """Write over a request or add it; whether it was present, and handled."""
        old = self.requests.get(number)
        if old is not None and self._held_by_other(old, who, now):
            raise Refused
        self._entered(who, now)
        [stand] = self._ends(1, front=front)
        until, holder = 0, Who("")
        if old is not None and not old.handled and old.locked_until > now:
            until, holder = old.locked_until, old.holder
            stand = Stand(front, until, next(self._companies), 0)
        if handled:
            until = 0
        elif old is not None:
            holder = old.holder
        self.requests[number] = Request(stand, handled, note, until, holder)
        return (old is not None, old is not None and old.handled)

    def delete(self, who: Who, numbers: Iterable[int], now: int) -> set[int]:
        """Delete what nobody else holds; what stays."""
        self._entered(who, now)
        held = {n for n in numbers if n in self.requests and self._held_by_other(self.requests[n], who, now)}
        for number in set(numbers) - held:
            self.requests.pop(number, None)
        return held

    def lock(self, who: Who, numbers: list[int], until: int, now: int) -> None:
        """These were handed out."""
        self._entered(who, now)
        company = next(self._companies)
        for rank, number in enumerate(numbers):
            request = self.requests[number]
            request.stand = Stand(request.stand.front, until, company, rank)
            request.locked_until, request.holder = until, who

    def prolong(self, who: Who, number: int, until: int, now: int, *, front: bool) -> None:
        """A lock, or an ended one that nobody took since, holds longer."""
        request = self.requests.get(number)
        if request is None:
            raise Missing
        if request.handled or not request.locked_until or not _same(request.holder, who):
            raise Refused
        self._entered(who, now)
        request.locked_until = until
        request.stand = Stand(front, until, next(self._companies), 0)

    def unlock(self, who: Who, number: int, now: int, *, front: bool) -> None:
        """Give back; what is not locked stays where it is."""
        request = self.requests.get(number)
        if request is None:
            raise Missing
        if request.handled or self._held_by_other(request, who, now):
            raise Refused
        self._entered(who, now)
        if request.locked_until > now:
            [request.stand] = self._ends(1, front=front)
            request.locked_until, request.holder = 0, Who("")

    def held(self, who: Who, now: int) -> set[int]:
        """What a client, or its run, holds."""
        return {n for n in self.pending() if self.locked(n, now) and _same(self.requests[n].holder, who)}

    def unlock_all(self, who: Who, numbers: list[int], now: int) -> None:
        """These were given back, and then stood in this order."""
        self._entered(who, now)
        for front in (True, False):
            side = [number for number in numbers if self.requests[number].stand.front == front]
            for number, stand in zip(side, self._ends(len(side), front=front), strict=True):
                request = self.requests[number]
                request.stand, request.locked_until, request.holder = stand, 0, Who("")

    def _ends(self, size: int, *, front: bool) -> list[Stand]:
        """So many places at the end; or at the front, where the first stays the first and later ones come before."""
        ranks = [next(self._ranks) for _ in range(size)]
        if front:
            ranks = [-rank for rank in reversed(ranks)]
        return [Stand(front, self.latest, ADDED, rank) for rank in ranks]

    def _entered(self, who: Who, now: int) -> None:
        self.seen(who)
        self.latest = max(self.latest, now)

    def _held_by_other(self, request: Request, who: Who, now: int) -> bool:
        return not request.handled and request.locked_until > now and not _same(request.holder, who)


def _same(holder: Who, who: Who) -> bool:
    return holder.key == who.key or (who.run != "" and holder.run == who.run)
