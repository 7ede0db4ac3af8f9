"""The whole way with the official Python client: its strict models read every object that the server sends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from apify_client import ApifyClient
from apify_client._models import Run
from apify_client.errors import ApifyApiError

from clients.conftest import source_files
from live_server import LiveServer

pytestmark = [pytest.mark.clients]

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def client(server: LiveServer) -> ApifyClient:
    return ApifyClient(server.token, api_url=server.url, api_public_url=server.url, max_retries=0)


@pytest.fixture(scope="module")
def actor(client: ApifyClient) -> str:
    """The id of the plain Actor, created and built."""
    made = client.actors().create(
        name="plain-actor",
        title="Plain",
        versions=[
            {
                "version_number": "0.1",
                "source_type": "SOURCE_FILES",
                "build_tag": "latest",
                "source_files": source_files("plain"),
            }
        ],
        default_run_memory_mbytes=256,
        default_run_timeout=timedelta(seconds=300),
    )
    build = client.actor(made.id).build(version_number="0.1")
    done = client.build(build.id).wait_for_finish(wait_duration=2 * MINUTE)
    assert done is not None
    assert done.status == "SUCCEEDED", client.build(build.id).log().get()
    return made.id


def ended(client: ApifyClient, run_id: str) -> Run:
    run = client.run(run_id).wait_for_finish(wait_duration=MINUTE)
    assert run is not None
    return run


def waiting(client: ApifyClient, actor: str, **more: Any) -> Run:
    """A run that has written its line ``waiting``, read from the streamed log."""
    run = client.actor(actor).start(run_input={"wait": True} | more)
    for line in log_lines(client, run.id):
        if line == "waiting":
            return run
    raise AssertionError(f"the log ended early: {client.run(run.id).log().get()}")


def log_lines(client: ApifyClient, run_id: str) -> Iterator[str]:
    """The lines of a run's log as they come, without their times."""
    rest = b""
    with client.run(run_id).log().stream(raw=True) as stream:
        assert stream is not None
        for piece in stream.iter_bytes():
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line[25:].decode() for line in lines)


def test_an_actor_and_its_build(client: ApifyClient, actor: str) -> None:
    shown = client.actor("local/plain-actor").get()
    assert shown is not None
    assert shown.id == actor
    assert shown.tagged_builds is not None
    build_id = shown.tagged_builds["latest"].build_id
    build = client.build(build_id).get()
    assert build is not None
    assert (build.status, build.build_number) == ("SUCCEEDED", "0.1.1")
    assert [one.id for one in client.actor(actor).builds().list().items] == [build_id]
    assert [one.id for one in client.actors().list(my=True).items] == [actor]
    assert "FROM apify/actor-python" in (client.build(build_id).log().get() or "")
    default = client.actor(actor).default_build().get()
    assert default is not None
    assert default.id == build_id


def test_a_run_from_start_to_results(client: ApifyClient, actor: str) -> None:
    run = client.actor(actor).start(run_input={"items": 3}, max_items=100, memory_mbytes=128, build="latest")
    assert run.status in ("READY", "RUNNING")
    assert client.actor(actor).last_run().get() is not None
    done = ended(client, run.id)
    assert (done.status, done.exit_code) == ("SUCCEEDED", 0)
    assert done.status_message == "Actor succeeded with exit code 0"
    assert (done.options.memory_mbytes, done.options.max_items, done.options.timeout_secs) == (128, 100, 300)
    items = client.run(run.id).dataset().list_items()
    assert items.items == [{"index": index, "text": f"item {index}"} for index in range(3)]
    assert list(client.dataset(done.default_dataset_id).iterate_items(desc=True)) == items.items[::-1]
    output = client.run(run.id).key_value_store().get_record("OUTPUT")
    assert output is not None
    assert output["value"] == {"starts": 1, "input": {"items": 3}}
    keys = client.key_value_store(done.default_key_value_store_id).list_keys()
    assert [key.key for key in keys.items] == ["INPUT", "OUTPUT", "STATE"]
    queue = client.request_queue(done.default_request_queue_id, client_key="a-client")
    assert len(queue.list_requests().items) == 3
    assert [item.unique_key for item in queue.list_head().items] == ["0", "1", "2"]
    locked = queue.list_and_lock_head(lock_duration=MINUTE, limit=2)
    assert [item.unique_key for item in locked.items] == ["0", "1"]
    assert [item.unique_key for item in queue.list_head().items] == ["2"]
    queue.prolong_request_lock(locked.items[0].id, lock_duration=2 * MINUTE)
    queue.delete_request_lock(locked.items[0].id)
    log = client.run(run.id).log().get()
    assert log is not None
    assert [line[25:] for line in log.splitlines()][-3:] == ["item 0", "item 1", "item 2"]
    assert client.log(run.id).get() == log
    assert [one.id for one in client.actor(actor).runs().list(desc=True, limit=1).items] == [run.id]


