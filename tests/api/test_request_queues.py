"""Request queues over HTTP, as the contract words it."""

from __future__ import annotations

from typing import Any

import pytest
from apify_client._models import (
    AddRequestResponse,
    BatchAddResponse,
    BatchDeleteResponse,
    ListOfRequestQueuesResponse,
    ListOfRequestsResponse,
    LockedRequestQueueHeadResponse,
    ProlongRequestLockResponse,
    RequestQueueHeadResponse,
    RequestQueueResponse,
    RequestResponse,
    UnlockRequestsResponse,
)

from storage_world import StorageWorld, open_storages

pytestmark = pytest.mark.anyio

URL = "http://example.com"
ID = "8OamqXBCpPHxyH9"
REQUEST = {"url": URL, "uniqueKey": URL, "method": "POST", "userData": {"label": "A"}, "payload": "p", "mine": 1}


async def new_queue(world: StorageWorld) -> str:
    made = await world.alice.post("/v2/request-queues")
    return f"/v2/request-queues/{made['id']}"


async def test_the_object() -> None:
    async with open_storages() as world:
        made = await world.alice.request("POST", "/v2/request-queues?name=todo")
        again = await world.alice.request("POST", "/v2/request-queues?name=todo", json={})
        assert (made.status, again.status) == (201, 200)
        RequestQueueResponse.model_validate(made.json)
        queue = made.json["data"]
        assert (queue["totalRequestCount"], queue["hadMultipleClients"]) == (0, False)
        assert (await world.alice.put("/v2/request-queues/~todo", {"name": None}))["name"] is None
        page = await world.alice.request("GET", "/v2/request-queues?unnamed=1")
        ListOfRequestQueuesResponse.model_validate(page.json)
        assert [(item["id"], item["name"]) for item in page.json["data"]["items"]] == [(queue["id"], queue["id"])]
        await world.alice.delete(f"/v2/request-queues/{queue['id']}")
        await world.alice.get(f"/v2/request-queues/{queue['id']}", status=404)


async def test_a_request_from_add_to_handled() -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        added = await world.alice.request("POST", f"{queue}/requests?forefront=false&clientKey=c1", json=REQUEST)
        assert (added.status, added.json["data"]) == (
            201,
            {"requestId": ID, "wasAlreadyPresent": False, "wasAlreadyHandled": False},
        )
        AddRequestResponse.model_validate(added.json)
        shown = await world.alice.request("GET", f"{queue}/requests/{ID}")
        RequestResponse.model_validate(shown.json)
        assert shown.json["data"] == REQUEST | {"id": ID, "retryCount": 0}
        head = await world.alice.request("GET", f"{queue}/head?limit=5&clientKey=c1")
        RequestQueueHeadResponse.model_validate(head.json)
        assert head.json["data"] == {
            "limit": 5,
            "queueModifiedAt": "2026-01-01T00:00:00.000Z",
            "hadMultipleClients": False,
            "items": [{"id": ID, "uniqueKey": URL, "url": URL, "method": "POST", "retryCount": 0}],
        }
        locked = await world.alice.request("POST", f"{queue}/head/lock?lockSecs=60&limit=1&clientKey=c1")
        assert locked.status == 201
        LockedRequestQueueHeadResponse.model_validate(locked.json)
        assert locked.json["data"]["items"][0]["lockExpiresAt"] == "2026-01-01T00:01:00.000Z"
        assert (locked.json["data"]["lockSecs"], locked.json["data"]["queueHasLockedRequests"]) == (60, True)
        assert (await world.alice.get(f"{queue}/requests/{ID}"))["lockExpiresAt"] == "2026-01-01T00:01:00.000Z"
        prolonged = await world.alice.request("PUT", f"{queue}/requests/{ID}/lock?lockSecs=90&clientKey=c1")
        ProlongRequestLockResponse.model_validate(prolonged.json)
        assert prolonged.json["data"] == {"lockExpiresAt": "2026-01-01T00:01:30.000Z"}
        stolen = await world.alice.put(f"{queue}/requests/{ID}/lock?lockSecs=90&clientKey=c2", status=400)
        assert stolen["type"] == "request-handled-or-locked"
        done = REQUEST | {"id": ID, "handledAt": "2026-01-01T00:00:01Z"}
        updated = await world.alice.put(f"{queue}/requests/{ID}?clientKey=c1", done)
        assert updated == {"requestId": ID, "wasAlreadyPresent": True, "wasAlreadyHandled": False}
        shown = await world.alice.get(f"{queue}/requests/{ID}")
        assert shown["handledAt"] == "2026-01-01T00:00:01.000Z"
        assert "lockExpiresAt" not in shown
        view = await world.alice.get(queue)
        assert (view["handledRequestCount"], view["pendingRequestCount"]) == (1, 0)
        assert view["hadMultipleClients"] is False, "a refused call leaves no trace"


