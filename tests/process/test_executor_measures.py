"""What short and killed programs used: memory by the kernel's own peak, and bytes through the web server's port."""

from __future__ import annotations

import os
import socket
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import anyio.to_thread
import pytest

from actorium.executors import Cause, Stats
from actorium.executors.process.executor import ProcessExecutor
from actorium.testing.conformance.executor import ended, lines, until
from executor_machine import make_image, opened, python

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0, reason="control groups and interfaces need root here"),
]
MB = 1 << 20
TOUCHED = "x = bytearray({mb} << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\n"


@pytest.fixture
async def executor(tmp_path: Path) -> AsyncIterator[ProcessExecutor]:
    async with opened(tmp_path / "state") as executor:
        yield executor


@pytest.fixture
def reference(tmp_path: Path) -> str:
    return make_image(tmp_path / "image")


async def measured(executor: ProcessExecutor, reference: str, script: str, **changes: object) -> Stats:
    await executor.start(python("a-1", reference, script, **changes))
    seen = await ended(executor, "a-1")
    assert seen.cause in (Cause.EXITED, Cause.OUT_OF_MEMORY), await lines(executor, "a-1")
    assert seen.stats is not None
    return seen.stats


async def test_memory_that_is_used_only_at_the_end_is_the_maximum(executor: ProcessExecutor, reference: str) -> None:
    script = "import time; time.sleep(0.45)\n" + TOUCHED.format(mb=120)  # between two samples
    stats = await measured(executor, reference, script, memory_mbytes=512)
    assert 120 * MB < (stats.mem_max_bytes or 0) < 150 * MB
    assert 0 < (stats.mem_avg_bytes or 0) < 60 * MB


async def test_who_is_killed_for_memory_used_all_of_it(executor: ProcessExecutor, reference: str) -> None:
    script = "x = []\nwhile True: x.append(bytearray(10 ** 7))"
    stats = await measured(executor, reference, script, memory_mbytes=128)
    assert 120 * MB < (stats.mem_max_bytes or 0) <= 128 * MB


async def test_files_are_not_memory(executor: ProcessExecutor, reference: str) -> None:
    script = "with open('big', 'wb') as file:\n  for n in range(60): file.write(bytes(1 << 20))\n"
    stats = await measured(executor, reference, script, memory_mbytes=512)
    assert 4 * MB < (stats.mem_max_bytes or 0) < 30 * MB


SERVER = """
import http.server, time
class H(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200); self.end_headers(); self.wfile.write(bytes(3_000_000))
    def log_message(self, *a): pass
s = http.server.HTTPServer(("", 4321), H)
s.handle_request()  # who asks whether it is ready
s.handle_request()
"""


async def test_bytes_through_the_web_servers_port_are_external(executor: ProcessExecutor, reference: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    await executor.start(python("a-1", reference, SERVER, web_port=port))
    await until(lambda: executor.web_server_ready("a-1"))

    def ask() -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", data=bytes(1_000_000), timeout=20) as answer:
            return len(answer.read())

    assert await anyio.to_thread.run_sync(ask) == 3_000_000
    stats = (await ended(executor, "a-1")).stats
    assert stats is not None
    assert 1_000_000 < (stats.net_rx_bytes or 0) < 1_010_000
    assert 3_000_000 < (stats.net_tx_bytes or 0) < 3_010_000
    assert (stats.internal_rx_bytes or 0, stats.internal_tx_bytes or 0) == (0, 0)
