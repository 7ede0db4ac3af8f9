"""Every decision of a history, from one seed, and the weather that it plays in."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """Decisions in the order they are asked for."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def happens(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def between(self, least: float, most: float) -> float:
        return least + (most - least) * self._random.random()

    def below(self, end: int) -> int:
        """A whole number from 0, below ``end``."""
        return int(self._random.random() * end) if end > 1 else 0

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def weighted(self, choices: Sequence[tuple[T, float]]) -> T:
        """One of the choices, by their weights."""
        left = self._random.random() * sum(weight for _, weight in choices)
        for choice, weight in choices:
            left -= weight
            if left < 0:
                return choice
        return choices[-1][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What goes wrong in one history, and how often. Probabilities are per call unless said otherwise."""

    nodes: int = 1
    """Machines."""
    servers: int = 1
    """Server processes, taking turns over the machines."""
    runs: int = 3
    clients: int = 2
    loops: tuple[str, ...] = ("runs.supervisor",)
    """What servers do beside answering; each loop costs time in every simulated second."""
    places: int = 10
    """Containers that the machine takes at once."""
    stormy_secs: float = 40.0
    """How long things go wrong; then it is calm, and everything has to come to its end."""
    crash: float = 0.0
    """A server dies at the await."""
    refuse: float = 0.0
    """A call does not arrive."""
    lose: float = 0.0
    """A call is done and its reply lost."""
    repeat: float = 0.0
    """A call is done twice, the second time later."""
    slow: float = 0.0
    """A call or a reply takes seconds."""
    late: float = 0.0
    """A call that only looks takes seconds: what is decided by it is decided by what was."""
    again: float = 0.0
    """A work is run twice, the first time in vain."""
    deaf: float = 0.0
    """A program ignores being asked to leave."""
    vanish: float = 0.0
    """A container loses its keeper."""
    wipe: float = 0.0
    """A container is gone without a trace."""
    not_started: float = 0.0
    """A container's command cannot be started."""
    drain: float = 0.0
    """A second passes in which a machine is drained, or taken back."""
    jump: float = 0.0
    """A second passes in which the clock is set."""
    rude: float = 0.0
    """A client asks for several things at the same moment."""
    selfish: float = 0.0
    """A program asks for something about itself."""
    greedy: float = 0.0
    """A program charges."""


def weather(chance: Chance) -> Weather:
    """The weather of a history: most kinds of trouble are absent from most, so that each is seen with and without."""

    def sometimes(most: float) -> float:
        return 0.0 if chance.happens(0.45) else chance.between(0.1, 1.0) * most

    nodes = chance.weighted([(1, 5), (2, 2)])
    servers = chance.weighted([(nodes, 3), (nodes + 1, 3), (3, 1)])
    if is_sluggish := chance.happens(0.25):
        servers = max(servers, nodes + 1)
    return Weather(
        nodes=nodes,
        servers=servers,
        runs=1 + chance.below(4),
        clients=1 + chance.below(3),
        loops=_loops(chance),
        places=chance.weighted([(10, 4), (2, 1), (1, 1)]),
        stormy_secs=chance.between(8, 36),
        crash=sometimes(0.02),
        refuse=sometimes(0.1),
        lose=sometimes(0.1),
        repeat=sometimes(0.15),
        slow=chance.between(0.1, 0.6) if is_sluggish else sometimes(0.15),
        late=chance.between(0.1, 0.4) if is_sluggish else 0.0,
        again=sometimes(0.3),
        deaf=sometimes(0.6),
        vanish=sometimes(0.2),
        wipe=sometimes(0.1),
        not_started=sometimes(0.15),
        drain=sometimes(0.3 if is_sluggish else 0.1),
        jump=sometimes(0.05),
        rude=sometimes(0.5),
        selfish=sometimes(0.6),
        greedy=sometimes(0.7),
    )


def _loops(chance: Chance) -> tuple[str, ...]:
    optional = (("runs.charge_limits", 0.6), ("runs.metering", 0.5), ("runs.readiness", 0.1))
    return ("runs.supervisor", *(name for name, probability in optional if chance.happens(probability)))


CALM = Weather()
