"""What an installation keeps once and for all: its secrets, made at the first start."""

from __future__ import annotations

from actorium.database import Database, Tx
from actorium.kernel.ids import Ids


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
