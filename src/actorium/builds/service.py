"""What callers do with builds: start, look, wait, abort, delete. The builder does the rest."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec

from actorium.actors.changes import check_tag, check_version_number
from actorium.actors.numbers import number_int
from actorium.actors.row import ActorRow, VersionRow
from actorium.actors.service import Actors
from actorium.builds import changes, openapi, resolution, store
from actorium.builds.errors import (
    BuildMissing,
    DeletingDefaultBuild,
    DeletingUnfinishedBuild,
    InvalidBuild,
    TooManyBuilds,
)
from actorium.builds.lifecycle import TERMINAL, BuildStatus, Event, possible
from actorium.builds.model import BuildActVersion, BuildMeta, BuildOptions, BuildShort, BuildView
from actorium.builds.row import BuildDocument, BuildRow
from actorium.builds.storage_schemas import StorageSchemas, storage_schemas
from actorium.builds.view import Prices, build_view, short_view
from actorium.database import Database, Tx
from actorium.database.again import write_again
from actorium.events.waiters import Waiters
from actorium.kernel.clock import Clock
from actorium.kernel.errors import LimitedToken
from actorium.kernel.ids import Ids
from actorium.kernel.instant import Instant
from actorium.kernel.limits import (
    BUILD_DISK_PER_MEMORY,
    BUILD_MEMORY_MBYTES,
    BUILD_NUMBER_MAX,
    BUILD_USE_NOTED_SECS,
    WAIT_FOR_FINISH_SECS_MAX,
)
from actorium.kernel.principal import Principal
from actorium.kernel.structs import UNSET
from actorium.logs.service import Logs, Subject
from actorium.users.quotas import Load, Quotas


@dataclass(frozen=True, slots=True, kw_only=True)
class StartBuild:
    """What a build is asked for."""

    version: str
    tag: str | None = None
    """None: the version's own."""
    use_cache: bool = False
    beta_packages: bool = False


