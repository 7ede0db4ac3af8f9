"""The only SQL about what the three tables of storages share; written once, spelled for each table at import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from actorium.database import Row, Tx
from actorium.kernel.instant import Instant
from actorium.kernel.limits import BLOB_SURVEY_KEYS, GARBAGE_PER_TICK
from actorium.kernel.principal import RunScope
from actorium.kernel.structs import decode, encode
from actorium.storages.kinds import Kind
from actorium.storages.model import Profile, Stored

_BY_ID = "SELECT * FROM TABLE_NAME WHERE id = :id"
_BY_NAME = "SELECT * FROM TABLE_NAME WHERE owner_id = :owner_id AND name = :name"
_ADD = """
INSERT INTO TABLE_NAME
  (id, owner_id, name, created_by_run, act_id, idle_since, created_at, modified_at, accessed_at, document)
VALUES (:id, :owner_id, :name, :created_by_run, :act_id, :idle_since, :now, :now, :now, :document)
ON CONFLICT DO NOTHING
"""
_UPDATE = """
UPDATE TABLE_NAME SET name = :name, document = :document, idle_since = :idle_since, modified_at = :now
WHERE id = :id AND NOT EXISTS (
  SELECT 1 FROM TABLE_NAME AS other WHERE other.owner_id = :owner_id AND other.name = :name AND other.id <> :id
)
"""
_DELETE = "DELETE FROM TABLE_NAME WHERE id = :id"
_DELETE_IDLE = f"{_DELETE} AND name IS NULL AND accessed_at <= :before AND modified_at <= :before"
_IDLE = "SELECT id, created_by_run FROM TABLE_NAME WHERE idle_since <= :before ORDER BY idle_since, id LIMIT :limit"
_LOOK_AGAIN = """
UPDATE TABLE_NAME SET idle_since = CASE
  WHEN :at > accessed_at AND :at > modified_at THEN :at WHEN accessed_at > modified_at THEN accessed_at ELSE modified_at
END WHERE id = :id AND idle_since IS NOT NULL
"""
_OF_OWNER = "FROM TABLE_NAME WHERE owner_id = :owner_id AND (name IS NOT NULL OR :unnamed = 1)"
_MADE = "AND (created_by_run = :run_id OR act_id = :act_id)"
_COUNT = f"SELECT COUNT(*) AS total {_OF_OWNER}"
_COUNT_MADE = f"{_COUNT} {_MADE}"
_ORDERED = "ORDER BY created_at, id LIMIT :limit OFFSET :offset"
_ORDERED_DESC = "ORDER BY created_at DESC, id DESC LIMIT :limit OFFSET :offset"
_PAGES = {
    (made, desc): f"SELECT * {_OF_OWNER} {_MADE if made else ''} {_ORDERED_DESC if desc else _ORDERED}"
    for made in (False, True)
    for desc in (False, True)
}
_ACCESSED = """
UPDATE TABLE_NAME SET
  accessed_at = CASE WHEN accessed_at < :at THEN :at ELSE accessed_at END,
  read_count = read_count + :reads,
  list_count = list_count + :lists
