"""The database port: plain synchronous works over a transaction, so that stores compose and commits can be grouped.

SQL is written once, in the subset that SQLite and PostgreSQL share: ``:name`` parameters, ``RETURNING``,
``ON CONFLICT``, integers for milliseconds and for truth, text for JSON, ``BYTEA`` for bytes, ``BINARY_TEXT``
for text that must sort by its bytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class StatementRefused(Exception):
    """The engine refuses a statement or a value in it: a bug of the code that sent it. The work is over."""


class UniqueViolation(StatementRefused):
    """A row with this key is already there. Prefer ``ON CONFLICT``: the work that meets this is over."""


class Row(Protocol):
    """One row, by column name."""

    def __getitem__(self, column: str, /) -> Any: ...

    def keys(self) -> Iterable[str]: ...


class Tx(Protocol):
    """One transaction. Only valid inside the work it was given to."""

    def all(self, sql: str, /, **params: Any) -> list[Row]:
        """Every row of a query, or of a write with RETURNING."""
        ...

    def one(self, sql: str, /, **params: Any) -> Row | None:
        """The first row, or None."""
        ...

    def held(self, sql: str, /, **params: Any) -> Row | None:
        """The first row of a plain SELECT from one table, which nobody else changes before this transaction is over.

        It is the newest committed row: whoever held it before has finished.
        """
        ...

    def run(self, sql: str, /, **params: Any) -> int:
        """Execute one statement; how many rows it changed."""
        ...

    def many(self, sql: str, rows: Iterable[Mapping[str, Any]], /) -> int:
        """Execute one statement once per mapping of parameters; how many rows that changed in all."""
        ...

    def wake(self, channel: str, key: str) -> None:
        """Tell listeners of the channel, after the commit that holds this work. A hint: the table is the truth."""
        ...


Work = Callable[[Tx], T]


class Database(Protocol):
    """A transactional store of rows.

    A work is a plain function of a transaction. It may be run more than once (a failed group commit runs each
    work again alone), so it has no effect outside its transaction; it touches a bounded number of rows.
    What a work raises rolls back that work alone and reaches its caller; a work cannot go on after an error of its
    transaction. A cancelled caller leaves its work whole or not at all.
    Driver errors stop here: ``BackendUnavailable`` when the engine cannot answer, ``StatementRefused`` for bugs.
    """

    async def read(self, work: Work[T], /) -> T:
        """Run a work on a consistent snapshot, read only."""
        ...

    async def write(self, work: Work[T], /, *, lane: str = "") -> T:
        """Run a work atomically; returns after the commit that holds it is synced to disk.

        lane: the id of a row that many works change at once. Those of one lane run one after the other, so that groups
        on several connections do not wait for each other crosswise.
        """
        ...

    def version(self) -> int | None:
        """A number that differs once anybody has committed a change; None where that can't be told cheaply."""
        ...

    def listen(self, channel: str) -> AsyncIterator[frozenset[str]]:
        """Keys woken on a channel since the last step, coalesced. An empty set means: read everything again.

        Registered by the call itself, so what is committed after it is never missed; ends with ``close``.
        """
        ...

    async def close(self) -> None:
        """Finish what is waiting, then let go of the engine. A second call is fine."""
        ...
