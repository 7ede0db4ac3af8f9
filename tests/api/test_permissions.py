"""What a run may do with its token: everything with full permissions, with limited ones what is its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actorium.database import Work
from actorium.kernel.limits import STATUS_MESSAGE_CHARS_MAX
from actorium.runs.lifecycle import RunStatus
from permission_world import ASK, ITEM, Running, grant, limited, running
from server_world import ServerWorld, answered, open_server
from world import Client, version

pytestmark = pytest.mark.anyio


async def contents(run: Running, datasets: str, stores: str, queues: str) -> list[tuple[int, int]]:
    """The statuses of writing to and reading from a storage of each kind."""
    found = []
    for write, read in (
        (("POST", f"/v2/{datasets}/items", ITEM), ("GET", f"/v2/{datasets}/items")),
        (("PUT", f"/v2/{stores}/records/K", {}), ("GET", f"/v2/{stores}/records/INPUT")),
        (("POST", f"/v2/{queues}/requests", ASK), ("POST", f"/v2/{queues}/head/lock?lockSecs=60")),
    ):
        for _ in range(2):  # the second time is another way, where the storage is known already
            method, path, body = write
            written = await run.client.request(method, path, json=body)
        looked = await run.client.request(*read)
        found.append((written.status, looked.status))
    return found


async def test_a_limited_run_uses_its_default_storages_by_every_path() -> None:
    async with open_server() as world:
        actor = await world.actor("limited")
        made = await running(world, actor, input={"a": 1})
        for base in (f"actor-runs/{made.id}", "actors/~limited/runs/last"):
            found = await contents(made, *[f"{base}/{one}" for one in ("dataset", "key-value-store", "request-queue")])
            assert found == [(201, 200), (201, 200), (201, 201)]
        ids = [made.object[f"default{kind}Id"] for kind in ("Dataset", "KeyValueStore", "RequestQueue")]
        kinds = ("datasets", "key-value-stores", "request-queues")
        assert await contents(made, *[f"{kind}/{one}" for kind, one in zip(kinds, ids, strict=True)]) == [
            (201, 200),
            (201, 200),
            (201, 201),
        ]
        shown = (await made.call("GET", f"/v2/datasets/{ids[0]}")).json["data"]
        assert shown["urlSigningSecretKey"]
        assert "signature=" in shown["itemsPublicUrl"]


async def test_a_limited_run_keeps_what_earlier_runs_of_its_actor_made() -> None:
    async with open_server() as world:
        actor = await world.actor("limited")
        first = await running(world, actor)
        kinds = ("datasets", "key-value-stores", "request-queues")
        for kind in kinds:
            await first.call("POST", f"/v2/{kind}?name=kept", status=201)
            await world.alice.post(f"/v2/{kind}?name=of-alice")
        await world.finished(first.id)
        second = await running(world, actor)
        for kind in kinds:
            await second.call("POST", f"/v2/{kind}?name=kept")
            assert await second.error("POST", f"/v2/{kind}?name=of-alice") == "insufficient-permissions"
            listed = (await second.call("GET", f"/v2/{kind}")).json["data"]
            assert ([one["name"] for one in listed["items"]], listed["total"]) == (["kept"], 1)
            unnamed = (await second.call("GET", f"/v2/{kind}?unnamed=1&desc=1")).json["data"]
            assert unnamed["total"] == 3  # and the default ones of both runs
        found = await contents(second, *[f"{kind}/~kept" for kind in kinds])
        assert found == [(201, 200), (201, 404), (201, 201)]
        other = await limited(world, "other")
        assert await contents(other, *[f"{kind}/~kept" for kind in kinds]) == [(403, 403)] * 3
        await second.call("PUT", "/v2/datasets/~kept", {"title": "Mine", "name": "renamed"})
        await second.call("DELETE", "/v2/datasets/~renamed", status=204)


async def test_a_full_run_may_do_what_its_user_may() -> None:
    async with open_server() as world:
        await world.alice.post("/v2/datasets?name=of-alice")
        full = await limited(world, "full", actorPermissionLevel="FULL_PERMISSIONS")
        await full.call("POST", "/v2/datasets?name=of-alice")
        await full.call("POST", "/v2/datasets/~of-alice/items", ITEM, status=201)
        await full.call("GET", "/v2/actors")
        await full.call("PUT", "/v2/actors/~full", {"title": "Changed by itself"})
        await full.call("POST", "/v2/actors/~full/runs", status=201)


async def test_the_run_itself_its_actor_and_its_user() -> None:
    async with open_server() as world:
        made = await limited(world)
        own = f"/v2/actor-runs/{made.id}"
        await made.call("PUT", own, {"statusMessage": "x" * STATUS_MESSAGE_CHARS_MAX})
        assert (await made.call("GET", own)).json["data"]["statusMessage"].startswith("x")
        await made.call("GET", f"{own}/log")
        await made.call("GET", f"/v2/actor-builds/{made.object['buildId']}")
        await made.call("GET", f"/v2/logs/{made.object['buildId']}")
        await made.call("GET", "/v2/actors/~limited/builds/default")
        actor = (await made.call("GET", f"/v2/actors/{made.object['actId']}")).json["data"]
        assert "sourceFiles" not in actor["versions"][0]
        me = (await made.call("GET", "/v2/users/me")).json["data"]
        assert (me["username"], set(me) & {"email"}) == ("alice", set())
        assert me["proxy"]["password"]
        await made.call("POST", f"{own}/reboot")
        await made.call("POST", f"{own}/abort")
        assert await made.error("DELETE", own) == "insufficient-permissions"


async def test_a_limited_run_starts_limited_runs_reads_their_results_and_aborts_them() -> None:
    async with open_server() as world:
        made = await limited(world)
        other = await world.actor("other")
        await world.actor("full", actorPermissionLevel="FULL_PERMISSIONS")
        start = "/v2/actors/~{}/runs?{}"
        child = (await made.call("POST", start.format("other", ""), status=201)).json["data"]
        forced = await made.call("POST", start.format("full", "forcePermissionLevel=LIMITED_PERMISSIONS"), status=201)
        assert (await world.row(forced.json["data"]["id"])).document.permission_level == "LIMITED_PERMISSIONS"
        for target, query in (("full", ""), ("other", "forcePermissionLevel=FULL_PERMISSIONS")):
            assert await made.error("POST", start.format(target, query)) == "elevated-permissions-needed"

        dataset = f"/v2/datasets/{child['defaultDatasetId']}"
        await world.alice.request("POST", f"{dataset}/items", json=ITEM)
        assert (await made.call("GET", f"{dataset}/items")).json == ITEM
        assert (await made.call("GET", f"/v2/actor-runs/{child['id']}/dataset/items")).json == ITEM
        shown = (await made.call("GET", dataset)).json["data"]
        assert "urlSigningSecretKey" not in shown
        assert "signature=" not in shown["itemsPublicUrl"]
        for method, path, body in (
            ("POST", f"{dataset}/items", ITEM),
            ("PUT", dataset, {"title": "x"}),
            ("DELETE", dataset, None),
            ("PUT", f"/v2/actor-runs/{child['id']}", {"statusMessage": "x"}),
            ("POST", f"/v2/actor-runs/{child['id']}/reboot", None),
            ("GET", f"/v2/actors/{other}", None),
        ):
            assert await made.error(method, path, body) == "insufficient-permissions", (method, path)
        assert (await made.call("POST", f"/v2/actor-runs/{child['id']}/abort")).json["data"]["status"] == "ABORTING"

        maker = Client(world.app, token=world.features.tokens.token(child["id"]))
        for query in ("?name=of-the-child", ""):
            its_own = (await maker.post(f"/v2/datasets{query}"))["id"]
            assert await made.error("GET", f"/v2/datasets/{its_own}/items") == "insufficient-permissions", "no result"

        sibling = await limited(world, "sibling")
        assert await sibling.error("GET", f"/v2/actor-runs/{child['id']}") == "insufficient-permissions"
        assert await sibling.error("GET", f"{dataset}/items") == "insufficient-permissions"


async def test_what_the_input_hands_over_is_read_or_written_and_never_managed() -> None:
    async with open_server() as world:
        made = await limited(world)
        kinds = ("datasets", "key-value-stores", "request-queues")
        read = [(await world.alice.post(f"/v2/{kind}?name=to-read"))["id"] for kind in kinds]
        write = [(await world.alice.post(f"/v2/{kind}?name=to-write"))["id"] for kind in kinds]
        await grant(world, made.id, dict.fromkeys(read, ("READ",)) | dict.fromkeys(write, ("READ", "WRITE")))
        assert await contents(made, *[f"{kind}/{one}" for kind, one in zip(kinds, read, strict=True)]) == [
            (403, 200),
            (403, 404),
            (403, 403),
        ]
        assert (await made.call("GET", f"/v2/request-queues/{read[2]}/head")).json["data"]["items"] == []
        assert await contents(made, *[f"{kind}/~to-write" for kind in kinds]) == [(201, 200), (201, 404), (201, 201)]
        await made.call("POST", "/v2/datasets?name=to-read")
        for kind, one in zip(kinds, write, strict=True):
            for method, body in (("PUT", {"generalAccess": "ANYONE_WITH_ID_CAN_READ"}), ("DELETE", None)):
                assert await made.error(method, f"/v2/{kind}/{one}", body) == "insufficient-permissions"


PICKERS = {
    name: {"type": "string", "editor": "resourcePicker", "resourceType": "dataset", "resourcePermissions": rights}
    for name, rights in (("source", ["READ"]), ("target", ["READ", "WRITE"]))
}


async def picking(world: ServerWorld, name: str, fields: dict[str, Any]) -> str:
    """A limited Actor whose input schema has these fields."""
    schema = {"title": "Input", "type": "object", "schemaVersion": 1, "properties": fields}
    definition = json.dumps({"actorSpecification": 1, "name": name, "version": "0.1", "input": schema})
    sources = version(("Dockerfile", "FROM scratch"), (".actor/actor.json", definition))
    return await world.actor(name, versions=[sources])


async def test_a_user_hands_storages_over_by_id_and_by_name() -> None:
    async with open_server() as world:
        source = (await world.alice.post("/v2/datasets?name=the-source"))["id"]
        target = (await world.alice.post("/v2/datasets?name=the-target"))["id"]
        other = (await world.alice.post("/v2/datasets?name=other"))["id"]
        made = await running(
            world, await picking(world, "picks", PICKERS), input={"source": source, "target": "the-target"}
        )
        await made.call("GET", f"/v2/datasets/{source}/items")
        assert await made.error("POST", f"/v2/datasets/{source}/items", ITEM) == "insufficient-permissions"
        await made.call("POST", f"/v2/datasets/{target}/items", ITEM, status=201)
        assert await made.error("GET", f"/v2/datasets/{other}/items") == "insufficient-permissions"


async def test_a_limited_run_hands_over_no_more_than_it_has_itself() -> None:
    async with open_server() as world:
        secret = (await world.alice.post("/v2/datasets?name=secret"))["id"]
        readable = (await world.alice.post("/v2/datasets"))["id"]
        actor = await picking(world, "picks", PICKERS)
        made = await running(world, await world.actor("limited"))
        await grant(world, made.id, {readable: ("READ",)})
        child = (
            await made.call("POST", f"/v2/actors/{actor}/runs", {"source": "secret", "target": readable}, status=201)
        ).json["data"]
        assert (await world.row(child["id"])).document.granted_storages == {readable: ("READ",)}
        token = Client(world.app, token=world.features.tokens.token(child["id"]))
        assert (await token.request("GET", f"/v2/datasets/{secret}/items")).status == 403


async def test_an_actor_cannot_name_by_a_default_what_it_wants() -> None:
    async with open_server() as world:
        wanted = (await world.alice.post("/v2/datasets?name=secret"))["id"]
        fields = {name: field | {"default": "secret"} for name, field in PICKERS.items()}
        made = await running(world, await picking(world, "sly", fields), input={})
        assert (await world.row(made.id)).document.granted_storages == {}
        assert await made.error("GET", f"/v2/datasets/{wanted}/items") == "insufficient-permissions"


async def test_what_anybody_may_read_a_limited_run_may_read() -> None:
    async with open_server() as world:
        made = await limited(world)
        shared = await world.alice.post("/v2/datasets")
        items = f"/v2/datasets/{shared['id']}/items"
        assert await made.error("GET", items) == "insufficient-permissions"
        signed = shared["itemsPublicUrl"].partition("8010")[2]
        await made.call("GET", signed)
        await world.alice.put(f"/v2/datasets/{shared['id']}", {"generalAccess": "ANYONE_WITH_ID_CAN_READ"})
        await made.call("GET", items)
        assert await made.error("POST", items, ITEM) == "insufficient-permissions"
        foreign = await world.bob.post("/v2/datasets")
        assert await made.error("GET", f"/v2/datasets/{foreign['id']}", status=404) == "record-not-found"


async def test_what_the_server_remembers_of_its_user_opens_nothing_to_a_limited_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_server(loops=False) as world:
        started = await world.start(await world.actor("limited"))
        made = Running(started["id"], Client(world.app, token=world.features.tokens.token(started["id"])), started)
        secret = await world.start(await world.actor("secret"))
        await world.bring(secret["id"], RunStatus.SUCCEEDED)
        path = f"/v2/actor-runs/{secret['id']}"
        with monkeypatch.context() as patch:
            patch.setattr(world.database, "version", lambda: 1)  # nobody commits
            for _ in range(2):
                await world.alice.get(path)  # from now on the server remembers the bytes of the reply
            assert await made.error("GET", path) == "insufficient-permissions"
        writes = (
            ("POST", f"/v2/datasets/{secret['defaultDatasetId']}/items", ITEM),
            ("PUT", f"/v2/key-value-stores/{secret['defaultKeyValueStoreId']}/records/K", {}),
            ("POST", f"/v2/request-queues/{secret['defaultRequestQueueId']}/requests", ASK),
        )
        for method, target, body in writes:
            await world.alice.request(method, target, json=body)  # and that these need no look
            assert await made.error(method, target, body) == "insufficient-permissions"


async def test_a_limited_run_on_its_own_storages_costs_no_more_reads_than_a_full_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_server(loops=False) as world:
        reads: list[object] = []
        read = world.database.read

        async def counted(work: Work[Any]) -> Any:
            reads.append(work)
            return await read(work)

        counts = {}
        for level in ("LIMITED_PERMISSIONS", "FULL_PERMISSIONS"):
            made = await world.start(await world.actor(f"actor-{level[:4]}", actorPermissionLevel=level))
            run = Running(made["id"], Client(world.app, token=world.features.tokens.token(made["id"])), made)
            named = answered(await run.client.request("POST", f"/v2/datasets?name={level[:4]}"), 201)["data"]["id"]
            calls = [
                ("POST", f"/v2/datasets/{made['defaultDatasetId']}/items", ITEM),
                ("POST", f"/v2/datasets/{named}/items", ITEM),
                ("PUT", f"/v2/key-value-stores/{made['defaultKeyValueStoreId']}/records/K", {}),
                ("POST", f"/v2/request-queues/{made['defaultRequestQueueId']}/requests", ASK),
                ("POST", f"/v2/request-queues/{made['defaultRequestQueueId']}/head/lock?lockSecs=60", None),
            ]
            for call in calls:
                await run.call(*call, status=201)
            with monkeypatch.context() as patch:
                patch.setattr(world.database, "read", counted)
                reads.clear()
                for call in calls:
                    await run.call(*call, status=201)
                counts[level] = len(reads)
        assert counts == dict.fromkeys(counts, len(calls))  # each call asks whose token it is, and that is all


async def test_a_name_in_the_input_hands_over_the_kind_that_its_field_picks() -> None:
    async with open_server() as world:
        kinds = ("datasets", "key-value-stores", "request-queues")
        ids = [(await world.alice.post(f"/v2/{kind}?name=results"))["id"] for kind in kinds]
        made = await running(world, await picking(world, "picks", PICKERS), input={"target": "results"})
        assert (await world.row(made.id)).document.granted_storages == {ids[0]: ("READ", "WRITE")}
        made = await running(world, await picking(world, "again", PICKERS), input={"target": ids[1]})
        assert (await world.row(made.id)).document.granted_storages == {}


async def test_what_was_handed_over_for_writing_cannot_be_shared_by_links() -> None:
    """A link would outlive the run, and the secret that signs links every run."""
    async with open_server() as world:
        made = await limited(world)
        kinds = ("datasets", "key-value-stores")
        ids = [(await world.alice.post(f"/v2/{kind}?name=lent"))["id"] for kind in kinds]
        await grant(world, made.id, dict.fromkeys(ids, ("READ", "WRITE")))
        for kind, one in zip(kinds, ids, strict=True):
            shown = (await made.call("GET", f"/v2/{kind}/{one}")).json["data"]
            assert "urlSigningSecretKey" not in shown
            assert "signature=" not in json.dumps(shown)
        record = f"/v2/key-value-stores/{ids[1]}/records/K"
        await made.call("PUT", record, {"n": 1}, status=201)
        assert "signature=" not in (await made.call("GET", f"/v2/key-value-stores/{ids[1]}/keys")).body.decode()


async def test_what_was_handed_over_is_gone_when_a_run_becomes_its_own_actor_again() -> None:
    async with open_server() as world:
        made = await limited(world)
        lent = (await world.alice.post("/v2/datasets?name=lent"))["id"]
        await grant(world, made.id, {lent: ("READ", "WRITE")})
        await made.call("POST", f"/v2/datasets/{lent}/items", ITEM, status=201)
        await grant(world, made.id, {})
        assert await made.error("POST", f"/v2/datasets/{lent}/items", ITEM) == "insufficient-permissions"
