"""Rate limits: per caller, per resource, in bounded memory."""

from __future__ import annotations

from typing import Any

import pytest

from actorium.http.app import HttpLimits
from actorium.http.ratelimit import RateLimiter
from actorium.http.route import Auth, Call, Reply
from actorium.kernel.errors import RateLimitExceeded
from actorium.kernel.limits import TOKENS_PER_SECOND_USER

pytestmark = pytest.mark.anyio


async def done(call: Call[Any, Any]) -> Reply:
    return Reply(status=204)


def taken(limiter: RateLimiter, *, caller: str = "u", resource: str = "r", rate: int = 10, now: float = 0.0) -> int:
    """How many requests pass at this moment."""
    count = 0
    try:
        while True:
            limiter.check(caller, resource, rate=rate, now=now)
            count += 1
    except RateLimitExceeded:
        return count


def test_a_bucket_holds_a_second_and_refills_with_time(clock: Any) -> None:
    limiter = RateLimiter(clock.monotonic)
    assert taken(limiter) == 10
    assert taken(limiter) == 0
    assert taken(limiter, resource="other") == 10
    assert taken(limiter, caller="other") == 10
    assert taken(limiter, now=0.5) == 5
    assert taken(limiter, now=100.0) == 10


def test_one_caller_has_a_limit_over_all_resources(clock: Any) -> None:
    limiter = RateLimiter(clock.monotonic, buckets_max=10_000_000)
    count = 0
    with pytest.raises(RateLimitExceeded):
        while True:
            limiter.check("u", count, rate=60, now=0.0)
            count += 1
    assert count == TOKENS_PER_SECOND_USER * 60


@pytest.mark.parametrize(("scale", "count"), [(0.5, 5), (3.0, 30), (0.01, 1)])
def test_scale(clock: Any, scale: float, count: int) -> None:
    limiter = RateLimiter(clock.monotonic, scale=scale)
    assert taken(limiter) == count
    assert limiter.shown(60) == max(1, round(60 * scale))


def test_scale_zero_is_off(clock: Any) -> None:
    limiter = RateLimiter(clock.monotonic, scale=0)
    for _ in range(1000):
        limiter.check("u", "r", rate=1, now=0.0)
    assert len(limiter) == 0
    assert limiter.shown(60) == 60
    with pytest.raises(ValueError, match="0 \\(off\\) or more"):
        RateLimiter(clock.monotonic, scale=-1)


def test_memory_is_bounded_and_busy_buckets_are_kept(clock: Any) -> None:
    limiter = RateLimiter(clock.monotonic, buckets_max=100)
    assert taken(limiter, resource="busy") == 10
    for n in range(1000):
        limiter.check("u", f"r{n}", rate=10, now=0.01)
        assert len(limiter) <= 101
    assert taken(limiter, resource="busy", now=0.01) == 0
    limiter.check("u", "later", rate=10, now=1000.0)
    for n in range(100):
        limiter.check("u", f"s{n}", rate=10, now=1000.0)
    assert len(limiter) <= 102


async def test_the_limit_is_by_resource_and_caller_and_shown(client: Any, route: Any, clock: Any) -> None:
    caller = client(
        route("GET", "/v2/actors/{actorId}", done, rate=2),
        route("GET", "/v2/actors/{actorId}/builds", done, rate=2),
        route("POST", "/v2/actors/{actorId}/runs", done, rate=400),
    )
    answers = [await caller.request("GET", "/v2/actors/a1") for _ in range(3)]
    assert [answer.status for answer in answers] == [204, 204, 429]
    assert answers[2].json["error"]["type"] == "rate-limit-exceeded"
    assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {"2"}
    assert (await caller.request("GET", "/v2/acts/a1")).status == 429
    assert (await caller.request("GET", "/v2/actors/a1/builds")).status == 429
    assert (await caller.request("GET", "/v2/actors/a2")).status == 204
    started = await caller.request("POST", "/v2/actors/a1/runs")
    assert (started.status, started.headers["x-ratelimit-limit"]) == (204, "400")
    bob = {"Authorization": "Bearer bob-token"}
    assert (await caller.request("GET", "/v2/actors/a1", headers=bob)).status == 204
    clock.secs += 0.5
    assert (await caller.request("GET", "/v2/actors/a1")).status == 204


async def test_a_route_may_refuse_in_its_own_words(client: Any, route: Any, clock: Any) -> None:
    async def tell(call: Call[Any, Any]) -> Reply:
        return Reply(content={"over": call.over_rate})

    caller = client(route("POST", "/queues/{id}/batch", tell, rate=2, soft_rate=True))
    told = [(await caller.request("POST", "/queues/a/batch")).json["data"]["over"] for _ in range(4)]
    assert told == [False, False, True, True]
    clock.secs += 0.5
    assert (await caller.request("POST", "/queues/a/batch")).json["data"] == {"over": False}
    assert (await caller.request("POST", "/queues/b/batch")).json["data"] == {"over": False}


async def test_over_the_rate_of_all_a_caller_does_every_route_refuses(client: Any, route: Any) -> None:
    limits = HttpLimits(rate_scale=0.001)
    caller = client(route("POST", "/queues/{id}/batch", done, rate=1_000_000, soft_rate=True), limits=limits)
    statuses = [(await caller.request("POST", "/queues/a/batch")).status for _ in range(300)]
    assert (statuses[0], statuses[-1]) == (204, 429)


async def test_strangers_are_counted_by_address(client: Any, route: Any) -> None:
    caller = client(route("GET", "/open/{id}", done, rate=1, auth=Auth.OPTIONAL), token=None)
    assert (await caller.request("GET", "/open/a")).status == 204
    assert (await caller.request("GET", "/open/a")).status == 429
    assert (await caller.request("GET", "/open/a?token=alice-token")).status == 204


async def test_guessing_tokens_is_limited(client: Any, route: Any) -> None:
    caller = client(route("GET", "/x", done), token="wrong", limits=HttpLimits(rate_scale=0.001))
    statuses = [(await caller.request("GET", "/x")).status for _ in range(10)]
    assert statuses[0] == 401
    assert statuses[-1] == 429


async def test_limits_may_be_off(client: Any, route: Any) -> None:
    caller = client(route("GET", "/x", done, rate=1), limits=HttpLimits(rate_scale=0))
    answers = [await caller.request("GET", "/x") for _ in range(20)]
    assert {answer.status for answer in answers} == {204}
    assert answers[0].headers["x-ratelimit-limit"] == "1"
