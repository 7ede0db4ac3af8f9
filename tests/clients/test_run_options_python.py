"""Options of a start from the official Python client, over a real socket."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from apify_client import ApifyClientAsync

from actorium.http.server import bind, serve
from actorium.kernel.errors import Payment
from actorium.runs.lifecycle import RunStatus
from actorium.webhooks import store
from server_world import open_server

pytestmark = [pytest.mark.anyio, pytest.mark.clients]


async def test_every_option_arrives() -> None:
    async with open_server(loops=False) as world, serve(world.app, bind("127.0.0.1", 0)) as bound:
        client = ApifyClientAsync(world.alice._token, api_url=bound.url, api_public_url=bound.url)
        run = await client.actor(await world.actor()).start(
            run_input={"a": 1},
            build="latest",
            memory_mbytes=512,
            run_timeout=timedelta(seconds=90),
            max_items=7,
            max_total_charge_usd=Decimal("0.5"),
            restart_on_error=True,
            webhooks=[
                {
                    "event_types": ["ACTOR.RUN.SUCCEEDED"],
                    "request_url": "https://example.com/?q=ü>",
                    "do_not_retry": True,
                },
            ],
        )
        options = run.options
        assert (options.build, options.memory_mbytes, options.timeout_secs) == ("latest", 512, 90)
        assert (options.max_items, float(options.max_total_charge_usd or 0)) == (7, 0.5)
        [webhook] = await world.database.read(lambda tx: store.of_run(tx, run.id))
        assert webhook.document.request_url == "https://example.com/?q=ü>"
        assert webhook.document.event_types == ("ACTOR.RUN.SUCCEEDED",)


async def test_a_client_that_waits_for_resources_starts_when_there_are_some() -> None:
    async with (
        open_server(loops=False, user_concurrent_runs=1) as world,
        serve(world.app, bind("127.0.0.1", 0)) as bound,
    ):
        refused, check = asyncio.Event(), world.features.quotas.check_in

        def noting(*args: Any, **more: Any) -> None:
            try:
                check(*args, **more)
            except Payment:
                refused.set()
                raise

        world.features.quotas.check_in = noting  # type: ignore[method-assign]
        client = ApifyClientAsync(world.alice._token, api_url=bound.url, api_public_url=bound.url)
        actor = client.actor(await world.actor())
        first = await actor.start()
        waiting = asyncio.create_task(actor.start(wait_for_resources=timedelta(seconds=0.5)))
        await asyncio.wait_for(refused.wait(), 10)
        await world.bring(first.id, RunStatus.SUCCEEDED)
        assert (await waiting).status == "READY"
