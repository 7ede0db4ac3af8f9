"""Moving a whole installation: every row of every table, every blob, and the proof that all of it arrived.

The target begins empty and carries a mark until the proof is complete; a server does not start on it before. A copy
that broke off is simply started again: its rows are copied anew, blobs that are there already are only compared.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial

from actorium.blobs import Blobs
from actorium.database import installation
from actorium.database.catalog import Table, tables
from actorium.database.migrate import TABLE as MIGRATIONS
from actorium.database.migrate import Engine
from actorium.kernel.errors import Unavailable
from actorium.upkeep import rows
from actorium.upkeep.blobs import BlobCopy, Pair, pairs
from actorium.upkeep.digest import Digest
from actorium.upkeep.named import lost

Tell = Callable[[str], None]
BLOBS = "blobs"
"""The line of the blobs, among those of tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an installation is. Closed by who opened it."""

    database: Engine
    blobs: Blobs


@dataclass(slots=True)
class Line:
    """One table, or the blobs, on both sides."""

    name: str
    source: Digest = field(default_factory=Digest)
    target: Digest = field(default_factory=Digest)

    @property
    def is_same(self) -> bool:
        return self.source == self.target


@dataclass(slots=True)
class Proof:
    """What is on both sides."""

    lines: list[Line] = field(default_factory=list)
    lost: int = 0
    """Rows that name a blob which the source does not hold: lost before the copy."""

    @property
    def is_whole(self) -> bool:
        return all(line.is_same for line in self.lines)


class Copy:
    """A copy from a source that nobody uses. ``moves_rows`` and ``moves_blobs``: what the two places do not share."""

    def __init__(
        self, source: Place, target: Place, *, moves_rows: bool = True, moves_blobs: bool = True, tell: Tell
    ) -> None:
        self._source = source
        self._target = target
        self._moves_rows = moves_rows
        self._moves_blobs = moves_blobs
        self._tell = tell

    async def run(self) -> Proof:
        """Copy and prove. Raises Unavailable, before anything is changed, if the two are not fit for it."""
        found = await self._tables()
        source, target = self._source.database, self._target.database
        if not await target.read(installation.is_unfinished_copy):
            await self._must_be_free(found)
        if self._moves_rows:
            await target.write(installation.begin_copy)
        proof = await self._blobs(copies=True)
        for table in found:
            await rows.clear(target, table)
            line = Line(table.name, source=await rows.move(source, target, table))
            line.target = await rows.digest(target, table)
            self._took(proof, line)
        proof.lost = await lost(self._source.database, self._source.blobs)
        if self._moves_rows and proof.is_whole:
            await target.write(installation.end_copy)
        return proof

    async def compare(self) -> Proof:
        """The proof alone: nothing is changed."""
        found = await self._tables()
        proof = await self._blobs(copies=False)
        for table in found:
            line = Line(table.name, source=await rows.digest(self._source.database, table))
            line.target = await rows.digest(self._target.database, table)
            self._took(proof, line)
        proof.lost = await lost(self._source.database, self._source.blobs)
        return proof

    async def _tables(self) -> list[Table]:
        """What is to be copied. Raises Unavailable if it is another thing on the other side."""
        here, there = [
            await place.database.read(partial(tables, catalog=place.database.catalog))
            for place in (self._source, self._target)
        ]
        if [*map(_shape, here)] != [*map(_shape, there)]:
            raise Unavailable(
                "Source and target have different schemas. Bring the source up to date with 'actorium migrate', and "
                "name a target that holds nothing else."
            )
        if await self._source.database.read(installation.is_unfinished_copy):
            raise Unavailable("The source is itself an unfinished copy. Copy from where it came from.")
        return [table for table in here if table.name != MIGRATIONS] if self._moves_rows else []

    async def _must_be_free(self, found: list[Table]) -> None:
        filled = await rows.first_filled(self._target.database, found)
        if filled is not None:
            raise Unavailable(
                f"The target is not empty: its table {filled.name} has rows. Name a database that holds nothing."
            )
        async for key, size, _ in self._pairs():
            if size is None:
                raise Unavailable(
                    f"The target is not empty: it holds blobs that the source has not, such as {key}. Name a folder "
                    "or bucket that holds nothing."
                )

    async def _pairs(self) -> AsyncIterator[Pair]:
        if self._moves_blobs:
            async for pair in pairs(self._source.blobs, self._target.blobs):
                yield pair

    async def _blobs(self, *, copies: bool) -> Proof:
        proof = Proof()
        if self._moves_blobs:
            copy = BlobCopy(self._source.blobs, self._target.blobs)
            await copy.run(copies=copies)
            self._took(proof, Line(BLOBS, copy.found, copy.arrived))
        return proof

    def _took(self, proof: Proof, line: Line) -> None:
        proof.lines.append(line)
        if line.source.count:
            self._tell(f"{line.name}: {line.source.count:,}")


def _shape(table: Table) -> tuple[str, tuple[str, ...], frozenset[str]]:
    return table.name, table.key, frozenset(column.name for column in table.columns)
