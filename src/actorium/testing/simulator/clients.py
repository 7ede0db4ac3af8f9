"""Rude clients: they start, abort, reboot, update and delete at the same moment, and remember what they were told."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from actorium.charging.model import ChargeRun
from actorium.http.route import Origin, RawBody
from actorium.kernel.errors import ActoriumError
from actorium.kernel.principal import Principal
from actorium.runs.metamorph import MetamorphQuery
from actorium.runs.model import UpdateRun
from actorium.runs.options import StartOptions
from actorium.runs.resurrect import ResurrectOptions
from actorium.testing.simulator.beginning import EVENT, EVENT_USD
from actorium.testing.simulator.chance import Chance, Weather
from actorium.testing.simulator.server import UNKNOWN, Server
from actorium.wiring import Features

DONE, UNKNOWN_DONE, REFUSED = "done", "unknown", "refused"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request about a run."""

    features: Features
    principal: Principal
    actor: str
    run_id: str
    chance: Chance


async def abort(asked: Asked) -> None:
    await asked.features.runs.abort(asked.principal, asked.run_id, gracefully=False)


async def abort_gracefully(asked: Asked) -> None:
    await asked.features.runs.abort(asked.principal, asked.run_id, gracefully=True)


async def reboot(asked: Asked) -> None:
    await asked.features.runs.reboot(asked.principal, asked.run_id)


async def update(asked: Asked) -> None:
    wanted = UpdateRun(status_message=f"message {asked.chance.below(1000)}")
    await asked.features.runs.update(asked.principal, asked.run_id, wanted)


async def delete(asked: Asked) -> None:
    await asked.features.runs.delete(asked.principal, asked.run_id)


async def metamorph(asked: Asked) -> None:
    query = MetamorphQuery(target_actor_id=asked.actor)
    body = RawBody(content=b'{"again": true}' if asked.chance.happens(0.5) else b"", content_type="application/json")
    await asked.features.transitions.metamorphosis.metamorph(asked.principal, asked.run_id, query, body=body)


async def resurrect(asked: Asked) -> None:
    wanted = ResurrectOptions(timeout=asked.chance.pick((None, 0, 10)))
    await asked.features.transitions.resurrection.resurrect(asked.principal, asked.run_id, wanted)


async def wait(asked: Asked) -> None:
    await asked.features.runs.wait(asked.principal, asked.run_id, asked.chance.between(0, 20))


Verb = Callable[[Asked], Awaitable[None]]
BY_CLIENTS: tuple[tuple[Verb, float], ...] = (
    (abort, 1), (abort_gracefully, 1), (reboot, 3), (metamorph, 2), (resurrect, 5), (update, 1), (delete, 0.2),
    (wait, 1),
)  # fmt: skip
"""What clients ask for, and how often."""
BY_PROGRAMS: tuple[tuple[Verb, float], ...] = ((reboot, 3), (metamorph, 2), (update, 1), (abort, 1))
"""What programs ask for about their own run."""


class Surroundings(Protocol):
    """What clients need of the history they are part of."""

    chance: Chance

    @property
    def weather(self) -> Weather: ...

    @property
    def is_calm(self) -> bool: ...

    def servers_alive(self) -> list[Server]: ...

    def fail(self, what: str) -> None: ...

    def note(self, *words: object) -> None: ...

    async def pause(self, secs: float) -> None: ...

    async def together(self, *works: Callable[[], Awaitable[None]]) -> None:
        """Do several things at the same moment."""
        ...


