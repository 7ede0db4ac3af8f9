"""``actorium copy`` and ``actorium du`` as people use them: beside a real server, killed in the middle, and back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

import s3_server
from live_server import LiveServer

pytestmark = pytest.mark.services

WAIT_SECS = 60
RECORD = os.urandom(300_000)
ITEMS = [{"number": number, "text": "naïve 日本"} for number in range(200)]


class Commands:
    """The commands on one data folder."""

    def __init__(self, folder: Path, s3: s3_server.Server, database: str) -> None:
        self.folder = folder
        self.s3 = s3
        self.elsewhere = (database, s3.url)
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("ACTORIUM_", "AWS_"))}
        self.environment = plain | {"ACTORIUM_DATA": str(folder / "data")} | s3.environment
        self.moved = {"ACTORIUM_DATABASE": database, "ACTORIUM_BLOBS": s3.url}

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "actorium", *words],
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, code: int = 0, **environment: str) -> str:
        """What it prints, on either way."""
        with self.start(*words, **environment) as process:
            output, errors = process.communicate(timeout=WAIT_SECS)
        assert process.returncode == code, output + errors
        return output + errors

    def usage(self, **environment: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("du", "--json", **environment))
        return found


@pytest.fixture
def commands(tmp_path: Path, s3: s3_server.Server, postgres_url: str) -> Commands:
    return Commands(tmp_path, s3, postgres_url)


class Stored:
    """What a test has put on a server, and finds on another."""

    def __init__(self, server: LiveServer) -> None:
        _, dataset = server.api("POST", "/v2/datasets?name=results")
        _, store = server.api("POST", "/v2/key-value-stores?name=files")
        self.items = f"/v2/datasets/{dataset['data']['id']}/items"
        self.record = f"/v2/key-value-stores/{store['data']['id']}/records/large"
        assert server.api("POST", self.items, ITEMS)[0] == 201
        assert server.api("PUT", self.record, RECORD, Content_Type="application/octet-stream")[0] == 201

    def must_be_on(self, server: LiveServer) -> None:
        assert server.api("GET", self.items) == (200, ITEMS)
        assert server.api("GET", self.record) == (200, RECORD)


def test_an_installation_moves_and_goes_on(commands: Commands) -> None:
    other = commands.folder / "other"
    other_folder = {"ACTORIUM_DATA": str(other / "data")}
    with LiveServer(commands.folder) as server:
        stored = Stored(server)
        assert "stop it" in commands.run("copy", "--to", *commands.elsewhere, code=2)
    assert "Both sides are the same" in commands.run("copy", "--to", *commands.elsewhere)
    with LiveServer(commands.folder, **commands.moved, **commands.s3.environment) as server:
        stored.must_be_on(server)
        assert commands.usage(**commands.moved)["kinds"]["key-value stores"]["blobBytes"] == len(RECORD)
        back = ("copy", "--to", "sqlite:", "file:")
        assert "Stop it, then copy" in commands.run(*back, code=2, **commands.moved, **other_folder)
        server.api("POST", stored.items, [{"number": -1}])
    assert "DIFFERS" in commands.run("copy", "--from", "sqlite:", "file:", "--compare", code=1, **commands.moved)
    assert "everything" in commands.run("du")
    commands.run(*back, **commands.moved, **other_folder)
    shutil.copy(commands.folder / "data" / "token", other / "data")
    with LiveServer(other, **other_folder) as server:
        assert server.api("GET", stored.items) == (200, [*ITEMS, {"number": -1}])


@pytest.mark.long
def test_a_copy_that_was_killed_is_no_installation_until_it_was_repeated(commands: Commands) -> None:
    with LiveServer(commands.folder) as server:
        stored = Stored(server)
    commands.run("migrate", **commands.moved)
    with psycopg.connect(commands.elsewhere[0]) as other:
        other.execute("LOCK TABLE users IN EXCLUSIVE MODE")  # the copy reads the table and cannot write it
        with commands.start("copy", "--to", *commands.elsewhere) as process:
            assert process.stderr is not None
            while not process.stderr.readline().startswith("tokens"):  # the table before
                assert process.poll() is None
            process.kill()
    wait_until_nobody_uses(commands.elsewhere[0])
    assert "unfinished copy" in commands.run("serve", code=2, **commands.moved)
    commands.run("copy", "--to", *commands.elsewhere)
    with LiveServer(commands.folder, **commands.moved, **commands.s3.environment) as server:
        stored.must_be_on(server)


def wait_until_nobody_uses(url: str) -> None:
    """The server of a killed client notices after a moment."""
    deadline = time.monotonic() + WAIT_SECS
    with psycopg.connect(url, autocommit=True) as connection:
        query = "SELECT COUNT(*), pg_sleep(0.05) FROM pg_stat_activity WHERE application_name = 'actorium'"
        while (row := connection.execute(query).fetchone()) is not None and row[0]:
            assert time.monotonic() < deadline