def test_what_was_measured(client: ApifyClient, actor: str) -> None:
    run = ended(client, client.actor(actor).start(run_input={"items": 2}).id)
    stats, usage = run.stats, run.usage
    assert usage is not None
    assert stats.mem_max_bytes is not None
    assert 1_000_000 < stats.mem_max_bytes < 256 * 1024 * 1024
    assert stats.cpu_max_usage is not None
    assert stats.duration_millis is not None
    assert 0 < stats.duration_millis < 60_000
    assert stats.compute_units > 0
    assert stats.mem_current_bytes == 0
    assert stats.net_rx_bytes is not None
    assert stats.net_rx_bytes > 1_000
    assert usage.data_transfer_internal_gbytes is not None
    assert usage.data_transfer_internal_gbytes > 1e-6
    assert usage.data_transfer_external_gbytes == 0
    assert usage.dataset_writes == 2
    assert usage.key_value_store_writes == 2
    assert run.usage_total_usd is not None
    assert run.usage_total_usd > 0


def test_every_kind_of_object_is_read_by_the_strict_models(client: ApifyClient, actor: str) -> None:
    run = client.actor(actor).call(run_input={"items": 1}, logger=None)
    assert run is not None
    client.actor(actor).version("0.1").env_vars().create(name="COLOUR", value="blue")
    read = [
        client.user().get(),
        client.user("local").get(),
        client.actor(actor).get(),
        client.actor(actor).version("0.1").get(),
        client.actor(actor).version("0.1").env_var("COLOUR").get(),
        client.build(run.build_id).get(),
        client.run(run.id).get(),
        client.actor(actor).last_run().get(),
        client.dataset(run.default_dataset_id).get(),
        client.key_value_store(run.default_key_value_store_id).get(),
        client.request_queue(run.default_request_queue_id).get(),
        client.request_queue(run.default_request_queue_id).list_head().items[0],
        client.request_queue(run.default_request_queue_id).get_request(
            client.request_queue(run.default_request_queue_id).list_head().items[0].id
        ),
    ]
    assert None not in read
    lists = [
        client.actors().list().items,
        client.actor(actor).versions().list().items,
        client.actor(actor).version("0.1").env_vars().list().items,
        client.actor(actor).builds().list().items,
        client.actor(actor).runs().list().items,
        client.builds().list().items,
        client.runs().list().items,
        client.key_value_store(run.default_key_value_store_id).list_keys().items,
        client.datasets().list(unnamed=True).items,
        client.key_value_stores().list(unnamed=True).items,
        client.request_queues().list(unnamed=True).items,
    ]
    assert all(lists), lists


@pytest.mark.parametrize("code", [1, 91, 255])
def test_an_exit_code_is_the_true_one(client: ApifyClient, actor: str, code: int) -> None:
    run = client.actor(actor).call(run_input={"code": code}, logger=None)
    assert run is not None
    assert (run.status, run.exit_code) == ("FAILED", code)
    assert run.status_message == f"Actor failed with exit code {code}"


