"""Charges of runs: who may, what is refused, what is counted, and what the run object and its process are told."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
from apify_client._models import Run

from actorium.charging import store as charging_store
from actorium.kernel.limits import CHARGE_KEYS_KEPT_SECS, CHARGED_COUNT_MAX
from actorium.runs.lifecycle import Event, RunStatus, container_name
from charging_world import charge, counts, events, items, itself, priced, push
from server_world import open_server
from world import Client

pytestmark = pytest.mark.anyio


async def test_a_charge_is_counted_once_for_each_key() -> None:
    async with open_server(loops=False) as world:
        run = await world.start(await priced(world, events(page=0.1, doc=0.5)))
        assert (run["chargedEventCounts"], run["pricingInfo"]["pricingModel"]) == ({}, "PAY_PER_EVENT")
        assert await charge(world, run, "page") == {}
        for _ in range(3):
            assert await charge(world, run, "page", 5, key="one") == {}
        await charge(world, run, "doc", 2, key="two")
        assert await counts(world, run) == {"doc": 2, "page": 6}
        world.clock._now = world.clock.now().plus(secs=CHARGE_KEYS_KEPT_SECS - 1)
        await charge(world, run, "page", 5, key="one")
        assert await counts(world, run) == {"doc": 2, "page": 6}
        await world.bring(run["id"], RunStatus.SUCCEEDED)
        await charge(world, run, "page", 5, key="one")  # the reply to the first one may have been lost
        assert (await charge(world, run, "page", key="new", status=403))["type"] == "job-finished"
        shown = await world.alice.get(f"/v2/actor-runs/{run['id']}")
        Run.model_validate(shown)
        assert shown["chargedEventCounts"] == {"doc": 2, "page": 6}
        world.clock._now = world.clock.now().plus(secs=2)
        await world.features.charging.prune()
        assert await world.database.read(lambda tx: tx.all("SELECT * FROM run_charge_keys")) == []
        await world.alice.delete(f"/v2/actor-runs/{run['id']}")
        for table in ("run_charges", "run_budgets"):
            assert await world.database.read(lambda tx, table=table: tx.all(f"SELECT * FROM {table}")) == []


async def test_what_cannot_be_charged_changes_nothing() -> None:
    async with open_server(loops=False) as world:
        run = await world.start(await priced(world, events(page=0.1, apify_actor_start=0.1)))
        before = await counts(world, run)
        for count in (0, -1, 1.5, -2.0, "3", None, True, CHARGED_COUNT_MAX + 1, 2**63, 10**30):
            answer = await itself(world, run).request(
                "POST", f"/v2/actor-runs/{run['id']}/charge", json={"eventName": "page", "count": count}
            )
            assert (answer.status, answer.json["error"]["type"]) == (400, "invalid-input"), (count, answer.body)
        for body in (b"", b"[]", b'{"count":1}', b'{"eventName":7,"count":1}', b'{"eventName":"page","count":1e30}'):
            answer = await itself(world, run).request(
                "POST",
                f"/v2/actor-runs/{run['id']}/charge",
                body=body,
                headers={"content-type": "application/json"},
            )
            assert answer.status == 400, answer.body
        for name in ("", "other", "Page", "x" * 10_000):
            assert (await charge(world, run, name, status=400))["type"] == "invalid-input"
        for name in ("apify-actor-start", "apify-default-dataset-item", "apify-x"):
            assert (await charge(world, run, name, status=405))["type"] == "cannot-charge-apify-event"
        for key in ("", "k" * 513):
            assert (await charge(world, run, "page", key=key, status=400))["type"] == "invalid-idempotency-key"
        assert await counts(world, run) == before == {"apify-actor-start": 1}
        await charge(world, run, "page", 2.0)  # as languages write a whole number that have one kind of numbers
        await charge(world, run, "page", CHARGED_COUNT_MAX - 3, key="large")
        await charge(world, run, "page", 2, key="too much", status=400)
        await charge(world, run, "page", 1, key="too much")  # what was refused has taken no key
        assert (await counts(world, run))["page"] == CHARGED_COUNT_MAX


async def test_only_the_run_itself_charges_and_only_of_a_pay_per_event_actor() -> None:
    async with open_server(loops=False) as world:
        actor = await priced(world, events(page=0.1))
        run = await world.start(actor)
        await world.clock.advance(1)
        other = await world.start(actor)
        path, body = f"/v2/actor-runs/{run['id']}/charge", {"eventName": "page", "count": 1}
        assert (await world.alice.post(path, body, status=403))["type"] == "own-token-required"
        assert (await itself(world, other).post(path, body, status=403))["type"] == "own-token-required"
        assert (await world.bob.post(path, body, status=404))["type"] == "record-not-found"
        assert (await world.nobody.post(path, body, status=401))["type"] == "token-not-provided"
        await world.alice.post("/v2/actor-runs/nosuchrun00000000/charge", body, status=404)
        assert await counts(world, run) == {}
        last = f"/v2/actors/{actor}/runs/last/charge"
        assert (await itself(world, other).request("POST", last, json=body)).status == 201
        assert (await counts(world, run), await counts(world, other)) == ({}, {"page": 1})
        flat = {"pricingModel": "FLAT_PRICE_PER_MONTH", "trialMinutes": 5, "pricePerUnitUsd": 3}
        for name, pricing in (("a1-free", {"pricingModel": "FREE"}), ("a2-item", items()), ("a3-flat", flat)):
            free = await world.start(await priced(world, pricing, name=name))
            error = await charge(world, free, "page", status=405)
            assert error["type"] == "cannot-charge-non-pay-per-event-actor"
            assert {"pricingInfo", "chargedEventCounts"} & set(free) == set()


async def test_the_platforms_own_events() -> None:
    async with open_server() as world:
        pricing = events(page=0.1, apify_actor_start=0.1, apify_default_dataset_item=0.001)
        del pricing["pricingPerEvent"]["actorChargeEvents"]["apify-actor-start"]["eventPriceUsd"]
        actor = await priced(world, pricing)
        stored = (await world.alice.get(f"/v2/actors/{actor}"))["pricingInfos"][0]["pricingPerEvent"]
        assert stored["actorChargeEvents"]["apify-actor-start"]["eventPriceUsd"] == 0.00005
        run = await world.running(actor, memory=2048)
        small = await world.start(actor, memory=128)
        assert await counts(world, small) == run["chargedEventCounts"] | {"apify-actor-start": 1}
        assert run["chargedEventCounts"] == {"apify-actor-start": 2}
        await push(itself(world, run), run, 7)
        await push(itself(world, run), run, 1)
        own = await itself(world, run).post("/v2/datasets?name=own")
        await itself(world, run).request("POST", f"/v2/datasets/{own['id']}/items", json=[{}])
        await itself(world, run).request("POST", f"/v2/datasets/{run['defaultDatasetId']}/items", json=[])
        assert await counts(world, run) == {"apify-actor-start": 2, "apify-default-dataset-item": 8}
        await world.alice.post(f"/v2/actor-runs/{run['id']}/reboot", status=200)
        world.executor.exit(container_name(run["id"], 1), 0)
        await world.reached(run["id"], RunStatus.RUNNING, attempt=2)
        env = world.executor.spec(container_name(run["id"], 2)).env
        assert json.loads(env["APIFY_CHARGED_ACTOR_EVENT_COUNTS"]) == await counts(world, run)
        assert json.loads(env["APIFY_ACTOR_PRICING_INFO"])["pricingModel"] == "PAY_PER_EVENT"
        assert env["APIFY_USER_PRICING_TIER"] == "FREE"
        await world.finished(run["id"], attempt=2)
        await push(world.alice, run, 3)  # the owner adds to what an ended run made
        assert (await counts(world, run))["apify-default-dataset-item"] == 8


async def test_a_price_that_changes_later_does_not_change_a_run() -> None:
    async with open_server(loops=False) as world:
        actor = await priced(world, events(page=0.1))
        run = await world.start(actor)
        (first,) = (await world.alice.get(f"/v2/actors/{actor}"))["pricingInfos"]
        await world.clock.advance(5)
        await world.alice.put(f"/v2/actors/{actor}", {"pricingInfos": [first, {"pricingModel": "FREE"}]})
        await charge(world, run, "page", 3)
        assert await counts(world, run) == {"page": 3}
        assert (await charge(world, await world.start(actor), "page", status=405))["type"].startswith("cannot-charge")


async def test_who_is_told_what_a_run_costs() -> None:
    async with open_server(loops=False) as world:
        ppe = await priced(world, events(page=0.1), public=True)
        ppr = await priced(world, items(0.01), name="results", public=True)
        free = await priced(world, {"pricingModel": "FREE"}, name="free", public=True)

        async def costs(actor: str, *, owner: Any) -> list[tuple[Any, bool]]:
            run = await world.start(actor, client=owner, maxItems=3, memory=32_768)
            await world.happen(run["id"], Event.STARTED)
            await world.clock.advance(9)
            if actor == ppe:
                await charge(world, run, "page", 3)
            await push(itself(world, run), run, 5)
            await owner.put(f"/v2/actor-runs/{run['id']}", {"generalAccess": "ANYONE_WITH_ID_CAN_READ"})
            told = []
            for reader in (owner, world.bob if owner is world.alice else world.alice, world.nobody):
                shown = await reader.get(f"/v2/actor-runs/{run['id']}")
                Run.model_validate(shown)
                total = shown.get("usageTotalUsd")
                told.append((total if total is None else round(total, 6), "usageUsd" in shown))
            listed = (await owner.get("/v2/actor-runs?desc=1"))["items"][0]["usageTotalUsd"]
            return [*told, (round(listed, 6), False)]

        used = 0.016  # 32 GB for nine seconds
        nothing = (None, False)
        assert await costs(ppe, owner=world.alice) == [(used + 0.3, True), (0.3, False), nothing, (used + 0.3, False)]
        assert await costs(ppe, owner=world.bob) == [(0.3, False), (0.3, False), nothing, (0.3, False)]
        assert await costs(ppr, owner=world.alice) == [(used + 0.03, True), nothing, nothing, (used + 0.03, False)]
        assert await costs(ppr, owner=world.bob) == [nothing, nothing, nothing, (0.03, False)]
        assert await costs(free, owner=world.bob) == [(used, True), nothing, nothing, (used, False)]


async def test_charges_side_by_side_are_neither_lost_nor_doubled() -> None:
    async with open_server(loops=False) as world:
        run = await world.start(await priced(world, events(a=0.1, b=0.2, apify_default_dataset_item=0.001)))
        keys = [(f"key {number}", "ab"[number % 2], number % 5 + 1) for number in range(40)]
        calls = [charge(world, run, event, count, key=key) for key, event, count in keys for _ in range(3)]
        calls += [charge(world, run, "a") for _ in range(20)]
        await asyncio.gather(*calls, *(push(itself(world, run), run, 2) for _ in range(20)))
        wanted = Counter({"a": 20, "apify-default-dataset-item": 40})
        for _, event, count in keys:
            wanted[event] += count
        assert await counts(world, run) == wanted


async def test_a_charge_that_fails_half_way_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_server(loops=False) as world:
        run = await world.start(await priced(world, events(page=0.1, apify_default_dataset_item=0.001)))
        whole = charging_store.add

        def broken(*args: Any) -> int:
            whole(*args)
            raise RuntimeError("the process died here")

        monkeypatch.setattr(charging_store, "add", broken)
        await charge(world, run, "page", key="k", status=500)
        await push(itself(world, run), run, 2)
        monkeypatch.setattr(charging_store, "add", whole)
        assert await counts(world, run) == {}
        assert (await world.alice.get(f"/v2/datasets/{run['defaultDatasetId']}"))["itemCount"] == 0
        await charge(world, run, "page", key="k")
        assert await counts(world, run) == {"page": 1}


async def test_a_run_does_not_become_what_it_would_not_be_charged_for() -> None:
    async with open_server(loops=False) as world:
        await priced(world, events(page=1), public=True)
        await priced(world, items(), name="by-result", public=True)
        free = await world.actor("free")
        await world.alice.put(f"/v2/actors/{free}", {"isPublic": True, "title": "Free", "categories": ["AI"]})
        own = await world.actor("own", client=world.bob)

        async def became(actor: str, target: str, client: Client, status: int) -> Any:
            run = await world.start(actor, client=client)
            await world.bring(run["id"], RunStatus.RUNNING)
            path = f"/v2/actor-runs/{run['id']}"
            answer = await client.post(f"{path}/metamorph?targetActorId={target}", {}, status=status)
            if status != 200:
                shown = await client.get(path)
                assert (shown["metamorphs"], shown["buildId"]) == (None, run["buildId"]), "nothing has changed"
            return answer

        refusal = await became(own, "alice~paid", world.bob, 403)
        assert refusal["type"] == "cannot-metamorph-to-pay-per-result-actor"
        assert "Start it as a run of its own" in refusal["message"]
        assert (await became(own, "alice~by-result", world.bob, 403))["type"] == refusal["type"]
        assert (await became(free, "alice~by-result", world.alice, 403))["type"] == refusal["type"]
        await became(free, "alice~paid", world.bob, 200)  # her Actor, and her decision
        await became(free, "alice~paid", world.alice, 200)
        await became("alice~paid", "alice~free", world.bob, 200)


async def test_a_run_is_told_the_price_of_its_tier_as_the_price_of_an_event() -> None:
    """SDKs charge and count by ``eventPriceUsd`` alone."""
    async with open_server(pricing_tier="SILVER") as world:
        pricing = events(page=0.1, flat=0.2)
        tiers = {"FREE": {"tieredEventPriceUsd": 0.4}, "BRONZE": {"tieredEventPriceUsd": 0.3}}
        known = pricing["pricingPerEvent"]["actorChargeEvents"]
        known["tiered"] = {"eventTitle": "t", "eventDescription": "", "eventTieredPricingUsd": tiers}
        known["page"]["eventTieredPricingUsd"] = tiers
        actor = await priced(world, pricing)
        run = await world.running(actor)
        environment = world.executor.spec(container_name(run["id"], 1)).env
        for told in (run["pricingInfo"], json.loads(environment["APIFY_ACTOR_PRICING_INFO"])):
            shown = told["pricingPerEvent"]["actorChargeEvents"]
            assert {name: event["eventPriceUsd"] for name, event in shown.items()} == {
                "tiered": 0.3, "page": 0.3, "flat": 0.2
            }  # fmt: skip
            assert shown["tiered"]["eventTieredPricingUsd"] == tiers
        await charge(world, run, "tiered", 2)
        assert (await world.alice.get(f"/v2/actor-runs/{run['id']}"))["usageTotalUsd"] == pytest.approx(0.6, abs=0.01)
        (entry,) = (await world.alice.get(f"/v2/actors/{actor}"))["pricingInfos"]
        assert "eventPriceUsd" not in entry["pricingPerEvent"]["actorChargeEvents"]["tiered"], "the Actor's own stays"
