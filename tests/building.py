"""Alice's Actor and its builds: what the tests about builds share."""

from __future__ import annotations

from typing import Any

from world import World, version

BUILDS = "/v2/actors/~my-actor/builds"
ACTOR_JSON = """{
  // the one that people write
  "actorSpecification": 1, "name": "my-actor", "version": "0.1", "input": "./input.json", "readme": "../README.md",
  "minMemoryMbytes": 256,
}"""
FILES = (
    (".actor/actor.json", ACTOR_JSON),
    (".actor/input.json", '{"title": "Input", "type": "object", "schemaVersion": 1, "properties": {}}'),
    ("README.md", "# Mine"),
    ("Dockerfile", "FROM apify/actor-python:3.13"),
)


async def make(world: World, **more: Any) -> dict[str, Any]:
    """Alice's Actor with one version."""
    made: dict[str, Any] = await world.alice.post(
        "/v2/actors", {"name": "my-actor", "versions": [version(*FILES, **more)]}
    )
    return made


async def built(world: World, query: str = "version=0.1") -> dict[str, Any]:
    build = await world.alice.post(f"{BUILDS}?{query}")
    await world.ended(build["id"])
    done: dict[str, Any] = await world.alice.get(f"/v2/actor-builds/{build['id']}")
    return done


async def log_of(world: World, build_id: str) -> list[str]:
    answer = await world.alice.request("GET", f"/v2/logs/{build_id}")
    assert answer.status == 200
    return [line[25:] for line in answer.body.decode().splitlines()]