class Builds:
    """The builds of this installation."""

    def __init__(
        self,
        database: Database,
        *,
        actors: Actors,
        logs: Logs,
        waiters: Waiters,
        quotas: Quotas,
        ids: Ids,
        clock: Clock,
        prices: Prices,
        public_base_url: str,
    ) -> None:
        self._database = database
        self._actors = actors
        self._logs = logs
        self._waiters = waiters
        self._ids = ids
        self._clock = clock
        self._prices = prices
        self._public_base_url = public_base_url
        self._quotas = quotas
        quotas.count(_load_in)
        logs.subjects(self.log_subject)

    async def start(self, principal: Principal, reference: str, asked: StartBuild, meta: BuildMeta) -> BuildView:
        """Start a build of a version. Raises ActorMissing, VersionMissing, TooManyBuilds and limits."""
        check_version_number(asked.version)
        tag = None if asked.tag is None else check_tag(asked.tag)
        build_id, event_id = self._ids.new(), self._ids.new()

        def work(tx: Tx) -> BuildView:
            actor = self._actors.resolve_in(tx, principal, reference, write=True)
            version = self._actors.versions.find_in(tx, actor.id, asked.version)
            self._quotas.check_in(tx, actor.owner_id, more=Load(memory_mbytes=BUILD_MEMORY_MBYTES))
            number = store.next_number(tx, actor.id, version.number)
            if number > BUILD_NUMBER_MAX:
                raise TooManyBuilds
            row = _new(
                build_id,
                actor,
                version,
                number=number,
                asked=asked,
                tag=tag,
                meta=meta,
                created_by_run=principal.run_id,
                now=self._clock.now(),
            )
            changes.create(tx, row, event_id=event_id)
            self._logs.create_in(tx, subject_id=row.id, owner_id=row.owner_id)
            self._actors.count_build_in(tx, actor.id)
            return self._view_in(tx, row, principal)

        return await self._database.write(work)

    async def get(self, principal: Principal, build_id: str) -> BuildView:
        """The build object. Raises BuildMissing."""
        return await self._database.read(lambda tx: self._get_in(tx, principal, build_id))

    async def of_actor(self, principal: Principal, reference: str, build_id: str) -> str:
        """The id of a build, if it is one of this Actor and the caller may read it; ``default`` is the build of plain
        runs. Raises BuildMissing, for ``default`` as ``for_run_in``."""

        def work(tx: Tx) -> str:
            if build_id == "default":
                return resolution.for_run(tx, self._actors.resolve_in(tx, principal, reference), None).id
            row = store.find(tx, build_id)
            if row is None or not self._may_read_in(tx, row, principal):
                raise BuildMissing
            actor = self._actors.find_in(tx, row.actor_id)
            if actor is None or not self._actors.is_meant_in(tx, principal, reference, actor):
                raise BuildMissing
            return row.id

        return await self._database.read(work)

    async def wait(self, principal: Principal, build_id: str, secs: float | None) -> BuildView:
        """The build object, held back until the build has finished or the time (60 s at most) is over."""
        view = await self.get(principal, build_id)
        if not secs or secs < 0 or view.status in TERMINAL:
            return view
        until = self._clock.monotonic() + min(secs, WAIT_FOR_FINISH_SECS_MAX)
        with self._waiters.watch((changes.CHANNEL, build_id)) as bell:
            while (view := await self.get(principal, build_id)).status not in TERMINAL:
                left = until - self._clock.monotonic()
                if left <= 0 or not await bell.ring(left):
                    break
        return view if view.status in TERMINAL else await self.get(principal, build_id)

    async def default(self, principal: Principal, reference: str) -> BuildView:
        """The build that a plain run of the Actor gets. Raises as ``for_run_in``."""

        def work(tx: Tx) -> BuildView:
            actor = self._actors.resolve_in(tx, principal, reference)
            row = resolution.for_run(tx, actor, None)
            if not self._may_read_in(tx, row, principal):
                raise BuildMissing
            return self._view_in(tx, row, principal)

        return await self._database.read(work)

    async def openapi(self, principal: Principal, build_id: str) -> dict[str, Any]:
        """How to call the Actor, as an OpenAPI document. Raises BuildMissing, InvalidBuild."""

        def work(tx: Tx) -> tuple[ActorRow, BuildRow, str]:
            row = store.find(tx, build_id)
            if row is None or not self._may_read_in(tx, row, principal):
                raise BuildMissing
            actor, definition = self._actors.find_in(tx, row.actor_id), store.definition(tx, row.id)
            if actor is None:
                raise BuildMissing
            if row.status is not BuildStatus.SUCCEEDED or definition is None:
                raise InvalidBuild(
                    f"Build {row.number} of this Actor is {row.status}; only a successful build has one."
                )
            return actor, row, definition

        actor, row, definition = await self._database.read(work)

        def drawn() -> dict[str, Any]:
            return openapi.document(actor, row, msgspec.json.decode(definition), base_url=self._public_base_url)

        return await asyncio.to_thread(drawn)  # a schema may have thousands of fields

    async def page(
        self, principal: Principal, *, offset: int, limit: int, desc: bool, of_actor: str | None = None
    ) -> tuple[int, list[BuildShort]]:
        """How many builds the caller (or an Actor) has, and one page of them by start. Raises ActorMissing."""

        def work(tx: Tx) -> tuple[int, list[BuildShort]]:
            now = self._clock.now()
            actor_id = None
            if of_actor is not None:
                actor_id = self._actors.resolve_in(tx, principal, of_actor).id
            total, rows = store.page(
                tx, offset=offset, limit=limit, desc=desc, owner_id=principal.user_id, actor_id=actor_id
            )
            return total, [short_view(row, self._prices, now) for row in rows]

        return await self._database.read(work)

    async def abort(self, principal: Principal, build_id: str) -> BuildView:
        """Stop a build that waits or runs; others come back unchanged. Raises BuildMissing."""
        event_id = self._ids.new()

        def work(tx: Tx) -> BuildView:
            row = self._own_in(tx, principal, build_id)
            if possible(row.life, Event.ABORT):
                row = changes.change(tx, row, Event.ABORT, self._clock.now(), event_id=event_id)
            return self._view_in(tx, row, principal)

        return await write_again(self._database, work)

    async def delete(self, principal: Principal, build_id: str) -> None:
        """Forget a finished build with its log and image. Raises DeletingDefaultBuild, DeletingUnfinishedBuild."""

        def work(tx: Tx) -> None:
            row = self._own_in(tx, principal, build_id)
            if row.status not in TERMINAL:
                raise DeletingUnfinishedBuild
            actor = self._actors.find_in(tx, row.actor_id)
            if actor is not None:
                if resolution.is_default(actor, row):
                    raise DeletingDefaultBuild
                self._actors.untag_in(tx, actor.id, row.id)
            store.remove(tx, row.id, self._clock.now())
            tx.wake(changes.WORK, row.id)

        await write_again(self._database, work)

    def for_run_in(self, tx: Tx, actor: ActorRow, wanted: str | None) -> BuildRow:
        """The build for a run: a number exactly, a tag by what it points at, None by the Actor's default.

        Raises UnknownBuildTag, BuildNotFound, InvalidBuild.
        """
        return resolution.for_run(tx, actor, wanted)

    def note_use_in(self, tx: Tx, row: BuildRow, now: Instant) -> None:
        """Remember that a run is started with the build; once a day, as that is all that retention asks for."""
        if row.used_at is None or row.used_at.secs_until(now) >= BUILD_USE_NOTED_SECS:
            store.note_use(tx, row.id, now)

    def find_in(self, tx: Tx, build_id: str, *, even_removed: bool = False) -> BuildRow | None:
        """A build by id, whoever asks. ``even_removed``: also a deleted one that a live run still needs."""
        return store.find(tx, build_id, even_removed=even_removed)

    def storages_in(self, tx: Tx, row: BuildRow) -> StorageSchemas:
        """What the Actor's definition says about the storages that each run of the build gets."""
        return storage_schemas(self.definition_in(tx, row.id) if row.facts.has_storage_schemas else None)

    def definition_in(self, tx: Tx, build_id: str) -> dict[str, Any] | None:
        """The Actor's definition with its references resolved; None until the build has read it."""
        text = store.definition(tx, build_id)
        found: dict[str, Any] | None = None if text is None else msgspec.json.decode(text)
        return found

    def env_of(self, row: BuildRow) -> dict[str, str]:
        """The environment variables that a run of the build gets, with their true values. Raises VaultLocked."""
        return self._actors.values_of(row.actor_id, row.env_vars)

    def secrets_of(self, row: BuildRow) -> tuple[str, ...]:
        """The values among them that logs must not show. Raises VaultLocked."""
        return self._actors.secrets_of(row.actor_id, row.env_vars)

    async def log_subject(self, principal: Principal, build_id: str) -> Subject | None:
        """The build as something that has a log; None: no such build for this caller."""

        def work(tx: Tx) -> Subject | None:
            row = store.find(tx, build_id)
            if row is None or not self._may_read_in(tx, row, principal):
                return None
            return Subject(id=row.id, channel=changes.CHANNEL, live=row.status not in TERMINAL)

        return await self._database.read(work)

    def visible_in(self, tx: Tx, principal: Principal, build_id: str) -> bool:
        """Whether the caller may read it: its owner, or anybody when its Actor is public. Raises LimitedToken."""
        row = store.find(tx, build_id)
        return row is not None and self._may_read_in(tx, row, principal)

    def _may_read_in(self, tx: Tx, row: BuildRow, principal: Principal) -> bool:
        is_owner, scope = row.owner_id == principal.user_id, principal.scope
        if is_owner and (scope is None or scope.build_id == row.id):
            return True
        actor = self._actors.find_in(tx, row.actor_id)
        if actor is not None and actor.is_public:
            return True
        if is_owner:
            raise LimitedToken
        return False

    def _get_in(self, tx: Tx, principal: Principal, build_id: str) -> BuildView:
        row = store.find(tx, build_id)
        if row is None or not self._may_read_in(tx, row, principal):
            raise BuildMissing
        return self._view_in(tx, row, principal)

    def _own_in(self, tx: Tx, principal: Principal, build_id: str) -> BuildRow:
        row = store.find(tx, build_id)
        if row is None or row.owner_id != principal.user_id:
            raise BuildMissing
        return row

    def _view_in(self, tx: Tx, row: BuildRow, principal: Principal) -> BuildView:
        definition = store.definition(tx, row.id)
        is_owner = row.owner_id == principal.user_id
        return build_view(row, definition, self._prices, self._clock.now(), is_owner=is_owner)


