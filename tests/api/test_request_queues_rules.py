"""What the contract says about request queues beyond shapes, line by line."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from apify_client._models import (
    BatchAddResponse,
    BatchDeleteResponse,
    LockedRequestQueueHeadResponse,
    RequestQueueHeadResponse,
)

from actorium.http.app import HttpApp, HttpLimits
from actorium.request_queues import api
from actorium.request_queues.requests import request_id
from actorium.request_queues.service import RequestQueues
from actorium.testing.conformance.stores import CountingMeter
from storage_world import StorageWorld, open_storages
from world import Client

pytestmark = pytest.mark.anyio

URL = "http://example.com"
HANDLED_AT = "2026-01-01T00:00:00.000Z"

OPERATIONS: dict[tuple[str, str], tuple[set[str], int]] = {
    ("GET", ""): ({"offset", "limit", "desc", "unnamed", "ownership"}, 200),
    ("POST", ""): ({"name"}, 201),
    ("GET", "/{queueId}"): (set(), 200),
    ("PUT", "/{queueId}"): (set(), 200),
    ("DELETE", "/{queueId}"): (set(), 204),
    ("POST", "/{queueId}/requests/batch"): ({"clientKey", "forefront"}, 201),
    ("DELETE", "/{queueId}/requests/batch"): ({"clientKey"}, 200),
    ("POST", "/{queueId}/requests/unlock"): ({"clientKey"}, 200),
    ("GET", "/{queueId}/requests"): ({"clientKey", "exclusiveStartId", "limit", "cursor", "filter"}, 200),
    ("POST", "/{queueId}/requests"): ({"clientKey", "forefront"}, 201),
    ("GET", "/{queueId}/requests/{requestId}"): (set(), 200),
    ("PUT", "/{queueId}/requests/{requestId}"): ({"clientKey", "forefront"}, 200),
    ("DELETE", "/{queueId}/requests/{requestId}"): ({"clientKey"}, 204),
    ("GET", "/{queueId}/head"): ({"limit", "clientKey"}, 200),
    ("POST", "/{queueId}/head/lock"): ({"lockSecs", "limit", "clientKey"}, 201),
    ("PUT", "/{queueId}/requests/{requestId}/lock"): ({"lockSecs", "clientKey", "forefront"}, 200),
    ("DELETE", "/{queueId}/requests/{requestId}/lock"): ({"clientKey", "forefront"}, 204),
}
"""Every operation of the contract: its parameters and its status."""


def url(number: int) -> str:
    return f"{URL}/{number}"


def request(number: int, **more: Any) -> dict[str, Any]:
    return {"url": url(number), "uniqueKey": url(number)} | more


async def new_queue(world: StorageWorld) -> str:
    return f"/v2/request-queues/{(await world.alice.post('/v2/request-queues'))['id']}"


async def head(world: StorageWorld, queue: str, query: str = "") -> list[int]:
    items = (await world.alice.get(f"{queue}/head?clientKey=c{query}"))["items"]
    return [int(item["url"].rpartition("/")[2]) for item in items]


def one(number: int, rest: str = "") -> str:
    return f"/requests/{request_id(url(number))}{rest}"


async def test_every_operation_takes_its_parameters_and_says_its_status() -> None:
    async with open_storages() as world:
        found = {
            (route.method, route.path.removeprefix("/v2/request-queues")): (
                {field.encode_name for field in msgspec.structs.fields(route.query)},
                route.statuses[-1],
            )
            for route in api.routes(RequestQueues(world.around, meter=CountingMeter()))
        }
    assert found == OPERATIONS


@pytest.mark.parametrize("key", [key for key, (params, _) in OPERATIONS.items() if "clientKey" in params])
async def test_a_client_key_has_1_to_32_characters(key: tuple[str, str]) -> None:
    method, path = key
    async with open_storages() as world:
        queue = await new_queue(world)
        await world.alice.post(f"{queue}/requests?clientKey={'x' * 32}", request(1))
        target = path.format(queueId=queue.rpartition("/")[2], requestId=request_id(url(1)))
        body: Any = [request(1)] if path.endswith("/batch") else request(1)
        error = await world.alice.call(
            method, f"/v2/request-queues{target}?lockSecs=5&clientKey={'x' * 33}", json=body, status=400
        )
        assert error["type"] == "invalid-client-key"


async def test_the_unique_key_is_the_url_where_none_is_given() -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        added = await world.alice.post(f"{queue}/requests", {"url": "https://example.com/a?b=1"})
        assert added["requestId"] == "bLVHrHPuI7ehWCN"
        shown = await world.alice.get(f"{queue}/requests/{added['requestId']}")
        assert shown["uniqueKey"] == shown["url"] == "https://example.com/a?b=1"


async def test_what_the_sender_put_in_is_kept() -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        sent = request(
            1,
            payload={"a": [1, None]},
            userData={"deep": {"er": "\0"}},
            headers=None,
            errorMessages=["x"],
            mine=2**70,
            handledAt=None,
            lockExpiresAt="a lie",
            lockByClient="another",
        )
        await world.alice.post(f"{queue}/requests", sent)
        shown = await world.alice.get(f"{queue}{one(1)}")
        for name in ("lockExpiresAt", "lockByClient"):
            del sent[name]
        assert shown == sent | {"id": request_id(url(1)), "method": "GET", "retryCount": 0}


async def test_an_id_that_is_not_of_the_unique_key_spoils_its_batch() -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        batch = [request(1), request(2, id=request_id(url(1)))]
        error = await world.alice.post(f"{queue}/requests/batch", batch, status=400)
        assert error["type"] == "request-id-invalid"
        assert (await world.alice.get(queue))["totalRequestCount"] == 0


async def test_handled_at_marks_and_its_absence_requeues() -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        await world.alice.post(f"{queue}/requests/batch?clientKey=c", [request(n) for n in range(3)])
        await world.alice.post(f"{queue}/head/lock?lockSecs=60&limit=1&clientKey=c")

        async def put(**more: Any) -> tuple[dict[str, Any], list[int], tuple[int, int]]:
            done = await world.alice.put(f"{queue}{one(0)}?clientKey=c", request(0, **more))
            view = await world.alice.get(queue)
            return done, await head(world, queue), (view["handledRequestCount"], view["pendingRequestCount"])

        assert await put(handledAt=HANDLED_AT) == (registered(0), [1, 2], (1, 2))
        assert "lockExpiresAt" not in await world.alice.get(f"{queue}{one(0)}")
        assert await put(handledAt=HANDLED_AT) == (registered(0, handled=True), [1, 2], (1, 2))
        assert await put(handledAt=None) == (registered(0, handled=True), [1, 2, 0], (0, 3))
        assert await put() == (registered(0), [1, 2, 0], (0, 3))


def registered(number: int, *, handled: bool = False) -> dict[str, Any]:
    return {"requestId": request_id(url(number)), "wasAlreadyPresent": True, "wasAlreadyHandled": handled}


@pytest.mark.parametrize(
    ("text", "front"), [("1", True), ("true", True), ("TRUE", True), ("0", False), ("false", False)]
)
async def test_forefront_in_every_spelling(text: str, front: bool) -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        await world.alice.post(f"{queue}/requests", request(1))
        await world.alice.post(f"{queue}/requests/batch?forefront={text}", [request(2), request(3)])
        assert await head(world, queue) == ([2, 3, 1] if front else [1, 2, 3])
        await world.alice.put(f"{queue}{one(3)}?forefront={text}", request(3))
        assert await head(world, queue) == ([3, 2, 1] if front else [1, 2, 3])


async def test_limits_are_clamped_and_zero_is_none() -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        for first in range(0, 100, 25):
            await world.alice.post(f"{queue}/requests/batch?clientKey=c", [request(first + n) for n in range(25)])
        shown = await world.alice.request("GET", f"{queue}/head?limit=5000&clientKey=c")
        RequestQueueHeadResponse.model_validate(shown.json)
        assert (shown.json["data"]["limit"], len(shown.json["data"]["items"])) == (1000, 100)
        assert len(await head(world, queue, "&limit=0")) == 100
        assert len(await head(world, queue, "&limit=7")) == 7
        page = await world.alice.get(f"{queue}/requests?limit=99999&clientKey=c")
        assert (page["limit"], len(page["items"])) == (10_000, 100)
        locked = await world.alice.request("POST", f"{queue}/head/lock?lockSecs=5&limit=100&clientKey=c")
        LockedRequestQueueHeadResponse.model_validate(locked.json)
        assert (locked.json["data"]["limit"], len(locked.json["data"]["items"])) == (25, 25)
        assert len((await world.alice.post(f"{queue}/head/lock?lockSecs=5&clientKey=c"))["items"]) == 25
        for rest in ("/head?limit=-1", "/requests?limit=-1", "/head?limit=x"):
            await world.alice.get(queue + rest, status=400)


@pytest.mark.parametrize(
    ("asked", "held"), [("0.2", 1), ("1", 1), ("90.4", 90), ("86400", 86_400), ("999999999999", 86_400)]
)
async def test_lock_secs(asked: str, held: int) -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        await world.alice.post(f"{queue}/requests", request(1))
        locked = await world.alice.post(f"{queue}/head/lock?lockSecs={asked}&clientKey=c")
        assert locked["lockSecs"] == held
        until = str(world.clock.now().plus(secs=held))
        assert locked["items"][0]["lockExpiresAt"] == until
        prolonged = await world.alice.put(f"{queue}{one(1)}/lock?lockSecs={asked}&clientKey=c")
        assert prolonged == {"lockExpiresAt": until}


@pytest.mark.parametrize("asked", ["", "lockSecs=0", "lockSecs=-5", "lockSecs=soon", "lockSecs=nan", "lockSecs=inf"])
async def test_lock_secs_that_are_none(asked: str) -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        await world.alice.post(f"{queue}/requests", request(1))
        await world.alice.post(f"{queue}/head/lock?{asked}", status=400)
        await world.alice.put(f"{queue}{one(1)}/lock?{asked}", status=400)


async def test_who_holds_a_request_shows_only_while_it_is_held() -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        await world.alice.post(f"{queue}/requests?clientKey=c", request(1))
        await world.alice.post(f"{queue}/head/lock?lockSecs=10&clientKey=c")
        until = str(world.clock.now().plus(secs=10))
        assert (await world.alice.get(f"{queue}{one(1)}"))["lockExpiresAt"] == until
        listed = await world.alice.get(f"{queue}/requests?clientKey=c")
        assert (listed["items"][0]["lockExpiresAt"], listed["items"][0]["lockByClient"]) == (until, "c")
        assert await head(world, queue) == []
        await world.clock.advance(10)
        assert "lockExpiresAt" not in await world.alice.get(f"{queue}{one(1)}")
        listed = await world.alice.get(f"{queue}/requests?clientKey=c")
        assert not {"lockExpiresAt", "lockByClient"} & listed["items"][0].keys()
        assert await head(world, queue) == [1]


async def test_another_client_may_not_touch_what_is_held() -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        await world.alice.post(f"{queue}/requests/batch?clientKey=c", [request(1), request(2)])
        await world.alice.post(f"{queue}/head/lock?lockSecs=10&clientKey=c")
        for method, rest, body in (
            ("PUT", one(1), request(1)),
            ("DELETE", one(1), None),
            ("PUT", one(1, "/lock"), None),
            ("DELETE", one(1, "/lock"), None),
        ):
            error = await world.alice.call(method, f"{queue}{rest}?lockSecs=5&clientKey=other", json=body, status=400)
            assert error["type"] == "request-handled-or-locked"
        left = await world.alice.request(
            "DELETE", f"{queue}/requests/batch?clientKey=other", json=[{"uniqueKey": url(1)}, {"id": "gone"}]
        )
        BatchDeleteResponse.model_validate(left.json)
        assert left.json["data"] == {
            "processedRequests": [{"id": "gone"}],
            "unprocessedRequests": [
                {"id": request_id(url(1)), "uniqueKey": url(1), "url": url(1), "method": "GET"},
            ],
        }
        await world.clock.advance(10)
        await world.alice.delete(f"{queue}{one(1)}?clientKey=other")
        assert (await world.alice.get(queue))["totalRequestCount"] == 1


async def test_several_clients_are_noticed_by_whatever_they_do() -> None:
    async with open_storages() as world:
        for method, rest, body in (
            ("GET", "/head", None),
            ("GET", "/requests", None),
            ("POST", "/head/lock", None),
            ("POST", "/requests", request(2)),
            ("POST", "/requests/unlock", None),
            ("PUT", one(1), request(1)),
        ):
            queue = await new_queue(world)
            await world.alice.post(f"{queue}/requests?clientKey=one", request(1))
            assert (await world.alice.get(f"{queue}/head?clientKey=one"))["hadMultipleClients"] is False
            await world.alice.request(method, f"{queue}{rest}?lockSecs=1&clientKey=two", json=body)
            assert (await world.alice.get(queue))["hadMultipleClients"] is True
            assert (await world.alice.get(f"{queue}/head?clientKey=one"))["hadMultipleClients"] is True


async def test_a_queue_is_reached_by_its_name_in_every_operation() -> None:
    async with open_storages() as world:
        await world.alice.post("/v2/request-queues?name=todo")
        queue = "/v2/request-queues/~todo"
        assert (await world.alice.post(f"{queue}/requests", request(1)))["wasAlreadyPresent"] is False
        await world.alice.post("/v2/request-queues/alice~todo/requests/batch?clientKey=c", [request(2)])
        assert await head(world, queue) == [1, 2]
        await world.alice.post(f"{queue}/head/lock?lockSecs=5&limit=1&clientKey=c")
        await world.alice.put(f"{queue}{one(1)}?clientKey=c", request(1, handledAt=HANDLED_AT))
        await world.alice.delete(f"{queue}{one(2)}")
        view = await world.alice.get(queue)
        assert (view["totalRequestCount"], view["handledRequestCount"]) == (1, 1)
        await world.alice.post("/v2/request-queues/bob~todo/requests", request(1), status=404)


async def test_over_the_rate_batches_are_answered_and_single_requests_refused() -> None:
    async with open_storages() as world:
        app = HttpApp(
            api.routes(RequestQueues(world.around, meter=CountingMeter())),
            authenticate=world.users.authenticate,
            clock=world.clock,
            ids=world.ids,
            limits=HttpLimits(rate_scale=0.05),  # two batches and twenty single requests a second
        )
        _, token = await world.users.create("carol")
        carol = Client(app, token=token)
        queue = f"/v2/request-queues/{(await carol.post('/v2/request-queues'))['id']}"
        added = [await carol.request("POST", f"{queue}/requests/batch", json=[request(n)]) for n in range(4)]
        assert [answer.status for answer in added] == [201] * 4
        assert {answer.headers["x-ratelimit-limit"] for answer in added} == {"2"}
        told = [BatchAddResponse.model_validate(answer.json).data for answer in added]
        assert [len(data.processed_requests) for data in told] == [1, 1, 0, 0]
        assert added[3].json["data"]["unprocessedRequests"] == [
            {"id": request_id(url(3)), "uniqueKey": url(3), "url": url(3), "method": "GET"}
        ]
        refused = await carol.request("POST", f"{queue}/requests/batch", json=[{"url": 1}])
        assert refused.status == 400
        deleted = await carol.request("DELETE", f"{queue}/requests/batch", json=[{"id": request_id(url(0))}])
        assert deleted.status == 200
        BatchDeleteResponse.model_validate(deleted.json)
        assert [one["id"] for one in deleted.json["data"]["unprocessedRequests"]] == [request_id(url(0))]
        await world.clock.advance(1)
        again = await carol.request("POST", f"{queue}/requests/batch", json=[request(3)])
        assert len(again.json["data"]["processedRequests"]) == 1
        single = [await carol.request("POST", f"{queue}/requests", json=request(9)) for _ in range(21)]
        assert [answer.status for answer in single] == [201] * 20 + [429]
        assert single[-1].json["error"]["type"] == "rate-limit-exceeded"


async def test_an_id_that_could_not_be_one_is_refused_in_a_batch() -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        error = await world.alice.call("DELETE", f"{queue}/requests/batch", json=[{"id": "a\0b"}], status=400)
        assert error["type"] == "invalid-input"


async def test_large_requests_show_the_same_head() -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        large = request(1, method="POST", retryCount=3, userData={"text": "x" * 5000})
        await world.alice.post(f"{queue}/requests?clientKey=c", large)
        await world.alice.post(f"{queue}/requests?clientKey=c", request(2))
        shown = (await world.alice.get(f"{queue}/head?clientKey=c"))["items"]
        assert shown == [
            {"id": request_id(url(1)), "uniqueKey": url(1), "url": url(1), "method": "POST", "retryCount": 3},
            {"id": request_id(url(2)), "uniqueKey": url(2), "url": url(2), "method": "GET", "retryCount": 0},
        ]
        locked = (await world.alice.post(f"{queue}/head/lock?lockSecs=5&clientKey=c"))["items"]
        assert [{k: v for k, v in item.items() if k != "lockExpiresAt"} for item in locked] == shown
        assert (await world.alice.get(f"{queue}{one(1)}"))["userData"] == large["userData"]