@dataclass(slots=True)
class Ledger:
    """What was asked for and what was answered."""

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By run, verb and answer."""
    charges: dict[str, dict[str, tuple[int, str]]] = field(default_factory=lambda: defaultdict(dict))
    """By run and key: how much, and the answer."""
    started: list[str] = field(default_factory=list)
    """Runs whose start was acknowledged."""

    def total(self, verb: str, answer: str) -> int:
        return sum(count for (_, one, told), count in self.counts.items() if (one, told) == (verb, answer))

    def charged(self, run_id: str) -> tuple[int, int]:
        """How much was charged to a run at the least and at the most, each key once."""
        charges = self.charges.get(run_id, {}).values()
        least = sum(count for count, answer in charges if answer == DONE)
        return least, least + sum(count for count, answer in charges if answer == UNKNOWN_DONE)

    def of(self, run_id: str, verb: str, answer: str) -> int:
        return self.counts[run_id, verb, answer]


class Clients:
    """Everybody who asks for something."""

    def __init__(self, around: Surroundings, principal: Principal, actor: str) -> None:
        self._around = around
        self._principal = principal
        self._actor = actor
        self.ledger = Ledger()

    async def play(self, runs: int) -> None:
        """One client: starts runs and meddles with everybody's until it is calm."""
        around = self._around
        chance = around.chance
        left = runs
        while not around.is_calm:
            await around.pause(chance.between(0, chance.pick((0.05, 1, 6))))
            if left and chance.happens(0.5):
                left -= 1
                await self.start()
            elif self.ledger.started:
                run_id = chance.pick(self.ledger.started)
                times = 2 + chance.below(3) if chance.happens(around.weather.rude) else 1
                works = [partial(self.ask, chance.weighted(BY_CLIENTS), run_id) for _ in range(times)]
                await around.together(*works)

    async def start(self) -> None:
        """Start a run on some server."""
        chance = self._around.chance
        options = StartOptions(
            memory=256,
            timeout=chance.pick((0, 0, 5, 20)),
            restart_on_error=chance.happens(0.3) or None,
            max_total_charge_usd=chance.pick((None, None, 3 * EVENT_USD)),
        )
        body = RawBody(content=b"{}" if chance.happens(0.5) else b"", content_type="application/json")

        async def make(features: Features) -> str:
            return await features.starter.start(
                self._principal, self._actor, options, body=body, origin=Origin(client_ip=None, user_agent=None)
            )

        servers = self._around.servers_alive()
        if not servers:
            return
        answer = UNKNOWN_DONE
        try:
            run_id = await chance.pick(servers).call(make)
        except UNKNOWN:
            pass
        except ActoriumError as error:
            answer = f"{REFUSED} {type(error).__name__}"
        else:
            answer = DONE
            self.ledger.started.append(run_id)
        self.ledger.counts["", "start", answer] += 1
        self._around.note("client", "start", answer)

    async def charge(self, principal: Principal, key: str) -> None:
        """A program charges: again, with the same key, until it is told that it was done, and sometimes after."""
        run_id, chance = principal.run_id or "", self._around.chance
        asked = ChargeRun(event_name=EVENT, count=1 + chance.below(3))

        async def make(features: Features) -> None:
            await features.charges.charge(principal, run_id, asked, key=key)

        charges = self.ledger.charges[run_id]
        for _ in range(1 + chance.below(4)):
            servers = self._around.servers_alive()
            before = charges.get(key, (0, REFUSED))[1]
            if not servers or (before == DONE and chance.happens(0.7)):
                continue
            if before != DONE:
                charges[key] = asked.count, UNKNOWN_DONE
            try:
                await chance.pick(servers).call(make)
            except UNKNOWN:
                continue
            except ActoriumError:
                charges[key] = asked.count, before
            else:
                charges[key] = asked.count, DONE
            self._around.note("program", "charges", run_id, key, charges[key])

    async def _do(self, verb: Verb, run_id: str, principal: Principal, features: Features) -> None:
        await verb(Asked(features, principal, self._actor, run_id, self._around.chance))

    async def ask(self, verb: Verb, run_id: str, principal: Principal | None = None) -> None:
        """Ask some server for something about a run."""
        around, name = self._around, verb.__name__
        servers = around.servers_alive()
        if not servers:
            return
        server = around.chance.pick(servers)
        around.note("client", name, run_id, "at", server.name)
        counts = self.ledger.counts
        counts[run_id, name, UNKNOWN_DONE] += 1  # until there is an answer
        try:
            await server.call(partial(self._do, verb, run_id, principal or self._principal))
        except UNKNOWN:
            answer = UNKNOWN_DONE
        except ActoriumError as error:
            answer = f"{REFUSED} {type(error).__name__}"
        except AssertionError as error:
            around.fail(f"{name} of {run_id} met an assertion: {error}")
            return
        else:
            answer = DONE
        counts[run_id, name, UNKNOWN_DONE] -= 1
        counts[run_id, name, answer] += 1
        around.note("client", name, run_id, answer)
