"""Request queues as callers meet them: made and found; what is done with their requests is in ``work.py``."""

from __future__ import annotations

from typing import Any

from actorium.database import Tx
from actorium.http.paging import StoragePage
from actorium.kernel.instant import Instant
from actorium.kernel.meter import Meter
from actorium.kernel.principal import Principal
from actorium.kernel.structs import UNSET
from actorium.request_queues import copying, store
from actorium.request_queues.model import RequestQueueShort, RequestQueueStats, RequestQueueView
from actorium.storages.extent import NOTHING, Extent
from actorium.storages.kinds import REQUEST_QUEUES
from actorium.storages.model import ListQuery, Stored, UpdateStorage
from actorium.storages.rights import Right
from actorium.storages.service import Storages, Surroundings


class RequestQueues:
    """Request queues by id, ``~name`` or ``username~name``. Methods that take a ``tx`` compose into a caller's work."""

    clear = staticmethod(store.clear)

    def __init__(self, surroundings: Surroundings, *, meter: Meter) -> None:
        self.storages = Storages(REQUEST_QUEUES, surroundings)
        self.database = surroundings.database
        self.clock = surroundings.clock
        self.ids = surroundings.ids
        self.meter = meter

    # For other features

    def create_in(
        self,
        tx: Tx,
        *,
        id: str,
        owner_id: str,
        now: Instant,
        name: str | None = None,
        created_by_run: str | None = None,
        act_id: str | None = None,
        schema: dict[str, Any] | None = None,
    ) -> None:
        """Add an empty queue."""
        self.storages.create_in(
            tx,
            id=id,
            owner_id=owner_id,
            now=now,
            name=name,
            created_by_run=created_by_run,
            act_id=act_id,
            schema=schema,
        )

    def right_in(self, tx: Tx, principal: Principal, address: str) -> Right | None:
        """What the caller may do with it, and so hand over to a run; None: nothing."""
        return self.storages.right_in(tx, principal, address)

    def delete_in(self, tx: Tx, id: str) -> bool:
        """Delete by id without asking who wants it; False if it is not there."""
        return self.storages.delete_in(tx, id)

    def held_in(self, tx: Tx, id: str) -> Extent:
        """How much a copy of a queue takes; it does not change in this transaction.

        Nothing for one that is gone.
        """
        stored = self.storages.held_in(tx, id)
        return NOTHING if stored is None else Extent(stored.own["total_count"], stored.byte_count)

    def copy_in(self, tx: Tx, source_id: str, id: str) -> None:
        """Make a new queue a copy of one that this transaction holds. What is locked there is not locked here."""
        source = self.storages.by_id(tx, source_id)
        if source is not None:
            self.storages.take_over_in(tx, source, id, own=copying.COUNTED)
            copying.copy(tx, source_id, id, now=self.clock.now())

    # The object

    async def get_or_create(self, principal: Principal, name: str | None) -> tuple[RequestQueueView, bool]:
        """The caller's queue of this name, and whether it is new."""
        stored, created = await self.storages.get_or_create(principal, name)
        self.storages.saw(stored.id)
        return self._view(stored, principal), created

    async def get(self, principal: Principal, address: str) -> RequestQueueView:
        """A queue that the caller may read. Raises NotFound."""
        stored = await self.database.read(lambda tx: self.storages.readable(tx, principal, address))
        return self._view(stored, principal)

    async def update(self, principal: Principal, address: str, change: UpdateStorage) -> RequestQueueView:
        """Change name, title or access. Raises NotFound, NameNotUnique."""
        return self._view(await self.storages.update(principal, address, change), principal)

    async def delete(self, principal: Principal, address: str) -> None:
        """Delete a queue. Raises NotFound."""
        await self.storages.delete(principal, address)

    async def page(self, principal: Principal, query: ListQuery) -> StoragePage[RequestQueueShort]:
        """A page of the caller's queues."""
        return await self.storages.page(principal, query, view=lambda stored: self._short(stored, principal))

    def _short(self, stored: Stored, principal: Principal) -> RequestQueueShort:
        """Clients require a name in a list: that of an unnamed queue is its id."""
        return RequestQueueShort(**self._shown(stored, principal) | {"name": stored.name or stored.id})

    def _view(self, stored: Stored, principal: Principal) -> RequestQueueView:
        return RequestQueueView(**self._shown(stored, principal), console_url=self.storages.console_url(stored.id))

    def _shown(self, stored: Stored, principal: Principal) -> dict[str, Any]:
        total, handled = stored.own["total_count"], stored.own["handled_count"]
        return {
            "id": stored.id,
            "name": stored.name,
            "user_id": stored.owner_id,
            "username": principal.username if stored.owner_id == principal.user_id else UNSET,
            "created_at": stored.created_at,
            "modified_at": stored.modified_at,
            "accessed_at": self.storages.accessed_at(stored),
            "expire_at": self.storages.expires_at(stored) or UNSET,
            "total_request_count": total,
            "handled_request_count": handled,
            "pending_request_count": total - handled,
            "act_id": stored.act_id,
            "act_run_id": stored.created_by_run,
            "had_multiple_clients": bool(stored.own["had_multiple_clients"]),
            "title": stored.profile.title,
            "general_access": stored.profile.general_access,
            "stats": RequestQueueStats(
                read_count=self.storages.read_count(stored),
                write_count=stored.write_count,
                delete_count=stored.delete_count,
                head_item_read_count=self.storages.list_count(stored),
                storage_bytes=stored.byte_count,
            ),
        }