WHERE id = :id
"""
_COUNTED = ("read_count", "list_count", "write_count", "delete_count", "byte_count")
_TAKE_OVER = """
UPDATE TABLE_NAME SET document = :document, (COLUMNS) = (SELECT COLUMNS FROM TABLE_NAME WHERE id = :source_id)
WHERE id = :id
"""
NEVER = Instant(0)
CONTENTS = (("dataset_chunks", "blob_key"), ("key_value_records", "blob_key"))
"""Every column that names a blob for its bytes. Several rows may name one: copies share it."""
BLOBS_NAMED_BY = (*CONTENTS, ("blob_garbage", "key"))
"""Every column that names blobs: one that is not here would lose them to the survey. Each needs an index."""


class StorageTable:
    """The shared columns of one kind's table."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._by_id = self._spelled(_BY_ID)
        self._by_name = self._spelled(_BY_NAME)
        self._add = self._spelled(_ADD)
        self._update = self._spelled(_UPDATE)
        self._delete = self._spelled(_DELETE)
        self._delete_idle = self._spelled(_DELETE_IDLE)
        self._idle = self._spelled(_IDLE)
        self._look_again = self._spelled(_LOOK_AGAIN)
        self._count = {False: self._spelled(_COUNT), True: self._spelled(_COUNT_MADE)}
        self._pages = {which: self._spelled(sql) for which, sql in _PAGES.items()}
        self._accessed = self._spelled(_ACCESSED)

    def by_id(self, tx: Tx, id: str) -> Stored | None:
        row = tx.one(self._by_id, id=id)
        return None if row is None else _stored(row)

    def held(self, tx: Tx, id: str) -> Stored | None:
        """The same, and nobody changes it or its contents before this transaction is over."""
        row = tx.held(self._by_id, id=id)
        return None if row is None else _stored(row)

    def take_over(self, tx: Tx, source_id: str, id: str, *, own: Sequence[str], profile: Profile) -> None:
        """Give a storage the counts of another one, those of its kind (``own``) included."""
        columns = ", ".join((*_COUNTED, *own))
        sql = self._spelled(_TAKE_OVER).replace("COLUMNS", columns)
        tx.run(sql, source_id=source_id, id=id, document=encode(profile).decode())

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
        act_id: str | None = None,
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
            act_id=act_id,
            idle_since=int(now) if name is None else None,
            now=int(now),
            document=encode(profile).decode(),
        )
        return changed == 1

    def update(self, tx: Tx, old: Stored, *, name: str | None, profile: Profile, now: Instant) -> bool:
        """Whether it was changed: not if the owner has another one of this name."""
        idle_since = None if name is not None else now if old.name is not None else old.idle_since
        changed = tx.run(
            self._update,
            id=old.id,
            owner_id=old.owner_id,
            name=name,
            idle_since=None if idle_since is None else int(idle_since),
            document=encode(profile).decode(),
            now=int(now),
        )
        return changed == 1

    def delete(self, tx: Tx, id: str) -> bool:
        """Take the row away and leave a note for the sweeper, which removes the contents."""
        return self._left(tx, id, tx.run(self._delete, id=id))

    def delete_idle(self, tx: Tx, id: str, *, before: Instant) -> bool:
        """The same for one that has no name and that nobody read or wrote after a moment; others stay."""
        return self._left(tx, id, tx.run(self._delete_idle, id=id, before=int(before)))

    def idle(self, tx: Tx, *, before: Instant, limit: int) -> list[tuple[str, str | None]]:
        """Ids, and the runs that made them, of unnamed storages of which no use after a moment is known here."""
        rows = tx.all(self._idle, before=int(before), limit=limit)
        return [(row["id"], row["created_by_run"]) for row in rows]

    def look_again(self, tx: Tx, id: str, *, at: Instant = NEVER) -> None:
        """Note when an unnamed storage was used last, or that a later moment counts as that."""
        tx.run(self._look_again, id=id, at=int(at))

    def _left(self, tx: Tx, id: str, deleted: int) -> bool:
        if deleted == 0:
            return False
        tx.run(
            "INSERT INTO storage_remains (kind, id) VALUES (:kind, :id) ON CONFLICT DO NOTHING",
            kind=self.kind.table,
            id=id,
        )
        return True

    def count(self, tx: Tx, owner_id: str, *, unnamed: bool, scope: RunScope | None = None) -> int:
        """How many a user has; with a scope: of those that the run or earlier ones of its Actor made."""
        row = tx.one(self._count[scope is not None], owner_id=owner_id, unnamed=int(unnamed), **_makers(scope))
        return 0 if row is None else int(row["total"])

    def page(
        self, tx: Tx, owner_id: str, *, unnamed: bool, desc: bool, offset: int, limit: int,
        scope: RunScope | None = None,
    ) -> list[Stored]:  # fmt: skip
        rows = tx.all(
            self._pages[scope is not None, desc],
            owner_id=owner_id,
            unnamed=int(unnamed),
            offset=offset,
            limit=limit,
            **_makers(scope),
        )
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
    """A row that named a blob is gone: have a loop look whether another one does, and else delete the blob.

    Each time makes another row of it, so that who has looked before this transaction does not forget it.
    """
    tx.run(
        "INSERT INTO blob_garbage (key, created_at) VALUES (:key, :now)"
        " ON CONFLICT (key) DO UPDATE SET created_at = blob_garbage.created_at + 1",
        key=key,
        now=int(now),
    )


