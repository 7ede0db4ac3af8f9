"""Which permission level a run gets: forced, approved, by a metamorph."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actorium.actors.approvals import Approvals
from actorium.runs.lifecycle import RunStatus, container_name
from permission_world import ITEM, grant, limited, running
from server_world import answered, open_server
from world import Client

pytestmark = pytest.mark.anyio


async def test_an_actor_of_somebody_else_needs_an_approval_for_full_permissions() -> None:
    async with open_server() as world:
        actor = await world.actor("tool", client=world.bob, actorPermissionLevel="FULL_PERMISSIONS")
        await world.bob.put(f"/v2/actors/{actor}", {"title": "Tool", "categories": ["AI"], "isPublic": True})
        start = f"/v2/actors/{actor}/runs"
        await world.bob.post(start)
        refused = answered(await world.alice.request("POST", start), 403)["error"]
        assert refused["type"] == "full-permission-actor-not-approved"
        assert refused["data"]["approvalUrl"].startswith("http://127.0.0.1:8010/docs/")
        limited = await world.alice.post(f"{start}?forcePermissionLevel=LIMITED_PERMISSIONS")
        spec = world.executor.spec(container_name((await world.reached(limited["id"], RunStatus.RUNNING))["id"], 1))
        assert spec.env["ACTOR_PERMISSION_LEVEL"] == "LIMITED_PERMISSIONS"

        approvals = Approvals(world.database, users=world.features.users, clock=world.clock)
        await approvals.give("alice", "bob/tool")
        full = await world.alice.post(start)
        assert (await world.row(full["id"])).document.permission_level == "FULL_PERMISSIONS"
        await approvals.withdraw("alice", actor)
        assert (await world.alice.request("POST", start)).status == 403


async def test_an_actor_does_not_get_full_permissions_by_its_default_options() -> None:
    async with open_server() as world:
        options = {"forcePermissionLevel": "FULL_PERMISSIONS"}
        actor = await world.actor("sly", client=world.bob, defaultRunOptions=options)
        await world.bob.put(f"/v2/actors/{actor}", {"title": "Sly", "categories": ["AI"], "isPublic": True})
        answer = await world.alice.request("POST", f"/v2/actors/{actor}/runs")
        assert answered(answer, 403)["error"]["type"] == "full-permission-actor-not-approved"


async def test_a_metamorph_never_gains_permissions_and_takes_the_place_of_the_other_actor() -> None:
    async with open_server() as world:
        await world.actor("full", actorPermissionLevel="FULL_PERMISSIONS")
        other = await limited(world, "other")
        await other.call("POST", "/v2/datasets?name=of-other", status=201)
        made = await limited(world)
        await made.call("POST", "/v2/datasets?name=of-limited", status=201)
        earlier = (await running(world, made.object["actId"])).object["defaultDatasetId"]
        secret = (await world.alice.post("/v2/datasets"))["id"]
        await grant(world, made.id, {secret: ("READ",)})
        path = f"/v2/actor-runs/{made.id}/metamorph"
        assert await made.error("POST", f"{path}?targetActorId=~full") == "insufficient-permissions"
        for kept in (secret, earlier):
            await made.call("GET", f"/v2/datasets/{kept}/items")
        await made.call("POST", f"{path}?targetActorId=~other")
        await world.reached(made.id, RunStatus.RUNNING, attempt=2)
        token = world.executor.spec(container_name(made.id, 2)).env["APIFY_TOKEN"]
        became = replace(made, client=Client(world.app, token=token))
        await became.call("GET", f"/v2/datasets/{made.object['defaultDatasetId']}/items")
        for own in ("~of-other", "~of-limited"):  # those of its new Actor, and those that it made itself
            await became.call("POST", f"/v2/datasets/{own}/items", ITEM, status=201)
        for lost in (secret, earlier):
            assert await became.error("GET", f"/v2/datasets/{lost}/items") == "insufficient-permissions"
        # An Actor that has kept its token does not reach, by becoming it, what another one has made.
        for kept in (made.object["defaultDatasetId"], earlier, "~of-limited"):
            await made.call("GET", f"/v2/datasets/{kept}/items")
        for others in ("~of-other", other.object["defaultDatasetId"], secret):
            assert await made.error("GET", f"/v2/datasets/{others}/items") == "insufficient-permissions"


async def test_a_full_run_that_becomes_a_limited_actor_is_limited() -> None:
    async with open_server() as world:
        await world.alice.post("/v2/datasets?name=of-alice")
        tool = await world.actor("tool", client=world.bob)
        await world.bob.put(f"/v2/actors/{tool}", {"title": "Tool", "categories": ["AI"], "isPublic": True})
        made = await limited(world, "full", actorPermissionLevel="FULL_PERMISSIONS")
        await made.call("GET", "/v2/datasets/~of-alice")
        await made.call("POST", f"/v2/actor-runs/{made.id}/metamorph?targetActorId=bob~tool")
        assert await made.error("GET", "/v2/datasets/~of-alice") == "insufficient-permissions"
        await world.reached(made.id, RunStatus.RUNNING, attempt=2)
        spec = world.executor.spec(container_name(made.id, 2))
        assert spec.env["ACTOR_PERMISSION_LEVEL"] == "LIMITED_PERMISSIONS"


async def test_a_run_is_not_brought_back_with_full_permissions_that_were_withdrawn() -> None:
    async with open_server() as world:
        actor = await world.actor("tool", client=world.bob, actorPermissionLevel="FULL_PERMISSIONS")
        await world.bob.put(f"/v2/actors/{actor}", {"title": "Tool", "categories": ["AI"], "isPublic": True})
        approvals = Approvals(world.database, users=world.features.users, clock=world.clock)
        await approvals.give("alice", "bob/tool")
        run = await running(world, actor)
        await world.finished(run.id)
        await approvals.withdraw("alice", actor)
        for path in ("resurrect", "fork"):
            answer = await world.alice.request("POST", f"/v2/actor-runs/{run.id}/{path}")
            assert answered(answer, 403)["error"]["type"] == "full-permission-actor-not-approved"
        assert (await world.row(run.id)).status is RunStatus.SUCCEEDED
        await approvals.give("alice", "bob/tool")
        await world.alice.post(f"/v2/actor-runs/{run.id}/resurrect", status=200)
