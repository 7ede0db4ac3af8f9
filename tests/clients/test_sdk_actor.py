"""An Actor on the official Python SDK and Crawlee, both from their registry and unchanged."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from apify_client import ApifyClient
from apify_client._models import Run
from apify_client.errors import ApifyApiError

from clients.conftest import source_files
from clients.sdk_life import Life, Played
from live_server import LiveServer

pytestmark = [pytest.mark.clients]

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def client(server: LiveServer) -> ApifyClient:
    return ApifyClient(server.token, api_url=server.url, api_public_url=server.url, max_retries=0)


@pytest.fixture(scope="module")
def actor(client: ApifyClient) -> str:
    """The id of the built Actor. Its packages come from the registry."""
    version = {
        "version_number": "0.1",
        "source_type": "SOURCE_FILES",
        "build_tag": "latest",
        "source_files": source_files("sdk"),
    }
    made = client.actors().create(name="sdk-actor", versions=[version], default_run_memory_mbytes=512)
    build = client.actor(made.id).build(version_number="0.1")
    done = client.build(build.id).wait_for_finish(wait_duration=2 * MINUTE)
    assert done is not None
    assert done.status == "SUCCEEDED", client.build(build.id).log().get()
    return made.id


def started(client: ApifyClient, actor: str, mode: str, **more: Any) -> Run:
    return client.actor(actor).start(run_input={"mode": mode} | more, run_timeout=timedelta(seconds=100))


def ended(client: ApifyClient, run_id: str) -> Run:
    run = client.run(run_id).wait_for_finish(wait_duration=MINUTE)
    assert run is not None
    return run


def log(client: ApifyClient, run: Run) -> str:
    return client.run(run.id).log().get() or ""


def value(client: ApifyClient, run: Run, key: str) -> Any:
    record = client.run(run.id).key_value_store().get_record(key)
    assert record is not None, key
    return record["value"]


def wait_for_line(client: ApifyClient, run: Run, wanted: str) -> None:
    text = b""
    with client.run(run.id).log().stream() as stream:
        assert stream is not None
        for piece in stream.iter_bytes():
            text += piece
            if wanted.encode() in text:
                return
    raise AssertionError(f"the log ended without {wanted!r}: {text.decode()}")


def test_results_and_messages(client: ApifyClient, actor: str) -> None:
    run = ended(client, started(client, actor, "results", deep={"é": [1, None]}).id)
    assert (run.status, run.exit_code) == ("SUCCEEDED", 0), log(client, run)
    assert (run.status_message, run.is_status_message_terminal) == ("All done", True)
    items = client.run(run.id).dataset().list_items()
    assert items.items == [{"n": 1}, {"n": 2, "text": "é"}, {"n": 3}]
    assert value(client, run, "OUTPUT") == {"input": {"mode": "results", "deep": {"é": [1, None]}, "greeting": "hello"}}
    assert value(client, run, "page.html") == "<p>é</p>"
    assert value(client, run, "bytes") == b"\xff\x00"
    assert value(client, run, "HANDLED") == {"handled": 3, "is_finished": True}
    assert value(client, run, "ENVIRONMENT") == {"home": True, "missing": None}
    named = client.dataset("local/named-things").list_items()
    assert named.items == [{"from": run.id}]
    assert run.usage is not None
    assert run.usage.dataset_writes == 4
    queue = client.run(run.id).request_queue().get()
    assert queue is not None
    assert (queue.total_request_count, queue.handled_request_count) == (3, 3)


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        ("exit", 0, "Actor succeeded with exit code 0"),
        ("exit", 10, "Actor failed with exit code 10"),
        ("fail", 1, "It was too much"),
        ("raise", 91, "Actor failed with exit code 91"),
        ("sys", 100, "Actor failed with exit code 100"),
    ],
)
def test_exit_codes(client: ApifyClient, actor: str, how: str, code: int, message: str) -> None:
    run = ended(client, started(client, actor, "exits", how=how, code=code).id)
    assert (run.exit_code, run.status) == (code, "FAILED" if code else "SUCCEEDED"), log(client, run)
    assert run.status_message == message


def test_an_input_is_checked_before_anything_starts(client: ApifyClient, actor: str) -> None:
    assert client.actor(actor).validate_input({"mode": "secrets"}) is True
    for call in (client.actor(actor).validate_input, lambda wanted: client.actor(actor).start(run_input=wanted)):
        with pytest.raises(ApifyApiError, match=r"Input is not valid: Field input\.mode must be string"):
            call({"mode": 1})
    with pytest.raises(ApifyApiError, match=r"Field input\.mode is required"):
        client.actor(actor).validate_input()


def test_events_arrive_and_a_graceful_abort_ends_by_itself(client: ApifyClient, actor: str) -> None:
    run = started(client, actor, "events")
    wait_for_line(client, run, "measured")
    began = time.monotonic()
    assert client.run(run.id).abort(gracefully=True).status == "ABORTING"
    done = ended(client, run.id)
    assert time.monotonic() - began < 15, "the Actor did not hear that it was aborted"
    assert (done.status, done.exit_code) == ("ABORTED", 0), log(client, run)
    assert (done.status_message, done.is_status_message_terminal) == ("Actor was aborted", True)
    assert value(client, run, "NAMES") == ["systemInfo", "aborting", "persistState"]
    facts = value(client, run, "SYSTEM_INFO")
    memory = facts["memory_info"]["current_size"]
    assert 10_000_000 < (memory if isinstance(memory, int) else memory["bytes"]) < 512 * 1024 * 1024
    assert 0 <= facts["cpu_info"]["used_ratio"] < 3


def test_a_reboot_keeps_the_state_and_loses_the_files(client: ApifyClient, actor: str) -> None:
    run = ended(client, started(client, actor, "reboots").id)
    assert (run.status, run.stats.reboot_count) == ("SUCCEEDED", 1), log(client, run)
    items = client.run(run.id).dataset().list_items().items
    assert [(item["starts"], item["mark"]) for item in items] == [(1, False), (2, False)]
    assert items[0]["token"] == items[1]["token"]
    text = log(client, run)
    assert "start 2" in text
    assert "never be reached" not in text


def test_a_fork_goes_on_with_what_the_sdk_has_in_memory(client: ApifyClient, actor: str, server: LiveServer) -> None:
    run = started(client, actor, "counts", to=10**6)
    wait_for_line(client, run, "counted 30")
    path = f"/v2/actor-runs/{run.id}/fork?state=persisted&memory=256"
    status, reply = server.api("POST", path, {"mode": "counts", "to": 0})
    assert status == 201, reply
    assert reply["data"]["forkedFrom"]["isPersisted"] is True, log(client, run)
    fork = ended(client, reply["data"]["id"])
    assert (fork.status, fork.options.memory_mbytes) == ("SUCCEEDED", 256), log(client, fork)
    first, second = client.run(fork.id).dataset().list_items().items
    assert first == {"from": 0}
    assert second["from"] >= 30, "the SDK wrote its state when the fork asked for it"
    source = client.run(run.id).get()
    assert source is not None
    assert source.status == "RUNNING", "nothing was stopped"
    assert client.run(run.id).dataset().list_items().items == [{"from": 0}]
    client.run(run.id).abort()


def test_a_time_limit_and_a_message_that_stays(client: ApifyClient, actor: str) -> None:
    run = client.actor(actor).start(run_input={"mode": "sleeps"}, run_timeout=timedelta(seconds=8))
    done = ended(client, run.id)
    assert (done.status, done.exit_code) == ("TIMED-OUT", None), log(client, run)
    assert done.status_message == "Sleeping"
    assert done.finished_at is not None
    assert 8 <= (done.finished_at - done.started_at).total_seconds() < 20


def test_a_web_server_is_reached_at_the_container_url(client: ApifyClient, actor: str) -> None:
    run = started(client, actor, "serves")
    assert not run.is_container_server_ready
    assert run.container_url is not None
    ready = until(lambda: client.run(run.id).get(), lambda shown: bool(shown.is_container_server_ready))
    assert ready.status == "RUNNING"
    address = str(run.container_url).rstrip("/")
    with urllib.request.urlopen(f"{address}/a", timeout=10) as reply:
        assert b"Page /a" in reply.read()
    with urllib.request.urlopen(f"{address}/leave", timeout=10) as reply:
        assert reply.status == 200
    done = ended(client, run.id)
    assert (done.status, done.is_container_server_ready) == ("SUCCEEDED", False)
    with pytest.raises(OSError, match=r"refused|reset|closed"):
        urllib.request.urlopen(f"{address}/a", timeout=5)


def until(look: Callable[[], Run | None], holds: Callable[[Run], bool]) -> Run:
    """Look until it holds; the API has no way to wait for this."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        run = look()
        assert run is not None
        if holds(run):
            return run
        time.sleep(0.1)
    raise AssertionError(f"not within 30 seconds: {run}")


