"""The only SQL about builds. Every change of a build is a compare-and-set on its revision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from actorium.actors.model import SourceFile, TaggedBuild
from actorium.actors.row import StoredEnvVar
from actorium.builds.lifecycle import BuildStatus, Life
from actorium.builds.row import BuildDocument, BuildRow
from actorium.database import Row, Tx
from actorium.kernel.errors import StaleWrite
from actorium.kernel.instant import Instant
from actorium.kernel.structs import decode, encode

_COLUMNS = (
    "id, owner_id, actor_id, version_number, number, number_int, status, started_at, finished_at, attempt,"
    " attempt_started_at, worker, lease_until, used_at, image_reference, created_by_run, revision, document, env_vars"
)
_THERE = "removed_at IS NULL"

Place = tuple[int, str]
"""Last use and id of a build: where a walk over the unused ones is."""
BEFORE_ALL: Place = (-1, "")


def next_number(tx: Tx, actor_id: str, version_number: str) -> int:
    """Take the next number of a version's builds, from 1."""
    row = tx.one(
        "INSERT INTO build_numbers (actor_id, version_number, last_number) VALUES (:actor_id, :version_number, 1)"
        " ON CONFLICT (actor_id, version_number) DO UPDATE SET last_number = build_numbers.last_number + 1"
        " RETURNING last_number",
        actor_id=actor_id,
        version_number=version_number,
    )
    assert row is not None
    return int(row["last_number"])


def live_count(tx: Tx, owner_id: str) -> int:
    """How many builds of a user have not ended."""
    row = tx.one(
        f"SELECT COUNT(*) AS live FROM builds WHERE owner_id = :owner_id AND finished_at IS NULL AND {_THERE}",
        owner_id=owner_id,
    )
    assert row is not None
    return int(row["live"])


def add(tx: Tx, row: BuildRow) -> None:
    """Store a new build together with the sources that its version has now."""
    life = row.life
    tx.run(
        f"INSERT INTO builds ({_COLUMNS}, source_files)"
        " SELECT :id, :owner_id, :actor_id, :version_number, :number, :number_int, :status, :started_at, NULL,"
        " :attempt, NULL, '', 0, NULL, NULL, :created_by_run, 1, :document, :env_vars, source_files"
        " FROM actor_versions WHERE actor_versions.actor_id = :actor_id AND actor_versions.number = :version_number",
        id=row.id,
        owner_id=row.owner_id,
        actor_id=row.actor_id,
        version_number=row.version_number,
        number=row.number,
        number_int=row.number_int,
        status=str(life.status),
        started_at=int(row.started_at),
        attempt=life.attempt,
        created_by_run=row.created_by_run,
        document=encode(row.document).decode(),
        env_vars=encode(row.env_vars).decode(),
    )


def save(tx: Tx, row: BuildRow, *, definition: str | None = None) -> BuildRow:
    """Store a changed build; the build with its new revision. A finished one lets go of its sources.

    Raises StaleWrite, also for a build that was removed.
    """
    life = row.life
    changed = tx.run(
        "UPDATE builds SET status = :status, finished_at = :finished_at, used_at = :finished_at, attempt = :attempt,"
        " attempt_started_at = :attempt_started_at, worker = :worker, lease_until = :lease_until,"
        " image_reference = :image_reference, document = :document,"
        " definition = COALESCE(:definition, definition),"
        " source_files = CASE WHEN :is_over = 1 THEN NULL ELSE source_files END, revision = revision + 1"
        f" WHERE id = :id AND revision = :revision AND {_THERE}",
        id=row.id,
        revision=row.revision,
        status=str(life.status),
        finished_at=_millis(life.finished_at),
        attempt=life.attempt,
        attempt_started_at=_millis(life.attempt_started_at),
        worker=row.worker,
        lease_until=int(row.lease_until),
        image_reference=row.image_reference,
        document=encode(row.document).decode(),
        definition=definition,
        is_over=int(life.finished_at is not None),
    )
    if changed != 1:
        raise StaleWrite
    return replace(row, revision=row.revision + 1)


def find(tx: Tx, build_id: str, *, even_removed: bool = False) -> BuildRow | None:
    there = "" if even_removed else f" AND {_THERE}"
    row = tx.one(f"SELECT {_COLUMNS} FROM builds WHERE id = :id{there}", id=build_id)
    return None if row is None else _build(row)


def find_number(tx: Tx, actor_id: str, number: str) -> BuildRow | None:
    row = tx.one(
        f"SELECT {_COLUMNS} FROM builds WHERE actor_id = :actor_id AND number = :number AND {_THERE}",
        actor_id=actor_id,
        number=number,
    )
    return None if row is None else _build(row)


def definition(tx: Tx, build_id: str) -> str | None:
    """The Actor's definition as JSON; None until the build has read it."""
    row = tx.one("SELECT definition FROM builds WHERE id = :id", id=build_id)
    return None if row is None else row["definition"]


def source_files(tx: Tx, build_id: str) -> list[SourceFile]:
    """The sources of a build that has not finished."""
    row = tx.one("SELECT source_files FROM builds WHERE id = :id", id=build_id)
    text = None if row is None else row["source_files"]
    return [] if text is None else msgspec.json.decode(text, type=list[SourceFile])


