"""ADD of an address, in the real sandbox: fetched by what the operator lets steps reach."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from actorium.builders import BuildFailed
from actorium.builders.reach import Reach
from sandboxed_builds import Builds

pytestmark = [pytest.mark.anyio, pytest.mark.process]
CONTENT = b"#!/bin/sh\necho hello\n"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked += 1  # type: ignore[attr-defined]
        self.send_response(200 if "there" in self.path else 404)
        self.end_headers()
        self.wfile.write(self.server.content)  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.content = 0, CONTENT  # type: ignore[attr-defined]
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


async def test_an_address_is_fetched_and_placed(tmp_path: Path, host: ThreadingHTTPServer) -> None:
    address = f"http://127.0.0.1:{host.server_port}"
    builds = Builds(tmp_path / "state", Reach("registries", hosts=[f"127.0.0.1:{host.server_port}"]))
    digest = hashlib.sha256(CONTENT).hexdigest()
    text = (
        f"FROM python:3.11-slim\nADD --chmod=755 --checksum=sha256:{digest} {address}/there/a%20b.sh?x=1 /usr/bin/\n"
        f"ADD {address}/there /deep/er/file\nRUN ls -l /deep/er/file | cut -c 1-10\n"
    )
    image = await builds.build({"Dockerfile": text})
    assert await builds.run(image, tmp_path, "a b.sh") == (0, "hello\n")
    assert f"Fetched {len(CONTENT)} bytes\n" in builds.text
    assert "-rw-------\n" in builds.text
    assert (await builds.build({"Dockerfile": text})).cached
    assert host.asked == 3, "with a checksum it is known what it is"  # type: ignore[attr-defined]
    builds.nothing_is_left()


async def test_what_an_address_has_by_now_is_in_the_next_build(tmp_path: Path, host: ThreadingHTTPServer) -> None:
    builds = Builds(tmp_path / "state", Reach("registries", hosts=[f"127.0.0.1:{host.server_port}"]))
    text = f"FROM python:3.11-slim\nADD http://127.0.0.1:{host.server_port}/there /file\nRUN cat /file\n"
    await builds.build({"Dockerfile": text})
    host.content = b"another\n"  # type: ignore[attr-defined]
    image = await builds.build({"Dockerfile": text})
    assert not image.cached
    assert "another\n" in builds.text
    assert (await builds.build({"Dockerfile": text})).cached
    builds.nothing_is_left()


@pytest.mark.parametrize(
    ("line", "told", "message"),
    [
        ("ADD {}/none /x", "It could not be fetched: HTTP Error 404", "line 2: ADD {}/none /x failed"),
        ("ADD --checksum=sha256:ZEROS {}/there /x", "It has the checksum sha256:", "line 2: ADD --checksum"),
        ("ADD {}/there/ /x/", "", "line 2: the address does not end with a file's name"),
        ("ADD http://127.0.0.1:1/there /x", "Kept from 127.0.0.1:1", "asked for 127.0.0.1:1"),
    ],
)
async def test_what_cannot_be_had(
    tmp_path: Path, host: ThreadingHTTPServer, line: str, told: str, message: str
) -> None:
    address = f"http://127.0.0.1:{host.server_port}"
    line = line.replace("ZEROS", "0" * 64).replace("{}", address)
    builds = Builds(tmp_path / "state", Reach("registries", hosts=[f"127.0.0.1:{host.server_port}"]))
    with pytest.raises(BuildFailed, match=re.escape(message.replace("{}", address))):
        await builds.build({"Dockerfile": f"FROM python:3.11-slim\n{line}\n"})
    assert told in builds.text
    builds.nothing_is_left()


async def test_where_a_proxy_is_the_only_way_the_builders_own_commands_go_it(tmp_path: Path) -> None:
    """Those that make the base: nothing could be fetched for it."""
    builds = Builds(tmp_path / "state", Reach(is_only=True, hosts=["x.example"]))
    await builds.build(
        {"Dockerfile": "FROM python:3.11-slim\nRUN grep : /proc/net/dev | cut -d: -f1 | xargs echo interfaces\n"}
    )
    made, _, steps = builds.text.partition("RUN grep")
    assert "No way to " in made
    assert "interfaces lo\n" in steps
    builds.nothing_is_left()
