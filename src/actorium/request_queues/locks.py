"""The head of a queue and the locks on its requests."""

from __future__ import annotations

from actorium.database import Tx
from actorium.http.paging import clamp_limit
from actorium.kernel.errors import InvalidInput
from actorium.kernel.instant import Instant
from actorium.kernel.limits import (
    HEAD_REQUESTS_DEFAULT,
    HEAD_REQUESTS_MAX,
    LOCKED_REQUESTS_MAX,
    REQUEST_LOCK_SECS_MAX,
    UNLOCKED_PER_STEP,
)
from actorium.kernel.principal import Principal
from actorium.request_queues import store
from actorium.request_queues.errors import RequestHandledOrLocked, RequestNotFound
from actorium.request_queues.model import (
    Head,
    HeadQuery,
    HeadRequest,
    LockedHead,
    LockHeadQuery,
    LockInfo,
    ProlongQuery,
    Unlocked,
)
from actorium.request_queues.service import RequestQueues
from actorium.request_queues.store import Entered
from actorium.request_queues.visitors import Visitors
from actorium.storages.model import Stored


class Locks:
    """Hands out the head of a queue. A lock ends by the clock: nothing sweeps."""

    def __init__(self, queues: RequestQueues) -> None:
        self._visitors = Visitors(queues)
        self._clock = queues.clock

    async def head(self, principal: Principal, address: str, query: HeadQuery) -> Head:
        """The next requests that nobody has handled or locked."""
        limit = clamp_limit(query.limit, default=HEAD_REQUESTS_DEFAULT, cap=HEAD_REQUESTS_MAX)
        client = self._visitors.client(principal, query.client_key)

        def work(tx: Tx, stored: Stored) -> list[HeadRequest]:
            last_place = int(stored.own["last_position"])
            return store.head(tx, stored.id, now=self._clock.now(), last_place=last_place, limit=limit)

        stored, items, had_multiple = await self._visitors.look(principal, address, client, work, lists=1)
        return Head(limit=limit, queue_modified_at=stored.modified_at, had_multiple_clients=had_multiple, items=items)

    async def lock_head(self, principal: Principal, address: str, query: LockHeadQuery) -> LockedHead:
        """The next requests, locked for this client: nobody else gets them until the lock ends."""
        limit = clamp_limit(query.limit, default=LOCKED_REQUESTS_MAX, cap=LOCKED_REQUESTS_MAX)
        lock_secs = _lock_secs(query.lock_secs)
        client = self._visitors.client(principal, query.client_key)

        def work(tx: Tx, queue: Entered) -> LockedHead:
            expires_at = queue.now.plus(secs=lock_secs)
            items = store.lock_head(tx, queue, client, expires_at=expires_at, limit=limit)
            return LockedHead(
                limit=limit,
                queue_modified_at=queue.now,
                queue_has_locked_requests=bool(items) or store.has_locks(tx, queue.id, queue.now),
                client_key=client.key,
                had_multiple_clients=queue.had_multiple_clients,
                lock_secs=lock_secs,
                items=[_locked(item, expires_at) for item in items],
            )

        return await self._visitors.change(principal, address, client, work)

    async def prolong(self, principal: Principal, address: str, id: str, query: ProlongQuery) -> LockInfo:
        """Make this client's lock end later. Raises RequestNotFound, RequestHandledOrLocked."""
        lock_secs = _lock_secs(query.lock_secs)
        client = self._visitors.client(principal, query.client_key)

        def work(tx: Tx, queue: Entered) -> LockInfo:
            expires_at = queue.now.plus(secs=lock_secs)
            if store.prolong(tx, queue.id, id, client, expires_at=expires_at, forefront=query.forefront):
                return LockInfo(lock_expires_at=expires_at)
            raise RequestHandledOrLocked if id in store.known(tx, queue.id, [id]) else RequestNotFound

        return await self._visitors.change(principal, address, client, work)

    async def unlock(
        self, principal: Principal, address: str, id: str, *, forefront: bool, client_key: str | None
    ) -> None:
        """Give a request back; one that is not locked stays as it is. Raises as ``prolong`` does."""
        client = self._visitors.client(principal, client_key)

        def work(tx: Tx, queue: Entered) -> None:
            known = store.known(tx, queue.id, [id]).get(id)
            if known is None:
                raise RequestNotFound
            if known.handled or known.locked_for(client, queue.now):
                raise RequestHandledOrLocked
            if known.lock_expires_at > queue.now:
                store.unlock(tx, queue.id, id, place=queue.take() * (-1 if forefront else 1))

        await self._visitors.change(principal, address, client, work)

    async def unlock_all(self, principal: Principal, address: str, *, client_key: str | None) -> Unlocked:
        """Give back all that this client and its run hold."""
        client = self._visitors.client(principal, client_key)

        def work(tx: Tx, queue: Entered) -> int:
            return store.unlock_all(tx, queue, client, limit=UNLOCKED_PER_STEP)

        total = 0
        while True:
            unlocked = await self._visitors.change(principal, address, client, work)
            total += unlocked
            if unlocked < UNLOCKED_PER_STEP:
                return Unlocked(unlocked_count=total)


def _locked(item: HeadRequest, expires_at: Instant) -> HeadRequest:
    return HeadRequest(
        id=item.id,
        unique_key=item.unique_key,
        url=item.url,
        method=item.method,
        retry_count=item.retry_count,
        lock_expires_at=expires_at,
    )


def _lock_secs(asked: float) -> int:
    """Whole seconds within the bounds; more than the most is the most."""
    if not asked > 0:
        raise InvalidInput("lockSecs must be greater than 0.")
    return max(1, min(round(asked), REQUEST_LOCK_SECS_MAX))
