"""Which commands may have written what an Actor's package caches hold.

The key of a layer says what it was made from, but for these caches, which every command of the Actor can write. So a
layer that was made while they held something of commands that its key does not stand for is for that Actor alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from actorium.kernel.limits import BUILD_LINEAGE_COMMANDS_MAX

_UNKNOWN = "unknown"
"""Stands for those of before this was noted."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """Of one Actor's caches. It only grows: what was in a cache once may have left something."""

    path: Path
    caches: Sequence[Path]

    def note(self, key: str) -> None:
        """A command of this key is about to be run."""
        seen = self._seen()
        if key in seen or len(seen) > BUILD_LINEAGE_COMMANDS_MAX:
            return
        first = f"{_UNKNOWN}\n" if not seen and self._holds_something() else ""
        with self.path.open("a") as file:
            file.write(f"{first}{key}\n")

    def is_of(self, keys: Collection[str]) -> bool:
        """Whether no other command than these can have written there."""
        seen = self._seen()
        if not seen:
            return not self._holds_something()
        return len(seen) <= BUILD_LINEAGE_COMMANDS_MAX and seen <= set(keys)

    def _seen(self) -> set[str]:
        try:
            return set(self.path.read_text().split())
        except FileNotFoundError:
            return set()

    def _holds_something(self) -> bool:
        return any(cache.is_dir() and any(cache.iterdir()) for cache in self.caches)
