"""Numbered SQL files, each applied once and in order; one text for both engines.

A file is named ``NNNN_name.sql``, applied in the order of numbers, and never changed after a release. A statement
ends with ``;`` at the end of a line; a comment has a line of its own. Types: ``TEXT``, ``BINARY_TEXT`` where the order
of bytes matters, ``BIGINT``, ``DOUBLE PRECISION``, ``BYTEA``.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Protocol

from actorium.database import Database, Tx
from actorium.database.catalog import Catalog
from actorium.kernel.instant import Instant

_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
TABLE = "schema_migrations"
_TABLE = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
  number BIGINT PRIMARY KEY,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  applied_at BIGINT NOT NULL
)
"""


class SchemaMismatch(Exception):
    """The database does not have the schema that this release knows."""


class Engine(Database, Protocol):
    """A database that says what must run first in each migrating transaction, a lock and types it lacks, and how it
    tells which tables it has."""

    preamble: tuple[str, ...]
    catalog: Catalog


@dataclass(frozen=True)
class Migration:
    """One file."""

    number: int
    name: str
    statements: tuple[str, ...]
    digest: str

    @classmethod
    def parse(cls, name: str, text: str) -> Migration:
        """Read a file's name and text. Raises ValueError for a name that is not ``NNNN_name.sql``."""
        match = _FILE.fullmatch(name)
        if match is None:
            raise ValueError(f"{name}: a migration is named NNNN_name.sql, in lower case")
        code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
        parts = re.split(r";[ \t]*(?:\n|$)", code)
        statements = tuple(part.strip() for part in parts if part.strip())
        digest = hashlib.sha256("\n;\n".join(statements).encode()).hexdigest()
        return cls(int(match[1]), name.removesuffix(".sql"), statements, digest)


def packaged() -> tuple[Migration, ...]:
    """The migrations of this release, in order."""
    folder = files("actorium.database") / "migrations"
    entries = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    found = [Migration.parse(entry.name, entry.read_text("utf-8")) for entry in entries]
    found.sort(key=lambda migration: migration.number)
    for one, other in itertools.pairwise(found):
        if one.number == other.number:
            raise ValueError(f"two migrations have the number {one.number}: {one.name} and {other.name}")
    return tuple(found)


async def migrate(engine: Engine, now: Instant, *, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Bring the database to this release's schema; the names of what was applied.

    Each file is one transaction under the engine's lock, so several servers may start at once.
    Raises SchemaMismatch, before anything is changed, if the database is newer than this release or has other files.
    """
    known = packaged() if migrations is None else tuple(migrations)
    waiting = await pending(engine, migrations=known)
    return [
        step.name for step in waiting if await engine.write(partial(_apply, engine=engine, migration=step, now=now))
    ]


async def pending(engine: Engine, *, migrations: Sequence[Migration] | None = None) -> list[Migration]:
    """What ``migrate`` would apply now. Raises SchemaMismatch as it does."""
    known = packaged() if migrations is None else tuple(migrations)
    done = await engine.write(lambda tx: _applied(tx, engine))
    _check(known, done)
    return [migration for migration in known if migration.number not in done]


def _applied(tx: Tx, engine: Engine) -> dict[int, tuple[str, str]]:
    for statement in engine.preamble:
        tx.run(statement)
    tx.run(_TABLE)
    rows = tx.all("SELECT number, name, digest FROM schema_migrations ORDER BY number")
    return {row["number"]: (row["name"], row["digest"]) for row in rows}


def _apply(tx: Tx, *, engine: Engine, migration: Migration, now: Instant) -> bool:
    if migration.number in _applied(tx, engine):
        return False  # another server was faster
    for statement in migration.statements:
        tx.run(statement)
    tx.run(
        "INSERT INTO schema_migrations (number, name, digest, applied_at) VALUES (:number, :name, :digest, :now)",
        number=migration.number,
        name=migration.name,
        digest=migration.digest,
        now=int(now),
    )
    return True


def _check(known: Sequence[Migration], done: dict[int, tuple[str, str]]) -> None:
    ours = {migration.number: migration for migration in known}
    for number, (name, digest) in done.items():
        if number not in ours:
            raise SchemaMismatch(
                f"The database was written by a newer release: it has the migration {name}, which this one does not "
                "know. Start that release or a newer one, or restore a backup from before the upgrade."
            )
        if (ours[number].name, ours[number].digest) != (name, digest):
            raise SchemaMismatch(
                f"The database was made with another text of the migration {name} than this release has "
                f"({ours[number].name}). Start the release that made it, or begin with a new database."
            )
