"""What clients do with the requests of a queue: add, look up, update, delete, list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from actorium.database import Row, Tx
from actorium.http.paging import clamp_limit
from actorium.kernel.errors import InvalidInput
from actorium.kernel.instant import Instant
from actorium.kernel.limits import (
    CLIENT_KEY_CHARS_MAX,
    LISTED_BYTES_MAX,
    LISTED_REQUESTS_DEFAULT,
    LISTED_REQUESTS_MAX,
    LISTED_ROWS_PER_STEP,
    REQUESTS_PER_BATCH_MAX,
)
from actorium.kernel.meter import Usage
from actorium.kernel.principal import Principal
from actorium.kernel.structs import UNSET
from actorium.request_queues import store
from actorium.request_queues.errors import (
    DuplicateRequests,
    InvalidClientKey,
    RequestHandledOrLocked,
    RequestNotFound,
)
from actorium.request_queues.model import (
    AddedRequest,
    BatchAdded,
    BatchDeleted,
    DeletedRequest,
    ListOfRequests,
    Registration,
    RequestDraft,
    RequestsQuery,
    State,
)
from actorium.request_queues.requests import (
    Draft,
    behind_cursor,
    cursor_behind,
    document_with,
    draft_of,
    request_id,
)
from actorium.request_queues.service import RequestQueues
from actorium.request_queues.store import Client, Entered
from actorium.storages import errors
from actorium.storages.kinds import REQUEST_QUEUES
from actorium.storages.model import Stored

T = TypeVar("T")


class Visitors:
    """Lets clients into queues: finds the queue, checks the right, holds its row, notes who came."""

    def __init__(self, queues: RequestQueues) -> None:
        self.queues = queues

    def client(self, principal: Principal, key: str | None) -> Client:
        """The caller as a client of queues; without a key it is a new one each time. Raises InvalidClientKey."""
        if key is not None and not 1 <= len(key) <= CLIENT_KEY_CHARS_MAX:
            raise InvalidClientKey
        return Client(key or self.queues.ids.new(), principal.run_id or "")

    async def change(
        self,
        principal: Principal,
        address: str,
        client: Client,
        work: Callable[[Tx, Entered], T],
        *,
        places: int = 0,
        writes: int = 1,
    ) -> T:
        """Run a work on a queue of the caller's own, whose row it holds. Raises NotFound, Forbidden."""

        def entered(tx: Tx) -> T:
            stored = self.queues.storages.writable(tx, principal, address)
            queue = store.enter(tx, stored.id, client, now=self.queues.clock.now(), places=places)
            if queue is None:
                raise errors.missing(REQUEST_QUEUES)
            return work(tx, queue)

        result = await self.queues.database.write(entered)
        self.queues.meter.count(principal.run_id, Usage.REQUEST_QUEUE_WRITES, writes)
        return result

    async def look(
        self,
        principal: Principal,
        address: str,
        client: Client | None,
        work: Callable[[Tx, Stored], T],
        *,
        lists: int = 0,
    ) -> tuple[Stored, T, bool]:
        """Run a read on a queue; also whether it had several clients, counting this one if it is the owner's."""

        def seen(tx: Tx) -> tuple[Stored, T]:
            stored = self.queues.storages.readable(tx, principal, address)
            return stored, work(tx, stored)

        stored, result = await self.queues.database.read(seen)
        had_multiple = bool(stored.own["had_multiple_clients"])
        is_new = client is not None and stored.own["client_key"] != client.key and not had_multiple
        if is_new and client is not None and stored.owner_id == principal.user_id:
            had_multiple = await self.queues.database.write(lambda tx: store.note_client(tx, stored.id, client))
        self.queues.storages.saw(stored.id, reads=1, lists=lists)
        self.queues.meter.count(principal.run_id, Usage.REQUEST_QUEUE_READS)
        return stored, result, had_multiple


