"""Whatever is started when, with whatever memory and price, over crashes and midnights: no brake is ever passed."""

from __future__ import annotations

import asyncio
import random

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from actorium.kernel.limits import DAY_SECS
from actorium.runs.lifecycle import TERMINAL
from brakes_world import BrakesWorld, open_brakes

MEMORY_MBYTES = (128, 256, 512, 1024, 2048, 4096, 8192)
OUTAGE_SECS_MAX = 10  # what a server may be away and brakes still hold: the span without a look, the grace and the kill
STEPS = 12


@settings(max_examples=4, deadline=None, phases=(Phase.generate,))
@given(seed=st.integers(0, 2**32))
def test_no_brake_is_passed(seed: int) -> None:
    asyncio.run(history(random.Random(seed)))


async def history(chance: random.Random) -> None:
    price = chance.choice((0.01, 0.2, 3.0))
    async with open_brakes(prices={"ACTOR_COMPUTE_UNITS": price}) as world:
        world.unit_usd = price
        actors = [await world.server.actor(name) for name in ("one", "two")]
        minute = price / 60  # of 1024 MB
        limits = {"user/me": minute * chance.uniform(1, 25), f"actor/{actors[0]}": minute * chance.uniform(1, 12)}
        for path, usd in limits.items():
            await world.alice.put(f"/v2/users/me/brakes/{path}", {"limitUsdPerDay": usd})
        await world.server.clock.advance(DAY_SECS - chance.randrange(1200))
        for _ in range(STEPS):
            await act(world, chance, actors)
            compare(world, limits, actors)
        await world.go_on(45)
        compare(world, limits, actors)
        await agree(world)


async def act(world: BrakesWorld, chance: random.Random, actors: list[str]) -> None:
    for _ in range(chance.randrange(4)):
        memory, timeout = chance.choice(MEMORY_MBYTES), chance.choice((0, 0, 5, 100))
        path = f"/v2/actors/{chance.choice(actors)}/runs?memory={memory}&timeout={timeout}"
        assert (await world.alice.request("POST", path)).status in (201, 402)
    live = await world.live()
    if live and chance.random() < 0.3:
        await world.exit(chance.choice(live).id)
    if live and chance.random() < 0.3:  # also shortly before a timeout, which then does not end it
        await world.alice.post(f"/v2/actor-runs/{chance.choice(live).id}/abort?gracefully=true", status=200)
    if chance.random() < 0.5:
        await world.crash(chance.randrange(1, OUTAGE_SECS_MAX))
    await world.go_on(chance.choice((1, 2, 7, 20, 60)))


def compare(world: BrakesWorld, limits: dict[str, float], actors: list[str]) -> None:
    """Against what the test counted itself, second by second."""
    for (subject, day), usd in world.used.items():
        limit = limits["user/me"] if subject not in actors else limits.get(f"actor/{subject}")
        assert limit is None or usd <= limit + 1e-9, (subject, day, usd, limit)


async def agree(world: BrakesWorld) -> None:
    """What is told to be spent is what was used, but for the seconds that have begun."""
    await world.loop.tick()
    runs = (await world.alice.get("/v2/actor-runs?limit=1000"))["items"]
    slack = sum(8192 / 1024 / 3600 * world.unit_usd for _ in runs)
    standing = next(one for one in await world.brakes() if one["kind"] == "USER")
    used = sum(usd for (subject, day), usd in world.used.items() if day == world.today and subject == "")
    assert abs(standing["spentTodayUsd"] - used) <= slack
    for run in runs:
        if run["status"] not in TERMINAL:
            assert standing["reservedUsd"] > 0
