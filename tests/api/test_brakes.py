"""Money brakes: what they count, what they refuse, and that they stop runs before the money is spent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actorium.kernel.limits import BRAKE_SPAN_SECS, BRAKE_STOPS_PER_WRITE, GRACEFUL_ABORT_SECS, SPENDING_USD_MAX
from actorium.kernel.meter import Usage
from actorium.runs.lifecycle import Event, RunStatus
from brakes_world import UNIT_USD, BrakesWorld, brake_loop, open_brakes
from charging_world import charge, counts, events, itself, limits, priced
from server_world import open_server

pytestmark = pytest.mark.anyio

SECOND = UNIT_USD / 3600  # of 1024 MB
SPAN = BRAKE_SPAN_SECS * SECOND
ME = "/v2/users/me/brakes/user/me"


async def brake(world: BrakesWorld, usd: float, path: str = ME, **more: Any) -> Any:
    return await world.alice.put(path, {"limitUsdPerDay": usd}, **more)


async def log_of(world: BrakesWorld, run_id: str) -> str:
    return (await world.alice.request("GET", f"/v2/logs/{run_id}")).body.decode()


async def test_a_brake_is_set_listed_and_lifted() -> None:
    async with open_brakes() as world:
        actor = await world.server.actor()
        task = (await world.alice.post("/v2/actor-tasks", {"actId": actor, "name": "job"}))["id"]
        made = await brake(world, 5)
        assert made["kind"] == "USER"
        assert (made["name"], made["setBy"], made["limitUsdPerDay"], made["leftTodayUsd"]) == ("alice", "USER", 5, 5)
        by_name = await brake(world, 0.1, "/v2/users/me/brakes/actor/alice~hello")
        assert (by_name["subjectId"], by_name["name"]) == (actor, "alice/hello")
        assert (await brake(world, 2, f"/v2/users/me/brakes/task/{task}"))["name"] == "alice/job"
        assert (await brake(world, 0.2, f"/v2/users/me/brakes/actor/{actor}"))["limitUsdPerDay"] == 0.2
        listed = await world.alice.get("/v2/users/me/brakes")
        assert listed["total"] == 3
        assert listed["dayEndsAt"] == "2026-01-02T00:00:00.000Z"
        assert (await world.server.bob.get("/v2/users/me/brakes"))["items"] == []
        for path in (ME, f"/v2/users/me/brakes/actor/{actor}", "/v2/users/me/brakes/task/alice~job"):
            await world.alice.delete(path)
            assert (await world.alice.delete(path, status=404))["type"] == "record-not-found"
        assert await world.brakes() == []


async def test_what_is_no_brake_is_refused() -> None:
    async with open_brakes() as world:
        mine = await world.server.actor(client=world.server.bob)
        for usd in (-1, 1_000_000_001, 1e300):
            assert (await brake(world, usd, status=400))["type"] == "invalid-value"
        await world.alice.put(ME, {"limitUsdPerDay": "much"}, status=400)
        await world.alice.put(ME, {}, status=400)
        for path in ("user/bob", "planet/earth", f"actor/{mine}", "actor/bob~hello", "task/none", "actor/none"):
            assert (await brake(world, 1, f"/v2/users/me/brakes/{path}", status=404))["type"] == "record-not-found"
        assert await world.brakes() == []


async def test_no_run_changes_a_brake_and_no_user_that_of_the_operator() -> None:
    async with open_brakes() as world:
        await world.server.features.brakes.order("user", "alice", 1)
        await brake(world, 2)
        for level in ("FULL_PERMISSIONS", "LIMITED_PERMISSIONS"):
            actor = await world.server.actor(level.lower()[:4], actorPermissionLevel=level)
            run = itself(world.server, await world.server.start(actor))
            for call in (run.put(ME, {"limitUsdPerDay": 9}, status=403), run.delete(ME, status=403)):
                assert (await call)["type"] == "insufficient-permissions"
        await world.alice.delete(ME)
        error = await world.alice.delete(ME, status=403)
        assert "operator" in error["message"]
        assert [(one["setBy"], one["limitUsdPerDay"]) for one in await world.brakes()] == [("OPERATOR", 1)]


async def test_a_start_is_refused_when_its_first_minute_does_not_fit() -> None:
    async with open_brakes() as world:
        actor = await world.server.actor()
        task = (await world.alice.post("/v2/actor-tasks", {"actId": actor, "name": "job"}))["id"]
        await brake(world, SPAN * 2.6)
        first = await world.server.start(actor, memory=1024)
        paths = [f"/v2/actors/{actor}/runs?memory=1024", f"/v2/actor-tasks/{task}/runs?memory=1024"] * 5
        answers = await asyncio.gather(*(world.alice.request("POST", path) for path in paths))
        assert sorted(answer.status for answer in answers) == [201] + [402] * 9
        error = next(answer.json["error"] for answer in answers if answer.status == 402)
        assert error["type"] == "not-enough-usage-to-run-paid-actor"
        for word in (
            "0.003333",
            "the brake of 0.008666",
            "user alice",
            "60 seconds",
            "1024 MB",
            "2026-01-02T00:00",
            ME[:20],
        ):
            assert word in error["message"], error
        for path in (f"/v2/actors/{actor}/run-sync?memory=1024", f"/v2/actor-tasks/{task}/run-sync?memory=1024"):
            assert (await world.alice.request("POST", path)).status == 402
        await world.server.start(actor, memory=512)  # what is left pays for that
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 3
        await world.server.bring(first["id"], RunStatus.SUCCEEDED)
        await world.loop.tick()
        assert (await world.alice.post(f"/v2/actor-runs/{first['id']}/fork?memory=2048", status=402))["type"]
        assert (await world.alice.post(f"/v2/actor-runs/{first['id']}/resurrect?memory=2048", status=402))["type"]
        await world.alice.post(f"/v2/actor-runs/{first['id']}/resurrect", status=200)
        other = await world.server.actor(client=world.server.bob)
        await world.server.start(other, client=world.server.bob, memory=8192)


async def test_a_short_timeout_reserves_less() -> None:
    async with open_brakes() as world:
        actor = await world.server.actor()
        await brake(world, SECOND * 30)
        assert (await world.alice.post(f"/v2/actors/{actor}/runs?memory=1024", status=402))["type"]
        await world.server.start(actor, memory=1024, timeout=10)


async def test_a_graceful_abort_at_the_timeout_buys_no_time_that_the_brake_does_not_pay_for() -> None:
    async with open_brakes() as world:
        actor = await world.server.actor()
        await brake(world, SECOND * 41)
        run = await world.server.start(actor, memory=1024, timeout=20)
        await world.go_on(9)
        await world.alice.post(f"/v2/actor-runs/{run['id']}/abort?gracefully=true", status=200)
        await world.go_on(4)
        ended = await world.alice.get(f"/v2/actor-runs/{run['id']}")
        assert (ended["status"], ended["usageTotalUsd"] < SECOND * 15) == ("ABORTED", True)


@pytest.mark.parametrize("subject", ["user/me", "actor/alice~hello", "task/alice~job"])
async def test_a_run_is_stopped_gracefully_before_the_brake_is_passed(subject: str) -> None:
    async with open_brakes() as world:
        actor = await world.server.actor()
        task = (await world.alice.post("/v2/actor-tasks", {"actId": actor, "name": "job"}))["id"]
        await brake(world, SECOND * 300, f"/v2/users/me/brakes/{subject}")
        run = await world.alice.post(f"/v2/actor-tasks/{task}/runs?memory=1024")
        await world.go_on(230)
        assert (await world.server.row(run["id"])).status is RunStatus.RUNNING
        await world.go_on(20)
        row = await world.server.row(run["id"])
        assert (row.status, row.life.is_graceful) == (RunStatus.ABORTING, True)
        await world.go_on(GRACEFUL_ABORT_SECS + 5)
        shown = await world.alice.get(f"/v2/actor-runs/{run['id']}")
        assert shown["status"] == "ABORTED"
        assert SECOND * 270 < shown["usageTotalUsd"] <= SECOND * 300
        assert shown["statusMessage"].startswith("Stopped by the brake of 0.016666667 USD a day on ")
        assert f"ACTOR: {shown['statusMessage']}." in await log_of(world, run["id"])
        await world.loop.tick()
        (standing,) = await world.brakes()
        assert standing["spentTodayUsd"] == pytest.approx(shown["usageTotalUsd"], abs=1e-9)
        assert standing["reservedUsd"] == 0
        assert await world.alice.post(f"/v2/actors/{actor}/runs", status=402 if subject[0] != "t" else 201)


async def test_the_newest_run_is_stopped_first_and_the_lowest_brake_counts() -> None:
    async with open_brakes() as world:
        actor, other = await world.server.actor(), await world.server.actor("other")
        await brake(world, SECOND * 10_000)
        await world.server.features.brakes.order("actor", "alice/hello", SECOND * 400)
        old = await world.server.start(actor, memory=1024)
        await world.go_on(10)
        new, beside = await world.server.start(actor, memory=1024), await world.server.start(other, memory=1024)
        for _ in range(200):
            await world.go_on(2)
            rows = {run["id"]: (await world.server.row(run["id"])).status for run in (old, new, beside)}
            if RunStatus.RUNNING in rows.values() and len(set(rows.values())) > 1:
                break
        assert [rows[run["id"]] for run in (old, new, beside)] == [
            RunStatus.RUNNING, RunStatus.ABORTING, RunStatus.RUNNING,
        ]  # fmt: skip
        await world.go_on(200)
        assert (await world.server.row(beside["id"])).status is RunStatus.RUNNING
        standing = next(one for one in await world.brakes() if one["kind"] == "ACTOR")
        assert SECOND * 350 < standing["spentTodayUsd"] <= SECOND * 400


async def test_a_brake_of_nothing_stops_everything_at_once() -> None:
    async with open_brakes() as world:
        actor = await world.server.actor()
        running = await world.server.start(actor, memory=1024)
        await world.go_on(5)
        waiting = [await world.server.start(actor, memory=1024) for _ in range(2 * BRAKE_STOPS_PER_WRITE + 1)]
        await world.server.features.brakes.order("user", "alice", 0)
        await world.loop.tick()
        for run in (running, *waiting):
            row = await world.server.row(run["id"])
            assert (row.status, row.life.is_graceful) == (RunStatus.ABORTING, False)


async def test_a_run_over_midnight_counts_in_both_days() -> None:
    async with open_brakes() as world:
        actor = await world.server.actor()
        await brake(world, SECOND * 300)
        await world.server.clock.advance(86_400 - 200)
        run = await world.server.start(actor, memory=1024)
        await world.go_on(199)
        (before,) = await world.brakes()
        assert before["spentTodayUsd"] == pytest.approx(SECOND * 199, abs=2 * SECOND)
        await world.go_on(101)
        (after,) = await world.brakes()
        assert after["spentTodayUsd"] == pytest.approx(SECOND * 100, abs=2 * SECOND)
        assert (await world.server.row(run["id"])).status is RunStatus.RUNNING
        await world.go_on(250)
        assert await world.ended(run["id"])
        assert max(world.used.values()) <= SECOND * 300
        total = (await world.alice.get(f"/v2/actor-runs/{run['id']}"))["usageTotalUsd"]
        assert total > SECOND * 450


async def test_what_was_spent_is_remembered_when_the_run_is_deleted_or_the_server_dies() -> None:
    async with open_brakes() as world:
        actor = await world.server.actor()
        first = await world.server.start(actor, memory=1024)
        await world.go_on(100)
        await world.server.happen(first["id"], Event.EXITED, 0)
        await world.alice.delete(f"/v2/actor-runs/{first['id']}")
        await brake(world, SECOND * 300)
        assert (await world.brakes())[0]["spentTodayUsd"] == pytest.approx(SECOND * 99, abs=SECOND)
        second = await world.server.start(actor, memory=1024)
        await world.go_on(125)
        await world.crash(18)
        assert (await world.server.row(second["id"])).status is RunStatus.ABORTING
        await world.go_on(40)
        assert await world.ended(second["id"])
        assert world.used["", world.today] <= SECOND * 300


async def test_a_brake_holds_when_the_server_restarts_at_the_worst_moments() -> None:
    """Ten seconds just before the run would be stopped, and ten when it would be killed."""
    async with open_brakes() as world:
        actor = await world.server.actor()
        await brake(world, SECOND * 300)
        run = await world.server.start(actor, memory=1024)
        while (await world.brakes())[0]["leftTodayUsd"] > 2 * SECOND:
            await world.go_on(2)
        await world.crash(10)
        row = await world.server.row(run["id"])
        assert (row.status, row.life.is_graceful) == (RunStatus.ABORTING, True)
        await world.go_on(GRACEFUL_ABORT_SECS - 1)
        await world.crash(10)
        await world.go_on(3)
        assert await world.ended(run["id"])
        assert SECOND * 280 < world.used["", world.today] <= SECOND * 300


async def test_charges_end_at_the_brake() -> None:
    async with open_brakes() as world:
        actor = await priced(world.server, events(result=0.01))
        await brake(world, 1)
        run = await world.server.start(actor, memory=128)
        await world.go_on(1)
        await charge(world.server, run, "result", 40)
        await charge(world.server, run, "result", 40)
        assert await counts(world.server, run) == {"result": 80}
        await charge(world.server, run, "result", 40, key="once")
        assert await counts(world.server, run) == {"result": 99}
        await charge(world.server, run, "result", 1)
        assert await counts(world.server, run) == {"result": 99}
        assert (await world.brakes())[0]["spentTodayUsd"] == pytest.approx(0.99, abs=0.001)
        await world.go_on(11)
        await limits(world.server).tick()
        row = await world.server.row(run["id"])
        assert row.status is RunStatus.ABORTING
        assert "the brake of 1 USD a day on user alice" in (row.life.status_message or "")
        await world.go_on(GRACEFUL_ABORT_SECS + 5)
        assert "the brake of 1 USD a day on user alice" in await log_of(world, run["id"])


async def test_what_a_run_does_with_storages_counts_too() -> None:
    async with open_brakes() as world:
        actor = await world.server.actor()
        await brake(world, 1)
        run = await world.server.start(actor, memory=128)
        await world.go_on(2)
        world.server.features.meter.count(run["id"], Usage.KEY_VALUE_STORE_WRITES, 10_000)
        await world.server.features.meter.flush(run["id"])
        assert (await world.brakes())[0]["spentTodayUsd"] == pytest.approx(0.5, abs=0.001)
        world.server.features.meter.count(run["id"], Usage.KEY_VALUE_STORE_WRITES, 10_000)
        await world.server.features.meter.flush(run["id"])
        await world.loop.tick()
        row = await world.server.row(run["id"])
        assert (row.status, row.life.is_graceful) == (RunStatus.ABORTING, False)  # nothing is left for the grace


async def test_no_sum_is_too_large() -> None:
    async with open_brakes() as world:
        actor = await priced(world.server, events(result=1_000_000.0))
        for _ in range(3):
            run = await world.server.start(actor, memory=128)
            await world.go_on(1)
            await charge(world.server, run, "result", 2**52)
            await world.server.happen(run["id"], Event.EXITED, 0)
            await world.loop.tick()
        assert (await brake(world, 1_000_000_000))["spentTodayUsd"] == SPENDING_USD_MAX
        assert (await world.alice.post(f"/v2/actors/{actor}/runs", status=402))["type"]


async def test_a_container_is_ended_by_its_supervisor() -> None:
    async with open_server() as server:
        run = await server.running(await server.actor(), memory=1024)
        await server.alice.put(ME, {"limitUsdPerDay": 0})
        await brake_loop(server).tick()
        shown = await server.reached(run["id"], RunStatus.ABORTED)
        assert shown["statusMessage"].startswith("Stopped by the brake of 0 USD a day on user alice")


async def test_a_brake_does_not_tell_what_a_private_actor_of_somebody_else_is_called() -> None:
    async with open_brakes() as world:
        bob = world.server.bob
        actor = await world.server.actor("tool", client=bob)
        public = {"title": "Tool", "categories": ["AI"], "isPublic": True}
        await bob.put(f"/v2/actors/{actor}", public)
        await brake(world, 1, f"/v2/users/me/brakes/actor/{actor}")
        assert [one["name"] for one in await world.brakes()] == ["bob/tool"]
        await bob.put(f"/v2/actors/{actor}", {"isPublic": False, "name": "for-a-customer"})
        assert [one["name"] for one in await world.brakes()] == [None]


async def test_a_higher_limit_of_a_resurrected_run_spends_nothing_from_the_brake() -> None:
    """What was charged beyond the limit before stays unpaid."""
    async with open_brakes() as world:
        actor = await priced(world.server, events(result=0.1))
        run = await world.server.start(actor, memory=128, maxTotalChargeUsd=0.2)
        await world.go_on(1)
        await charge(world.server, run, "result", 50)
        await world.server.happen(run["id"], Event.EXITED, 0)
        await brake(world, 1)
        await world.alice.post(f"/v2/actor-runs/{run['id']}/resurrect?maxTotalChargeUsd=5", status=200)
        [shown] = await world.brakes()
        assert shown["spentTodayUsd"] == pytest.approx(0.2, abs=0.001)
        await charge(world.server, run, "result", 50)
        [shown] = await world.brakes()
        assert shown["spentTodayUsd"] == pytest.approx(0.9, abs=0.001), "seven are paid, the rest is the brake's"
