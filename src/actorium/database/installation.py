"""What an installation keeps once and for all: its secrets, made at the first start, and the mark of a copy."""

from __future__ import annotations

from actorium.database import Database, Row, Tx
from actorium.kernel.ids import Ids

TABLE = "installation"
_UNFINISHED_COPY = "unfinished-copy"
"""The mark of an installation that is being copied into this database."""


async def secret(database: Database, name: str, *, ids: Ids) -> str:
    """The secret of this name, made if there is none; the same for every server of the installation."""
    fresh = ids.secret()

    def work(tx: Tx) -> str:
        tx.run(
            "INSERT INTO installation (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING",
            name=name,
            value=fresh,
        )
        row = tx.one("SELECT value FROM installation WHERE name = :name", name=name)
        assert row is not None
        return str(row["value"])

    return await database.write(work)


def begin_copy(tx: Tx) -> None:
    """Mark the database as one that nothing may run on yet."""
    tx.run(
        "INSERT INTO installation (name, value) VALUES (:name, '') ON CONFLICT (name) DO NOTHING",
        name=_UNFINISHED_COPY,
    )


def end_copy(tx: Tx) -> None:
    """Everything has arrived."""
    tx.run("DELETE FROM installation WHERE name = :name", name=_UNFINISHED_COPY)


def is_unfinished_copy(tx: Tx) -> bool:
    """Whether a copy into this database has begun and was not proven yet."""
    return tx.one("SELECT value FROM installation WHERE name = :name", name=_UNFINISHED_COPY) is not None


def is_mark(row: Row) -> bool:
    """Whether a row of the table is the mark."""
    return bool(row["name"] == _UNFINISHED_COPY)
