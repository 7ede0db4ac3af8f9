"""The whole way on a container engine: an Actor is pushed, built and run with the official Python client."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from apify_client import ApifyClient

from clients.conftest import source_files
from container_engine import KINDS, TestEngine
from live_server import LiveServer

pytestmark = [pytest.mark.clients, pytest.mark.process, pytest.mark.long]
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("kind", KINDS)
def test_an_actor_builds_and_runs(kind: str, engines: Callable[[str], TestEngine], tmp_path: Path) -> None:
    """Its items, records and log arrive; it is aborted; the server is killed, and what ran goes on."""
    engine = engines(kind)
    settings = {
        "ACTORIUM_EXECUTOR": "container",
        "ACTORIUM_CONTAINER_HOST": f"unix://{engine.socket}",
    }
    with LiveServer(tmp_path, **settings) as server:
        client = ApifyClient(server.token, api_url=server.url, api_public_url=server.url)
        version = {"version_number": "0.1", "source_type": "SOURCE_FILES", "build_tag": "latest"}
        made = client.actors().create(
            name="plain-actor",
            versions=[version | {"source_files": source_files("plain")}],
            default_run_memory_mbytes=256,
        )
        build = client.actor(made.id).build(version_number="0.1")
        done = client.build(build.id).wait_for_finish(wait_duration=2 * MINUTE)
        assert done is not None
        assert done.status == "SUCCEEDED", client.build(build.id).log().get()
        run = client.actor(made.id).call(run_input={"items": 3, "code": 0}, wait_duration=MINUTE)
        assert run is not None
        assert run.status == "SUCCEEDED", (run, client.run(run.id).log().get(), server.tail())
        assert [item["index"] for item in client.dataset(run.default_dataset_id).list_items().items] == [0, 1, 2]
        assert "item 2" in (client.run(run.id).log().get() or "")
        assert run.stats.run_time_secs is not None
        failed = client.actor(made.id).call(run_input={"code": 5}, wait_duration=MINUTE)
        assert failed is not None
        assert (failed.status, failed.exit_code) == ("FAILED", 5)
        going = client.actor(made.id).start(run_input={"wait": True})
        assert any("waiting" in line for line in _lines(client, going.id))
        server.kill()
        server.start()
        assert len(engine.containers()) == 1
        client.key_value_store(going.default_key_value_store_id).set_record("LEAVE", True)
        left = client.run(going.id).wait_for_finish(wait_duration=MINUTE)
        assert left is not None
        assert left.status == "SUCCEEDED", client.run(going.id).log().get()
        aborted = client.actor(made.id).start(run_input={"wait": True})
        assert any("waiting" in line for line in _lines(client, aborted.id))
        client.run(aborted.id).abort()
        assert client.run(aborted.id).wait_for_finish(wait_duration=MINUTE).status == "ABORTED"  # type: ignore[union-attr]
    assert engine.containers() == {}


def _lines(client: ApifyClient, run_id: str):  # type: ignore[no-untyped-def]
    with client.run(run_id).log().stream(raw=True) as stream:
        assert stream is not None
        for piece in stream.iter_bytes():
            yield from piece.decode().split("\n")
