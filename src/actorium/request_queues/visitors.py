"""Who comes to a queue: finds it, checks the right, holds its row, notes the client."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from actorium.database import Tx
from actorium.kernel.limits import CLIENT_KEY_CHARS_MAX
from actorium.kernel.meter import Usage
from actorium.kernel.principal import Principal
from actorium.request_queues import store
from actorium.request_queues.errors import InvalidClientKey
from actorium.request_queues.service import RequestQueues
from actorium.request_queues.store import Client, Entered
from actorium.storages import errors
from actorium.storages.kinds import REQUEST_QUEUES
from actorium.storages.model import Stored
from actorium.storages.rights import may_write

T = TypeVar("T")


class Visitors:
    """Lets clients into queues."""

    def __init__(self, queues: RequestQueues) -> None:
        self.queues = queues

    def client(self, principal: Principal, key: str | None) -> Client:
        """The caller as a client of queues; without a key it is a new one each time. Raises InvalidClientKey."""
        if key is not None and not 1 <= len(key) <= CLIENT_KEY_CHARS_MAX:
            raise InvalidClientKey
        return Client(key or self.queues.ids.new(), principal.run_id or "")

    async def change(
        self, principal: Principal, address: str, client: Client, work: Callable[[Tx, Entered], T], *, writes: int = 1
    ) -> T:
        """Run a work on a queue of the caller's own, whose row it holds. Raises NotFound, Forbidden."""

        def entered(tx: Tx) -> T:
            queue = self._enter(tx, principal, address, client)
            result = work(tx, queue)
            store.leave(tx, queue)
            return result

        result = await self.queues.database.write(entered, lane=address)
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
        if is_new and client is not None and may_write(stored, principal):
            had_multiple = await self.queues.database.write(
                lambda tx: store.note_client(tx, stored.id, client), lane=stored.id
            )
        self.queues.storages.saw(stored.id, reads=1, lists=lists)
        self.queues.meter.count(principal.run_id, Usage.REQUEST_QUEUE_READS)
        return stored, result, had_multiple

    def _enter(self, tx: Tx, principal: Principal, address: str, client: Client) -> Entered:
        """By id in one step; a name, or what is not the caller's, is looked at more closely."""
        now = self.queues.clock.now
        if self.queues.storages.reaches(principal, address) and address.isascii() and address.isalnum():
            queue = store.enter(tx, address, principal.user_id, client, now=now)
            if queue is not None:
                return queue
        stored = self.queues.storages.writable(tx, principal, address)
        queue = store.enter(tx, stored.id, stored.owner_id, client, now=now)
        if queue is None:  # deleted between two statements
            raise errors.missing(REQUEST_QUEUES)
        return queue
