"""Resurrecting finished runs, on ``/v2/actor-runs/{runId}/resurrect`` and the paths that lead there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actorium.kernel.limits import RETENTION_PERIOD_SECS
from actorium.runs.lifecycle import TERMINAL, RunStatus, container_name
from server_world import PATHS, ServerWorld, measured, open_server
from world import version

pytestmark = pytest.mark.anyio


async def ended(world: ServerWorld, actor: str, code: int = 3, **query: object) -> str:
    run = await world.running(actor, **query)
    await world.clock.advance(10)
    await world.finished(run["id"], code)
    return str(run["id"])


async def test_a_resurrected_run_goes_on_with_its_storages_and_counts_anew() -> None:
    async with open_server() as world:
        actor = await world.actor()
        run_id = await ended(world, actor, timeout=300, memory=512)
        before = await world.alice.get(f"/v2/actor-runs/{run_id}")
        assert before["stats"]["durationMillis"] == 10_000
        await world.clock.advance(1000)
        after = await world.alice.post(f"/v2/actor-runs/{run_id}/resurrect", status=200)
        assert after["status"] in ("READY", "RUNNING")
        assert (after["finishedAt"], after["exitCode"], after["statusMessage"]) == (None, None, None)
        kept = ("id", "startedAt", "storageIds", "buildId", "buildNumber", "containerUrl", "options", "meta")
        assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
        await world.reached(run_id, RunStatus.RUNNING, attempt=2)
        assert str(world.clock.now().plus(secs=300)) == world.executor.spec(f"{run_id}-2").env["ACTOR_TIMEOUT_AT"]
        await world.clock.advance(5)
        done = await world.finished(run_id, 0, attempt=2)
        assert (done["status"], done["exitCode"], done["stats"]["resurrectCount"]) == ("SUCCEEDED", 0, 1)
        assert done["stats"]["durationMillis"] == 15_000, "the time between does not count"
        assert done["stats"]["computeUnits"] == pytest.approx(0.5 * 15 / 3600)
        names = ("CREATED", "RUNNING", "FAILED", "RESURRECTED", "RUNNING", "SUCCEEDED")
        assert await world.event_types(run_id) == [f"ACTOR.RUN.{name}" for name in names]


async def test_a_run_that_waits_again_uses_nothing_now() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor())
        world.executor.measure(container_name(run["id"], 1), measured(world))
        await world.clock.advance(10)
        await world.finished(run["id"], 1)
        after = await world.alice.post(f"/v2/actor-runs/{run['id']}/resurrect", status=200)
        stats = after["stats"]
        assert (after["status"], stats["memMaxBytes"]) == ("READY", 30_000_000)
        assert (stats["memCurrentBytes"], stats["cpuCurrentUsage"]) == (0, 0)
        await world.reached(run["id"], RunStatus.RUNNING, attempt=2)


@pytest.mark.parametrize("status", sorted(PATHS))
async def test_from_each_status(status: RunStatus) -> None:
    async with open_server(loops=False) as world:
        run = await world.start(await world.actor())
        await world.bring(run["id"], status)
        if status in TERMINAL:
            after = await world.alice.post(f"/v2/actor-runs/{run['id']}/resurrect", status=200)
            assert after["status"] == "READY"
            return
        before = await world.row(run["id"])
        error = await world.alice.post(f"/v2/actor-runs/{run['id']}/resurrect", status=400)
        assert error["type"] == "invalid-input"
        assert status in error["message"]
        assert await world.row(run["id"]) == before


async def test_options_are_chosen_anew_and_memory_is_paid_as_it_was() -> None:
    async with open_server() as world:
        actor = await world.actor()
        run_id = await ended(world, actor, memory=1024, timeout=100)
        query = "memory=4096&timeout=0&maxItems=5&maxTotalChargeUsd=1.5&restartOnError=true"
        after = await world.alice.post(f"/v2/actor-runs/{run_id}/resurrect?{query}", status=200)
        assert after["options"] == {
            "build": "latest",
            "timeoutSecs": 0,
            "memoryMbytes": 4096,
            "diskMbytes": 8192,
            "maxItems": 5,
            "maxTotalChargeUsd": 1.5,
            "restartOnError": True,
        }
        await world.reached(run_id, RunStatus.RUNNING, attempt=2)
        spec = world.executor.spec(f"{run_id}-2")
        assert (spec.memory_mbytes, spec.deadline, spec.timeout_secs) == (4096, None, None)
        await world.clock.advance(20)
        done = await world.finished(run_id, 0, attempt=2)
        assert done["stats"]["computeUnits"] == pytest.approx((1 * 10 + 4 * 20) / 3600)


@pytest.mark.parametrize(
    "query",
    ["memory=100", "memory=-1", "timeout=-1", "timeout=1e99", "maxItems=-1", "maxItems=4", "maxTotalChargeUsd=0.4"],
)
async def test_wrong_options_change_nothing(query: str) -> None:
    async with open_server() as world:
        run_id = await ended(world, await world.actor(), maxItems=5, maxTotalChargeUsd=0.5)
        before = await world.row(run_id)
        error = await world.alice.post(f"/v2/actor-runs/{run_id}/resurrect?{query}", status=400)
        assert error["message"]
        assert await world.row(run_id) == before


async def test_the_build_stays_what_it_was_until_another_is_asked_for() -> None:
    async with open_server() as world:
        actor = await world.actor()
        run_id = await ended(world, actor)
        await world.alice.post(f"/v2/actors/{actor}/builds?version=0.1&tag=latest&waitForFinish=10")
        again = await world.alice.post(f"/v2/actor-runs/{run_id}/resurrect", status=200)
        assert again["buildNumber"] == "0.1.1"
        await world.reached(run_id, RunStatus.RUNNING, attempt=2)
        await world.finished(run_id, attempt=2)
        newer = await world.alice.post(f"/v2/actor-runs/{run_id}/resurrect?build=latest", status=200)
        assert newer["buildNumber"] == "0.1.2"
        await world.reached(run_id, RunStatus.RUNNING, attempt=3)
        await world.finished(run_id, attempt=3)
        error = await world.alice.post(f"/v2/actor-runs/{run_id}/resurrect?build=nope", status=403)
        assert error["type"] == "unknown-build-tag"


async def test_another_build_gets_the_datasets_that_it_declares() -> None:
    def sources(**datasets: Any) -> Any:
        definition = {"actorSpecification": 1, "name": "x", "version": "0.1", "storages": {"datasets": datasets}}
        return version(("Dockerfile", "FROM scratch"), (".actor/actor.json", json.dumps(definition)))

    async with open_server() as world:
        actor = await world.actor(versions=[sources(default={}, old={})])
        run_id = await ended(world, actor)
        before = (await world.row(run_id)).document.storage_ids.datasets
        schema = {"actorSpecification": 1, "fields": {"required": ["email"]}}
        await world.alice.put(f"/v2/actors/{actor}/versions/0.1", sources(default={}, new=schema))
        await world.alice.post(f"/v2/actors/{actor}/builds?version=0.1&tag=latest&waitForFinish=10")
        newer = await world.alice.post(f"/v2/actor-runs/{run_id}/resurrect?build=latest", status=200)
        datasets = newer["storageIds"]["datasets"]
        assert datasets == before | {"new": datasets["new"]}
        await world.reached(run_id, RunStatus.RUNNING, attempt=2)
        told = json.loads(world.executor.spec(f"{run_id}-2").env["ACTOR_STORAGES_JSON"])
        assert told["datasets"] == datasets, "an SDK stops where an alias that its Actor declares has no dataset"
        made = await world.alice.get(f"/v2/datasets/{datasets['new']}")
        assert (made["name"], made["actRunId"], made["actId"]) == (None, run_id, actor)
        refused = await world.alice.request("POST", f"/v2/datasets/{datasets['new']}/items", json={})
        assert refused.status == 400, "not as its schema"
        await world.finished(run_id, attempt=2)
        await world.alice.delete(f"/v2/actor-runs/{run_id}")
        await world.alice.get(f"/v2/datasets/{datasets['new']}", status=404)


async def test_a_port_that_another_run_has_by_now_is_changed() -> None:
    async with open_server(container_ports=(21_000, 21_001)) as world:
        actor = await world.actor()
        run_id = await ended(world, actor)
        before = await world.alice.get(f"/v2/actor-runs/{run_id}")
        first = await world.running(actor)
        second = await world.running(actor)
        free = first if second["containerUrl"] == before["containerUrl"] else second
        await world.finished(free["id"])
        after = await world.alice.post(f"/v2/actor-runs/{run_id}/resurrect", status=200)
        assert after["containerUrl"] == free["containerUrl"] != before["containerUrl"]
        await world.reached(run_id, RunStatus.RUNNING, attempt=2)


async def test_last_run_and_old_paths_lead_there() -> None:
    async with open_server() as world:
        actor = await world.actor()
        run_id = await ended(world, actor)
        for attempt, path in enumerate((f"runs/{run_id}/resurrect", "runs/last/resurrect"), start=2):
            again = await world.alice.post(f"/v2/acts/{actor}/{path}", status=200)
            assert again["id"] == run_id
            await world.reached(run_id, RunStatus.RUNNING, attempt=attempt)
            await world.finished(run_id, attempt=attempt)


async def test_a_stranger_learns_nothing() -> None:
    async with open_server() as world:
        run_id = await ended(world, await world.actor())
        theirs = await world.bob.post(f"/v2/actor-runs/{run_id}/resurrect", status=404)
        none = await world.bob.post("/v2/actor-runs/nosuchrun00000000/resurrect", status=404)
        assert theirs == none


async def test_an_old_run_that_was_resurrected_is_not_swept_away() -> None:
    async with open_server(run_days=1, runs_kept=0) as world:
        run_id = await ended(world, await world.actor())
        await world.clock.advance(86_400 - 10)
        await world.alice.post(f"/v2/actor-runs/{run_id}/resurrect?timeout=0", status=200)
        await world.reached(run_id, RunStatus.RUNNING, attempt=2)
        await world.clock.advance(2 * RETENTION_PERIOD_SECS)
        assert (await world.alice.get(f"/v2/actor-runs/{run_id}"))["status"] == "RUNNING"


async def test_a_failing_actor_is_restarted_on_the_same_storages() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor(), restartOnError="true")
        assert world.executor.spec(f"{run['id']}-1").env["ACTOR_RESTART_ON_ERROR"] == "1"
        world.executor.exit(container_name(run["id"], 1), 1)
        again = await world.reached(run["id"], RunStatus.RUNNING, attempt=2)
        assert (again["stats"]["restartCount"], again["exitCode"], again["finishedAt"]) == (1, None, None)
        done = await world.finished(run["id"], 0, attempt=2)
        assert (done["status"], done["storageIds"]) == ("SUCCEEDED", run["storageIds"])


async def test_a_new_process_is_not_ready_because_the_one_before_was() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor(), restartOnError="true")
        world.executor.answering.add(container_name(run["id"], 1))
        await world.clock.advance(2)
        await world.until(run["id"], lambda shown: bool(shown["isContainerServerReady"]))
        world.executor.exit(container_name(run["id"], 1), 1)
        again = await world.reached(run["id"], RunStatus.RUNNING, attempt=2)
        assert again["isContainerServerReady"] is False
        world.executor.answering.add(container_name(run["id"], 2))
        await world.clock.advance(2)
        await world.until(run["id"], lambda shown: bool(shown["isContainerServerReady"]))
        await world.finished(run["id"], 0, attempt=2)


async def test_a_run_of_an_actor_that_is_private_by_now_begins_again_for_its_owner_alone() -> None:
    async with open_server(loops=False) as world:
        actor = await world.actor()
        await world.alice.put(f"/v2/actors/{actor}", {"isPublic": True, "title": "T", "categories": ["AI"]})
        runs = [(client, await world.start(actor, client=client)) for client in (world.alice, world.bob)]
        for _, run in runs:
            await world.bring(run["id"], RunStatus.SUCCEEDED)
        await world.alice.put(f"/v2/actors/{actor}", {"isPublic": False})
        (_, own), (_, foreign) = runs
        path = f"/v2/actor-runs/{foreign['id']}"
        error = await world.bob.post(f"{path}/resurrect", status=400)
        assert (error["type"], "is private now" in error["message"]) == ("invalid-input", True)
        assert (await world.bob.get(path))["status"] == "SUCCEEDED"
        await world.alice.post(f"/v2/actor-runs/{own['id']}/resurrect", status=200)
        await world.alice.put(f"/v2/actors/{actor}", {"isPublic": True})
        await world.bob.post(f"{path}/resurrect", status=200)
