"""What every history starts from: a database with one user, one Actor and one build of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from actorium.actors.model import CreateActor
from actorium.blobs.memory import MemoryBlobs
from actorium.builds.lifecycle import TERMINAL
from actorium.builds.model import BuildMeta
from actorium.builds.model import Origin as BuildOrigin
from actorium.builds.service import StartBuild
from actorium.database.inline import Inline
from actorium.database.migrate import migrate
from actorium.executors.fake import FakeExecutor
from actorium.kernel.ids import SeededIds
from actorium.kernel.principal import Principal
from actorium.kernel.structs import decode
from actorium.settings import Settings
from actorium.testing.builder import FakeBuilder
from actorium.testing.simulator.chance import Chance
from actorium.testing.simulator.clock import SimulatedClock
from actorium.testing.simulator.hearing import hearing
from actorium.testing.simulator.loop import SeededLoop, seeded
from actorium.testing.simulator.server import SECRET
from actorium.wiring import Features, Ground, Work

EVENT, EVENT_USD = "page", 0.01
_ACTOR = """{"name": "hello", "versions": [{"versionNumber": "0.1", "sourceType": "SOURCE_FILES", "buildTag": "latest",
 "sourceFiles": [{"name": "Dockerfile", "format": "TEXT", "content": "FROM scratch"}]}],
 "pricingInfos": [{"pricingModel": "PAY_PER_EVENT", "pricingPerEvent": {"actorChargeEvents": {
 "%s": {"eventTitle": "Page", "eventDescription": "One page", "eventPriceUsd": %s}}}}]}""" % (EVENT, EVENT_USD)  # noqa: UP031


@dataclass(frozen=True, slots=True)
class Beginning:
    """To be copied, never to be changed."""

    database: Inline
    principal: Principal
    actor: str


@lru_cache(maxsize=1)
def beginning() -> Beginning:
    """Made once in a process: it takes as long as a whole history."""
    loop = seeded(Chance(0))
    try:
        with hearing(lambda _level, _event: None):
            return loop.play(_make(loop))
    finally:
        loop.finish()


async def _make(loop: SeededLoop) -> Beginning:
    clock, database = SimulatedClock(loop), Inline()
    await migrate(database, clock.now())
    features = Features(
        Ground(
            settings=Settings(),
            database=database,
            blobs=MemoryBlobs(),
            executor=FakeExecutor(clock),
            builder=FakeBuilder(lines=()),
            clock=clock,
            ids=SeededIds(),
            secret=SECRET,
            node="first",
            port=8010,
            base_url="http://127.0.0.1:8010",
            public_url="http://127.0.0.1:8010",
        )
    )
    user, _ = await features.users.create("alice")
    actor = await features.actors.create(user.principal, decode(_ACTOR.encode(), CreateActor))
    meta = BuildMeta(origin=BuildOrigin.API)
    build = await features.builds.start(user.principal, actor.id, StartBuild(version="0.1"), meta)
    Work(features).start(only=("builds.builder",))
    while build.status not in TERMINAL:
        build = await features.builds.wait(user.principal, build.id, 10)
    assert build.status == "SUCCEEDED", build
    return Beginning(database, user.principal, actor.id)
