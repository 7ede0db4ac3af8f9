"""Which Actors of others a user lets have full permissions in the user's own account. Own ones need no approval."""

from __future__ import annotations

from actorium.actors import store
from actorium.actors.errors import ActorMissing
from actorium.actors.row import ActorRow
from actorium.database import Database, Tx
from actorium.kernel.clock import Clock
from actorium.users.model import UserNotFound
from actorium.users.service import Users


class Approvals:
    """Given by whoever runs the server, on the command line: no token, and so no Actor, can give one."""

    def __init__(self, database: Database, *, users: Users, clock: Clock) -> None:
        self._database = database
        self._users = users
        self._clock = clock

    async def give(self, username: str, actor: str) -> ActorRow:
        """Let an Actor (``owner/name`` or an id) have full permissions. Raises UserNotFound, ActorMissing."""
        now = self._clock.now()

        def work(tx: Tx) -> ActorRow:
            user_id, row = self._both_in(tx, username, actor)
            store.approve(tx, user_id, row.id, now)
            return row

        return await self._database.write(work)

    async def withdraw(self, username: str, actor: str) -> ActorRow:
        """Take an approval back; runs that have begun keep what they have. Raises UserNotFound, ActorMissing."""

        def work(tx: Tx) -> ActorRow:
            user_id, row = self._both_in(tx, username, actor)
            store.disapprove(tx, user_id, row.id)
            return row

        return await self._database.write(work)

    def holds_in(self, tx: Tx, user_id: str, actor_id: str) -> bool:
        """Whether the user lets the Actor have full permissions."""
        return store.is_approved(tx, user_id, actor_id)

    def _both_in(self, tx: Tx, username: str, actor: str) -> tuple[str, ActorRow]:
        user_id = self._users.find_id_in(tx, username)
        if user_id is None:
            raise UserNotFound(f"There is no user {username!r} here; 'actorium user list' names all.")
        owner, slash, name = actor.replace("~", "/").partition("/")
        if slash:
            owner_id = self._users.find_id_in(tx, owner)
            row = None if owner_id is None else store.find_named(tx, owner_id, name)
        else:
            row = store.find(tx, actor)
        if row is None:
            raise ActorMissing(f"There is no Actor {actor!r} here; name it as OWNER/NAME or by its id.")
        return user_id, row
