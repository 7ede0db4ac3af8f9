"""What every transaction did to runs, in its order: triggers write it down in the transaction itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actorium.database import Tx
from actorium.database.inline import Inline

STORAGES = ("datasets", "key_value_stores", "request_queues")
_TRIGGERS = (
    "CREATE TABLE simulator_journal (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL,"
    " was TEXT, became TEXT, attempt_was INTEGER, attempt INTEGER, revision_was INTEGER, revision INTEGER,"
    " document_was TEXT, document TEXT)",
    "CREATE TRIGGER simulator_added AFTER INSERT ON runs BEGIN INSERT INTO simulator_journal VALUES"
    " (NULL, 'added', NEW.id, NULL, NEW.status, 0, NEW.attempt, 0, NEW.revision, NULL, NEW.document); END",
    "CREATE TRIGGER simulator_changed AFTER UPDATE ON runs BEGIN INSERT INTO simulator_journal VALUES"
    " (NULL, 'changed', NEW.id, OLD.status, NEW.status, OLD.attempt, NEW.attempt, OLD.revision, NEW.revision,"
    " OLD.document, NEW.document); END",
    "CREATE TRIGGER simulator_deleted AFTER DELETE ON runs BEGIN INSERT INTO simulator_journal VALUES"
    " (NULL, 'deleted', OLD.id, OLD.status, NULL, OLD.attempt, 0, OLD.revision, 0, NULL, NULL); END",
    "CREATE TRIGGER simulator_event AFTER INSERT ON events BEGIN INSERT INTO simulator_journal VALUES"
    " (NULL, 'event', NEW.subject_id, NULL, NEW.type, 0, 0, 0, 0, NULL, NULL); END",
    *(
        f"CREATE TRIGGER simulator_{table} AFTER DELETE ON {table} BEGIN INSERT INTO simulator_journal VALUES"
        " (NULL, 'storage', OLD.id, NULL, NULL, 0, 0, 0, 0, NULL, NULL); END"
        for table in STORAGES
    ),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row that was changed."""

    kind: str
    """added, changed, deleted (of runs), event, storage (one that was deleted)."""
    subject: str
    was: str | None
    became: str | None
    """The status, or the event's type."""
    attempt_was: int
    attempt: int
    revision_was: int
    revision: int
    document_was: Mapping[str, Any]
    document: Mapping[str, Any]
    """As stored, whatever the code makes of it."""

    def grown(self, *keys: str) -> list[str]:
        """Which numbers or lists of the document are larger by one."""
        return [key for key in keys if _size(self.document.get(key)) == _size(self.document_was.get(key)) + 1]


def _size(value: Any) -> int:
    return len(value) if isinstance(value, list) else value or 0


async def install(database: Inline) -> None:
    """Begin to write down."""

    def work(tx: Tx) -> None:
        for statement in _TRIGGERS:
            tx.run(statement)

    await database.write(work)


def entries(tx: Tx, after: int) -> tuple[int, list[Entry]]:
    """What was written down behind a place, and the new place."""
    rows = tx.all("SELECT * FROM simulator_journal WHERE seq > :after ORDER BY seq", after=after)
    if not rows:
        return after, []
    return rows[-1]["seq"], [
        Entry(
            row["kind"], row["subject"], row["was"], row["became"],
            row["attempt_was"], row["attempt"], row["revision_was"], row["revision"],
            json.loads(row["document_was"] or "{}"), json.loads(row["document"] or "{}"),
        )
        for row in rows
    ]  # fmt: skip