def test_crawlee_follows_links(client: ApifyClient, actor: str) -> None:
    run = ended(client, started(client, actor, "crawls").id)
    assert (run.status, run.exit_code) == ("SUCCEEDED", 0), log(client, run)
    titles = {item["title"] for item in client.run(run.id).dataset().list_items().items}
    assert titles == {"Page /", "Page /a", "Page /b", "Page /c"}
    queue = client.run(run.id).request_queue().get()
    assert queue is not None
    assert (queue.handled_request_count, queue.pending_request_count) == (5, 0)


def test_crawlee_crawls_the_documentation_of_the_server_itself(
    client: ApifyClient, actor: str, server: LiveServer
) -> None:
    run = ended(client, started(client, actor, "crawls", url=f"{server.url}/docs/", pages=5).id)
    assert run.status == "SUCCEEDED", log(client, run)
    items = client.run(run.id).dataset().list_items().items
    assert len(items) >= 5
    pages = [item for item in items if "/docs/" in item["url"]]
    assert len(pages) >= 3, items
    assert all(page["title"].endswith("Actorium") for page in pages), items


class TestLife(Life):
    """Metamorph, migration, resurrection, secrets, charging."""

    @pytest.fixture
    def played(self, server: LiveServer, actor: str) -> Played:
        return Played(server, actor)
