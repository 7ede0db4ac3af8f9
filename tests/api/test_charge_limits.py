"""What a limit of charges does: refused at the start, ends a run some time after it is reached, survives a restart."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest

from actorium.charging.terms import plain
from actorium.kernel.limits import CHARGE_ABORT_SECS, GRACEFUL_ABORT_SECS
from actorium.runs.lifecycle import Event, RunStatus, container_name
from charging_world import charge, counts, events, items, itself, limits, priced, push
from server_world import ServerWorld, open_server
from world import Client

pytestmark = pytest.mark.anyio


async def passes(world: ServerWorld, secs: float) -> None:
    """Time goes by, and the loop looks."""
    await world.clock.advance(secs)
    await limits(world).tick()


async def spent(world: ServerWorld, pricing: dict[str, Any], count: int = 2, **query: Any) -> dict[str, Any]:
    """A running run whose charges have reached its limit."""
    run = await world.running(await priced(world, pricing), **query)
    await charge(world, run, "page", count)
    return run


@pytest.mark.parametrize("count", [2, 3])
async def test_a_run_that_ends_by_itself_at_its_limit_succeeds(count: int) -> None:
    async with open_server() as world:
        run = await spent(world, events(page=0.1), count, maxTotalChargeUsd=0.2)
        await passes(world, CHARGE_ABORT_SECS - 1)
        ended = await world.finished(run["id"])
        await passes(world, 3)
        assert (ended["status"], ended["chargedEventCounts"]) == ("SUCCEEDED", {"page": count})
        assert (await world.row(run["id"])).status is RunStatus.SUCCEEDED
        assert round((await world.alice.get("/v2/actor-runs"))["items"][0]["usageTotalUsd"], 2) == 0.2


async def test_a_graceful_abort_buys_no_time_that_the_limit_does_not_pay_for() -> None:
    """Nor may a run go on beyond its limit by aborting itself."""
    async with open_server() as world:
        run = await world.running(await world.actor(), memory=1024, maxTotalChargeUsd=0.001)  # 18 seconds of computing
        await passes(world, 2)
        inside = Client(world.app, token=world.features.tokens.token(run["id"]))
        aborted = await inside.post(f"/v2/actor-runs/{run['id']}/abort?gracefully=true", status=200)
        assert aborted["status"] == "ABORTING"
        for _ in range(12):
            await passes(world, 1)
        assert (await world.row(run["id"])).status is RunStatus.ABORTING, "as long as it is paid for, it has its time"
        await passes(world, 2)
        ended = await world.reached(run["id"], RunStatus.ABORTED)
        await passes(world, 2)
        assert ended["usageTotalUsd"] <= 0.001
        log = (await world.alice.request("GET", f"/v2/logs/{run['id']}")).body.decode()
        assert log.count("maxTotalChargeUsd of 0.001 USD") == 1


async def test_a_run_that_goes_on_at_its_limit_is_aborted_gracefully() -> None:
    async with open_server() as world:
        run = await spent(world, events(page=0.1), maxTotalChargeUsd=0.2)
        assert world.executor.spec(container_name(run["id"], 1)).env["ACTOR_MAX_TOTAL_CHARGE_USD"] == "0.2"
        await passes(world, CHARGE_ABORT_SECS)
        row = await world.row(run["id"])
        assert (row.status, row.life.is_graceful) == (RunStatus.ABORTING, True)
        await charge(world, run, "page")  # what it does until it is gone is counted, and not paid
        container = world.executor._kept[container_name(run["id"], 1)]
        container.lines.append((world.clock.now(), b"written before, and read late"))  # its hint is lost
        await world.clock.advance(GRACEFUL_ABORT_SECS)
        ended = await world.reached(run["id"], RunStatus.ABORTED)
        assert ended["chargedEventCounts"] == {"page": 3}
        said = (ended["statusMessage"], ended["isStatusMessageTerminal"])
        assert said == ("The run has reached its maxTotalChargeUsd of 0.2 USD and was aborted", True)
        log = (await world.alice.request("GET", f"/v2/logs/{run['id']}")).body.decode()
        assert [line[25:] for line in log.splitlines()[1:]] == [
            "written before, and read late",
            "ACTOR: The run has reached its maxTotalChargeUsd of 0.2 USD and was aborted.",
        ]


async def test_a_limit_that_is_not_reached_ends_nothing_and_sums_do_not_drift() -> None:
    async with open_server() as world:
        run = await spent(world, events(page=0.1), 1, maxTotalChargeUsd=0.3)
        await charge(world, run, "page")
        await passes(world, CHARGE_ABORT_SECS)
        assert (await world.row(run["id"])).status is RunStatus.RUNNING
        await charge(world, run, "page")  # three times 0.1 is 0.3, not 0.30000000000000004
        await passes(world, CHARGE_ABORT_SECS)
        assert (await world.row(run["id"])).status is RunStatus.ABORTING


async def test_a_planned_abort_is_done_by_any_server_once() -> None:
    async with open_server(loops=False) as world:
        actor = await priced(world, events(page=0.1))
        run = await world.start(actor, maxTotalChargeUsd=0.2)
        await world.happen(run["id"], Event.STARTED)
        await charge(world, run, "page", 2)
        await limits(world).tick()
        assert (await world.row(run["id"])).status is RunStatus.RUNNING
        world.clock._now = world.clock.now().plus(secs=CHARGE_ABORT_SECS)
        first, second = limits(world), limits(world)
        await first.tick()
        await second.tick()
        assert (await world.row(run["id"])).status is RunStatus.ABORTING


async def test_items_count_towards_a_limit() -> None:
    async with open_server() as world:
        run = await world.running(await priced(world, items(0.01)), maxItems=5, maxTotalChargeUsd=0.05)
        env = world.executor.spec(container_name(run["id"], 1)).env
        assert (env["ACTOR_MAX_PAID_DATASET_ITEMS"], env["APIFY_CHARGED_ACTOR_EVENT_COUNTS"]) == ("5", "{}")
        await push(itself(world, run), run, 4)
        await passes(world, CHARGE_ABORT_SECS)
        assert (await world.row(run["id"])).status is RunStatus.RUNNING
        await push(itself(world, run), run, 4)
        assert (await world.alice.get(f"/v2/datasets/{run['defaultDatasetId']}"))["itemCount"] == 8
        await passes(world, CHARGE_ABORT_SECS)
        assert (await world.row(run["id"])).status is RunStatus.ABORTING
        other = await world.running(run["actId"], maxItems=4, maxTotalChargeUsd=0.05)
        await push(itself(world, other), other, 100)  # four of them are charged for: 0.04 USD
        await passes(world, CHARGE_ABORT_SECS)
        assert (await world.row(other["id"])).status is RunStatus.RUNNING


@pytest.mark.parametrize(
    ("memory", "limit", "least"),
    [(4096, 0.0005, 0), (32_768, 0.02, 0.6), (1024, 0.002, 0.9), (1024, 0.01, 0.98), (128, 0.0005, 0.95)],
)
async def test_what_a_run_uses_is_stopped_before_its_limit_is_passed(memory: int, limit: float, least: float) -> None:
    """Where nothing else is charged. ``least``: so much of the limit it gets, if it takes all its time to end."""
    async with open_server(memory_mbytes=65_536) as world:
        actor = await world.actor()
        other = await world.running(actor, memory=128, maxTotalChargeUsd=0.02)
        run = await world.running(actor, memory=memory, maxTotalChargeUsd=limit)
        while (life := (await world.row(run["id"])).life).kill_at is None:
            await passes(world, 1)
        grace = world.clock.now().secs_until(life.kill_at)
        half = limit / (memory / 1024 / 3600 * 0.2) / 2
        assert grace >= min(half, GRACEFUL_ABORT_SECS) - 2, "it is asked first, as far as its limit pays for that"
        assert life.is_graceful is (grace > 0)
        await world.clock.advance(grace + 1)
        ended = await world.reached(run["id"], RunStatus.ABORTED)
        assert least * limit <= ended["usageTotalUsd"] <= limit
        log = (await world.alice.request("GET", f"/v2/logs/{run['id']}")).body.decode()
        assert f"comes to its maxTotalChargeUsd of {plain(limit)} USD" in log
        assert (await world.row(other["id"])).status is RunStatus.RUNNING
        path = f"/v2/actor-runs/{run['id']}/resurrect"
        error = await world.alice.post(path, status=400)
        assert (error["type"], "name a higher one" in error["message"]) == ("invalid-input", True)
        assert (await world.alice.post(f"{path}?maxTotalChargeUsd=1", status=200))["status"] == "READY"
        await world.reached(run["id"], RunStatus.RUNNING, attempt=2)


async def test_operations_count_towards_a_limit_and_the_pace_of_all_that_is_used_is_looked_ahead_by() -> None:
    async with open_server() as world:
        run = await world.running(await world.actor(), memory=128, maxTotalChargeUsd=0.01)
        await world.clock.advance(20)
        await push(itself(world, run), run, 600)  # 0.003 USD of what it may use, in 20 seconds
        await world.features.meter.tick()
        await passes(world, 0)
        assert (await world.row(run["id"])).status is RunStatus.RUNNING
        await push(itself(world, run), run, 600)
        await world.features.meter.tick()
        await passes(world, 1)
        row = await world.row(run["id"])
        assert (row.status, row.life.is_graceful) == (RunStatus.ABORTING, True)
        assert row.life.kill_at is not None
        assert 0 < world.clock.now().secs_until(row.life.kill_at) < 15


async def test_a_limit_below_what_the_actor_needs_starts_nothing() -> None:
    async with open_server(loops=False) as world:
        actor = await priced(world, events(page=0.1) | {"minimalMaxTotalChargeUsd": 0.5})
        path = f"/v2/actors/{actor}/runs"
        error = await world.alice.post(f"{path}?maxTotalChargeUsd=0.49", status=400)
        assert error["type"] == "max-total-charge-usd-below-minimum"
        for wrong in ("0", "-1", "nan", "1e400"):
            assert (await world.alice.post(f"{path}?maxTotalChargeUsd={wrong}", status=400))["type"], wrong
        assert (await world.alice.get("/v2/actor-runs"))["total"] == 0
        await world.alice.post(f"{path}?maxTotalChargeUsd=0.5")
        await world.alice.post(path)


@pytest.mark.parametrize(
    ("pricing", "first", "second", "third"),
    [
        (events(page=0.1), "maxTotalChargeUsd=0.25", "maxTotalChargeUsd=1", "maxTotalChargeUsd=100"),
        (items(0.1), "maxItems=2", "maxItems=10", "maxItems=0"),
        (items(0.1), "maxItems=2&maxTotalChargeUsd=50", "maxItems=10", "maxItems=0&maxTotalChargeUsd=60"),
    ],
)
async def test_what_nobody_paid_for_stays_unpaid_when_the_limit_is_raised(
    pricing: dict[str, Any], first: str, second: str, third: str
) -> None:
    async with open_server(loops=False) as world:
        run = await world.start(await priced(world, pricing), **dict(parse_qsl(first)))
        path = f"/v2/actor-runs/{run['id']}"

        async def works(count: int) -> float:
            """Charge, end; what the run is charged then, beside a few cents of nothing for the platform."""
            if pricing["pricingModel"] == "PAY_PER_EVENT":
                await charge(world, run, "page", count)
            else:
                await push(itself(world, run), run, count)
            return await owed()

        async def owed() -> float:
            return round(float((await world.alice.get(path))["usageTotalUsd"]), 3)

        before = await works(30)
        assert before == (0.25 if "0.25" in first else 0.2)
        for query, more, now in ((second, 5, before + 0.5), (second, 30, 1.0), (third, 5, 1.5), ("", 10, 2.5)):
            await world.happen(run["id"], Event.EXITED, 0)
            paid = await owed()
            await world.alice.post(f"{path}/resurrect?{query}", status=200)
            assert await owed() == paid, "a higher limit by itself costs nothing"
            assert await works(more) == round(now, 3), query
        counted = await counts(world, run)
        assert counted == ({"page": 80} if pricing["pricingModel"] == "PAY_PER_EVENT" else None)


async def test_what_is_unpaid_does_not_count_towards_the_next_limit() -> None:
    async with open_server(loops=False) as world:
        run = await world.start(await priced(world, events(page=0.1)), maxTotalChargeUsd=0.25)
        await charge(world, run, "page", 30)
        await world.bring(run["id"], RunStatus.SUCCEEDED)
        await world.alice.post(f"/v2/actor-runs/{run['id']}/resurrect?maxTotalChargeUsd=0.5", status=200)
        for more, planned in ((2, []), (1, [run["id"]])):
            await charge(world, run, "page", more)
            world.clock._now = world.clock.now().plus(secs=CHARGE_ABORT_SECS)
            assert await world.database.read(world.features.charging.due_in) == planned


async def test_a_limit_below_what_the_actor_needs_resurrects_nothing() -> None:
    """A limit that is not named is the one that the run had, or none."""
    async with open_server(loops=False) as world:
        run = await world.start(await priced(world, events(page=0.1) | {"minimalMaxTotalChargeUsd": 0.5}))
        await world.bring(run["id"], RunStatus.SUCCEEDED)
        path = f"/v2/actor-runs/{run['id']}/resurrect"
        error = await world.alice.post(f"{path}?maxTotalChargeUsd=0.49", status=400)
        assert (error["type"], "0.5 USD" in error["message"]) == ("max-total-charge-usd-below-minimum", True)
        assert (await world.row(run["id"])).status is RunStatus.SUCCEEDED
        await world.alice.post(path, status=200)
        await world.happen(run["id"], Event.EXITED, 0)
        await world.alice.post(f"{path}?maxTotalChargeUsd=0.5", status=200)


async def test_a_resurrected_run_is_ended_only_if_it_has_nothing_left() -> None:
    async with open_server(loops=False) as world:
        run = await world.start(await priced(world, events(page=0.1)), maxTotalChargeUsd=0.2)
        await charge(world, run, "page", 2)
        await world.bring(run["id"], RunStatus.SUCCEEDED)
        for query, planned in (("", [run["id"]]), ("?maxTotalChargeUsd=0.3", [])):
            await world.alice.post(f"/v2/actor-runs/{run['id']}/resurrect{query}", status=200)
            world.clock._now = world.clock.now().plus(secs=CHARGE_ABORT_SECS)
            assert await world.database.read(world.features.charging.due_in) == planned
            await world.happen(run["id"], Event.EXITED, 0)
        assert await counts(world, run) == {"page": 2}


@pytest.mark.parametrize(
    ("pricing", "less", "enough"),
    [(events(page=0.5), "maxTotalChargeUsd=4.9", "maxTotalChargeUsd=5"), (items(0.5), "maxItems=9", "maxItems=10")],
)
async def test_a_first_limit_of_a_resurrected_run_takes_back_nothing_that_is_owed(
    pricing: dict[str, Any], less: str, enough: str
) -> None:
    async with open_server(loops=False) as world:
        run = await world.start(await priced(world, pricing))
        if pricing["pricingModel"] == "PAY_PER_EVENT":
            await charge(world, run, "page", 10)
        else:
            await push(itself(world, run), run, 10)
        await world.bring(run["id"], RunStatus.SUCCEEDED)
        path = f"/v2/actor-runs/{run['id']}"
        assert "5 USD" in (await world.alice.post(f"{path}/resurrect?{less}", status=400))["message"]
        unchanged = await world.alice.get(path)
        assert (unchanged["status"], unchanged["usageTotalUsd"]) == ("SUCCEEDED", 5)
        await world.alice.post(f"{path}/resurrect?{enough}", status=200)
