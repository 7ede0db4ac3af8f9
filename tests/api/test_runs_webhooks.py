"""Webhooks that a run is started with: recorded with it, forgotten with it, refused whole."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from actorium.kernel.instant import Instant
from actorium.runs.lifecycle import RunStatus
from actorium.webhooks import store
from actorium.webhooks.row import WebhookRow
from server_world import ServerWorld, open_server
from world import Client

pytestmark = pytest.mark.anyio

ONE: dict[str, Any] = {"eventTypes": ["ACTOR.RUN.SUCCEEDED", "ACTOR.RUN.FAILED"], "requestUrl": "https://example.com/"}


def text_of(*webhooks: Any) -> str:
    return base64.b64encode(json.dumps(webhooks).encode()).decode()


async def recorded(world: ServerWorld, run_id: str) -> list[WebhookRow]:
    return await world.database.read(lambda tx: store.of_run(tx, run_id))


async def count(world: ServerWorld) -> int:
    return len(await world.database.read(lambda tx: tx.all("SELECT id FROM webhooks")))


async def test_webhooks_are_recorded_with_the_run_and_forgotten_with_it() -> None:
    async with open_server(loops=False) as world:
        actor = await world.actor()
        templates = {
            "payloadTemplate": '{"a": {{resource}}}',
            "headersTemplate": "{}",
            "shouldInterpolateStrings": True,
        }
        flags = {"ignoreSslErrors": True, "doNotRetry": True, "idempotencyKey": "once"}
        run = await world.start(actor, webhooks=text_of(ONE, ONE | templates | flags))
        rows = sorted(await recorded(world, run["id"]), key=lambda row: row.idempotency_key or "")
        assert [row.document.event_types for row in rows] == [tuple(ONE["eventTypes"])] * 2
        for row in rows:
            assert (row.is_ad_hoc, row.condition.actor_run_id, row.owner_id) == (True, run["id"], run["userId"])
            assert row.created_at == Instant.parse(run["startedAt"])
        document = rows[1].document
        assert (document.payload_template, document.headers_template) == ('{"a": {{resource}}}', "{}")
        assert document.should_interpolate_strings
        assert document.ignore_ssl_errors
        assert document.do_not_retry
        await world.bring(run["id"], RunStatus.SUCCEEDED)
        await world.alice.delete(f"/v2/actor-runs/{run['id']}")
        assert await count(world) == 0


async def test_a_fork_takes_webhooks_as_a_start_does() -> None:
    async with open_server(loops=False) as world:
        run = await world.start(await world.actor(), webhooks=text_of(ONE))
        path = f"/v2/actor-runs/{run['id']}/fork"
        assert (await world.alice.post(f"{path}?webhooks=%25%25%25", status=400))["type"] == "invalid-value"
        copy = await world.alice.post(f"{path}?{urlencode({'webhooks': text_of(ONE, ONE)})}")
        assert len(await recorded(world, copy["id"])) == 2
        assert await recorded(world, (await world.alice.post(path))["id"]) == [], "the source's are about the source"


async def test_a_used_idempotency_key_makes_no_second_webhook() -> None:
    async with open_server(loops=False) as world:
        actor, keyed = await world.actor(), ONE | {"idempotencyKey": "k"}
        run = await world.start(actor, webhooks=text_of(keyed, keyed))
        again = await world.start(actor, webhooks=text_of(keyed))
        assert (len(await recorded(world, run["id"])), len(await recorded(world, again["id"]))) == (1, 0)
        other = await world.start(await world.actor(client=world.bob), client=world.bob, webhooks=text_of(keyed))
        assert len(await recorded(world, other["id"])) == 1


async def test_a_run_with_limited_permissions_uses_up_no_key_of_its_user() -> None:
    async with open_server(loops=False) as world:
        actor, keyed = await world.actor(), ONE | {"idempotencyKey": "k"}

        async def started_by(level: str) -> list[WebhookRow]:
            run = await world.start(actor, forcePermissionLevel=level)
            inside = Client(world.app, token=world.features.tokens.token(run["id"]))
            return await recorded(world, (await world.start(actor, client=inside, webhooks=text_of(keyed)))["id"])

        assert len(await started_by("LIMITED_PERMISSIONS")) == 1
        assert await started_by("LIMITED_PERMISSIONS") == [], "all runs of its Actor share keys"
        own = await world.start(actor, webhooks=text_of(keyed))
        assert len(await recorded(world, own["id"])) == 1, "what its user meant to be told of"
        assert await started_by("FULL_PERMISSIONS") == [], "such a run is as its user"


async def test_a_task_and_a_run_inside_pass_webhooks_too() -> None:
    async with open_server(loops=False) as world:
        actor = await world.actor()
        task = (await world.alice.post("/v2/actor-tasks", {"actId": actor}))["id"]
        run = await world.alice.post(f"/v2/actor-tasks/{task}/runs?webhooks={text_of(ONE).rstrip('=')}")
        assert len(await recorded(world, run["id"])) == 1


async def test_one_wrong_webhook_starts_nothing() -> None:
    async with open_server(loops=False) as world:
        actor = await world.actor()
        for text, kind in (
            ("***", "invalid-value"),
            (text_of(ONE, ONE | {"eventTypes": ["NONE"]}), "invalid-value"),
            (text_of(ONE, ONE | {"idempotencyKey": ""}), "invalid-idempotency-key"),
        ):
            error = await world.alice.post(f"/v2/actors/{actor}/runs?webhooks={text}", status=400)
            assert (error["type"], "webhook" in error["message"]) == (kind, True)
        await world.alice.post(f"/v2/actors/{actor}/runs?build=none&webhooks={text_of(ONE)}", status=403)
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 0
        assert await count(world) == 0
