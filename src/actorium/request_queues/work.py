"""What clients do with the requests of a queue: add, update, delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from actorium.database import Tx
from actorium.kernel.errors import InvalidInput
from actorium.kernel.limits import REQUESTS_PER_BATCH_MAX
from actorium.kernel.principal import Principal
from actorium.request_queues import store
from actorium.request_queues.errors import DuplicateRequests, RequestHandledOrLocked
from actorium.request_queues.model import (
    AddedRequest,
    BatchAdded,
    BatchDeleted,
    DeletedRequest,
    HeadRequest,
    Registration,
    RequestDraft,
)
from actorium.request_queues.requests import Draft, draft_of, request_id
from actorium.request_queues.service import RequestQueues
from actorium.request_queues.store import Client, Entered, Known
from actorium.request_queues.visitors import Visitors


class Requests:
    """Changes the requests of queues."""

    def __init__(self, queues: RequestQueues) -> None:
        self._visitors = Visitors(queues)

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
        refused: bool = False,
    ) -> BatchAdded:
        """Add up to 25 requests, each unless it is there. Raises as ``add`` does, and DuplicateRequests.

        refused: the caller is over its rate, so nothing is added and it is told which to send again.
        """
        drafts = [draft_of(one) for one in given]
        _check_batch([draft.id for draft in drafts])
        if refused:
            return BatchAdded(processed_requests=[], unprocessed_requests=[_again(draft.head) for draft in drafts])
        added = await self._add(principal, address, drafts, forefront=forefront, client_key=client_key)
        return BatchAdded(processed_requests=added, unprocessed_requests=[])

    async def _add(
        self, principal: Principal, address: str, drafts: Sequence[Draft], *, forefront: bool, client_key: str | None
    ) -> list[AddedRequest]:
        def work(tx: Tx, queue: Entered) -> list[AddedRequest]:
            old = _add(tx, queue, drafts, forefront=forefront)
            queue.writes += len(drafts)
            return [
                AddedRequest(
                    request_id=draft.id,
                    unique_key=draft.head.unique_key,
                    was_already_present=draft.id in old,
                    was_already_handled=draft.id in old and old[draft.id].handled,
                )
                for draft in drafts
            ]

        client = self._visitors.client(principal, client_key)
        return await self._visitors.change(principal, address, client, work, writes=len(drafts))

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
            place = queue.take() * (-1 if forefront else 1)
            if old is None:
                store.add(tx, queue.id, [draft], first_place=place)
                queue.total += 1
            else:
                if old.locked_for(client, queue.now):
                    raise RequestHandledOrLocked
                lock = old.lock_expires_at if old.lock_expires_at > queue.now else 0
                if lock:
                    place = store.unlock_place(lock, forefront=forefront)
                store.replace(tx, queue.id, draft, place=place, lock_expires_at=lock)
                queue.handled -= old.handled
                queue.size -= old.size
            queue.handled += draft.handled
            queue.size += draft.size
            queue.writes += 1
            return Registration(
                request_id=id,
                was_already_present=old is not None,
                was_already_handled=old is not None and old.handled,
            )

        return await self._visitors.change(principal, address, client, work)

    async def delete(self, principal: Principal, address: str, id: str, *, client_key: str | None) -> None:
        """Delete a request; absent is success. Raises RequestHandledOrLocked if another client holds it."""
        client = self._visitors.client(principal, client_key)

        def work(tx: Tx, queue: Entered) -> None:
            if _delete(tx, queue, client, [id]):
                raise RequestHandledOrLocked

        await self._visitors.change(principal, address, client, work)

    async def delete_batch(
        self,
        principal: Principal,
        address: str,
        named: list[DeletedRequest],
        *,
        client_key: str | None,
        refused: bool = False,
    ) -> BatchDeleted:
        """Delete up to 25 requests; those that another client holds are left and told. refused: see ``add_batch``."""
        ids = [_id_of(one) for one in named]
        _check_batch(ids)
        client = self._visitors.client(principal, client_key)
        pairs = list(zip(named, ids, strict=True))
        if refused:
            left = {
                named_id: RequestDraft(id=named_id, unique_key=one.unique_key or "", url="") for one, named_id in pairs
            }
        else:
            left = await self._visitors.change(
                principal, address, client, lambda tx, queue: _delete(tx, queue, client, ids), writes=len(ids)
            )
        return BatchDeleted(
            processed_requests=[
                msgspec.structs.replace(one, id=named_id) for one, named_id in pairs if named_id not in left
            ],
            unprocessed_requests=list(left.values()),
        )


def _add(tx: Tx, queue: Entered, drafts: Sequence[Draft], *, forefront: bool) -> dict[str, Known]:
    """Store what is not there yet; what was there, by id."""
    first = queue.take(len(drafts))
    if forefront:
        first = -queue.last_place  # within one batch at the front, the first stays the first
    old: dict[str, Known] = {}
    if any(draft.handled for draft in drafts):  # they have no place to be recognised by
        old = store.known(tx, queue.id, [draft.id for draft in drafts])
        drafts = [draft for draft in drafts if draft.id not in old]
        store.add(tx, queue.id, drafts, first_place=first)
    elif store.add(tx, queue.id, drafts, first_place=first) < len(drafts):
        places = range(first, first + len(drafts))
        known = store.known(tx, queue.id, [draft.id for draft in drafts])
        old = {known_id: one for known_id, one in known.items() if one.lock_expires_at or one.place not in places}
        drafts = [draft for draft in drafts if draft.id not in old]
    queue.total += len(drafts)
    for draft in drafts:
        queue.handled += draft.handled
        queue.size += draft.size
    return old


def _delete(tx: Tx, queue: Entered, client: Client, ids: Sequence[str]) -> dict[str, RequestDraft]:
    """Delete what no other client holds; what one does, by id."""
    known = store.known(tx, queue.id, ids)
    held = [known_id for known_id, one in known.items() if one.locked_for(client, queue.now)]
    gone = {known_id: one for known_id, one in known.items() if known_id not in held}
    if gone:
        store.delete(tx, queue.id, list(gone))
    queue.total -= len(gone)
    queue.deletes += len(gone)
    for one in gone.values():
        queue.handled -= one.handled
        queue.size -= one.size
    return {head.id: _again(head) for head in store.heads(tx, queue.id, held)} if held else {}


def _again(head: HeadRequest) -> RequestDraft:
    """A request of a batch that its sender is to send again."""
    return RequestDraft(id=head.id, unique_key=head.unique_key, url=head.url, method=head.method)


def _id_of(named: DeletedRequest) -> str:
    if named.id and not (named.id.isascii() and named.id.isalnum()):
        raise InvalidInput(f"{named.id[:40]!r} is not the id of a request: ids are letters and digits.")
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
