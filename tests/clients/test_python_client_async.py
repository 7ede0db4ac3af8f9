"""The whole way with the official Python client's asynchronous half, as one story."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from apify_client import ApifyClientAsync
from apify_client.errors import ApifyApiError

from clients.conftest import source_files
from live_server import LiveServer

pytestmark = [pytest.mark.anyio, pytest.mark.clients]

MINUTE = timedelta(minutes=1)


async def built(client: ApifyClientAsync) -> str:
    """The id of a new Actor, built."""
    made = await client.actors().create(name="plain-async")
    await (
        client.actor(made.id)
        .versions()
        .create(
            version_number="0.2",
            source_type="SOURCE_FILES",
            build_tag="latest",
            source_files=source_files("plain"),
            env_vars=[{"name": "COLOUR", "value": "blue"}],
        )
    )
    build = await client.actor(made.id).build(version_number="0.2", wait_for_finish=60)
    assert build.status == "SUCCEEDED", await client.build(build.id).log().get()
    return made.id


async def wait_for_line(client: ApifyClientAsync, run_id: str, wanted: str) -> list[str]:
    """Read the streamed log until a line comes; all lines until then, without their times."""
    seen: list[str] = []
    rest = b""
    async with client.run(run_id).log().stream(raw=True) as stream:
        assert stream is not None
        async for piece in stream.aiter_bytes():
            *lines, rest = (rest + piece).split(b"\n")
            seen += [line[25:].decode() for line in lines]
            if wanted in seen:
                return seen
    raise AssertionError(f"the log ended without {wanted!r}: {seen}")


async def test_the_whole_way(server: LiveServer) -> None:
    client = ApifyClientAsync(server.token, api_url=server.url, api_public_url=server.url, max_retries=0)
    actor = client.actor(await built(client))
    me = await client.user().get()
    assert me is not None

    run = await actor.start(run_input={"items": 2}, wait_for_finish=60)
    assert (run.status, run.exit_code, run.user_id) == ("SUCCEEDED", 0, me.id)
    assert [item["index"] async for item in client.run(run.id).dataset().iterate_items()] == [0, 1]
    record = await client.run(run.id).key_value_store().get_record("OUTPUT")
    assert record is not None
    assert record["value"]["starts"] == 1
    queue = client.request_queue(run.default_request_queue_id, client_key="async")
    locked = await queue.list_and_lock_head(lock_duration=MINUTE)
    assert [item.unique_key for item in locked.items] == ["0", "1"]
    assert (await queue.unlock_requests()).unlocked_count == 2
    log = await client.log(run.id).get()
    assert log is not None
    assert log.splitlines()[-1].endswith(" item 1")

    run = await actor.start(run_input={"wait": True})
    await wait_for_line(client, run.id, "waiting")
    assert (await client.run(run.id).reboot()).stats.reboot_count == 1
    await wait_for_line(client, run.id, "start 2, the mark is not there")
    assert (await client.run(run.id).abort(gracefully=True)).status == "ABORTING"
    waiter = asyncio.ensure_future(client.run(run.id).wait_for_finish(wait_duration=MINUTE))
    await client.run(run.id).key_value_store().set_record("LEAVE", True)
    done = await waiter
    assert done is not None
    assert (done.status, done.exit_code, done.status_message) == ("ABORTED", 0, "Actor was aborted")
    last = await actor.last_run(status="ABORTED").get()
    assert last is not None
    assert last.id == run.id

    run = await actor.start(run_input={"wait": True})
    await wait_for_line(client, run.id, "waiting")
    aborted = await client.run(run.id).abort()
    assert aborted.status == "ABORTING"
    done = await client.run(run.id).wait_for_finish(wait_duration=MINUTE)
    assert done is not None
    assert (done.status, done.exit_code) == ("ABORTED", None)
    with pytest.raises(ApifyApiError) as refused:
        await client.run(run.id).reboot()
    assert (refused.value.status_code, refused.value.type) == (403, "job-finished")
    assert [one.status for one in (await actor.runs().list(status=["ABORTED", "SUCCEEDED"])).items] == [
        "SUCCEEDED",
        "ABORTED",
        "ABORTED",
    ]
    await actor.delete()
    assert await actor.get() is None
