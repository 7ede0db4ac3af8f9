"""How much of a storage is copied when a copy of it is made: rows, and the bytes in them. Blobs are shared."""

from __future__ import annotations

from dataclasses import dataclass

from actorium.database import Tx


@dataclass(frozen=True, slots=True)
class Extent:
    """Of one storage or several. Counting may end where there is more than anybody would copy."""

    rows: int = 0
    size: int = 0
    """Bytes in rows, in blobs not counted."""

    def __add__(self, other: Extent) -> Extent:
        return Extent(self.rows + other.rows, self.size + other.size)


NOTHING = Extent()


def counted(tx: Tx, table: str, owner: str, id: str, *, limit: int) -> Extent:
    """What a storage has in ``table``, whose column ``owner`` names it: up to ``limit`` rows are counted."""
    row = tx.one(
        "SELECT COUNT(*) AS rows, COALESCE(SUM(size), 0) AS size FROM"
        " (SELECT CASE WHEN blob_key IS NULL THEN byte_count ELSE 0 END AS size"
        f" FROM {table} WHERE {owner} = :id LIMIT :limit) AS counted",
        id=id,
        limit=limit,
    )
    return NOTHING if row is None else Extent(row["rows"], int(row["size"]))