def test_call_streams_the_log(client: ApifyClient, actor: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = client.actor(actor).call(run_input={"items": 1})
    assert run is not None
    assert run.status == "SUCCEEDED"
    assert "item 0" in capsys.readouterr().err


def test_an_immediate_abort_kills_at_once(client: ApifyClient, actor: str) -> None:
    run = waiting(client, actor)
    began = time.monotonic()
    assert client.run(run.id).abort().status == "ABORTING"
    done = ended(client, run.id)
    assert time.monotonic() - began < 15, "far below the 30 s of a graceful abort"
    assert (done.status, done.exit_code) == ("ABORTED", None)
    assert (done.status_message, done.is_status_message_terminal) == ("Actor was aborted", True)
    again = client.run(run.id).abort()
    assert (again.status, again.finished_at) == ("ABORTED", done.finished_at)


def test_a_graceful_abort_lets_the_actor_leave(client: ApifyClient, actor: str) -> None:
    run = waiting(client, actor)
    assert client.run(run.id).abort(gracefully=True).status == "ABORTING"
    assert client.run(run.id).abort().status == "ABORTING"
    still = client.run(run.id).wait_for_finish(wait_duration=timedelta(seconds=1))
    assert still is not None
    assert still.status == "ABORTING"
    with pytest.raises(ApifyApiError) as refused:
        client.run(run.id).reboot()
    assert (refused.value.status_code, refused.value.type) == (403, "job-finished")
    client.run(run.id).key_value_store().set_record("LEAVE", True)
    done = ended(client, run.id)
    assert (done.status, done.exit_code) == ("ABORTED", 0)
    assert (done.status_message, done.is_status_message_terminal) == ("Actor was aborted", True)


@pytest.mark.long
def test_a_graceful_abort_is_over_after_thirty_seconds(client: ApifyClient, actor: str) -> None:
    run = waiting(client, actor)
    began = time.monotonic()
    client.run(run.id).abort(gracefully=True)
    done = ended(client, run.id)
    assert 29.5 < time.monotonic() - began < 33
    assert (done.status, done.exit_code) == ("ABORTED", None)


def test_a_reboot_loses_what_is_in_no_storage(client: ApifyClient, actor: str) -> None:
    run = waiting(client, actor)
    rebooted = client.run(run.id).reboot()
    assert (rebooted.status, rebooted.stats.reboot_count) == ("RUNNING", 1)
    seen = []
    for line in log_lines(client, run.id):
        seen.append(line)
        if line == "waiting" and "start 2, the mark is not there" in seen:
            break
    assert "start 1, the mark is not there" in seen
    client.run(run.id).abort()
    done = ended(client, run.id)
    assert (done.status, done.stats.reboot_count) == ("ABORTED", 1)
    assert done.default_dataset_id == run.default_dataset_id


def test_a_time_limit(client: ApifyClient, actor: str) -> None:
    run = client.actor(actor).start(run_input={"wait": True}, run_timeout=timedelta(seconds=2))
    done = ended(client, run.id)
    assert (done.status, done.exit_code) == ("TIMED-OUT", None)
    assert done.status_message == "Actor timed out after 2 seconds"


def test_changing_and_deleting_a_run(client: ApifyClient, actor: str) -> None:
    run = client.actor(actor).call(run_input={}, logger=None)
    assert run is not None
    changed = client.run(run.id).update(status_message="All done", is_status_message_terminal=True)
    assert (changed.status_message, changed.is_status_message_terminal) == ("All done", True)
    client.run(run.id).delete()
    assert client.run(run.id).get() is None
    assert client.dataset(run.default_dataset_id).get() is None


def test_me_and_what_is_not_there(client: ApifyClient) -> None:
    me = client.user().get()
    assert me is not None
    assert me.username == "local"
    assert client.run("unknownunknownabc").get() is None
    assert client.actor("local/unknown").get() is None
    assert client.log("unknownunknownabc").get() is None
    with pytest.raises(ApifyApiError) as refused:
        client.actor("local/unknown").start()
    assert (refused.value.status_code, refused.value.type) == (404, "record-not-found")
