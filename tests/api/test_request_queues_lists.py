"""Lists of requests: pages, filters, cursors."""

from __future__ import annotations

import base64
import json

import pytest
from apify_client._models import ListOfRequestsResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from actorium.request_queues.requests import request_id
from storage_world import StorageWorld, open_storages

pytestmark = pytest.mark.anyio

URL = "http://example.com"
HANDLED_AT = "2026-01-01T00:00:00.000Z"


def url(number: int) -> str:
    return f"{URL}/{number}"


def request(number: int, **more: str) -> dict[str, str]:
    return {"url": url(number), "uniqueKey": url(number)} | more


async def new_queue(world: StorageWorld) -> str:
    return f"/v2/request-queues/{(await world.alice.post('/v2/request-queues'))['id']}"


async def test_pages_by_id_and_by_state() -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        await world.alice.post(f"{queue}/requests/batch?clientKey=c", [request(n) for n in range(20)])
        for number in range(5):
            await world.alice.put(
                f"{queue}/requests/{request_id(url(number))}?clientKey=c", request(number, handledAt=HANDLED_AT)
            )
        await world.alice.post(f"{queue}/head/lock?lockSecs=10&limit=4&clientKey=c")

        async def walk(query: str, *, repeat: bool = True) -> list[int]:
            found, rest = [], query
            while True:
                page = await world.alice.request("GET", f"{queue}/requests?limit=3&clientKey=c&{rest}")
                ListOfRequestsResponse.model_validate(page.json)
                data = page.json["data"]
                assert len(data["items"]) <= 3
                found += [int(item["url"].rpartition("/")[2]) for item in data["items"]]
                if "nextCursor" not in data:
                    return found
                rest = f"cursor={data['nextCursor']}" + (f"&{query}" if repeat else "")

        by_id = sorted(range(20), key=lambda number: request_id(url(number)))
        assert await walk("") == by_id
        assert sorted(await walk("filter=locked")) == [5, 6, 7, 8]
        assert await walk("filter=pending") == [*range(9, 20), 5, 6, 7, 8]
        assert await walk("filter=locked,pending") == await walk("filter=pending,locked", repeat=False)
        assert sorted(await walk("filter=locked,pending")) == list(range(5, 20))
        after = await world.alice.get(f"{queue}/requests?exclusiveStartId={request_id(url(by_id[16]))}&clientKey=c")
        assert [item["url"] for item in after["items"]] == [url(number) for number in by_id[17:]]
        assert after["exclusiveStartId"] == request_id(url(by_id[16]))
        whole = (await world.alice.get(f"{queue}/requests?limit=3&clientKey=c"))["nextCursor"]
        await world.alice.get(f"{queue}/requests?cursor={whole}&filter=pending", status=400)


@settings(max_examples=30, deadline=None)
@given(
    st.one_of(
        st.text(alphabet="abcXYZ019-_=%.", max_size=40),
        st.dictionaries(
            st.sampled_from(["requestId", "place", "states", "x"]),
            st.one_of(st.text(max_size=16), st.integers(), st.none(), st.lists(st.text(max_size=7), max_size=2)),
            max_size=3,
        ).map(lambda cursor: base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode()),
    )
)
async def test_no_cursor_breaks_the_server(cursor: str) -> None:
    async with open_storages() as world:
        queue = await new_queue(world)
        for query in ("", "&filter=locked", "&filter=pending"):
            answer = await world.alice.request("GET", f"{queue}/requests?cursor={cursor}{query}")
            assert answer.status in (200, 400), answer.body
