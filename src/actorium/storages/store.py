"""The only SQL about what the three tables of storages share; written once, spelled for each table at import."""

from __future__ import annotations

from actorium.database import Row, Tx
from actorium.kernel.instant import Instant
from actorium.kernel.structs import decode, encode
from actorium.storages.kinds import Kind
from actorium.storages.model import Profile, Stored

_BY_ID = "SELECT * FROM TABLE_NAME WHERE id = :id"
_BY_NAME = "SELECT * FROM TABLE_NAME WHERE owner_id = :owner_id AND name = :name"
_ADD = """
INSERT INTO TABLE_NAME
  (id, owner_id, name, created_by_run, expires_at, created_at, modified_at, accessed_at, document)
VALUES (:id, :owner_id, :name, :created_by_run, :expires_at, :now, :now, :now, :document)
ON CONFLICT DO NOTHING
"""
_UPDATE = """
UPDATE TABLE_NAME SET name = :name, document = :document, modified_at = :now WHERE id = :id AND NOT EXISTS (
  SELECT 1 FROM TABLE_NAME AS other WHERE other.owner_id = :owner_id AND other.name = :name AND other.id <> :id
)
"""
_DELETE = "DELETE FROM TABLE_NAME WHERE id = :id"
_COUNT = "SELECT COUNT(*) AS total FROM TABLE_NAME WHERE owner_id = :owner_id AND (name IS NOT NULL OR :unnamed = 1)"
_PAGE = """
SELECT * FROM TABLE_NAME WHERE owner_id = :owner_id AND (name IS NOT NULL OR :unnamed = 1)
ORDER BY created_at, id LIMIT :limit OFFSET :offset
"""
_PAGE_DESC = """
SELECT * FROM TABLE_NAME WHERE owner_id = :owner_id AND (name IS NOT NULL OR :unnamed = 1)
ORDER BY created_at DESC, id DESC LIMIT :limit OFFSET :offset
"""
_ACCESSED = """
UPDATE TABLE_NAME SET
  accessed_at = CASE WHEN accessed_at < :at THEN :at ELSE accessed_at END,
  read_count = read_count + :reads,
  list_count = list_count + :lists
WHERE id = :id
"""


class StorageTable:
    """The shared columns of one kind's table."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._by_id = self._spelled(_BY_ID)
        self._by_name = self._spelled(_BY_NAME)
        self._add = self._spelled(_ADD)
        self._update = self._spelled(_UPDATE)
        self._delete = self._spelled(_DELETE)
        self._count = self._spelled(_COUNT)
        self._page = {False: self._spelled(_PAGE), True: self._spelled(_PAGE_DESC)}
        self._accessed = self._spelled(_ACCESSED)

    def by_id(self, tx: Tx, id: str) -> Stored | None:
        row = tx.one(self._by_id, id=id)
        return None if row is None else _stored(row)

    def by_name(self, tx: Tx, owner_id: str, name: str) -> Stored | None:
        row = tx.one(self._by_name, owner_id=owner_id, name=name)
        return None if row is None else _stored(row)

    def add(
        self,
        tx: Tx,
        *,
        id: str,
        owner_id: str,
        name: str | None,
        created_by_run: str | None,
        expires_at: Instant | None,
        profile: Profile,
        now: Instant,
    ) -> bool:
        """Whether it was added: not if the owner has one of this name already."""
        changed = tx.run(
            self._add,
            id=id,
            owner_id=owner_id,
            name=name,
            created_by_run=created_by_run,
            expires_at=None if expires_at is None else int(expires_at),
            now=int(now),
            document=encode(profile).decode(),
        )
        return changed == 1

    def update(self, tx: Tx, old: Stored, *, name: str | None, profile: Profile, now: Instant) -> bool:
        """Whether it was changed: not if the owner has another one of this name."""
        document = encode(profile).decode()
        return tx.run(self._update, id=old.id, owner_id=old.owner_id, name=name, document=document, now=int(now)) == 1

    def delete(self, tx: Tx, id: str) -> bool:
        """Take the row away and leave a note for the sweeper, which removes the contents."""
        if tx.run(self._delete, id=id) == 0:
            return False
        tx.run(
            "INSERT INTO storage_remains (kind, id) VALUES (:kind, :id) ON CONFLICT DO NOTHING",
            kind=self.kind.table,
            id=id,
        )
        return True

    def count(self, tx: Tx, owner_id: str, *, unnamed: bool) -> int:
        row = tx.one(self._count, owner_id=owner_id, unnamed=int(unnamed))
        return 0 if row is None else int(row["total"])

    def page(self, tx: Tx, owner_id: str, *, unnamed: bool, desc: bool, offset: int, limit: int) -> list[Stored]:
        rows = tx.all(self._page[desc], owner_id=owner_id, unnamed=int(unnamed), offset=offset, limit=limit)
        return [_stored(row) for row in rows]

    def accessed(self, tx: Tx, uses: list[dict[str, int | str]]) -> None:
        """Add to the counts of many storages: id, at, reads, lists."""
        tx.many(self._accessed, uses)

    def _spelled(self, sql: str) -> str:
        return sql.replace("TABLE_NAME", self.kind.table)


def remains(tx: Tx, kind: Kind, *, limit: int) -> list[str]:
    """Ids of deleted storages whose contents are still there."""
    rows = tx.all("SELECT id FROM storage_remains WHERE kind = :kind LIMIT :limit", kind=kind.table, limit=limit)
    return [str(row["id"]) for row in rows]


def swept(tx: Tx, kind: Kind, id: str) -> None:
    """Nothing of a deleted storage is left."""
    tx.run("DELETE FROM storage_remains WHERE kind = :kind AND id = :id", kind=kind.table, id=id)


def discard_blob(tx: Tx, key: str, now: Instant) -> None:
    """Have a loop delete a blob that no row names after this transaction."""
    tx.run(
        "INSERT INTO blob_garbage (key, created_at) VALUES (:key, :now) ON CONFLICT DO NOTHING", key=key, now=int(now)
    )


def _stored(row: Row) -> Stored:
    expires_at = row["expires_at"]
    return Stored(
        id=row["id"],
        owner_id=row["owner_id"],
        name=row["name"],
        created_by_run=row["created_by_run"],
        expires_at=None if expires_at is None else Instant(expires_at),
        created_at=Instant(row["created_at"]),
        modified_at=Instant(row["modified_at"]),
        accessed_at=Instant(row["accessed_at"]),
        read_count=row["read_count"],
        list_count=row["list_count"],
        write_count=row["write_count"],
        delete_count=row["delete_count"],
        byte_count=row["byte_count"],
        profile=decode(row["document"], Profile),
        own=row,
    )