class Requests:
    """The requests of queues."""

    def __init__(self, queues: RequestQueues) -> None:
        self._visitors = Visitors(queues)
        self._clock = queues.clock

    async def add(
        self, principal: Principal, address: str, given: dict[str, Any], *, forefront: bool, client_key: str | None
    ) -> Registration:
        """Add a request unless it is there. Raises RequestIdInvalid, InvalidInput."""
        [added] = await self._add(principal, address, [draft_of(given)], forefront=forefront, client_key=client_key)
        return Registration(
            request_id=added.request_id,
            was_already_present=added.was_already_present,
            was_already_handled=added.was_already_handled,
        )

    async def add_batch(
        self,
        principal: Principal,
        address: str,
        given: list[dict[str, Any]],
        *,
        forefront: bool,
        client_key: str | None,
    ) -> BatchAdded:
        """Add up to 25 requests, each unless it is there. Raises as ``add`` does, and DuplicateRequests."""
        drafts = [draft_of(one) for one in given]
        _check_batch([draft.id for draft in drafts])
        added = await self._add(principal, address, drafts, forefront=forefront, client_key=client_key)
        return BatchAdded(processed_requests=added, unprocessed_requests=[])

    async def _add(
        self, principal: Principal, address: str, drafts: Sequence[Draft], *, forefront: bool, client_key: str | None
    ) -> list[AddedRequest]:
        def work(tx: Tx, queue: Entered) -> list[AddedRequest]:
            known = store.known(tx, queue.id, [draft.id for draft in drafts])
            new = [draft for draft in drafts if draft.id not in known]
            if new:
                # within one batch at the front, the first stays the first
                first = -queue.last_place if forefront else queue.first_place
                store.add(tx, queue.id, [(draft, first + at) for at, draft in enumerate(new)])
            store.count(
                tx,
                queue.id,
                total=len(new),
                handled=sum(draft.handled for draft in new),
                size=sum(draft.size for draft in new),
                writes=len(drafts),
            )
            return [
                AddedRequest(
                    request_id=draft.id,
                    unique_key=draft.head.unique_key,
                    was_already_present=draft.id in known,
                    was_already_handled=draft.id in known and known[draft.id].handled,
                )
                for draft in drafts
            ]

        client = self._visitors.client(principal, client_key)
        return await self._visitors.change(principal, address, client, work, places=len(drafts), writes=len(drafts))

    async def get(self, principal: Principal, address: str, id: str) -> msgspec.Raw:
        """A request with all its sender put into it. Raises NotFound, RequestNotFound."""
        _, row, _ = await self._visitors.look(
            principal, address, None, lambda tx, stored: store.find(tx, stored.id, id)
        )
        if row is None:
            raise RequestNotFound
        return self._shown(row)

    async def update(
        self,
        principal: Principal,
        address: str,
        id: str,
        given: dict[str, Any],
        *,
        forefront: bool,
        client_key: str | None,
    ) -> Registration:
        """Write over a request, or add it. Raises RequestIdInvalid, RequestHandledOrLocked."""
        draft = draft_of(given, id=id)
        client = self._visitors.client(principal, client_key)

        def work(tx: Tx, queue: Entered) -> Registration:
            old = store.known(tx, queue.id, [id]).get(id)
            place = -queue.last_place if forefront else queue.last_place
            if old is None:
                store.add(tx, queue.id, [(draft, place)])
            else:
                if old.locked_for(client, queue.modified_at):
                    raise RequestHandledOrLocked
                lock = old.lock_expires_at if old.lock_expires_at > queue.modified_at else Instant(0)
                if lock:
                    place = store.unlock_place(lock, forefront=forefront)
                store.replace(tx, queue.id, draft, place=place, lock_expires_at=lock)
            store.count(
                tx,
                queue.id,
                total=int(old is None),
                handled=int(draft.handled) - int(old is not None and old.handled),
                size=draft.size - (old.size if old else 0),
                writes=1,
            )
            return Registration(
                request_id=id,
                was_already_present=old is not None,
                was_already_handled=old is not None and old.handled,
            )

        return await self._visitors.change(principal, address, client, work, places=1)

    async def delete(self, principal: Principal, address: str, id: str, *, client_key: str | None) -> None:
        """Delete a request; absent is success. Raises RequestHandledOrLocked if another client holds it."""
        client = self._visitors.client(principal, client_key)

        def work(tx: Tx, queue: Entered) -> None:
            if _delete(tx, queue, client, [id])[id] is False:
                raise RequestHandledOrLocked

        await self._visitors.change(principal, address, client, work)

    async def delete_batch(
        self, principal: Principal, address: str, named: list[DeletedRequest], *, client_key: str | None
    ) -> BatchDeleted:
        """Delete up to 25 requests; those that another client holds are left and told."""
        ids = [_id_of(one) for one in named]
        _check_batch(ids)
        client = self._visitors.client(principal, client_key)
        done = await self._visitors.change(
            principal, address, client, lambda tx, queue: _delete(tx, queue, client, ids), writes=len(ids)
        )
        return BatchDeleted(
            processed_requests=[
                msgspec.structs.replace(one, id=true_id)
                for one, true_id in zip(named, ids, strict=True)
                if done[true_id]
            ],
            unprocessed_requests=[
                RequestDraft(id=true_id, unique_key=one.unique_key or UNSET)
                for one, true_id in zip(named, ids, strict=True)
                if not done[true_id]
            ],
        )

    async def page(self, principal: Principal, address: str, query: RequestsQuery) -> ListOfRequests:
        """A page of requests in the order of their ids. Raises InvalidInput for a cursor that is none."""
        if query.filter and query.exclusive_start_id is not None:
            raise InvalidInput("filter cannot be used with exclusiveStartId: use cursor.")
        limit = clamp_limit(query.limit, default=LISTED_REQUESTS_DEFAULT, cap=LISTED_REQUESTS_MAX)
        after = behind_cursor(query.cursor) if query.cursor else query.exclusive_start_id or ""
        states = query.filter or []
        now = self._clock.now()

        def work(tx: Tx, stored: Stored) -> tuple[list[Row], bool]:
            rows: list[Row] = []
            size = 0
            while size < LISTED_BYTES_MAX and len(rows) <= limit:
                wanted = min(LISTED_ROWS_PER_STEP, limit + 1 - len(rows))
                step = store.listed(
                    tx,
                    stored.id,
                    after=rows[-1]["id"] if rows else after,
                    only_locked=State.LOCKED in states,
                    only_pending=State.PENDING in states,
                    now=now,
                    limit=wanted,
                )
                rows += step
                size += sum(row["byte_count"] for row in step)
                if len(step) < wanted:
                    return rows, False
            return rows[:limit], True

        client = self._visitors.client(principal, query.client_key)
        _, (rows, more), _ = await self._visitors.look(principal, address, client, work)
        return ListOfRequests(
            items=[self._shown(row, with_client=True) for row in rows],
            limit=limit,
            cursor=query.cursor or UNSET,
            next_cursor=cursor_behind(rows[-1]["id"]) if more else UNSET,
            exclusive_start_id=query.exclusive_start_id or UNSET,
        )

    def _shown(self, row: Row, *, with_client: bool = False) -> msgspec.Raw:
        expires_at = Instant(row["lock_expires_at"])
        if row["order_no"] is None or expires_at <= self._clock.now():
            return document_with(row["document"])
        if with_client:
            return document_with(row["document"], lockExpiresAt=expires_at, lockByClient=row["lock_client"])
        return document_with(row["document"], lockExpiresAt=expires_at)


