"""What an Actor on an official SDK goes through, the same for every language; the test files bring the Actor."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from typing import Any

from apify_client import ApifyClient
from apify_client._models import Run

from live_server import LiveServer

MINUTE = timedelta(minutes=1)
PRICE = {
    "pricingModel": "PAY_PER_EVENT",
    "pricingPerEvent": {
        "actorChargeEvents": {
            "thing": {"eventTitle": "Thing", "eventPriceUsd": 0.1, "eventDescription": "One thing"},
        }
    },
}


class Played:
    """An Actor that has been built on a server, and how its runs are looked at."""

    def __init__(self, server: LiveServer, actor: str) -> None:
        self.server = server
        self.actor = actor
        self.client = ApifyClient(server.token, api_url=server.url, api_public_url=server.url, max_retries=0)

    @classmethod
    def built(cls, server: LiveServer, name: str, files: list[dict[str, Any]]) -> Played:
        """The same of sources that are built now; their packages come from the registries."""
        client = cls(server, "").client
        version = {"version_number": "0.1", "source_type": "SOURCE_FILES", "build_tag": "latest", "source_files": files}
        made = client.actors().create(name=name, versions=[version], default_run_memory_mbytes=512)
        build = client.actor(made.id).build(version_number="0.1")
        done = client.build(build.id).wait_for_finish(wait_duration=4 * MINUTE)
        assert done is not None
        assert done.status == "SUCCEEDED", client.build(build.id).log().get()
        return cls(server, made.id)

    def price(self, pricing: dict[str, Any]) -> None:
        """Give the Actor a price, in force at once."""
        status, reply = self.server.api("PUT", f"/v2/actors/{self.actor}", {"pricingInfos": [pricing]})
        assert status == 200, reply

    def start(self, mode: str, *, options: dict[str, Any] | None = None, **more: Any) -> Run:
        wanted = {"mode": mode} | more
        return self.client.actor(self.actor).start(
            run_input=wanted, run_timeout=timedelta(seconds=100), **(options or {})
        )

    def ended(self, run_id: str) -> Run:
        run = self.client.run(run_id).wait_for_finish(wait_duration=MINUTE)
        assert run is not None
        return run

    def played(self, mode: str, *, options: dict[str, Any] | None = None, **more: Any) -> Run:
        return self.ended(self.start(mode, options=options, **more).id)

    def log(self, run: Run) -> str:
        return self.client.run(run.id).log().get() or ""

    def value(self, run: Run, key: str = "OUTPUT") -> Any:
        record = self.client.run(run.id).key_value_store().get_record(key)
        assert record is not None, self.log(run)
        return record["value"]

    def items(self, run: Run) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.run(run.id).dataset().list_items().items
        return found

    def wait_for_line(self, run: Run, wanted: str) -> None:
        text = b""
        with self.client.run(run.id).log().stream() as stream:
            assert stream is not None
            for piece in stream.iter_bytes():
                text += piece
                if wanted.encode() in text:
                    return
        raise AssertionError(f"the log ended without {wanted!r}: {text.decode()}")

    def command(self, *words: str) -> str:
        """A command of Actorium beside the server."""
        environment = os.environ | {"ACTORIUM_DATA": str(self.server.folder / "data")}
        whole = [sys.executable, "-m", "actorium", *words]
        made = subprocess.run(whole, env=environment, capture_output=True, text=True, timeout=90, check=False)
        assert made.returncode == 0, made.stderr + self.server.tail()
        return made.stdout


class Life:
    """Tests; a subclass has a fixture ``played``."""

    def test_a_metamorph_into_itself_by_name(self, played: Played) -> None:
        run = played.played("metamorphs", target=played.actor)
        assert (run.status, run.stats.metamorph) == ("SUCCEEDED", 1), played.log(run)
        shown = {"from": played.actor, "greeting": "hello", "key": "INPUT-METAMORPH-1"}
        assert played.value(run) == shown
        assert run.metamorphs is not None
        assert [one.input_key for one in run.metamorphs] == ["INPUT-METAMORPH-1"]

    def test_a_migration_loses_nothing(self, played: Played) -> None:
        run = played.start("migrates")
        played.wait_for_line(run, "start 1")
        try:
            played.command("drain")
        finally:
            played.command("drain", "--over")
        done = played.ended(run.id)
        assert (done.status, done.stats.migration_count) == ("SUCCEEDED", 1), played.log(run)
        assert played.value(run) == {"starts": 2}
        assert "told to migrate" in played.log(run)

    def test_a_resurrection_goes_on_where_it_was(self, played: Played) -> None:
        run = played.played("resurrects")
        assert (run.status, run.status_message) == ("FAILED", "Not yet"), played.log(run)
        again = played.client.run(run.id).resurrect()
        assert again.status in ("READY", "RUNNING")
        done = played.ended(run.id)
        assert (done.status, done.stats.resurrect_count) == ("FAILED", 1), played.log(run)
        assert played.items(run) == [{"starts": 1}, {"starts": 2}]

    def test_secrets_are_read_and_kept_out_of_storage_and_log(self, played: Played) -> None:
        run = played.played("secrets", password="correct horse", key={"a": "battery staple"})
        assert run.status == "SUCCEEDED", played.log(run)
        assert played.value(run) == {"password": "esroh tcerroc", "key": {"a": "battery staple"}}
        stored = played.value(run, "INPUT")
        assert stored["password"].startswith("ENCRYPTED_VALUE:")
        assert stored["key"].startswith("ENCRYPTED_JSON:")
        text = played.log(run)
        assert "the password is" in text
        assert "correct horse" not in text
        assert "battery staple" not in text

    def test_charging_to_the_limit(self, played: Played) -> None:
        """One run ends by itself at its limit and succeeds, one goes on and is aborted. The SDKs count differently."""
        played.price(PRICE)
        options = {"max_total_charge_usd": Decimal("0.2")}
        leaves = played.start("charges", options=options)
        stays = played.start("charges", options=options, stays=True)
        for run, status in ((played.ended(leaves.id), "SUCCEEDED"), (played.ended(stays.id), "ABORTED")):
            assert run.status == status, played.log(run)
            assert run.charged_event_counts is not None
            assert run.charged_event_counts["thing"] in (2, 3)
            assert run.usage_total_usd is not None
            assert 0.2 <= run.usage_total_usd < 0.21
        assert "reached its maxTotalChargeUsd of 0.2 USD" in played.log(stays)
        free = played.played("charges")
        assert (free.status, free.charged_event_counts) == ("SUCCEEDED", {"thing": 10}), played.log(free)
