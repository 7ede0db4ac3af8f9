"""Reading the requests of a queue: one, or page by page.

All requests come in the order of their ids, which never changes: each is listed once, whatever is done meanwhile. Those
that are locked or pending come in the order of the queue, so that handled ones are not even looked at: a request that
is given another place between two pages may be listed twice or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from actorium.database import Row, Tx
from actorium.http.paging import clamp_limit
from actorium.kernel.errors import InvalidInput
from actorium.kernel.instant import Instant
from actorium.kernel.limits import (
    LISTED_BYTES_MAX,
    LISTED_REQUESTS_DEFAULT,
    LISTED_REQUESTS_MAX,
    LISTED_ROWS_PER_STEP,
)
from actorium.kernel.principal import Principal
from actorium.kernel.structs import UNSET
from actorium.request_queues import store
from actorium.request_queues.errors import RequestNotFound
from actorium.request_queues.model import ListOfRequests, RequestsQuery, State
from actorium.request_queues.requests import (
    PLACE_FIRST,
    PLACE_LAST,
    PLACES_PER_MILLI,
    Cursor,
    cursor_text,
    document_with,
    read_cursor,
)
from actorium.request_queues.service import RequestQueues
from actorium.request_queues.visitors import Visitors
from actorium.storages.model import Stored

Step = Callable[[Row | None, int], list[Row]]
"""So many rows behind one; None: from the start of the page."""


class Listing:
    """Shows requests as they are stored, and who has locked them."""

    def __init__(self, queues: RequestQueues) -> None:
        self._visitors = Visitors(queues)
        self._clock = queues.clock

    async def get(self, principal: Principal, address: str, id: str) -> msgspec.Raw:
        """A request with all its sender put into it. Raises NotFound, RequestNotFound."""
        _, row, _ = await self._visitors.look(
            principal, address, None, lambda tx, stored: store.find(tx, stored.id, id)
        )
        if row is None:
            raise RequestNotFound
        return self._shown(row)

    async def page(self, principal: Principal, address: str, query: RequestsQuery) -> ListOfRequests:
        """A page of requests. Raises InvalidInput for a cursor that is none, or is of another list."""
        cursor, states = _start(query)
        limit = clamp_limit(query.limit, default=LISTED_REQUESTS_DEFAULT, cap=LISTED_REQUESTS_MAX)
        now = self._clock.now()

        def work(tx: Tx, stored: Stored) -> tuple[list[Row], bool]:
            if not states:
                return _gather(_by_id(tx, stored.id, cursor), limit)
            return _gather(_in_order(tx, stored.id, cursor, states, now), limit)

        client = self._visitors.client(principal, query.client_key)
        _, (rows, more), _ = await self._visitors.look(principal, address, client, work)
        return ListOfRequests(
            items=[self._shown(row, with_client=True) for row in rows],
            limit=limit,
            cursor=query.cursor or UNSET,
            next_cursor=_behind(rows[-1], states) if more else UNSET,
            exclusive_start_id=query.exclusive_start_id or UNSET,
        )

    def _shown(self, row: Row, *, with_client: bool = False) -> msgspec.Raw:
        expires_at = Instant(row["lock_expires_at"])
        if row["order_no"] is None or expires_at <= self._clock.now():
            return document_with(row["document"])
        if with_client:
            return document_with(row["document"], lockExpiresAt=expires_at, lockByClient=row["lock_client"])
        return document_with(row["document"], lockExpiresAt=expires_at)


def _start(query: RequestsQuery) -> tuple[Cursor | None, list[State]]:
    """Where the page begins (None: at the beginning), and the states that are listed (none: all requests)."""
    states = query.filter or []
    if query.filter and query.exclusive_start_id is not None:
        raise InvalidInput("filter cannot be used with exclusiveStartId: use cursor.")
    if not query.cursor:
        return Cursor(request_id=query.exclusive_start_id) if query.exclusive_start_id else None, states
    cursor = read_cursor(query.cursor)
    if states and not cursor.states:
        raise InvalidInput("The cursor is of a list without a filter: begin again to narrow it.")
    return cursor, states or cursor.states


def _behind(row: Row, states: list[State]) -> str:
    return cursor_text(Cursor(request_id=row["id"], place=row["order_no"] if states else 0, states=states))


def _by_id(tx: Tx, queue_id: str, cursor: Cursor | None) -> Step:
    start = cursor.request_id if cursor else ""

    def step(last: Row | None, limit: int) -> list[Row]:
        return store.listed(tx, queue_id, after=last["id"] if last else start, limit=limit)

    return step


def _in_order(tx: Tx, queue_id: str, cursor: Cursor | None, states: list[State], now: Instant) -> Step:
    """Pending ones have any place; those that are only locked have one beyond the present, on either side."""
    if State.PENDING in states:
        ranges, locked_after = [(PLACE_FIRST, PLACE_LAST)], -1
    else:
        present = now * PLACES_PER_MILLI
        ranges, locked_after = [(PLACE_FIRST, -present - 1), (present + 1, PLACE_LAST)], int(now)
    start = (cursor.place, cursor.request_id) if cursor else (PLACE_FIRST, "")

    def step(last: Row | None, limit: int) -> list[Row]:
        after = (last["order_no"], last["id"]) if last else start
        rows: list[Row] = []
        for lowest, until in ranges:
            if len(rows) < limit and after[0] <= until:
                rows += store.listed_pending(
                    tx,
                    queue_id,
                    after=after if after[0] >= lowest else (lowest, ""),
                    until=until,
                    locked_after=locked_after,
                    limit=limit - len(rows),
                )
        return rows

    return step


def _gather(step: Step, limit: int) -> tuple[list[Row], bool]:
    """Up to ``limit`` rows, fewer where they are large; and whether there are more."""
    rows: list[Row] = []
    size = 0
    while size < LISTED_BYTES_MAX and len(rows) <= limit:
        wanted = min(LISTED_ROWS_PER_STEP, limit + 1 - len(rows))
        found = step(rows[-1] if rows else None, wanted)
        rows += found
        size += _size(found)
        if len(found) < wanted:
            return rows, False
    return rows[:limit], True


def _size(rows: Sequence[Row]) -> int:
    return sum(row["byte_count"] for row in rows)
