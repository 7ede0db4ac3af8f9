"""What owners do with an Actor's versions and their environment variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from msgspec import structs

from actorium.actors import changes, store, variables
from actorium.actors.errors import TooFewVersions, TooManyVersions, VersionAlreadyExists, VersionMissing
from actorium.actors.model import EnvVar, SourceType, Version, WriteVersion
from actorium.actors.row import ActorRow, VersionDocument, VersionRow
from actorium.actors.vault import Vault
from actorium.actors.view import version_view
from actorium.database import Database, Tx
from actorium.database.again import write_again
from actorium.kernel.clock import Clock
from actorium.kernel.errors import InvalidInput
from actorium.kernel.instant import Instant
from actorium.kernel.limits import VERSIONS_PER_ACTOR_MAX
from actorium.kernel.principal import Principal


class FindActor(Protocol):
    """``Actors.resolve_in``."""

    def __call__(self, tx: Tx, principal: Principal, reference: str, *, write: bool = False) -> ActorRow: ...


class Versions:
    """The versions of Actors. Changing one changes when its Actor was last modified."""

    def __init__(self, database: Database, *, find_in: FindActor, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._find_in = find_in
        self._vault = vault
        self._clock = clock

    async def of_actor(self, principal: Principal, reference: str) -> list[Version]:
        """Every version by number. Raises ActorMissing."""

        def work(tx: Tx) -> list[Version]:
            actor = self._find_in(tx, principal, reference)
            is_owner = actor.owner_id == principal.user_id
            rows = store.versions(tx, actor.id, with_sources=is_owner)
            return [version_view(row, is_owner=is_owner) for row in rows]

        return await self._database.read(work)

    async def get(self, principal: Principal, reference: str, number: str) -> Version:
        """One version. Raises ActorMissing, VersionMissing."""

        def work(tx: Tx) -> Version:
            actor = self._find_in(tx, principal, reference)
            is_owner = actor.owner_id == principal.user_id
            return version_view(self.find_in(tx, actor.id, number, with_sources=is_owner), is_owner=is_owner)

        return await self._database.read(work)

    async def create(self, principal: Principal, reference: str, asked: WriteVersion) -> Version:
        """Add a version. Raises ActorMissing, VersionAlreadyExists, TooManyVersions, InvalidInput and its kin."""

        def work(tx: Tx) -> Version:
            actor = self._find_in(tx, principal, reference, write=True)
            if len(store.versions(tx, actor.id)) >= VERSIONS_PER_ACTOR_MAX:
                raise TooManyVersions
            row = self._new(actor.id, asked, self._clock.now())
            if not store.add_version(tx, row):
                raise VersionAlreadyExists
            self._touch_in(tx, actor)
            return version_view(row, is_owner=True)

        return await write_again(self._database, work)

    async def update(self, principal: Principal, reference: str, number: str, asked: WriteVersion) -> Version:
        """Change what is given of a version. Raises ActorMissing, VersionMissing, InvalidInput and its kin."""
        if isinstance(asked.version_number, str) and asked.version_number != number:
            raise InvalidInput(
                f"A version cannot be renumbered: versionNumber {asked.version_number!r} is not {number}."
            )

        def change(row: VersionRow) -> VersionRow:
            return self._changed(row, asked)

        return version_view(await self._change(principal, reference, number, change), is_owner=True)

    async def delete(self, principal: Principal, reference: str, number: str) -> None:
        """Forget a version; its builds stay. Raises ActorMissing, VersionMissing, TooFewVersions."""

        def work(tx: Tx) -> None:
            actor = self._find_in(tx, principal, reference, write=True)
            self.find_in(tx, actor.id, number)
            if len(store.versions(tx, actor.id)) == 1:
                raise TooFewVersions
            store.delete_version(tx, actor.id, number)
            self._touch_in(tx, actor)

        await write_again(self._database, work)

    async def env_vars(self, principal: Principal, reference: str, number: str) -> list[EnvVar]:
        """Every environment variable, secrets without their values. Raises ActorMissing, VersionMissing."""
        return variables.shown((await self._own(principal, reference, number)).document.env_vars)

    async def env_var(self, principal: Principal, reference: str, number: str, name: str) -> EnvVar:
        """One environment variable. Raises EnvVarMissing and as ``env_vars``."""
        row = await self._own(principal, reference, number)
        return variables.show(variables.find(row.document.env_vars, name))

    async def create_env_var(self, principal: Principal, reference: str, number: str, asked: EnvVar) -> EnvVar:
        """Add an environment variable. Raises EnvVarAlreadyExists, InvalidInput."""

        def change(row: VersionRow) -> VersionRow:
            return _with(row, variables.added(row.document.env_vars, asked, vault=self._vault, subject=row.actor_id))

        row = await self._change(principal, reference, number, change)
        return variables.show(variables.find(row.document.env_vars, asked.name))

    async def update_env_var(
        self, principal: Principal, reference: str, number: str, name: str, asked: EnvVar
    ) -> EnvVar:
        """Change an environment variable. Raises EnvVarMissing, CannotRenameEnvVar, InvalidInput."""

        def change(row: VersionRow) -> VersionRow:
            found = variables.updated(row.document.env_vars, name, asked, vault=self._vault, subject=row.actor_id)
            return _with(row, found)

        row = await self._change(principal, reference, number, change)
        return variables.show(variables.find(row.document.env_vars, name))

    async def delete_env_var(self, principal: Principal, reference: str, number: str, name: str) -> None:
        """Forget an environment variable. Raises EnvVarMissing."""
        await self._change(
            principal, reference, number, lambda row: _with(row, variables.removed(row.document.env_vars, name))
        )

    def find_in(self, tx: Tx, actor_id: str, number: str, *, with_sources: bool = False) -> VersionRow:
        """A version by number. Raises VersionMissing."""
        row = store.find_version(tx, actor_id, number, with_sources=with_sources)
        if row is None:
            raise VersionMissing(f"Actor version {number[:20]!r} was not found.")
        return row

    def replace_in(
        self, tx: Tx, actor_id: str, asked: Sequence[WriteVersion], now: Instant, *, may_be_empty: bool = False
    ) -> None:
        """A new list of versions instead of the old; what a version of the same number does not say anew stays."""
        numbers = [_number(version) for version in asked]
        if not numbers and not may_be_empty:
            raise TooFewVersions
        if len(numbers) > VERSIONS_PER_ACTOR_MAX:
            raise TooManyVersions
        if len(set(numbers)) < len(numbers):
            raise InvalidInput("versions has two entries of the same versionNumber.")
        stored = {row.number: row for row in store.versions(tx, actor_id)}
        for number in stored.keys() - set(numbers):
            store.delete_version(tx, actor_id, number)
        for number, version in zip(numbers, asked, strict=True):
            if number in stored:
                store.save_version(tx, self._changed(stored[number], version))
            else:
                store.add_version(tx, self._new(actor_id, version, now))

    async def _own(self, principal: Principal, reference: str, number: str) -> VersionRow:
        def work(tx: Tx) -> VersionRow:
            return self.find_in(tx, self._find_in(tx, principal, reference, write=True).id, number)

        return await self._database.read(work)

    async def _change(
        self, principal: Principal, reference: str, number: str, change: Callable[[VersionRow], VersionRow]
    ) -> VersionRow:
        def work(tx: Tx) -> VersionRow:
            actor = self._find_in(tx, principal, reference, write=True)
            store.save_version(tx, change(self.find_in(tx, actor.id, number)))
            self._touch_in(tx, actor)
            return self.find_in(tx, actor.id, number, with_sources=True)

        return await write_again(self._database, work)

    def _new(self, actor_id: str, asked: WriteVersion, now: Instant) -> VersionRow:
        document = changes.new_version(asked, vault=self._vault, subject=actor_id)
        return VersionRow(
            actor_id=actor_id,
            number=_number(asked),
            created_at=now,
            modified_at=now,
            document=document,
            source_files=changes.written_files(asked, document.source_type) or (),
        )

    def _changed(self, row: VersionRow, asked: WriteVersion) -> VersionRow:
        document = changes.written_version(row.document, asked, vault=self._vault, subject=row.actor_id)
        files = changes.written_files(asked, document.source_type)
        if document.source_type not in changes.INLINE or (files is None and _is_other_kind(row, document)):
            files = ()
        return replace(row, document=document, source_files=files, modified_at=self._clock.now())

    def _touch_in(self, tx: Tx, actor: ActorRow) -> None:
        store.save(tx, replace(actor, modified_at=self._clock.now()))


def _is_other_kind(row: VersionRow, after: VersionDocument) -> bool:
    return after.source_type is SourceType.SOURCE_CODE and row.document.source_type is not SourceType.SOURCE_CODE


def _number(asked: WriteVersion) -> str:
    if not isinstance(asked.version_number, str):
        raise InvalidInput("versionNumber is required: MAJOR.MINOR, each from 0 to 99, such as 0.1.")
    return changes.check_version_number(asked.version_number)


def _with(row: VersionRow, found: variables.Variables) -> VersionRow:
    return replace(row, document=structs.replace(row.document, env_vars=found))
