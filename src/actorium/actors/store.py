"""The only SQL about Actors and their versions. Changes are compare-and-sets on revisions; counters are added up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from actorium.actors.model import SourceFile
from actorium.actors.numbers import number_int
from actorium.actors.row import ActorDocument, ActorRow, VersionDocument, VersionRow
from actorium.database import Row, Tx
from actorium.kernel.errors import StaleWrite
from actorium.kernel.instant import Instant
from actorium.kernel.structs import decode, encode

_ACTOR = (
    "SELECT actors.id, actors.owner_id, actors.name, actors.is_public, actors.created_at, actors.modified_at,"
    " actors.last_run_started_at, actors.total_builds, actors.total_runs, actors.created_by_run, actors.revision,"
    " actors.document, users.username FROM actors JOIN users ON users.id = actors.owner_id"
)
_VERSION = "actor_id, number, created_at, modified_at, revision, document"
_ORDERS = {
    "createdAt": "actors.created_at",
    "stats.lastRunStartedAt": "COALESCE(actors.last_run_started_at, 0)",
}


def add(tx: Tx, row: ActorRow) -> bool:
    """Store a new Actor; False when its owner has one of this name."""
    return bool(
        tx.run(
            "INSERT INTO actors (id, owner_id, name, is_public, created_at, modified_at, total_builds, total_runs,"
            " created_by_run, revision, document)"
            " VALUES (:id, :owner_id, :name, :is_public, :created_at, :modified_at, 0, 0,"
            " :created_by_run, 1, :document) ON CONFLICT DO NOTHING",
            id=row.id,
            owner_id=row.owner_id,
            created_at=int(row.created_at),
            created_by_run=row.created_by_run,
            **_changing(row),
        )
    )


def save(tx: Tx, row: ActorRow) -> ActorRow:
    """Store a changed Actor; the row with its new revision. Raises StaleWrite."""
    changed = tx.run(
        "UPDATE actors SET name = :name, is_public = :is_public, modified_at = :modified_at, document = :document,"
        " revision = revision + 1 WHERE id = :id AND revision = :revision",
        id=row.id,
        revision=row.revision,
        **_changing(row),
    )
    if changed != 1:
        raise StaleWrite
    return replace(row, revision=row.revision + 1)


def find(tx: Tx, actor_id: str) -> ActorRow | None:
    row = tx.one(f"{_ACTOR} WHERE actors.id = :id", id=actor_id)
    return None if row is None else _actor(row)


def find_named(tx: Tx, owner_id: str, name: str) -> ActorRow | None:
    row = tx.one(f"{_ACTOR} WHERE actors.owner_id = :owner_id AND actors.name = :name", owner_id=owner_id, name=name)
    return None if row is None else _actor(row)


def count_of(tx: Tx, owner_id: str) -> int:
    row = tx.one("SELECT COUNT(*) AS total FROM actors WHERE owner_id = :owner_id", owner_id=owner_id)
    assert row is not None
    return int(row["total"])


def page(
    tx: Tx, user_id: str, *, only_own: bool, sort_by: str, offset: int, limit: int, desc: bool
) -> tuple[int, list[ActorRow]]:
    """A user's own Actors, and public ones of others that the user has run."""
    where = "actors.owner_id = :user_id"
    if not only_own:
        used = "SELECT 1 FROM actor_uses WHERE actor_uses.user_id = :user_id AND actor_uses.actor_id = actors.id"
        where = f"({where} OR (actors.is_public = 1 AND EXISTS ({used})))"
    direction = "DESC" if desc else "ASC"
    total = tx.one(f"SELECT COUNT(*) AS total FROM actors WHERE {where}", user_id=user_id)
    assert total is not None
    rows = tx.all(
        f"{_ACTOR} WHERE {where} ORDER BY {_ORDERS[sort_by]} {direction}, actors.id {direction}"
        " LIMIT :limit OFFSET :offset",
        user_id=user_id,
        limit=limit,
        offset=offset,
    )
    return total["total"], [_actor(row) for row in rows]


def delete(tx: Tx, row: ActorRow) -> None:
    """Forget an Actor with its versions. Raises StaleWrite."""
    if tx.run("DELETE FROM actors WHERE id = :id AND revision = :revision", id=row.id, revision=row.revision) != 1:
        raise StaleWrite
    tx.run("DELETE FROM actor_versions WHERE actor_id = :id", id=row.id)
    tx.run("DELETE FROM actor_uses WHERE actor_id = :id", id=row.id)
    tx.run("DELETE FROM actor_approvals WHERE actor_id = :id", id=row.id)


def count_build(tx: Tx, actor_id: str) -> None:
    tx.run("UPDATE actors SET total_builds = total_builds + 1 WHERE id = :id", id=actor_id)


def count_run(tx: Tx, actor_id: str, now: Instant) -> None:
    tx.run(
        "UPDATE actors SET total_runs = total_runs + 1, last_run_started_at = :now WHERE id = :id",
        id=actor_id,
        now=int(now),
    )


def note_use(tx: Tx, actor_id: str, user_id: str, now: Instant) -> None:
    tx.run(
        "INSERT INTO actor_uses (user_id, actor_id, first_at, last_at) VALUES (:user_id, :actor_id, :now, :now)"
        " ON CONFLICT (user_id, actor_id) DO UPDATE SET last_at = excluded.last_at",
        user_id=user_id,
        actor_id=actor_id,
        now=int(now),
    )


