"""Where the bytes of an installation are: by kind, by user, and the largest storages. Looks and changes nothing.

Sums are taken in bounded steps, each a short transaction, so a server may go on beside it; what changes meanwhile may
be counted before or after the change.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from actorium.blobs import Blobs
from actorium.database.catalog import Table, tables
from actorium.database.migrate import Engine
from actorium.kernel.store_limits import COPY_KEYS_PER_LOOK
from actorium.storages.survey import OWNER_BLOB
from actorium.upkeep import rows, store
from actorium.upkeep.belongings import BOOKKEEPING, STORAGES, TABLES, Belonging
from actorium.upkeep.named import COLUMN, batched, tables_naming

GARBAGE = "blob_garbage"
NOBODY = ""
"""The owner of what is left of deleted storages, and of the installation's own rows."""


@dataclass(slots=True)
class Part:
    """What one kind, or one user, takes. Bytes in rows are those of texts and payloads."""

    rows: int = 0
    row_bytes: int = 0
    blobs: int = 0
    blob_bytes: int = 0

    @property
    def total(self) -> int:
        return self.row_bytes + self.blob_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """One of the largest."""

    kind: str
    id: str
    name: str | None
    owner: str
    total: int


@dataclass(slots=True)
class Usage:
    """The whole picture. ``total`` is the sum of kinds, overhead, free, waiting, unnamed, own and files."""

    kinds: dict[str, Part] = field(default_factory=dict)
    users: dict[str, Part] = field(default_factory=dict)
    """By name."""
    largest: list[Storage] = field(default_factory=list)
    database_bytes: int = 0
    """The database as its engine tells: rows, overhead and free."""
    overhead_bytes: int = 0
    """Indexes, numbers, and whatever else the engine keeps."""
    free_bytes: int = 0
    """Room in the database file that is used again before it grows."""
    waiting: Part = field(default_factory=Part)
    """Blobs that a loop is about to delete."""
    unnamed: Part = field(default_factory=Part)
    """Blobs that no row names: being written at this moment, or left by a crash until the survey finds them."""
    own: Part = field(default_factory=Part)
    """The blob that says whose the others are."""
    files: dict[str, int] = field(default_factory=dict)
    """Other files of the data folder, by what they are."""
    lost: int = 0
    """Rows that name a blob which is not there."""

    @property
    def blob_bytes(self) -> int:
        """The blob store as its listing tells."""
        others = (self.waiting, self.unnamed, self.own)
        return sum(part.blob_bytes for part in [*self.kinds.values(), *others])

    @property
    def total(self) -> int:
        return self.database_bytes + self.blob_bytes + sum(self.files.values())


async def usage(database: Engine, blobs: Blobs, *, files: Mapping[str, int], largest: int) -> Usage:
    """Look at everything once. ``files`` are sizes that somebody else has found; ``largest`` says how many to name."""
    look = _Look(database, largest)
    look.found.files = dict(files)
    await look.rows()
    await look.engine()
    await look.blobs(blobs)
    await look.names()
    return look.found


class _Look:
    """One look at an installation."""

    def __init__(self, database: Engine, largest: int) -> None:
        self.found = Usage()
        self._database = database
        self._largest = _Largest(largest)
        self._owners: dict[str, Part] = {}
        self._tables: dict[str, Table] = {}
        self._named = 0

    async def rows(self) -> None:
        """Every table."""
        known = await self._database.read(partial(tables, catalog=self._database.catalog))
        self._tables = {table.name: table for table in known}
        for table in known:
            await self._table(table, TABLES.get(table.name, BOOKKEEPING))

    async def _table(self, table: Table, belonging: Belonging) -> None:
        kind = self.found.kinds.setdefault(belonging.kind, Part())
        parent = self._tables.get(belonging.parent)
        walk = store.Walk(table=table, part_of=belonging.part_of, owner=belonging.owner, parent=parent)
        async for row in rows.sums(self._database, walk):
            kind.rows += row["rows"]
            kind.row_bytes += row["bytes"]
            owner = self._owners.setdefault(row["owner"], Part())
            owner.rows += row["rows"]
            owner.row_bytes += row["bytes"]
            owner.blobs += row["blobs"]
            owner.blob_bytes += row["blob_bytes"]
            self._named += row["named"]
            if belonging.parent in STORAGES:
                self._largest.add(belonging.parent, row["part_of"], row["owner"], row["bytes"] + row["blob_bytes"])
        self._largest.end()

    async def engine(self) -> None:
        """What the engine says of the whole."""
        sizes = await self._database.read(partial(store.sizes, catalog=self._database.catalog))
        found = self.found
        found.database_bytes, found.free_bytes = sizes["total"], sizes["free"]
        in_rows = sum(part.row_bytes for part in found.kinds.values())
        found.overhead_bytes = found.database_bytes - found.free_bytes - in_rows

    async def blobs(self, blobs: Blobs) -> None:
        """Every blob, by the rows that name it."""
        naming = [(table, COLUMN) for table in self._tables.values() if table.has(COLUMN)]
        naming.append((self._tables[GARBAGE], "key"))
        missing = self._named
        async for batch in batched(blobs.sizes(), COPY_KEYS_PER_LOOK):
            by = await self._database.read(partial(tables_naming, naming=naming, keys=[key for key, _ in batch]))
            for key, size in batch:
                names = by.get(key, [])
                missing -= sum(table != GARBAGE for table in names)
                part = self._part(key, names)
                part.blobs += 1
                part.blob_bytes += size
        self.found.lost = max(missing, 0)

    def _part(self, key: str, names: Sequence[str]) -> Part:
        if key == OWNER_BLOB:
            return self.found.own
        if not names:
            return self.found.unnamed
        if names[0] == GARBAGE:
            return self.found.waiting
        return self.found.kinds[TABLES.get(names[0], BOOKKEEPING).kind]

    async def names(self) -> None:
        """What people call users and storages."""
        found, usernames, owners = self.found, dict[str, str](), [*self._owners]
        for start in range(0, len(owners), COPY_KEYS_PER_LOOK):
            usernames |= await self._read_names("users", "username", owners[start : start + COPY_KEYS_PER_LOOK])
        found.users = {usernames.get(owner, owner): part for owner, part in self._owners.items()}
        for total, table, storage_id, owner in self._largest.sorted():
            names = await self._read_names(table, "name", [storage_id])
            found.largest.append(
                Storage(
                    kind=TABLES[table].kind,
                    id=storage_id,
                    name=names.get(storage_id),
                    owner=usernames.get(owner, owner),
                    total=total,
                )
            )

    async def _read_names(self, table: str, column: str, ids: Sequence[str]) -> dict[str, str]:
        return await self._database.read(partial(store.names, table=table, name=column, ids=ids))


class _Largest:
    """The largest storages so far. Each comes in one piece after the other."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._heap: list[tuple[int, str, str, str]] = []
        self._now = (0, "", "", "")

    def add(self, kind: str, storage_id: str, owner: str, size: int) -> None:
        if (kind, storage_id) != self._now[1:3]:
            self.end()
        self._now = (self._now[0] + size, kind, storage_id, owner)

    def end(self) -> None:
        if self._now[0]:
            heapq.heappush(self._heap, self._now)
            if len(self._heap) > self._count:
                heapq.heappop(self._heap)
        self._now = (0, "", "", "")

    def sorted(self) -> list[tuple[int, str, str, str]]:
        return sorted(self._heap, reverse=True)