async def test_batches_locks_and_lists() -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        requests = [{"url": f"{URL}/{n}", "uniqueKey": f"{URL}/{n}"} for n in range(25)]
        added = await world.alice.request("POST", f"{queue}/requests/batch?clientKey=c", json=requests)
        assert added.status == 201
        BatchAddResponse.model_validate(added.json)
        processed = added.json["data"]["processedRequests"]
        assert [one["uniqueKey"] for one in processed] == [one["uniqueKey"] for one in requests]
        await world.alice.post(f"{queue}/head/lock?lockSecs=10&limit=999&clientKey=c")
        await world.alice.delete(f"{queue}/requests/{processed[0]['requestId']}/lock?clientKey=c&forefront=1")
        assert (await world.alice.get(f"{queue}/head?clientKey=c"))["items"][0]["url"] == f"{URL}/0"
        listed = await world.alice.request("GET", f"{queue}/requests?limit=10&filter=locked,pending&clientKey=c")
        ListOfRequestsResponse.model_validate(listed.json)
        assert len(listed.json["data"]["items"]) == listed.json["data"]["limit"] == 10
        cursor = listed.json["data"]["nextCursor"]
        rest = (await world.alice.get(f"{queue}/requests?cursor={cursor}"))["items"]
        assert len(rest) == 15
        unlocked = await world.alice.request("POST", f"{queue}/requests/unlock?clientKey=c")
        UnlockRequestsResponse.model_validate(unlocked.json)
        assert (unlocked.status, unlocked.json["data"]) == (200, {"unlockedCount": 24})
        gone = await world.alice.request(
            "DELETE",
            f"{queue}/requests/batch?clientKey=c",
            json=[{"uniqueKey": f"{URL}/0"}, {"id": processed[1]["requestId"]}],
        )
        BatchDeleteResponse.model_validate(gone.json)
        assert gone.json["data"]["processedRequests"] == [
            {"id": processed[0]["requestId"], "uniqueKey": f"{URL}/0"},
            {"id": processed[1]["requestId"]},
        ]
        await world.alice.delete(f"{queue}/requests/{processed[2]['requestId']}")
        assert (await world.alice.get(queue))["totalRequestCount"] == 22


@pytest.mark.parametrize(
    ("method", "rest", "json", "type"),
    [
        ("POST", "/requests", [REQUEST], "invalid-input"),
        ("POST", "/requests", {"uniqueKey": "a"}, "invalid-input"),
        ("POST", "/requests", REQUEST | {"id": "wrong"}, "request-id-invalid"),
        ("PUT", f"/requests/{'x' * 15}", REQUEST, "request-id-invalid"),
        ("POST", f"/requests?clientKey={'x' * 33}", REQUEST, "invalid-client-key"),
        ("POST", "/requests/batch", [REQUEST, REQUEST], "request-queue-duplicate-requests"),
        ("POST", "/requests/batch", [REQUEST] * 26, "invalid-input"),
        ("POST", "/requests/batch", REQUEST, "invalid-input"),
        ("DELETE", "/requests/batch", [{}], "invalid-input"),
        ("POST", "/head/lock", None, None),
        ("POST", "/head/lock?lockSecs=0", None, "invalid-input"),
        ("GET", "/requests?cursor=!", None, "invalid-input"),
        ("GET", "/requests?filter=locked&exclusiveStartId=a", None, "invalid-input"),
        ("GET", "/requests?filter=open", None, None),
    ],
)
async def test_bad_calls(method: str, rest: str, json: Any, type: str | None) -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        error = await world.alice.call(method, queue + rest, json=json, status=400)
        assert type in (None, error["type"])


async def test_missing_requests() -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        missing = await world.alice.get(f"{queue}/requests/{ID}", status=404)
        assert missing["type"] == "record-not-found"
        await world.alice.put(f"{queue}/requests/{ID}/lock?lockSecs=1&clientKey=c", status=404)
        await world.alice.delete(f"{queue}/requests/{ID}/lock?clientKey=c", status=404)


async def test_refusals_do_not_tell_what_exists() -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        await world.alice.post(f"{queue}/requests", REQUEST)
        absent = f"/v2/request-queues/{'x' * 17}"
        attempts: list[tuple[str, str, Any]] = [
            *(("GET", "", None), ("PUT", "", {}), ("DELETE", "", None), ("GET", "/head", None)),
            *(("POST", "/head/lock?lockSecs=5", None), ("POST", "/requests", REQUEST), ("GET", "/requests", None)),
            *(("POST", "/requests/batch", [REQUEST]), ("DELETE", "/requests/batch", [{"id": ID}])),
            *(
                ("POST", "/requests/unlock", None),
                ("GET", f"/requests/{ID}", None),
                ("PUT", f"/requests/{ID}", REQUEST),
            ),
            *(("DELETE", f"/requests/{ID}", None), ("PUT", f"/requests/{ID}/lock?lockSecs=5", None)),
            ("DELETE", f"/requests/{ID}/lock", None),
        ]
        for method, rest, json in attempts:
            for client in (world.bob, world.nobody):
                refused = await client.request(method, queue + rest, json=json)
                missing = await client.request(method, absent + rest, json=json)
                assert refused.status in ((404,) if client is world.bob else (401, 403))
                assert (refused.status, refused.body) == (missing.status, missing.body)
        assert (await world.alice.get(queue))["totalRequestCount"] == 1