def _load_in(tx: Tx, user_id: str) -> Load:
    return Load(memory_mbytes=store.live_count(tx, user_id) * BUILD_MEMORY_MBYTES)


def _new(
    build_id: str,
    actor: ActorRow,
    version: VersionRow,
    *,
    number: int,
    asked: StartBuild,
    tag: str | None,
    meta: BuildMeta,
    created_by_run: str | None,
    now: Instant,
) -> BuildRow:
    document = version.document
    options = BuildOptions(
        use_cache=asked.use_cache,
        beta_packages=asked.beta_packages,
        memory_mbytes=BUILD_MEMORY_MBYTES,
        disk_mbytes=BUILD_MEMORY_MBYTES * BUILD_DISK_PER_MEMORY,
    )
    act_version = BuildActVersion(
        version_number=version.number,
        source_type=document.source_type,
        build_tag=document.build_tag or UNSET,
        git_repo_url=document.git_repo_url or UNSET,
    )
    return BuildRow(
        id=build_id,
        owner_id=actor.owner_id,
        actor_id=actor.id,
        version_number=version.number,
        number=f"{version.number}.{number}",
        number_int=number_int(version.number) + number,
        started_at=now,
        created_by_run=created_by_run,
        document=BuildDocument(
            meta=meta,
            options=options,
            act_version=act_version,
            tag=tag or document.build_tag,
            source_url=document.git_repo_url or document.tarball_url or document.git_hub_gist_url or "",
            apply_env_vars_to_build=document.apply_env_vars_to_build,
        ),
        env_vars=document.env_vars,
    )
