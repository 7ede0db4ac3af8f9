"""Who may do what with a storage, told from its row: nothing here reads the database."""

from __future__ import annotations

from dataclasses import dataclass

from actorium.kernel.limits import REACHED_KNOWN_MAX
from actorium.kernel.principal import Principal
from actorium.storages.model import GeneralAccess, Stored


def may_manage(stored: Stored, principal: Principal) -> bool:
    """Rename, open to others, delete: its user, and a run with limited permissions what it or its Actor made."""
    if stored.owner_id != principal.user_id:
        return False
    scope = principal.scope
    if scope is None or stored.id in scope.own_storages:
        return True
    return scope.made(run_id=stored.created_by_run, actor_id=stored.act_id)


def may_write(stored: Stored, principal: Principal) -> bool:
    """Change what is in it: also what the input of a run handed over for that."""
    if may_manage(stored, principal):
        return True
    scope = principal.scope
    return stored.owner_id == principal.user_id and scope is not None and stored.id in scope.may_write


def may_read(stored: Stored, principal: Principal) -> bool:
    """Read it for being its user, or a run of theirs that may."""
    if may_write(stored, principal):
        return True
    scope = principal.scope
    return stored.owner_id == principal.user_id and scope is not None and stored.id in scope.may_read


def is_open(stored: Stored) -> bool:
    """Whether anyone who knows the id may read."""
    return stored.profile.general_access in (
        GeneralAccess.ANYONE_WITH_ID_CAN_READ,
        GeneralAccess.ANYONE_WITH_NAME_CAN_READ,
    )


def is_open_by_name(stored: Stored) -> bool:
    """Whether anyone who knows the name may read."""
    return stored.profile.general_access == GeneralAccess.ANYONE_WITH_NAME_CAN_READ


@dataclass(frozen=True, slots=True)
class Right:
    """What somebody may do with a storage: read it, or also write to it."""

    id: str
    may_write: bool


class Reached:
    """Storages that runs with limited permissions were found to write to: looked at once and not for each call.

    What decides does not change: the run and the Actor that made a storage. What an input hands over may be taken back,
    so it is looked up in the scope and not noted. Whether the storage is still there and the user's own, the statement
    says that uses it.
    """

    def __init__(self) -> None:
        self._known: set[tuple[str, str, str]] = set()

    def has(self, principal: Principal, id: str) -> bool:
        """Whether the caller may write to a storage of this id if it is its user's; False: not known yet."""
        scope = principal.scope
        if scope is None or id in scope.own_storages or id in scope.may_write:
            return True
        return (scope.run_id, scope.actor_id, id) in self._known

    def note(self, principal: Principal, id: str) -> None:
        """The caller may write to it."""
        scope = principal.scope
        if scope is None:
            return
        if len(self._known) >= REACHED_KNOWN_MAX:
            self._known.clear()
        self._known.add((scope.run_id, scope.actor_id, id))
