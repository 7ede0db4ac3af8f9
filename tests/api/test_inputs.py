"""Inputs by the schema of a build: defaults, validation, secrets, storages that are handed over."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from actorium.inputs import service
from actorium.inputs.encryption import opened
from actorium.runs.lifecycle import RunStatus, container_name
from server_world import ServerWorld, answered, open_server
from world import Client, no_check, version

pytestmark = pytest.mark.anyio

FIELDS: dict[str, Any] = {
    "url": {"type": "string", "editor": "textfield", "default": "https://a.example", "prefill": "never"},
    "pages": {"type": "integer", "minimum": 1},
}


def sources(schema: Any) -> dict[str, Any]:
    """A version whose definition has an input schema."""
    definition = {"actorSpecification": 1, "name": "hello", "version": "0.1", "input": schema}
    return dict(version(("Dockerfile", "FROM scratch"), (".actor/actor.json", json.dumps(definition))))


def schema_of(fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "$schema": "https://schemas.example/input.ide.json",
        "title": "Input",
        "type": "object",
        "schemaVersion": 1,
        "properties": fields,
        **more,
    }


@asynccontextmanager
async def open_actor(fields: dict[str, Any] | None = None, **more: Any) -> AsyncIterator[tuple[ServerWorld, str]]:
    async with open_server() as world:
        schema = schema_of(FIELDS if fields is None else fields, **more)
        yield world, await world.actor(versions=[sources(schema)])


async def stored(world: ServerWorld, run: dict[str, Any]) -> tuple[str, bytes] | None:
    path = f"/v2/key-value-stores/{run['defaultKeyValueStoreId']}/records/INPUT"
    answer = await world.alice.request("GET", path)
    return None if answer.status == 404 else (answer.headers["content-type"], answer.body)


async def refused(client: Client, path: str, body: Any) -> str:
    """The message about an invalid input."""
    error = await client.call("POST", path, json=body, status=400)
    assert error["type"] == "invalid-input"
    return str(error["message"])


@pytest.mark.parametrize(
    ("body", "kind", "wanted"),
    [
        (b"", None, ("application/json; charset=utf-8", b'{"url":"https://a.example"}', None)),
        (b"null", "application/json", ("application/json; charset=utf-8", b'{"url":"https://a.example"}', None)),
        (b'{ "pages": 1.0 }', "application/json", ("application/json", b'{"pages":1.0,"url":"https://a.example"}', 16)),
        (
            b'{\n"url": "b" }',
            "application/json; charset=utf-8",
            ("application/json; charset=utf-8", b'{\n"url": "b" }', 14),
        ),
        (b"pages=none", "text/plain", ("text/plain", b"pages=none", 10)),
        (b"\xff{", "application/octet-stream", ("application/octet-stream", b"\xff{", 2)),
    ],
)
async def test_defaults_are_filled_into_json_alone(
    body: bytes, kind: str | None, wanted: tuple[str, bytes, int | None]
) -> None:
    async with open_actor() as (world, actor):
        for _ in range(2):  # the second start remembers the build
            headers = {} if kind is None else {"Content-Type": kind}
            answer = await world.alice.request("POST", f"/v2/actors/{actor}/runs", body=body, headers=headers)
            run = answered(answer, 201)["data"]
            assert (*(await stored(world, run) or ()), run["stats"].get("inputBodyLen")) == wanted


async def test_no_input_without_defaults_is_no_record() -> None:
    async with open_actor({"pages": {"type": "integer", "prefill": 5}}) as (world, actor):
        run = await world.start(actor)
        assert await stored(world, run) is None
        assert "inputBodyLen" not in run["stats"]


async def test_an_invalid_input_starts_nothing_and_says_what_is_wrong() -> None:
    async with open_actor(required=["pages"]) as (world, actor):
        path = f"/v2/actors/{actor}/runs"
        assert (
            await refused(world.alice, path, {"pages": "5"}) == "Input is not valid: Field input.pages must be integer"
        )
        assert await refused(world.alice, path, None) == "Input is not valid: Field input.pages is required"
        assert await refused(world.alice, path, [1]) == "Input is not valid: Input must be object"
        for body in (b"{", b'{"url": "\xff"}', b"[" * 100_000):
            headers = {"Content-Type": "application/json"}
            answer = await world.alice.request("POST", path, body=body, headers=headers)
            assert answered(answer, 400)["error"]["type"] == "invalid-input"
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 0


async def test_a_new_build_is_followed_at_once() -> None:
    async with open_actor(required=["pages"]) as (world, actor):
        await refused(world.alice, f"/v2/actors/{actor}/runs", {})
        await world.alice.put(f"/v2/actors/{actor}/versions/0.1", sources(schema_of({"new": {"default": [1]}})))
        await world.alice.post(f"/v2/actors/{actor}/builds?version=0.1&waitForFinish=10")
        run = await world.start(actor)
        assert await stored(world, run) == ("application/json; charset=utf-8", b'{"new":[1]}')
        old = await world.start(actor, input={"pages": 1}, build="0.1.1")
        assert await stored(world, old) == ("application/json", b'{"pages":1,"url":"https://a.example"}')
        await world.alice.put(f"/v2/actors/{actor}/versions/0.1", version(("Dockerfile", "FROM scratch")))
        await world.alice.post(f"/v2/actors/{actor}/builds?version=0.1&waitForFinish=10")
        assert await stored(world, await world.start(actor)) is None


async def test_validate_input_answers_as_a_start_would() -> None:
    async with open_actor(required=["pages", "url"]) as (world, actor):
        path = f"/v2/actors/{actor}/validate-input"
        answer = await world.alice.request("POST", path, json={"pages": 1})
        assert answered(answer, 200) == {"valid": True}
        assert answered(
            await world.alice.request("POST", "/v2/acts/~hello/validate-input?build=latest", json={"pages": 2}), 200
        )
        assert await refused(world.alice, path, {"pages": 0}) == "Input is not valid: Field input.pages must be >= 1"
        for body in (b"", b"null"):
            headers = {"Content-Type": "application/json"}
            error = answered(await world.alice.request("POST", path, body=body, headers=headers), 400)["error"]
            assert error == {"type": "invalid-input", "message": "Input is not valid: Field input.pages is required"}
        await refused(world.alice, path, [])
        assert (await world.alice.post(f"{path}?build=none", {}, status=403))["type"] == "unknown-build-tag"
        assert (await world.bob.post(path, {}, status=404))["type"] == "record-not-found"
        plain = await world.actor("plain")
        assert answered(await world.alice.request("POST", f"/v2/actors/{plain}/validate-input"), 200) == {"valid": True}
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 0


async def test_a_schema_that_is_none_is_told_by_starts_and_checks() -> None:
    async with open_server() as world:
        world.work._build_loop._check = no_check  # as when it could not be looked at while it was built
        for number, schema in enumerate(
            (
                {"properties": 5},
                {"properties": {"a": {"type": "text"}}},
                {"properties": {"a": {"$ref": "#/nowhere"}}},
                {"properties": {"a": {"type": "string", "pattern": "("}}},
            )
        ):
            actor = await world.actor(f"bad-{number}", versions=[sources(schema)])
            for path in ("runs", "validate-input"):
                error = await world.alice.post(f"/v2/actors/{actor}/{path}", {"a": "x"}, status=400)
                assert error["type"] == "invalid-input-schema"
                assert "build the Actor again" in error["message"]
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 0


SECRET: dict[str, Any] = {
    "password": {"type": "string", "isSecret": True, "editor": "textfield", "minLength": 5},
    "login": {"type": "object", "isSecret": True, "properties": {"pin": {"type": "string"}}, "nullable": True},
    "codes": {"type": "array", "isSecret": True, "items": {"type": "string"}},
    "plain": {"type": "string"},
}
GIVEN = {"password": "correct horse", "login": {"pin": "battery staple"}, "codes": ["one-code"], "plain": "shown"}


async def test_secrets_are_encrypted_for_the_run_alone() -> None:
    async with open_actor(SECRET) as (world, actor):
        run = await world.running(actor, input=GIVEN)
        _, content = await stored(world, run) or ("", b"")
        kept = json.loads(content)
        assert kept["plain"] == "shown"
        assert not any(word in content for word in (b"horse", b"staple", b"one-code", b"pin"))
        assert kept["password"].startswith("ENCRYPTED_VALUE:")
        assert kept["login"].startswith("ENCRYPTED_JSON:")
        environment = world.executor.spec(container_name(run["id"], 1)).env
        file, passphrase = (environment[f"APIFY_INPUT_SECRETS_PRIVATE_KEY_{name}"] for name in ("FILE", "PASSPHRASE"))
        key = load_pem_private_key(base64.b64decode(file), passphrase.encode())
        assert isinstance(key, RSAPrivateKey)
        assert {name: opened(kept[name], key=key) for name in GIVEN if name != "plain"} | {"plain": "shown"} == GIVEN

        again = await world.running(actor, input=kept)  # encrypted ones are left alone, and still checked
        assert json.loads((await stored(world, again) or ("", b""))[1]) == kept
        same = world.executor.spec(container_name(again["id"], 1)).env
        assert same["APIFY_INPUT_SECRETS_PRIVATE_KEY_FILE"] == file
        wrong = kept | {"password": kept["login"]}
        assert await refused(world.alice, f"/v2/actors/{actor}/runs", wrong) == (
            "Input is not valid: The field schema.properties.password is a secret field, but its schema has changed. "
            "Please update the value in the input editor."
        )
        rows = await world.database.read(lambda tx: [dict(row) for row in tx.all("SELECT * FROM input_keys")])
        assert len(rows) == 1
        assert not any(word in str(rows) for word in (file, passphrase))


async def test_each_user_has_a_key_of_their_own_and_only_where_secrets_came() -> None:
    async with open_actor(SECRET) as (world, actor):
        before = await world.running(actor, input={"plain": "x"})
        assert "APIFY_INPUT_SECRETS_PRIVATE_KEY_FILE" not in world.executor.spec(container_name(before["id"], 1)).env
        await world.alice.put(f"/v2/actors/{actor}", {"isPublic": True, "title": "T", "categories": ["AI"]})
        runs = [await world.start(actor, client=client, input=GIVEN) for client in (world.alice, world.bob)]
        keys = set()
        for run in runs:
            variables = await world.features.own_variables(await world.row(run["id"]))
            keys.add(variables["APIFY_INPUT_SECRETS_PRIVATE_KEY_FILE"])
        assert len(keys) == 2
        theirs = json.loads((await stored(world, runs[0]) or ("", b""))[1])["password"]
        foreign = await world.start(actor, client=world.bob, input={"password": theirs})
        assert foreign["status"] == "READY"  # nobody here can read it; the Actor will say so


async def test_first_secrets_that_come_together_make_one_key() -> None:
    async with open_actor(SECRET) as (world, actor):
        runs = await asyncio.gather(*(world.start(actor, input=GIVEN) for _ in range(4)))
        rows = await world.database.read(lambda tx: tx.all("SELECT * FROM input_keys"))
        assert (len(rows), len({run["id"] for run in runs})) == (1, 4)


async def test_logs_do_not_show_secrets_of_the_input() -> None:
    async with open_actor(SECRET) as (world, actor):
        run = await world.running(actor, input=GIVEN)
        world.executor.write(container_name(run["id"], 1), b"login with correct horse and battery staple, shown")
        await world.finished(run["id"])
        log = (await world.alice.request("GET", f"/v2/logs/{run['id']}")).body
        assert b"login with ***** and *****, shown" in log
        assert b"horse" not in log
        await world.alice.delete(f"/v2/actor-runs/{run['id']}")
        assert await world.database.read(lambda tx: tx.all("SELECT * FROM run_secrets")) == []


async def test_logs_do_not_show_the_keys_to_secrets_also_after_a_metamorph() -> None:
    async with open_actor(SECRET) as (world, actor):
        second = await world.actor("second", versions=[sources(schema_of(SECRET))])
        run = await world.running(actor, input=GIVEN)
        first = world.executor.spec(container_name(run["id"], 1)).env
        await world.alice.post(f"/v2/actor-runs/{run['id']}/metamorph?targetActorId={second}", GIVEN, status=200)
        await world.reached(run["id"], RunStatus.RUNNING, attempt=2)
        had = (first, world.executor.spec(container_name(run["id"], 2)).env)
        keys = [env[f"APIFY_INPUT_SECRETS_PRIVATE_KEY_{name}"] for env in had for name in ("FILE", "PASSPHRASE")]
        assert len({*keys}) == 4
        for key in keys:  # as an Actor that prints its environment does
            world.executor.write(container_name(run["id"], 2), f"KEY={key}".encode())
        await world.finished(run["id"], attempt=2)
        log = (await world.alice.request("GET", f"/v2/logs/{run['id']}")).body.decode()
        assert log.count("KEY=*****\n") == 4
        assert not any(key in log for key in keys)


async def test_the_log_of_a_fork_with_another_input_hides_the_secrets_of_its_source_too() -> None:
    async with open_actor(SECRET) as (world, actor):
        run = await world.running(actor, input=GIVEN)
        once = await world.alice.post(f"/v2/actor-runs/{run['id']}/fork", GIVEN | {"password": "second horse"})
        twice = await world.alice.post(f"/v2/actor-runs/{once['id']}/fork", {"password": "third horse"})
        await world.reached(twice["id"], RunStatus.RUNNING)
        told = "correct horse, second horse, third horse, battery staple"  # of which its storages may be full
        world.executor.write(container_name(twice["id"], 1), told.encode())
        await world.finished(twice["id"])
        log = (await world.alice.request("GET", f"/v2/logs/{twice['id']}")).body
        assert log.endswith(b" *****, *****, *****, *****\n")


async def test_a_task_keeps_its_secrets_encrypted() -> None:
    async with open_actor(SECRET | FIELDS) as (world, actor):
        task = await world.alice.post("/v2/actor-tasks", {"actId": actor, "input": GIVEN})
        path = f"/v2/actor-tasks/{task['id']}"
        assert task["input"]["password"].startswith("ENCRYPTED_VALUE:")
        changed = answered(
            await world.alice.request("PUT", f"{path}/input", json={"codes": ["two-code"], "pages": 3}), 200
        )
        assert changed["password"] == task["input"]["password"]
        assert changed["codes"] != task["input"]["codes"]
        whole = await world.alice.put(path, {"input": changed | {"login": {"pin": "staple"}}})
        rows = await world.database.read(lambda tx: str([dict(row) for row in tx.all("SELECT * FROM tasks")]))
        assert not any(word in rows for word in ("horse", "staple", "-code"))
        run = await world.alice.post(f"{path}/runs", {"plain": "mine"})
        kept = json.loads((await stored(world, run) or ("", b""))[1])
        assert kept == whole["input"] | {"plain": "mine", "url": "https://a.example"}
        broken = await world.alice.post("/v2/actor-tasks", {"actId": actor, "input": {"pages": 0}})
        message = await refused(world.alice, f"/v2/actor-tasks/{broken['id']}/runs", {"url": "https://b.example"})
        assert message == "Input is not valid: Field input.pages must be >= 1"
        with_pages = await world.alice.post(f"/v2/actor-tasks/{broken['id']}/runs", {"pages": 2})
        assert (await stored(world, with_pages) or ("", b""))[1] == b'{"pages":2,"url":"https://a.example"}'


async def test_a_schema_that_many_ask_for_at_once_is_remembered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "INPUT_SCHEMAS_KNOWN_BYTES", 1000)  # each of them is some 200
    async with open_actor() as (world, actor):
        alice, inputs = await world.features.authenticate(str(world.alice._token)), world.features.inputs
        assert alice is not None
        await asyncio.gather(*(inputs.validate(alice, actor, None, {}) for _ in range(20)))

        def unread(*_: Any) -> None:
            raise AssertionError("the schema was forgotten")

        monkeypatch.setattr(type(world.features.builds), "definition_in", unread)
        await inputs.validate(alice, actor, None, {})


async def test_resource_pickers_are_noted_on_the_run() -> None:
    picker = {"type": "array", "resourceType": "dataset", "resourcePermissions": ["READ", "WRITE"]}
    async with open_actor({"out": picker, "from": {"type": "string", "resourceType": "keyValueStore"}}) as (
        world,
        actor,
    ):
        one, other = [(await world.alice.post(f"/v2/datasets?name={name}"))["id"] for name in ("one", "other")]
        source = (await world.alice.post("/v2/key-value-stores"))["id"]
        run = await world.start(actor, input={"out": [one, "other", "a" * 17], "from": source})
        assert (await world.row(run["id"])).document.granted_storages == {
            one: ("READ", "WRITE"),
            other: ("READ", "WRITE"),
            source: ("READ",),
        }
        path = f"/v2/actors/{actor}/runs"
        assert "must be the id or the name of a keyValueStore" in await refused(world.alice, path, {"from": "no such"})
        many = {"out": [f"name-{number}" for number in range(101)]}
        assert "more than 100 storages" in await refused(world.alice, path, many)


async def test_a_metamorph_gets_its_input_by_the_same_rules() -> None:
    async with open_actor(SECRET | FIELDS, required=["password"]) as (world, actor):
        run = await world.running(await world.actor("plain"), input={"a": 1})
        path = f"/v2/actor-runs/{run['id']}/metamorph?targetActorId={actor}"
        before = await world.row(run["id"])
        assert await refused(world.alice, path, {"pages": 1}) == "Input is not valid: Field input.password is required"
        assert await world.row(run["id"]) == before
        await world.alice.post(path, GIVEN, status=200)
        await world.reached(run["id"], RunStatus.RUNNING, attempt=2)
        answer = await world.alice.request(
            "GET", f"/v2/actor-runs/{run['id']}/key-value-store/records/INPUT-METAMORPH-1"
        )
        assert answer.json["url"] == "https://a.example"
        environment = world.executor.spec(container_name(run["id"], 2)).env
        file, passphrase = (environment[f"APIFY_INPUT_SECRETS_PRIVATE_KEY_{name}"] for name in ("FILE", "PASSPHRASE"))
        key = load_pem_private_key(base64.b64decode(file), passphrase.encode())
        assert isinstance(key, RSAPrivateKey)
        assert opened(answer.json["password"], key=key) == GIVEN["password"]
        world.executor.write(container_name(run["id"], 2), b"login with correct horse")
        await world.finished(run["id"], attempt=2)
        assert b"login with *****\n" in (await world.alice.request("GET", f"/v2/logs/{run['id']}")).body
