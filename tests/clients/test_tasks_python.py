"""Tasks from the official Python client, over a real socket; its strict models read every reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from apify_client import ApifyClientAsync
from apify_client.errors import ApifyApiError

from actorium.http.server import bind, serve
from actorium.runs.lifecycle import RunStatus, container_name
from server_world import ServerWorld, open_server

pytestmark = [pytest.mark.anyio, pytest.mark.clients]


class Site:
    """Two users' clients of one server whose containers are in memory."""

    def __init__(self, world: ServerWorld, alice: ApifyClientAsync, bob: ApifyClientAsync, actor: str) -> None:
        self.world = world
        self.alice = alice
        self.bob = bob
        self.actor = actor


@asynccontextmanager
async def open_site() -> AsyncIterator[Site]:
    async with open_server() as world, serve(world.app, bind("127.0.0.1", 0)) as bound:
        alice, bob = (
            ApifyClientAsync(client._token, api_url=bound.url, api_public_url=bound.url)
            for client in (world.alice, world.bob)
        )
        yield Site(world, alice, bob, await world.actor())


async def input_of(site: Site, run: Any) -> Any:
    record = await site.alice.key_value_store(run.default_key_value_store_id).get_record("INPUT")
    return record and record["value"]


async def test_tasks_are_made_changed_listed_and_deleted() -> None:
    async with open_site() as site:
        made = await site.alice.tasks().create(
            actor_id=site.actor,
            name="nightly",
            task_input={"a": 1},
            build="latest",
            memory_mbytes=256,
            run_timeout=timedelta(seconds=30),
            max_total_charge_usd=Decimal("1.5"),
            title="Nightly",
            description="At night",
            actor_standby_idle_timeout=timedelta(seconds=60),
            public_config_seo_title="Search me",
        )
        task = site.alice.task(made.id)
        assert (made.name, made.title, made.description, made.act_id) == ("nightly", "Nightly", "At night", site.actor)
        assert await site.alice.task("alice/nightly").get() == made
        changed = await task.update(title="Weekly", max_items=5)
        assert (changed.title, changed.description) == ("Weekly", "At night")
        assert changed.options is not None
        assert (changed.options.memory_mbytes, changed.options.timeout_secs) == (256, 30)
        assert (changed.options.max_items, float(changed.options.max_total_charge_usd or 0)) == (5, 1.5)
        assert changed.actor_standby is not None
        assert changed.actor_standby.idle_timeout_secs == 60
        assert changed.public_config is not None
        assert changed.public_config.seo_title == "Search me"
        assert (await task.publish()).is_public is True
        assert (await task.unpublish()).is_public is False
        assert await task.get_input() == {"a": 1}
        assert await task.update_input(task_input={"b": [2]}) == {"a": 1, "b": [2]}
        await site.alice.tasks().create(actor_id=site.actor, name="other")
        assert [one.name for one in (await site.alice.tasks().list()).items] == ["nightly", "other"]
        assert [one.name async for one in site.alice.tasks().iterate(chunk_size=1, desc=True)] == ["other", "nightly"]
        with pytest.raises(ApifyApiError) as taken:
            await task.update(name="other")
        assert (taken.value.type, taken.value.status_code) == ("actor-task-name-not-unique", 409)
        assert await site.bob.task(made.id).get() is None
        assert (await site.bob.tasks().list()).total == 0
        await task.delete()
        assert await task.get() is None
        await task.delete()


async def test_a_task_is_called_and_its_last_run_read() -> None:
    async with open_site() as site:
        made = await site.alice.tasks().create(
            actor_id=site.actor, name="nightly", task_input={"a": 1, "b": 1}, memory_mbytes=256
        )
        task = site.alice.task(made.id)
        calling = asyncio.create_task(task.call(task_input={"b": 2}, run_timeout=timedelta(seconds=99)))
        while (run := await task.last_run().get()) is None:
            assert not calling.done(), calling
        await site.world.reached(run.id, RunStatus.RUNNING)
        site.world.executor.write(container_name(run.id, 1), b"good night")
        site.world.executor.exit(container_name(run.id, 1), 0)
        called = await calling
        assert called is not None
        assert (called.id, called.status, called.actor_task_id) == (run.id, "SUCCEEDED", made.id)
        assert (called.options.memory_mbytes, called.options.timeout_secs) == (256, 99)
        assert await input_of(site, called) == {"a": 1, "b": 2}
        plain = await task.start()
        assert await input_of(site, plain) == {"a": 1, "b": 1}
        assert (await task.runs().list()).total == 2
        assert [one.id for one in (await task.runs().list(status=["SUCCEEDED"])).items] == [run.id]
        done = task.last_run(status="SUCCEEDED", origin="API")
        found = await done.get()
        assert found is not None
        assert found.id == run.id
        await done.dataset().push_items([{"n": 1}])
        assert (await site.alice.dataset(run.default_dataset_id).list_items()).items == [{"n": 1}]
        assert (await done.key_value_store().list_keys()).items[0].key == "INPUT"
        added = await done.request_queue().add_request({"url": "https://example.com", "unique_key": "one"})
        assert not added.was_already_present
        log = await done.log().get()
        assert log is not None
        assert "good night" in log
        assert await task.last_run(status="FAILED").get() is None
        stats = (await site.alice.task("~nightly").get()).stats  # type: ignore[union-attr]
        assert stats is not None
        assert stats.total_runs == 2
