"""An Actor on the official JavaScript SDK, from its registry and unchanged, on the Node.js of an emulated base."""

from __future__ import annotations

import time

import pytest

from clients.conftest import source_files
from clients.sdk_life import Life, Played
from live_server import LiveServer

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def played(server: LiveServer) -> Played:
    return Played.built(server, "sdk-javascript", source_files("sdk_javascript"))


def test_results_and_messages(played: Played) -> None:
    run = played.played("results")
    assert (run.status, run.exit_code) == ("SUCCEEDED", 0), played.log(run)
    assert (run.status_message, run.is_status_message_terminal) == ("All done", True)
    assert played.items(run) == [{"n": 1}, {"n": 2, "text": "é"}]
    assert played.value(run) == {"greeting": "hello", "home": True}


def test_a_failure_with_a_message(played: Played) -> None:
    run = played.played("fails")
    assert (run.status, run.exit_code, run.status_message) == ("FAILED", 10, "It was too much"), played.log(run)


def test_events_arrive_and_a_graceful_abort_ends_by_itself(played: Played) -> None:
    run = played.start("events")
    played.wait_for_line(run, "measured")
    began = time.monotonic()
    assert played.client.run(run.id).abort(gracefully=True).status == "ABORTING"
    done = played.ended(run.id)
    assert time.monotonic() - began < 20, "the SDK did not hear that it was aborted"
    assert done.status == "ABORTED", played.log(run)
    assert played.value(run, "NAMES") == ["aborting", "persistState", "systemInfo"]


def test_a_reboot_keeps_the_state_and_loses_the_files(played: Played) -> None:
    run = played.played("reboots")
    assert (run.status, run.stats.reboot_count) == ("SUCCEEDED", 1), played.log(run)
    assert played.items(run) == [{"starts": 1, "mark": False}, {"starts": 2, "mark": False}]


class TestLife(Life):
    """Metamorph, migration, resurrection, secrets, charging."""
