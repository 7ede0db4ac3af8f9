"""One kind of storage as its owner and others meet it: addressing, access, names, lists, times."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from actorium.database import Database, Tx, UniqueViolation
from actorium.http.paging import StoragePage
from actorium.kernel.clock import Clock
from actorium.kernel.errors import ActoriumError, InvalidInput
from actorium.kernel.ids import Ids
from actorium.kernel.instant import Instant
from actorium.kernel.limits import DAY_SECS, NAME_CHARS_MAX, SIGNED_LINK_SECS
from actorium.kernel.principal import Principal
from actorium.kernel.structs import UNSET
from actorium.storages import errors
from actorium.storages.accesses import Accesses
from actorium.storages.kinds import Kind
from actorium.storages.model import GeneralAccess, ListQuery, Ownership, Profile, Stored, UpdateStorage
from actorium.storages.rights import Reached, Right, is_open, is_open_by_name, may_manage, may_read, may_write
from actorium.storages.schema_checks import SchemaChecks
from actorium.storages.signing import contents_signed, sign_contents
from actorium.storages.store import StorageTable

NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?")
V = TypeVar("V")

FindUser = Callable[[Tx, str], str | None]
"""The id of the user with a username, looked up in a transaction."""
StarterOf = Callable[[Tx, str, str], str | None]
"""From a run's id and a storage's: the id of the run that started it, if that is a default storage of it."""
Signed = Callable[[Stored], bool]
"""Whether the signature that came with a call opens a storage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every storage service stands on."""

    database: Database
    clock: Clock
    ids: Ids
    accesses: Accesses
    find_user: FindUser
    public_base_url: Callable[[], str]
    """Where clients outside reach the server, without a slash at the end."""
    starter_of: StarterOf = lambda _tx, _run_id, _id: None  # where there are no runs
    schemas: SchemaChecks = field(default_factory=SchemaChecks)
    """Checks values against schemas of users; to be closed by whoever made it."""
    unnamed_days: int = 0
    """How long unnamed storages that nobody uses are kept; 0: for ever."""


class Storages:
    """One kind of storage. Methods that take a ``tx`` compose into a caller's work."""

    def __init__(self, kind: Kind, surroundings: Surroundings) -> None:
        self.kind = kind
        self._table = StorageTable(kind)
        self._around = surroundings
        self._reached = Reached()

    # Finding

    def readable(self, tx: Tx, principal: Principal, address: str, *, signed: Signed | None = None) -> Stored:
        """The storage at an id, ``~name`` or ``username~name``, if the caller may read it.

        ``signed`` is given when the call carries a signature. What is refused looks like what is not there.
        """
        found = self._find(tx, principal, address)
        if found is not None and self._may_see(tx, found, principal, by_name="~" in address, signed=signed):
            return found
        if signed is not None or not principal.user_id:
            raise errors.refused(self.kind)
        raise self._hidden(found, principal)

    def writable(self, tx: Tx, principal: Principal, address: str, *, manage: bool = False) -> Stored:
        """The storage at an address, if the caller may change what is in it, or with ``manage`` the storage itself."""
        found = self._find(tx, principal, address)
        if found is not None and (may_manage if manage else may_write)(found, principal):
            if manage or may_manage(found, principal):
                self._reached.note(principal, found.id)
            return found
        if found is not None and may_write(found, principal):
            raise errors.not_managed(self.kind)
        if found is not None and self._may_see(tx, found, principal, by_name="~" in address, signed=None):
            raise errors.read_only(self.kind)
        raise self._hidden(found, principal)

    def reaches(self, principal: Principal, id: str) -> bool:
        """Whether it is known without a look at the row that the caller may write to a storage if its user owns it."""
        return self._reached.has(principal, id)

    def _may_see(self, tx: Tx, found: Stored, principal: Principal, *, by_name: bool, signed: Signed | None) -> bool:
        if may_read(found, principal) or is_open_by_name(found) or (is_open(found) and not by_name):
            return True
        return (signed is not None and signed(found)) or self._is_of_child(tx, found, principal)

    def _is_of_child(self, tx: Tx, found: Stored, principal: Principal) -> bool:
        """Whether it is a default storage of a run that one with limited permissions started: these are results.

        What else such a run makes, under a name for instance, is its own Actor's.
        """
        scope, maker = principal.scope, found.created_by_run
        if scope is None or maker is None or found.owner_id != principal.user_id:
            return False
        return self._around.starter_of(tx, maker, found.id) == scope.run_id

    def _hidden(self, found: Stored | None, principal: Principal) -> ActoriumError:
        if found is not None and found.owner_id == principal.user_id:
            return errors.out_of_scope(self.kind)
        return errors.missing(self.kind)

    def right_in(self, tx: Tx, principal: Principal, address: str) -> Right | None:
        """What the caller may do with a storage of its user's, and so hand over to a run; None: nothing."""
        found = self._find(tx, principal, address)
        if found is None or found.owner_id != principal.user_id:
            return None
        if may_write(found, principal):
            return Right(found.id, may_write=True)
        is_seen = self._may_see(tx, found, principal, by_name="~" in address, signed=None)
        return Right(found.id, may_write=False) if is_seen else None

    def by_id(self, tx: Tx, id: str) -> Stored | None:
        """Without asking who reads: for the server's own use."""
        return self._table.by_id(tx, id)

    def _find(self, tx: Tx, principal: Principal, address: str) -> Stored | None:
        username, tilde, name = address.partition("~")
        if not tilde:
            return self._table.by_id(tx, address) if address.isascii() and address.isalnum() else None
        if NAME.fullmatch(name) is None:
            return None
        if not username or username.lower() == principal.username.lower():
            owner_id: str | None = principal.user_id
        else:
            owner_id = self._around.find_user(tx, username)
        return self._table.by_name(tx, owner_id, name) if owner_id else None

    # Making, changing, deleting

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
    ) -> bool:
        """Add a storage; False if the owner has one of this name already."""
        profile = Profile(signing_secret=self._around.ids.secret(), schema=schema)
        return self._table.add(
            tx,
            id=id,
            owner_id=owner_id,
            name=name,
            created_by_run=created_by_run,
            act_id=act_id,
            profile=profile,
            now=now,
        )

    async def get_or_create(
        self, principal: Principal, name: str | None, *, schema: dict[str, Any] | None = None
    ) -> tuple[Stored, bool]:
        """The caller's storage of this name, and whether it is new; without a name always a new one.

        Raises Forbidden for an existing one that a run with limited permissions may not read.
        """
        name = name or None
        if name is not None:
            _check_name(name)
            found = await self._around.database.read(lambda tx: self._named(tx, principal, name))
            if found is not None:
                return found, False
        new_id = self._around.ids.new()
        now = self._around.clock.now()

        def work(tx: Tx) -> tuple[Stored | None, bool]:
            created = self.create_in(
                tx,
                id=new_id,
                owner_id=principal.user_id,
                now=now,
                name=name,
                created_by_run=principal.run_id,
                act_id=principal.actor_id,
                schema=schema,
            )
            if created or name is None:
                return self._table.by_id(tx, new_id), created
            return self._named(tx, principal, name), False

        stored, created = await self._around.database.write(work)
        if stored is None:
            raise errors.missing(self.kind)  # deleted by somebody between two statements
        return stored, created

    def _named(self, tx: Tx, principal: Principal, name: str) -> Stored | None:
        found = self._table.by_name(tx, principal.user_id, name)
        if found is not None and not self._may_see(tx, found, principal, by_name=True, signed=None):
            raise self._hidden(found, principal)
        return found

    async def update(self, principal: Principal, address: str, change: UpdateStorage) -> Stored:
        """Change name, title or access. Raises NameNotUnique."""
        if isinstance(change.name, str):
            _check_name(change.name)
        now = self._around.clock.now()

        def work(tx: Tx) -> Stored:
            old = self.writable(tx, principal, address, manage=True)
            name = old.name if change.name is UNSET else change.name
            if not self._table.update(tx, old, name=name, profile=_changed(old.profile, change), now=now):
                raise errors.NameNotUnique
            new = self._table.by_id(tx, old.id)
            if new is None:
                raise errors.missing(self.kind)
            return new

        try:
            return await self._around.database.write(work)
        except UniqueViolation as error:  # two renames to one name in the same moment
            raise errors.NameNotUnique from error

    async def delete(self, principal: Principal, address: str) -> None:
        """Delete a storage; its contents leave the disk in steps afterwards."""

        def work(tx: Tx) -> None:
            self._table.delete(tx, self.writable(tx, principal, address, manage=True).id)

        await self._around.database.write(work)

    def delete_in(self, tx: Tx, id: str) -> bool:
        """Delete by id without asking who wants it; False if it is not there."""
        return self._table.delete(tx, id)

    # Copying

    def held_in(self, tx: Tx, id: str) -> Stored | None:
        """A storage by id, whoever asks; nobody changes it or its contents before this transaction is over."""
        return self._table.held(tx, id)

    def take_over_in(self, tx: Tx, source: Stored, id: str, *, own: Sequence[str]) -> None:
        """Give a new storage the counts and the schema of another one, whose contents are copied with it.

        Its name, title, links and whom it is open to are its own.
        """
        made = self._table.by_id(tx, id)
        assert made is not None
        profile = msgspec.structs.replace(made.profile, schema=source.profile.schema)
        self._table.take_over(tx, source.id, id, own=own, profile=profile)

    # Listing and showing

    async def page(self, principal: Principal, query: ListQuery, *, view: Callable[[Stored], V]) -> StoragePage[V]:
        """A page of the caller's storages; of a run with limited permissions those that it or its Actor made.

        Others share theirs by link, not by list, so ``sharedWithMe`` is empty.
        """
        limit, scope = query.most(), principal.scope

        def work(tx: Tx) -> tuple[int, list[Stored]]:
            if query.ownership == Ownership.SHARED_WITH_ME:
                return 0, []
            owner_id, unnamed = principal.user_id, query.unnamed
            total = self._table.count(tx, owner_id, unnamed=unnamed, scope=scope)
            return total, self._table.page(
                tx, owner_id, unnamed=unnamed, desc=query.desc, offset=query.offset, limit=limit, scope=scope
            )

        total, rows = await self._around.database.read(work)
        return StoragePage(
            total=total,
            offset=query.offset,
            limit=limit,
            count=len(rows),
            desc=query.desc,
            unnamed=query.unnamed,
            items=[view(row) for row in rows],
        )

    def saw(self, id: str, *, reads: int = 0, lists: int = 0) -> None:
        """Note that a storage was used now."""
        self._around.accesses.saw(self.kind, id, self._around.clock.now(), reads=reads, lists=lists)

    def accessed_at(self, stored: Stored) -> Instant:
        """The later of what the row and what memory knows."""
        return max(stored.accessed_at, stored.modified_at, self._around.accesses.pending(self.kind, stored.id).at)

    def expires_at(self, stored: Stored) -> Instant | None:
        """When retention will take a storage if nobody uses it again; those of a run go with their run."""
        days = self._around.unnamed_days
        if days == 0 or stored.name is not None or stored.created_by_run is not None:
            return None
        return self.accessed_at(stored).plus(secs=days * DAY_SECS)

    def read_count(self, stored: Stored) -> int:
        return stored.read_count + self._around.accesses.pending(self.kind, stored.id).reads

    def list_count(self, stored: Stored) -> int:
        return stored.list_count + self._around.accesses.pending(self.kind, stored.id).lists

    # Links

    def console_url(self, id: str) -> str:
        return f"{self._around.public_base_url()}/console/storage/{self.kind.path}/{id}"

    def url(self, id: str, rest: str = "") -> str:
        """Where clients outside reach a storage, or what is below it."""
        return f"{self._around.public_base_url()}/v2/{self.kind.path}/{id}{rest}"

    def contents_url(self, stored: Stored, rest: str, *, principal: Principal) -> str:
        """A link to items or keys that works in a browser: signed for some days where that is needed and allowed."""
        if is_open(stored) or not may_manage(stored, principal):
            return self.url(stored.id, rest)
        expires_at = self._around.clock.now().plus(secs=SIGNED_LINK_SECS)
        signature = sign_contents(stored.profile.signing_secret, stored.id, expires_at)
        return f"{self.url(stored.id, rest)}?signature={signature}"

    def contents_signature(self, signature: str | None) -> Signed | None:
        """What ``readable`` wants to know about a call's signature for items or keys."""
        if not signature:
            return None
        now = self._around.clock.now()
        return lambda stored: contents_signed(
            signature, secret=stored.profile.signing_secret, storage_id=stored.id, now=now
        )


def secret_for(stored: Stored, principal: Principal) -> str | None:
    """The signing secret, for those who may share: it opens the storage for ever."""
    return stored.profile.signing_secret if may_manage(stored, principal) else None


def _changed(old: Profile, change: UpdateStorage) -> Profile:
    changes: dict[str, Any] = {}
    if change.title is not UNSET:
        changes["title"] = change.title
    if change.general_access is not UNSET:
        changes["general_access"] = change.general_access or GeneralAccess.FOLLOW_USER_SETTING
    return msgspec.structs.replace(old, **changes)


def _check_name(name: str) -> None:
    if len(name) > NAME_CHARS_MAX or NAME.fullmatch(name) is None:
        raise InvalidInput(
            f"The name {name[:80]!r} is not valid: use up to {NAME_CHARS_MAX} letters, digits and hyphens, "
            "with no hyphen at the start or the end."
        )
