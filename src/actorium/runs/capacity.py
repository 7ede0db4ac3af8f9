"""What a machine gives to runs at once, and what is left of it in one tick."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace

from actorium.runs.row import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What this machine gives to runs at once; further ones wait in READY until it is their turn."""

    memory_mbytes: int
    containers: int

    def share(self, memory_mbytes: int, containers: int) -> float:
        """How much of the machine that is: of its memory or of its containers, whichever is more."""
        return max(memory_mbytes / self.memory_mbytes, containers / self.containers)


@dataclass(slots=True, kw_only=True)
class Room:
    """What may still be started in this tick."""

    memory_mbytes: int
    containers: int
    starts: int
    held: set[str]
    """Runs that have their place."""
    is_full: bool = False
    """A run waits for a place, and none that comes after it takes one before it: a large run is never passed by."""

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


def in_turn(runs: Iterable[Run], held: Collection[str], capacity: Capacity) -> list[Run]:
    """Runs in the order in which they may take a place: those that have theirs, then those that wait.

    Of the waiting ones the next is always one of the user who has least of the machine, what came before in this order
    counted in; among users who have equally much, the one whose run waits longest. Of one user, first come, first
    served. So whoever has 500 runs in line takes no turn from whoever has one. A run too large beside its user's
    own comes last, with what is behind it: else whoever has one that never ends could keep all others out. Once it has
    as many as the machine has containers the rest follows user by user, as nobody there can have a place now: a long
    line costs little.
    """
    placed: list[Run] = []
    waiting: dict[str, deque[Run]] = defaultdict(deque)
    memory: dict[str, int] = defaultdict(int)
    containers: dict[str, int] = defaultdict(int)
    for run in sorted(runs, key=lambda run: (run.in_line_since, run.id)):
        if run.id in held:
            placed.append(run)
            memory[run.owner_id] += run.options.memory_mbytes
            containers[run.owner_id] += 1
        else:
            waiting[run.owner_id].append(run)

    def turn(user: str) -> tuple[float, int, str]:
        """The least goes next."""
        head = waiting[user][0]
        return capacity.share(memory[user], containers[user]), head.in_line_since, head.id

    turns = [(turn(user), user) for user in waiting]
    heapify(turns)
    most = len(placed) + capacity.containers
    while turns and len(placed) < most:
        user = turns[0][1]
        if memory[user] and memory[user] + waiting[user][0].options.memory_mbytes > capacity.memory_mbytes:
            heappop(turns)  # it would not fit if all others left
            continue
        run = waiting[user].popleft()
        placed.append(run)
        memory[user] += run.options.memory_mbytes
        containers[user] += 1
        if waiting[user]:
            heapreplace(turns, (turn(user), user))
        else:
            heappop(turns)
    for line in waiting.values():
        placed.extend(line)
    return placed