@dataclass(frozen=True, slots=True)
class Discarded:
    """A blob that some row named and now does not."""

    key: str
    created_at: int
    is_shared: bool
    """Another row names it: it stays."""


def discarded_blobs(tx: Tx) -> list[Discarded]:
    """What has been waiting longest to be deleted, up to GARBAGE_PER_TICK of it.

    What no row names here no row will ever name: rows come to name a blob that is not new only in a transaction that
    holds the storage of one that does (``held_in``), and that one goes after it.
    """
    found = tx.all(
        "SELECT key, created_at FROM blob_garbage ORDER BY created_at, key LIMIT :limit", limit=GARBAGE_PER_TICK
    )
    shared = _named(tx, [row["key"] for row in found], CONTENTS) if found else set[str]()
    return [Discarded(row["key"], row["created_at"], row["key"] in shared) for row in found]


def forget_discarded(tx: Tx, blobs: Sequence[Discarded]) -> None:
    """They were seen to; those that were discarded once more meanwhile are looked at again."""
    tx.many(
        "DELETE FROM blob_garbage WHERE key = :key AND created_at = :created_at",
        [{"key": blob.key, "created_at": blob.created_at} for blob in blobs],
    )


def unnamed_blobs(tx: Tx, keys: Sequence[str]) -> list[str]:
    """Which of up to BLOB_SURVEY_KEYS blobs no row names."""
    named = _named(tx, keys, BLOBS_NAMED_BY)
    return [key for key in keys if key not in named]


def _named(tx: Tx, keys: Sequence[str], by: Sequence[tuple[str, str]]) -> set[str]:
    names = [f"key_{at}" for at in range(BLOB_SURVEY_KEYS)]
    wanted = dict(zip_longest(names, keys, fillvalue=keys[0]))  # always as many, so that there is one statement
    listed = ", ".join(f":{name}" for name in names)
    named: set[str] = set()
    for table, column in by:
        rows = tx.all(f"SELECT {column} AS key FROM {table} WHERE {column} IN ({listed})", **wanted)
        named.update(row["key"] for row in rows)
    return named


def suspect_blobs(tx: Tx, keys: Sequence[str], now: Instant) -> None:
    """Note that no row named these blobs; the first time counts."""
    tx.many(
        "INSERT INTO blob_suspects (key, seen_at) VALUES (:key, :now) ON CONFLICT DO NOTHING",
        [{"key": key, "now": int(now)} for key in keys],
    )


def suspected_blobs(tx: Tx, *, before: Instant, limit: int) -> list[str]:
    """Blobs that no row named until a moment, those first that have been so for longest."""
    rows = tx.all(
        "SELECT key FROM blob_suspects WHERE seen_at <= :before ORDER BY seen_at, key LIMIT :limit",
        before=int(before),
        limit=limit,
    )
    return [row["key"] for row in rows]


def judge_blobs(tx: Tx, keys: Sequence[str], now: Instant) -> int:
    """End the suspicion of up to BLOB_SURVEY_KEYS blobs: those that no row names even now are discarded. How many."""
    guilty = unnamed_blobs(tx, keys)
    for key in guilty:
        discard_blob(tx, key, now)
    tx.many("DELETE FROM blob_suspects WHERE key = :key", [{"key": key} for key in keys])
    return len(guilty)


def _makers(scope: RunScope | None) -> dict[str, str]:
    return {} if scope is None else {"run_id": scope.run_id, "act_id": scope.actor_id}


def _stored(row: Row) -> Stored:
    idle_since = row["idle_since"]
    return Stored(
        id=row["id"],
        owner_id=row["owner_id"],
        name=row["name"],
        created_by_run=row["created_by_run"],
        act_id=row["act_id"],
        idle_since=None if idle_since is None else Instant(idle_since),
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