def _delete(tx: Tx, queue: Entered, client: Client, ids: Sequence[str]) -> dict[str, bool]:
    """For each id whether it is gone; False for what another client holds."""
    known = store.known(tx, queue.id, ids)
    held = {known_id for known_id, one in known.items() if one.locked_for(client, queue.modified_at)}
    gone = [one for known_id, one in known.items() if known_id not in held]
    for gone_id in known.keys() - held:
        store.delete(tx, queue.id, gone_id)
    store.count(
        tx,
        queue.id,
        total=-len(gone),
        handled=-sum(one.handled for one in gone),
        size=-sum(one.size for one in gone),
        deletes=len(gone),
    )
    return {one: one not in held for one in ids}


def _id_of(named: DeletedRequest) -> str:
    if named.id:
        return named.id
    if not named.unique_key:
        raise InvalidInput("Each request to delete needs an id or a uniqueKey.")
    return request_id(named.unique_key)


def _check_batch(ids: Sequence[str]) -> None:
    if not 1 <= len(ids) <= REQUESTS_PER_BATCH_MAX:
        raise InvalidInput(f"A batch holds 1 to {REQUESTS_PER_BATCH_MAX} requests; this one has {len(ids)}.")
    if len(set(ids)) < len(ids):
        raise DuplicateRequests
