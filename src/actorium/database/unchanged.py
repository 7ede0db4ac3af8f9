"""Remembering what was read while nothing is committed: strictly true, because the database itself says so."""

from __future__ import annotations

from typing import Generic, TypeVar

from actorium.database import Database

K = TypeVar("K")
V = TypeVar("V")


class Unchanged(Generic[K, V]):
    """Values that follow from the database alone, by key. Forgotten with the next commit of anybody.

    Ask ``get`` and ``seen`` before reading, and ``put`` what was read with what was seen: a commit between the two
    makes the next ``get`` forget it, also if somebody else has asked for another key since.
    """

    def __init__(self, database: Database, *, entries_max: int) -> None:
        self._database = database
        self._entries_max = entries_max
        self._version: int | None = None
        self._values: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """What was put under the key, if nothing was committed since."""
        version = self._database.version()
        if version != self._version or version is None:
            self._values.clear()
            self._version = version
            return None
        return self._values.get(key)

    @property
    def seen(self) -> int | None:
        """The version that the last ``get`` of anybody saw: taken right behind one's own, with no await between."""
        return self._version

    def put(self, key: K, value: V, seen: int | None) -> None:
        """Remember a value that was read after that version was seen, if it is still the one of what is kept."""
        if seen is None or seen != self._version:
            return
        if len(self._values) >= self._entries_max:
            self._values.clear()
        self._values[key] = value
