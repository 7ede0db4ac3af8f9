"""What a machine gives to runs at once, and what is left of it in one tick."""

from __future__ import annotations

from dataclasses import dataclass

from actorium.runs.row import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What this machine gives to runs at once; further ones wait in READY, oldest first."""

    memory_mbytes: int
    containers: int


@dataclass(slots=True, kw_only=True)
class Room:
    """What may still be started in this tick."""

    memory_mbytes: int
    containers: int
    starts: int
    held: set[str]
    """Runs that have their place."""
    is_full: bool = False
    """A run waits for a place: first come, first served, so no later one gets one before it."""

    def take(self, run: Run) -> bool:
        """Take room for a container. One that is larger than the whole machine may run alone."""
        if run.id not in self.held:
            self.is_full = self.is_full or not self._fits(run.options.memory_mbytes)
            if self.is_full:
                return False
        if self.starts < 1:
            return False
        self.starts -= 1
        if run.id not in self.held:
            self.memory_mbytes -= run.options.memory_mbytes
            self.containers -= 1
            self.held.add(run.id)
        return True

    def _fits(self, memory_mbytes: int) -> bool:
        return self.containers >= 1 and (memory_mbytes <= self.memory_mbytes or not self.held)
