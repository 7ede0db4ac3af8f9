"""What a run may do with its token, and who may give a run how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from actorium.actors.approvals import Approvals
from actorium.actors.model import PermissionLevel
from actorium.actors.row import ActorRow
from actorium.database import Tx
from actorium.inputs.resources import READ, WRITE, Handed
from actorium.kernel.errors import InvalidValue, LimitedToken
from actorium.kernel.principal import Principal, RunScope
from actorium.runs import store
from actorium.runs.errors import ElevatedPermissionsNeeded, FullPermissionsNotApproved, LimitedRun
from actorium.runs.lifecycle import Event
from actorium.runs.row import Run
from actorium.storages.rights import Right

FULL = PermissionLevel.FULL_PERMISSIONS


def scope_of(run: Run, metamorphs: int) -> RunScope | None:
    """What the token reaches that a run had after so many metamorphs; None: all that is its user's.

    That of an Actor that it is no more keeps what that Actor and the run itself have made.
    """
    document = run.document
    if document.permission_level == FULL:
        return None
    is_present = metamorphs == len(document.metamorphs)
    granted = document.granted_storages if is_present else {}
    may_write = frozenset(one for one, rights in granted.items() if WRITE in rights)
    return RunScope(
        run_id=run.id,
        actor_id=actor_of(run, metamorphs),
        build_id=run.build_id if is_present else "",
        own_storages=document.storage_ids.every(),
        may_write=may_write,
        may_read=frozenset(granted) - may_write,
    )


def actor_of(run: Run, metamorphs: int) -> str:
    """The Actor that a run was after so many metamorphs."""
    return run.document.metamorphs[metamorphs - 1].actor_id if metamorphs else run.actor_id


def present_actor_of(run: Run) -> str:
    """The Actor that a run is by now."""
    return run.document.present_actor_id or run.actor_id


def starter_of_in(tx: Tx, run_id: str, storage_id: str) -> str | None:
    """The run that started the run whose default storage this is; None: it is none, or somebody else did."""
    run = store.find(tx, run_id)
    if run is None:
        return None
    return run.created_by_run if storage_id in run.document.storage_ids.every() else None


def reaches_run(principal: Principal, run: Run) -> bool:
    """Whether the caller may look at a run of its user's: with limited permissions its own and those it started."""
    scope = principal.scope
    return scope is None or scope.run_id in (run.id, run.created_by_run)


def check_change(principal: Principal, run: Run, event: Event | None) -> None:
    """Whether the caller may change a run of its user's that it may see. Raises LimitedToken.

    A run with limited permissions may do what it likes to itself, and abort the runs that it started.
    """
    scope = principal.scope
    if scope is None or scope.run_id == run.id:
        return
    if scope.run_id != run.created_by_run or event not in (Event.ABORT, Event.ABORT_GRACEFULLY):
        raise LimitedToken


class Holder(Protocol):
    """A kind of storages."""

    def right_in(self, tx: Tx, principal: Principal, address: str) -> Right | None:
        """What the caller may do with one; None: nothing."""
        ...


def grants_in(
    tx: Tx, principal: Principal, handed: Handed, holders: Mapping[str, Holder]
) -> dict[str, tuple[str, ...]]:
    """What a run gets of the storages that its input hands over, by id: never more than its starter has itself.

    handed: as they are in the input. holders: by resourceType. What the starter may not see is left out: the run will
    meet the refusal when it asks for it, as the starter would.
    """
    granted: dict[str, tuple[str, ...]] = {}
    for (kind, picked), wanted in handed.items():
        holder, address = holders[kind], picked.replace("/", "~")
        right = holder.right_in(tx, principal, address)
        if right is None and "~" not in address:
            right = holder.right_in(tx, principal, f"~{address}")
        if right is not None:
            may_write = WRITE in wanted and right.may_write
            granted[right.id] = (READ, WRITE) if may_write or WRITE in granted.get(right.id, ()) else (READ,)
    return granted


class Levels:
    """Decides which permission level a run has."""

    def __init__(self, approvals: Approvals, *, public_base_url: str) -> None:
        self._approvals = approvals
        self._approval_url = f"{public_base_url}/docs/concepts/permissions"

    def of_start_in(self, tx: Tx, principal: Principal, actor: ActorRow, forced: str | None) -> PermissionLevel:
        """The level of a new run; ``forced`` is what its caller asks for instead of the Actor's own.

        Raises InvalidValue, ElevatedPermissionsNeeded, FullPermissionsNotApproved.
        """
        if forced is not None and forced not in tuple(PermissionLevel):
            raise InvalidValue(f"forcePermissionLevel is {forced!r}; it takes {' or '.join(PermissionLevel)}.")
        level = PermissionLevel(forced or wanted_by(actor))
        if level is FULL:
            self._check_full_in(tx, principal, actor)
        return level

    def check_again_in(self, tx: Tx, principal: Principal, run: Run, actor: ActorRow | None) -> None:
        """Whether a run of an Actor, None if that is gone, may begin again with the level that it had.

        Raises FullPermissionsNotApproved.
        """
        if run.document.permission_level == FULL and actor is not None:
            self._check_full_in(tx, principal, actor)

    def of_metamorph_in(self, tx: Tx, principal: Principal, run: Run, actor: ActorRow) -> PermissionLevel:
        """The level of a run once it has become one of another Actor: never more than it had, nor than the Actor asks.

        Raises LimitedRun, FullPermissionsNotApproved.
        """
        level = wanted_by(actor)
        if level is FULL:
            if run.document.permission_level != FULL:
                raise LimitedRun
            self._check_full_in(tx, principal, actor)
        return level

    def _check_full_in(self, tx: Tx, principal: Principal, actor: ActorRow) -> None:
        if principal.scope is not None:
            raise ElevatedPermissionsNeeded
        if actor.owner_id == principal.user_id or self._approvals.holds_in(tx, principal.user_id, actor.id):
            return
        raise FullPermissionsNotApproved(
            f"The Actor {actor.username}/{actor.name} of another user asks for full permissions, which reach all "
            "that is in your account. If you trust it, let whoever runs this server approve it with "
            f"'actorium approve {principal.username} {actor.username}/{actor.name}'; or start it with "
            "forcePermissionLevel=LIMITED_PERMISSIONS.",
            data={"approvalUrl": self._approval_url},
        )


def wanted_by(actor: ActorRow) -> PermissionLevel:
    """The level that an Actor asks for itself."""
    forced = actor.default_run_options.force_permission_level
    return forced if isinstance(forced, PermissionLevel) else actor.permission_level
