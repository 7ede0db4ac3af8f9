"""Actors over the API: addressing, partial updates, names, publishing, lists."""

from __future__ import annotations

from typing import Any

import pytest
from apify_client._models import ActorResource

from world import World, open_world, version

pytestmark = pytest.mark.anyio


async def make(world: World, name: str = "my-actor", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = await world.alice.post("/v2/actors", {"name": name, **more})
    return made


async def publish(world: World, actor_id: str) -> None:
    """As the API does it: a build first, then title, category and the flag."""
    build = await world.alice.post(f"/v2/actors/{actor_id}/builds?version=0.1")
    assert await world.ended(build["id"]) == "SUCCEEDED"
    await world.alice.put(f"/v2/actors/{actor_id}", {"title": "Mine", "categories": ["AI"], "isPublic": True})


async def test_a_new_actor_has_the_defaults() -> None:
    async with open_world() as world:
        answer = await world.alice.request("POST", "/v2/actors", json={"name": "my-actor"})
        actor = answer.json["data"]
        ActorResource.model_validate(actor)
        assert answer.status == 201
        assert answer.headers["location"] == f"/v2/actors/{actor['id']}"
        assert actor["username"] == "alice"
        assert actor["isPublic"] is False
        assert actor["actorPermissionLevel"] == "LIMITED_PERMISSIONS"
        assert actor["defaultRunOptions"] == {
            "build": "latest",
            "timeoutSecs": 3600,
            "memoryMbytes": 1024,
            "restartOnError": False,
        }
        assert actor["stats"]["totalRuns"] == actor["stats"]["totalBuilds"] == actor["stats"]["totalUsers"] == 0
        assert "lastRunStartedAt" not in actor["stats"]
        assert actor["versions"] == []
        assert actor["taggedBuilds"] == {}
        assert actor["createdAt"] == actor["modifiedAt"] == "2026-01-01T00:00:00.000Z"


async def test_an_actor_is_found_by_id_and_by_name() -> None:
    async with open_world() as world:
        actor = await make(world)
        for reference in (actor["id"], "alice~my-actor", "~my-actor", "ALICE~my-actor", "alice%2Fmy-actor"):
            assert (await world.alice.get(f"/v2/actors/{reference}"))["id"] == actor["id"]
            assert (await world.alice.get(f"/v2/acts/{reference}"))["id"] == actor["id"]
        for reference in ("my-actor", "~other", "bob~my-actor", "carol~my-actor", "~", "a" * 17):
            error = await world.alice.get(f"/v2/actors/{reference}", status=404)
            assert error == {"type": "record-not-found", "message": "Actor was not found."}


async def test_a_private_actor_is_not_there_for_others() -> None:
    async with open_world() as world:
        actor = await make(world)
        for reference in (actor["id"], "alice~my-actor"):
            assert (await world.bob.get(f"/v2/actors/{reference}", status=404))["type"] == "record-not-found"
            await world.bob.put(f"/v2/actors/{reference}", {"title": "Bob's"}, status=404)
            await world.bob.delete(f"/v2/actors/{reference}", status=404)
            await world.bob.get(f"/v2/actors/{reference}/versions", status=404)
        assert (await world.nobody.get(f"/v2/actors/{actor['id']}", status=401))["type"] == "token-not-provided"


@pytest.mark.parametrize("name", ["ab", "a" * 64, "-abc", "abc-", "a_b", "a b", "a~b", "ä-actor", "abc\n"])
async def test_names_that_cannot_be(name: str) -> None:
    async with open_world() as world:
        error = await world.alice.post("/v2/actors", {"name": name}, status=400)
        assert error["type"] == "invalid-input"
        actor = await make(world)
        assert (await world.alice.put(f"/v2/actors/{actor['id']}", {"name": name}, status=400)) == error


async def test_a_name_is_taken_only_once_per_owner() -> None:
    async with open_world() as world:
        actor = await make(world)
        taken = await world.alice.post("/v2/actors", {"name": "my-actor"}, status=409)
        assert taken["type"] == "actor-name-not-unique"
        await world.bob.post("/v2/actors", {"name": "my-actor"})
        other = await make(world, "other")
        taken = await world.alice.put(f"/v2/actors/{other['id']}", {"name": "my-actor"}, status=409)
        assert taken["type"] == "actor-name-not-unique"
        await world.alice.put(f"/v2/actors/{actor['id']}", {"name": "my-actor"})
        await world.alice.put(f"/v2/actors/{actor['id']}", {"name": "renamed"})
        await world.alice.put(f"/v2/actors/{other['id']}", {"name": "my-actor"})
        unnamed = await world.alice.post("/v2/actors", {})
        assert unnamed["name"] == f"actor-{unnamed['id']}"


async def test_an_update_changes_only_what_is_given() -> None:
    async with open_world() as world:
        actor = await make(world, title="Mine", description="Text", seoTitle="Seo", categories=["AI"])
        await world.clock.advance(5)
        after = await world.alice.put(f"/v2/actors/{actor['id']}", {"title": "Ours", "description": None})
        assert after == actor | {"title": "Ours", "description": None, "modifiedAt": "2026-01-01T00:00:05.000Z"}
        assert await world.alice.get(f"/v2/actors/{actor['id']}") == after


async def test_run_options_are_merged_and_checked() -> None:
    async with open_world() as world:
        actor = await make(world, defaultRunOptions={"memoryMbytes": 2048, "maxItems": 10}, restartOnError=True)
        options = actor["defaultRunOptions"]
        assert options == {
            "build": "latest", "timeoutSecs": 3600, "memoryMbytes": 2048, "restartOnError": True, "maxItems": 10,
        }  # fmt: skip
        assert actor["restartOnError"] is True
        path = f"/v2/actors/{actor['id']}"
        after = await world.alice.put(path, {"defaultRunOptions": {"build": "beta", "timeoutSecs": 0}})
        assert after["defaultRunOptions"] == options | {"build": "beta", "timeoutSecs": 0}
        for wrong in ({"memoryMbytes": 1000}, {"memoryMbytes": 64}, {"timeoutSecs": -1}, {"build": "../x"}):
            error = await world.alice.put(path, {"defaultRunOptions": wrong}, status=400)
            assert error["type"] == "invalid-input"


async def test_what_is_echoed() -> None:
    async with open_world() as world:
        given = {
            "exampleRunInput": {"body": "{}", "contentType": "application/json"},
            "actorStandby": {"isEnabled": True, "idleTimeoutSecs": 60},
            "isDeprecated": True,
            "actorPermissionLevel": "FULL_PERMISSIONS",
        }
        actor = await make(world, **given)
        ActorResource.model_validate(actor)
        assert {key: actor[key] for key in given} == given


async def test_the_price_history_grows() -> None:
    async with open_world() as world:
        events = {"page": {"eventTitle": "Page", "eventDescription": "A page", "eventPriceUsd": 0.01}}
        first = {"pricingModel": "PAY_PER_EVENT", "pricingPerEvent": {"actorChargeEvents": events}}
        actor = await make(world, pricingInfos=[first])
        ActorResource.model_validate(actor)
        stored = actor["pricingInfos"][0]
        assert stored == first | {
            "apifyMarginPercentage": 0,
            "createdAt": "2026-01-01T00:00:00.000Z",
            "startedAt": "2026-01-01T00:00:00.000Z",
        }
        path = f"/v2/actors/{actor['id']}"
        error = await world.alice.put(path, {"pricingInfos": []}, status=400)
        assert error["type"] == "cannot-remove-pricing-info"
        after = await world.alice.put(path, {"pricingInfos": [stored, {"pricingModel": "FREE"}]})
        assert [entry["pricingModel"] for entry in after["pricingInfos"]] == ["PAY_PER_EVENT", "FREE"]


async def test_deleting() -> None:
    async with open_world() as world:
        actor = await make(world, versions=[version(("main.py", "pass"))])
        build = await world.alice.post(f"/v2/actors/{actor['id']}/builds?version=0.1")
        await world.ended(build["id"])
        await world.alice.delete(f"/v2/actors/{actor['id']}")
        await world.alice.get(f"/v2/actors/{actor['id']}", status=404)
        await world.alice.get(f"/v2/actor-builds/{build['id']}", status=404)
        await world.alice.get(f"/v2/logs/{build['id']}", status=404)
        assert (await world.alice.get("/v2/actor-builds"))["total"] == 0
        await world.loop.tick()
        assert len(world.builder.removed) == 1
        await make(world, versions=[version(("main.py", "pass"))])


async def test_lists_of_own_and_used_actors() -> None:
    async with open_world() as world:
        first = await make(world, "first", title="First", versions=[version(("main.py", "pass"))])
        await world.clock.advance(1)
        await make(world, "second")
        await publish(world, first["id"])
        mine = await world.bob.post("/v2/actors", {"name": "bobs"})
        assert [item["name"] for item in (await world.bob.get("/v2/actors"))["items"]] == ["bobs"]
        bob_id = (await world.bob.get("/v2/users/me"))["id"]
        now = world.clock.now()
        await world.database.write(lambda tx: world.actors.count_run_in(tx, first["id"], now, user_id=bob_id))
        page = await world.bob.get("/v2/actors")
        assert [item["name"] for item in page["items"]] == ["first", "bobs"]
        assert page["items"][0]["username"] == "alice"
        titles = [item["title"] for item in page["items"]]
        assert titles == ["Mine", "bobs"], "the command line prints undefined where there is none"
        assert page["items"][0]["stats"]["totalRuns"] == 1
        assert page["items"][0]["stats"]["lastRunStartedAt"] == "2026-01-01T00:00:01.000Z"
        assert [item["id"] for item in (await world.bob.get("/v2/actors?my=1"))["items"]] == [mine["id"]]
        names = [item["name"] for item in (await world.alice.get("/v2/actors?desc=1"))["items"]]
        assert names == ["second", "first"]
        names = [
            item["name"]
            for item in (await world.alice.get("/v2/actors?sortBy=stats.lastRunStartedAt&desc=true"))["items"]
        ]
        assert names == ["first", "second"]
        page = await world.alice.get("/v2/actors?offset=1&limit=1")
        assert {key: page[key] for key in ("total", "offset", "limit", "count", "desc")} == {
            "total": 2, "offset": 1, "limit": 1, "count": 1, "desc": False,
        }  # fmt: skip
        stats = (await world.bob.get(f"/v2/actors/{first['id']}"))["stats"]
        assert (stats["totalUsers"], stats["totalUsers7Days"], stats["totalBuilds"]) == (1, 1, 1)
        await world.clock.advance(8 * 86_400)
        stats = (await world.bob.get(f"/v2/actors/{first['id']}"))["stats"]
        assert (stats["totalUsers"], stats["totalUsers7Days"], stats["totalUsers30Days"]) == (1, 0, 1)


async def test_publishing_needs_a_build_a_title_and_a_category() -> None:
    async with open_world() as world:
        error = await world.alice.post("/v2/actors", {"name": "loud", "isPublic": True}, status=403)
        assert error["type"] == "cannot-create-public-actor"
        actor = await make(world, versions=[version(("main.py", "pass"))])
        path = f"/v2/actors/{actor['id']}"
        assert (await world.alice.put(path, {"isPublic": True}, status=403))["type"] == "cannot-publish-actor"
        ready = {"isPublic": True, "title": "Mine", "categories": ["AI"]}
        assert (await world.alice.put(path, ready, status=403))["type"] == "tagged-build-required"
        await publish(world, actor["id"])
        seen = await world.bob.get("/v2/actors/alice~my-actor")
        assert seen["isPublic"] is True
        assert seen["versions"] == [
            {
                "versionNumber": "0.1",
                "sourceType": "SOURCE_FILES",
                "applyEnvVarsToBuild": False,
                "buildTag": "latest",
            }
        ]
        error = await world.bob.put(path, {"title": "Bob's"}, status=403)
        assert error["type"] == "insufficient-permissions"
        assert (await world.bob.get(f"{path}/versions/0.1/env-vars", status=403))["type"] == "insufficient-permissions"


async def test_bodies_that_are_wrong() -> None:
    async with open_world() as world:
        answer = await world.alice.request(
            "POST", "/v2/actors", body=b'{"name": ', headers={"content-type": "application/json"}
        )
        assert answer.status == 400
        for wrong in ([], {"name": 5}, {"versions": {}}, {"title": "x" * 20_001}, {"pricingInfos": [{}]}):
            error = await world.alice.post("/v2/actors", wrong, status=400)
            assert error["type"] == "invalid-input"
            assert error["message"]