def users_since(tx: Tx, actor_id: str, starts: tuple[Instant, ...]) -> tuple[int, ...]:
    """How many users ran the Actor since each moment."""
    counts = []
    for start in starts:
        row = tx.one(
            "SELECT COUNT(*) AS total FROM actor_uses WHERE actor_id = :id AND last_at >= :start",
            id=actor_id,
            start=int(start),
        )
        assert row is not None
        counts.append(int(row["total"]))
    return tuple(counts)


def add_version(tx: Tx, version: VersionRow) -> bool:
    """Store a new version; False when the Actor has one of this number."""
    return bool(
        tx.run(
            "INSERT INTO actor_versions (actor_id, number, number_int, created_at, modified_at, revision, document,"
            " source_files) VALUES (:actor_id, :number, :number_int, :created_at, :modified_at, 1, :document,"
            " :source_files) ON CONFLICT DO NOTHING",
            actor_id=version.actor_id,
            number=version.number,
            number_int=number_int(version.number),
            created_at=int(version.created_at),
            modified_at=int(version.modified_at),
            document=encode(version.document).decode(),
            source_files=encode(version.source_files or ()).decode(),
        )
    )


def save_version(tx: Tx, version: VersionRow) -> VersionRow:
    """Store a changed version; its sources too where they are given. Raises StaleWrite."""
    values: dict[str, Any] = {
        "actor_id": version.actor_id,
        "number": version.number,
        "revision": version.revision,
        "modified_at": int(version.modified_at),
        "document": encode(version.document).decode(),
    }
    sources = ""
    if version.source_files is not None:
        sources = " source_files = :source_files,"
        values["source_files"] = encode(version.source_files).decode()
    changed = tx.run(
        f"UPDATE actor_versions SET{sources} modified_at = :modified_at, document = :document,"
        " revision = revision + 1 WHERE actor_id = :actor_id AND number = :number AND revision = :revision",
        **values,
    )
    if changed != 1:
        raise StaleWrite
    return replace(version, revision=version.revision + 1)


def find_version(tx: Tx, actor_id: str, number: str, *, with_sources: bool = False) -> VersionRow | None:
    row = tx.one(
        f"SELECT {_VERSION}{', source_files' if with_sources else ''} FROM actor_versions"
        " WHERE actor_id = :actor_id AND number = :number",
        actor_id=actor_id,
        number=number,
    )
    return None if row is None else _version(row, with_sources=with_sources)


def versions(tx: Tx, actor_id: str, *, with_sources: bool = False) -> list[VersionRow]:
    """An Actor's versions by number."""
    rows = tx.all(
        f"SELECT {_VERSION}{', source_files' if with_sources else ''} FROM actor_versions"
        " WHERE actor_id = :actor_id ORDER BY number_int",
        actor_id=actor_id,
    )
    return [_version(row, with_sources=with_sources) for row in rows]


def approve(tx: Tx, user_id: str, actor_id: str, now: Instant) -> None:
    """Note that a user lets an Actor have full permissions; the first time counts."""
    tx.run(
        "INSERT INTO actor_approvals (user_id, actor_id, created_at) VALUES (:user_id, :actor_id, :now)"
        " ON CONFLICT DO NOTHING",
        user_id=user_id,
        actor_id=actor_id,
        now=int(now),
    )


def disapprove(tx: Tx, user_id: str, actor_id: str) -> None:
    tx.run(
        "DELETE FROM actor_approvals WHERE user_id = :user_id AND actor_id = :actor_id",
        user_id=user_id,
        actor_id=actor_id,
    )


def is_approved(tx: Tx, user_id: str, actor_id: str) -> bool:
    sql = "SELECT 1 FROM actor_approvals WHERE user_id = :user_id AND actor_id = :actor_id"
    return tx.one(sql, user_id=user_id, actor_id=actor_id) is not None


def delete_version(tx: Tx, actor_id: str, number: str) -> int:
    return tx.run(
        "DELETE FROM actor_versions WHERE actor_id = :actor_id AND number = :number", actor_id=actor_id, number=number
    )


def _changing(row: ActorRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "is_public": int(row.is_public),
        "modified_at": int(row.modified_at),
        "document": encode(row.document).decode(),
    }


def _actor(row: Row) -> ActorRow:
    started_at = row["last_run_started_at"]
    return ActorRow(
        id=row["id"],
        owner_id=row["owner_id"],
        username=row["username"],
        name=row["name"],
        is_public=bool(row["is_public"]),
        created_at=Instant(row["created_at"]),
        modified_at=Instant(row["modified_at"]),
        last_run_started_at=None if started_at is None else Instant(started_at),
        total_builds=row["total_builds"],
        total_runs=row["total_runs"],
        created_by_run=row["created_by_run"],
        revision=row["revision"],
        document=decode(row["document"], ActorDocument),
    )


def _version(row: Row, *, with_sources: bool) -> VersionRow:
    sources = tuple(msgspec.json.decode(row["source_files"], type=list[SourceFile])) if with_sources else None
    return VersionRow(
        actor_id=row["actor_id"],
        number=row["number"],
        created_at=Instant(row["created_at"]),
        modified_at=Instant(row["modified_at"]),
        revision=row["revision"],
        document=decode(row["document"], VersionDocument),
        source_files=sources,
    )