def page(
    tx: Tx, *, offset: int, limit: int, desc: bool, owner_id: str | None = None, actor_id: str | None = None
) -> tuple[int, list[BuildRow]]:
    """The builds of an owner or of an Actor, by start."""
    column, value = ("owner_id", owner_id) if actor_id is None else ("actor_id", actor_id)
    where = f"{column} = :value AND {_THERE}"
    direction = "DESC" if desc else "ASC"
    total = tx.one(f"SELECT COUNT(*) AS total FROM builds WHERE {where}", value=value)
    assert total is not None
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM builds WHERE {where}"
        f" ORDER BY started_at {direction}, id {direction} LIMIT :limit OFFSET :offset",
        value=value,
        limit=limit,
        offset=offset,
    )
    return total["total"], [_build(row) for row in rows]


def live(tx: Tx, *, limit: int) -> list[BuildRow]:
    """Builds that have not ended, oldest first."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM builds WHERE finished_at IS NULL AND {_THERE} ORDER BY started_at, id LIMIT :limit",
        limit=limit,
    )
    return [_build(row) for row in rows]


def renew(tx: Tx, worker: str, until: Instant) -> None:
    """Keep every live build that a builder has claimed."""
    tx.run(
        "UPDATE builds SET lease_until = :until WHERE worker = :worker AND finished_at IS NULL",
        worker=worker,
        until=int(until),
    )


def remove(tx: Tx, build_id: str, now: Instant) -> None:
    """Take a build out of sight; a loop cleans up behind it."""
    tx.run(
        f"UPDATE builds SET removed_at = :now, revision = revision + 1 WHERE id = :id AND {_THERE}",
        id=build_id,
        now=int(now),
    )


def note_use(tx: Tx, build_id: str, now: Instant) -> None:
    """Remember that a finished build is used now."""
    tx.run("UPDATE builds SET used_at = :now WHERE id = :id AND used_at < :now", id=build_id, now=int(now))


def unused(tx: Tx, *, before: Instant, after: Place, limit: int) -> list[Place]:
    """Finished builds that were last used before a time, the longest unused first, behind a place."""
    rows = tx.all(
        "SELECT used_at, id FROM builds WHERE used_at IS NOT NULL AND removed_at IS NULL"
        " AND (used_at, id) > (:used_at, :id) AND used_at < :before"
        " ORDER BY used_at, id LIMIT :limit",
        used_at=after[0],
        id=after[1],
        before=int(before),
        limit=limit,
    )
    return [(row["used_at"], row["id"]) for row in rows]


def remove_unused(tx: Tx, build_id: str, *, before: Instant, now: Instant) -> bool:
    """Take a build out of sight, unless it has been used since a time; whether it was."""
    changed = tx.run(
        "UPDATE builds SET removed_at = :now, revision = revision + 1"
        f" WHERE id = :id AND {_THERE} AND used_at < :before",
        id=build_id,
        before=int(before),
        now=int(now),
    )
    return changed == 1


def remove_of(tx: Tx, actor_id: str, now: Instant) -> None:
    """The same for every build of an Actor."""
    tx.run(
        f"UPDATE builds SET removed_at = :now, revision = revision + 1 WHERE actor_id = :actor_id AND {_THERE}",
        actor_id=actor_id,
        now=int(now),
    )
    tx.run("DELETE FROM build_numbers WHERE actor_id = :actor_id", actor_id=actor_id)


def removed(tx: Tx, *, limit: int) -> list[BuildRow]:
    """Builds to clean up behind."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM builds WHERE removed_at IS NOT NULL ORDER BY removed_at, id LIMIT :limit",
        limit=limit,
    )
    return [_build(row) for row in rows]


def postpone(tx: Tx, build_id: str, now: Instant) -> None:
    """Clean up behind a removed build later, after the others."""
    tx.run("UPDATE builds SET removed_at = :now WHERE id = :id AND removed_at IS NOT NULL", id=build_id, now=int(now))


def shares_image(tx: Tx, build_id: str, reference: str) -> bool:
    """Whether another build, removed or not, has the same image."""
    row = tx.one(
        "SELECT id FROM builds WHERE image_reference = :reference AND id <> :id LIMIT 1",
        reference=reference,
        id=build_id,
    )
    return row is not None


def delete(tx: Tx, build_id: str) -> None:
    tx.run("DELETE FROM builds WHERE id = :id", id=build_id)


def tagged(row: BuildRow) -> TaggedBuild:
    """The build as a tag names it."""
    return TaggedBuild(
        build_id=row.id,
        build_number=row.number,
        build_number_int=row.number_int,
        finished_at=row.life.finished_at,
    )


def _millis(at: Instant | None) -> int | None:
    return None if at is None else int(at)


def _instant(millis: int | None) -> Instant | None:
    return None if millis is None else Instant(millis)


def _build(row: Row) -> BuildRow:
    values: dict[str, Any] = {name: row[name] for name in _PLAIN}
    return BuildRow(
        **values,
        started_at=Instant(row["started_at"]),
        lease_until=Instant(row["lease_until"]),
        used_at=_instant(row["used_at"]),
        life=Life(
            status=BuildStatus(row["status"]),
            attempt=row["attempt"],
            attempt_started_at=_instant(row["attempt_started_at"]),
            finished_at=_instant(row["finished_at"]),
        ),
        document=decode(row["document"], BuildDocument),
        env_vars=tuple(decode(row["env_vars"], list[StoredEnvVar])),
    )


_PLAIN = (
    "id",
    "owner_id",
    "actor_id",
    "version_number",
    "number",
    "number_int",
    "worker",
    "image_reference",
    "created_by_run",
    "revision",
)
