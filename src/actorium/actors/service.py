"""What callers do with Actors: create, read, change, delete; and finding them by id or by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from msgspec import structs

from actorium.actors import changes, store
from actorium.actors.errors import (
    ActorMissing,
    ActorNameNotUnique,
    CannotCreatePublic,
    CannotDeletePaidActor,
    CannotPublish,
    TaggedBuildRequired,
    TooManyActors,
)
from actorium.actors.model import ActorShort, ActorView, BuildTag, CreateActor, TaggedBuild, UpdateActor
from actorium.actors.pricing import Free, in_force
from actorium.actors.row import ActorDocument, ActorRow, StoredEnvVar
from actorium.actors.variables import opened, secrets
from actorium.actors.vault import Vault
from actorium.actors.versions import Versions
from actorium.actors.view import actor_view, short_view
from actorium.database import Database, Tx, UniqueViolation
from actorium.database.again import write_again
from actorium.kernel.clock import Clock
from actorium.kernel.errors import Forbidden, InvalidInput, LimitedToken
from actorium.kernel.ids import Ids
from actorium.kernel.instant import Instant
from actorium.kernel.limits import ACTORS_PER_USER_MAX
from actorium.kernel.principal import Principal
from actorium.users.service import Users

DAY_SECS = 86_400


class ActorBuilds(Protocol):
    """What Actors need to know of builds, which lie above them."""

    def tagged_in(self, tx: Tx, actor_id: str, build_id: str) -> TaggedBuild | None:
        """A finished build of the Actor that a tag may point at; None: no such build."""
        ...

    def remove_of_in(self, tx: Tx, actor_id: str, now: Instant) -> None:
        """Forget every build of the Actor."""
        ...


class Actors:
    """The Actors of this installation."""

    def __init__(
        self, database: Database, *, users: Users, builds: ActorBuilds, vault: Vault, ids: Ids, clock: Clock
    ) -> None:
        self._database = database
        self._users = users
        self._builds = builds
        self._vault = vault
        self._ids = ids
        self._clock = clock
        self.versions = Versions(database, find_in=self.resolve_in, vault=vault, clock=clock)

    async def create(self, principal: Principal, asked: CreateActor) -> ActorView:
        """Make an Actor. Raises ActorNameNotUnique, TooManyActors, CannotCreatePublic, InvalidInput."""
        actor_id, now = self._ids.new(), self._clock.now()
        if asked.is_public:
            raise CannotCreatePublic
        row = ActorRow(
            id=actor_id,
            owner_id=principal.user_id,
            username=principal.username,
            name=changes.check_name(asked.name or f"actor-{actor_id}"),
            is_public=False,
            created_at=now,
            modified_at=now,
            created_by_run=principal.run_id,
            document=changes.written(ActorDocument(), asked, now),
        )

        def work(tx: Tx) -> ActorView:
            if store.count_of(tx, principal.user_id) >= ACTORS_PER_USER_MAX:
                raise TooManyActors
            if not store.add(tx, row):
                raise ActorNameNotUnique
            if isinstance(asked.versions, list):
                self.versions.replace_in(tx, row.id, asked.versions, now, may_be_empty=True)
            return self._view_in(tx, row, principal)

        return await self._database.write(work)

    async def get(self, principal: Principal, reference: str) -> ActorView:
        """The Actor object. Raises ActorMissing."""
        return await self._database.read(
            lambda tx: self._view_in(tx, self.resolve_in(tx, principal, reference), principal)
        )

    async def page(
        self, principal: Principal, *, only_own: bool, sort_by: str, offset: int, limit: int, desc: bool
    ) -> tuple[int, list[ActorShort]]:
        """How many Actors the caller has or used, and one page of them."""

        def work(tx: Tx) -> tuple[int, list[ActorShort]]:
            total, rows = store.page(
                tx, principal.user_id, only_own=only_own, sort_by=sort_by, offset=offset, limit=limit, desc=desc
            )
            return total, [short_view(row) for row in rows]

        return await self._database.read(work)

    async def update(self, principal: Principal, reference: str, asked: UpdateActor) -> ActorView:
        """Change what is given of an Actor. Raises ActorMissing, ActorNameNotUnique, InvalidInput and its kin."""

        def work(tx: Tx) -> ActorView:
            now = self._clock.now()
            before = self.resolve_in(tx, principal, reference, write=True)
            document = changes.written(before.document, asked, now)
            if isinstance(asked.tagged_builds, dict):
                document = structs.replace(document, tagged_builds=self._tagged_in(tx, before, asked.tagged_builds))
            after = replace(before, document=document, modified_at=now)
            if isinstance(asked.name, str):
                after = replace(after, name=changes.check_name(asked.name))
                self._check_name_in(tx, after)
            if isinstance(asked.is_public, bool):
                after = replace(after, is_public=asked.is_public)
            _check_public(before, after)
            after = store.save(tx, after)
            if isinstance(asked.versions, list):
                self.versions.replace_in(tx, after.id, asked.versions, now)
            return self._view_in(tx, after, principal)

        try:
            return await write_again(self._database, work)
        except UniqueViolation as error:  # somebody else took the name at the same moment
            raise ActorNameNotUnique from error

    async def delete(self, principal: Principal, reference: str) -> None:
        """Forget an Actor with its versions and builds; its runs stay. Raises ActorMissing, CannotDeletePaidActor."""

        def work(tx: Tx) -> None:
            row = self.resolve_in(tx, principal, reference, write=True)
            if not isinstance(in_force(row.pricing_infos, self._clock.now()), Free | None):
                raise CannotDeletePaidActor
            store.delete(tx, row)
            self._builds.remove_of_in(tx, row.id, self._clock.now())

        await write_again(self._database, work)

    def resolve_in(self, tx: Tx, principal: Principal, reference: str, *, write: bool = False) -> ActorRow:
        """An Actor by id, ``username~name``, ``~name`` or ``username/name``, for a caller who may see (or change) it.

        Raises ActorMissing, also for private Actors of others; Forbidden for changing a public one of others;
        LimitedToken where a run with limited permissions wants another one than its own or a public one.
        """
        row, scope = self.runnable_in(tx, principal, reference), principal.scope
        if scope is not None and (write or not (row.is_public or row.id == scope.actor_id)):
            raise LimitedToken
        if write and row.owner_id != principal.user_id:
            raise Forbidden("Only its owner can change an Actor.")
        return row

    def runnable_in(self, tx: Tx, principal: Principal, reference: str) -> ActorRow:
        """An Actor that the caller may run, if the permission level of the run lets it. Raises ActorMissing."""
        row = self._find_in(tx, principal, reference)
        if row is None or not (row.is_public or row.owner_id == principal.user_id):
            raise ActorMissing
        return row

    def find_in(self, tx: Tx, actor_id: str) -> ActorRow | None:
        """An Actor by id, whoever asks."""
        return store.find(tx, actor_id)

    def count_build_in(self, tx: Tx, actor_id: str) -> None:
        """Count one more build."""
        store.count_build(tx, actor_id)

    def count_run_in(self, tx: Tx, actor_id: str, now: Instant, *, user_id: str | None = None) -> None:
        """Count one more run, and remember who used the Actor."""
        store.count_run(tx, actor_id, now)
        if user_id is not None:
            store.note_use(tx, actor_id, user_id, now)

    def is_meant_in(self, tx: Tx, principal: Principal, reference: str, actor: ActorRow) -> bool:
        """Whether a reference in a path is this Actor's."""
        found = self._find_in(tx, principal, reference)
        return found is not None and found.id == actor.id

    def tag_in(self, tx: Tx, actor_id: str, tag: str, build: TaggedBuild) -> None:
        """Let a tag point at a build. Raises StaleWrite."""
        row = store.find(tx, actor_id)
        if row is None:
            return
        tags = changes.tagged(row.tagged_builds, {tag: build})
        store.save(tx, replace(row, document=structs.replace(row.document, tagged_builds=tags)))

    def untag_in(self, tx: Tx, actor_id: str, build_id: str) -> None:
        """Remove every tag that points at a build. Raises StaleWrite."""
        row = store.find(tx, actor_id)
        if row is None:
            return
        tags = {tag: build for tag, build in row.tagged_builds.items() if build.build_id != build_id}
        if len(tags) != len(row.tagged_builds):
            store.save(tx, replace(row, document=structs.replace(row.document, tagged_builds=tags)))

    def values_of(self, actor_id: str, variables: tuple[StoredEnvVar, ...]) -> dict[str, str]:
        """Environment variables with their true values, for builds and runs only. Raises VaultLocked."""
        return opened(variables, vault=self._vault, subject=actor_id)

    def secrets_of(self, actor_id: str, variables: tuple[StoredEnvVar, ...]) -> tuple[str, ...]:
        """The values that logs must not show. Raises VaultLocked."""
        return secrets(variables, vault=self._vault, subject=actor_id)

    def _find_in(self, tx: Tx, principal: Principal, reference: str) -> ActorRow | None:
        separator = "~" if "~" in reference else "/"
        username, found, name = reference.partition(separator)
        if not found:
            return store.find(tx, reference)
        owner_id = self._users.find_id_in(tx, username) if username else principal.user_id
        return store.find_named(tx, owner_id, name) if owner_id else None

    def _tagged_in(self, tx: Tx, row: ActorRow, asked: Mapping[str, BuildTag | None]) -> dict[str, TaggedBuild]:
        patch: dict[str, TaggedBuild | None] = {}
        for tag, wanted in asked.items():
            patch[tag] = None if wanted is None else self._builds.tagged_in(tx, row.id, wanted.build_id)
            if wanted is not None and patch[tag] is None:
                raise InvalidInput(
                    f"taggedBuilds.{tag}: the Actor has no successful build with the id {wanted.build_id!r}."
                )
        return changes.tagged(row.tagged_builds, patch)

    def _check_name_in(self, tx: Tx, row: ActorRow) -> None:
        other = store.find_named(tx, row.owner_id, row.name)
        if other is not None and other.id != row.id:
            raise ActorNameNotUnique

    def _view_in(self, tx: Tx, row: ActorRow, principal: Principal) -> ActorView:
        is_owner = row.owner_id == principal.user_id and principal.scope is None
        now = self._clock.now()
        starts = tuple(now.plus(secs=-days * DAY_SECS) for days in (7, 30, 90))
        users = store.users_since(tx, row.id, (Instant(0), *starts))
        versions = store.versions(tx, row.id, with_sources=is_owner)
        return actor_view(row, versions, users, is_owner=is_owner)


def _check_public(before: ActorRow, after: ActorRow) -> None:
    if not after.is_public or before.is_public:
        return
    if not after.title or not after.document.categories:
        raise CannotPublish
    if not after.tagged_builds:
        raise TaggedBuildRequired
