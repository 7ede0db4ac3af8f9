"""A container's ways in and out: the API, the web server, the world, and what it must not reach."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from actorium.executors.process.executor import ProcessExecutor, ProcessOptions
from actorium.testing.conformance.executor import ended, lines, says, until
from executor_machine import make_image, opened, python, spec

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make interfaces"),
]

OUTSIDE = "198.51.100.9"  # a documentation address: a host of this test's own, in a namespace of its own


@pytest.fixture
def reference(tmp_path: Path) -> str:
    return make_image(tmp_path / "image")


@pytest.fixture
async def executor(tmp_path: Path) -> AsyncIterator[ProcessExecutor]:
    async with opened(tmp_path / "state") as executor:
        yield executor


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


CALL = """
import socket, sys
s = socket.create_connection(("127.0.0.1", {port}))
s.sendall(b"x" * {size}); s.shutdown(1)
n = 0
while (d := s.recv(65536)): n += len(d)
print("got", n)
"""


async def test_the_api_is_at_the_same_address_inside(executor: ProcessExecutor, reference: str) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        await executor.start(python("a-1", reference, CALL.format(port=port, size=300_000), api_port=port))
        seen = await ended(executor, "a-1")
    assert await lines(executor, "a-1") == [b"got 300000"]
    assert seen.stats is not None
    assert (seen.stats.internal_rx_bytes, seen.stats.internal_tx_bytes) == (300_000, 300_000)
    assert seen.stats.net_rx_bytes == 300_000


async def test_a_call_waits_for_a_server_that_is_down(executor: ProcessExecutor, reference: str) -> None:
    port = free_port()
    script = "print('calling')\n" + CALL.format(port=port, size=10)
    await executor.start(python("a-1", reference, script, api_port=port))
    await says(executor, "a-1", b"calling")
    server = await asyncio.start_server(echo, "127.0.0.1", port)
    async with server:
        await ended(executor, "a-1")
    assert (await lines(executor, "a-1"))[-1] == b"got 10"


async def test_many_connections_at_once(executor: ProcessExecutor, reference: str) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0, backlog=500)
    port = server.sockets[0].getsockname()[1]
    script = f"""
import asyncio
async def one(i):
    r, w = await asyncio.open_connection("127.0.0.1", {port})
    w.write(b"%d\\n" % i); await w.drain()
    assert await r.readline() == b"%d\\n" % i
    w.close()
async def main():
    await asyncio.gather(*(one(i) for i in range(300)))
    print("all")
asyncio.run(main())
"""
    async with server:
        await executor.start(python("a-1", reference, script, api_port=port))
        await ended(executor, "a-1")
    assert await lines(executor, "a-1") == [b"all"]


GREEDY = """
import socket, time
held = []
for _ in range({count}):
    one = socket.create_connection(("127.0.0.1", {port}))
    one.sendall(b"x")
    held.append(one)
print("held", flush=True)
while True: time.sleep(9)
"""


async def test_connections_to_the_api_are_limited(tmp_path: Path, reference: str) -> None:
    """One that holds all that it gets leaves the server room for everybody else."""
    taken, all_taken = 0, asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        taken += 1
        if taken == 5:
            all_taken.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, opened(tmp_path / "state", ProcessOptions(api_connections_max=5)) as executor:
        await executor.start(python("a-1", reference, GREEDY.format(count=40, port=port), api_port=port))
        await says(executor, "a-1", b"held")
        await all_taken.wait()
        echoing = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with echoing:
            other = echoing.sockets[0].getsockname()[1]
            await executor.start(python("b-1", reference, CALL.format(port=other, size=10), api_port=other))
            await ended(executor, "b-1")
        assert await lines(executor, "b-1") == [b"got 10"]
        assert taken == 5


async def test_its_keeper_bears_more_connections_than_a_shell_lets_it_open(
    tmp_path: Path, reference: str, soft_limit: None
) -> None:
    async def drain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(drain, "127.0.0.1", 0, backlog=500)
    port = server.sockets[0].getsockname()[1]
    script = GREEDY.format(count=250, port=port).replace("while True: time.sleep(9)", "")
    async with server, opened(tmp_path / "state") as executor:
        await executor.start(python("a-1", reference, script, api_port=port))
        seen = await ended(executor, "a-1")
        assert (seen.exit_code, await lines(executor, "a-1")) == (0, [b"held"])


@pytest.fixture
def soft_limit() -> Iterator[None]:
    """As in a shell that lets its programs open few files, but for this process, which plays the server as well."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (400, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_its_web_server_is_reached_from_outside_and_from_inside(
    executor: ProcessExecutor, reference: str
) -> None:
    web = free_port()
    script = f"""
import http.server, threading, urllib.request
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"hello")
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("", 4321), H)
threading.Thread(target=s.serve_forever).start()
print(urllib.request.urlopen("http://127.0.0.1:{web}/").read())
"""
    waiting = spec("b-1", reference, "sleep", "600", web_port=free_port())
    await executor.start(waiting)
    assert await executor.web_server_ready("b-1") is False
    await executor.start(python("a-1", reference, script, web_port=web))
    await until(lambda: executor.web_server_ready("a-1"))
    await says(executor, "a-1", b"b'hello'")


async def test_a_port_that_is_taken_is_said_and_no_more(executor: ProcessExecutor, reference: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        await executor.start(spec("a-1", reference, "echo", "fine", web_port=port))
        seen = await ended(executor, "a-1")
    assert seen.exit_code == 0
    assert str(port).encode() in b"\n".join(await lines(executor, "a-1"))


needs_ip = pytest.mark.skipif(shutil.which("ip") is None, reason="needs the program ip of iproute2")


@pytest.fixture
def world() -> Iterator[None]:
    """A host outside of this machine's own network: a namespace that an interface pair leads to."""
    name = f"world{os.getpid()}"

    def run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)

    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", "wld0", "type", "veth", "peer", "name", "wld1", "netns", name)
        run("ip", "addr", "add", "198.51.100.1/24", "dev", "wld0")
        run("ip", "link", "set", "wld0", "up")
        run("ip", "netns", "exec", name, "ip", "addr", "add", f"{OUTSIDE}/24", "dev", "wld1")
        run("ip", "netns", "exec", name, "ip", "link", "set", "wld1", "up")
        server = subprocess.Popen(
            ["ip", "netns", "exec", name, "python3", "-m", "http.server", "8080", "--bind", OUTSIDE],
            cwd="/usr/share/doc",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        yield
        server.kill()
        server.wait()
    finally:
        run("ip", "netns", "del", name)


REACH = """
import socket, sys, time
for n in range(200):
    try:
        s = socket.create_connection(("{host}", {port}), timeout={patience}); break
    except ConnectionRefusedError: time.sleep(0.05)
    except OSError as e: print("not reached", type(e).__name__); sys.exit(1)
s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
print(s.recv(15))
"""


@needs_ip
async def test_it_reaches_the_world_and_is_counted(executor: ProcessExecutor, reference: str, world: None) -> None:
    await executor.start(python("a-1", reference, REACH.format(host=OUTSIDE, port=8080, patience=5)))
    seen = await ended(executor, "a-1")
    assert (await lines(executor, "a-1"))[0].startswith(b"b'HTTP/1.0 200")
    assert seen.stats is not None
    assert (seen.stats.net_rx_bytes or 0) > 100
    assert (seen.stats.net_tx_bytes or 0) > 100
    assert seen.stats.internal_rx_bytes == 0


NEIGHBOUR = f"""
import http.server, socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
    way.connect(("{OUTSIDE}", 9))
    print(way.getsockname()[0], flush=True)
http.server.HTTPServer(("", 4000), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


async def has_said(executor: ProcessExecutor, name: str) -> bool:
    return bool(await lines(executor, name))


def addresses() -> list[tuple[str, str]]:
    """(interface, IPv4 address) of this machine."""
    shown = subprocess.run(["ip", "-4", "-br", "addr"], capture_output=True, text=True, check=True).stdout
    return [(line.split()[0], line.split()[2].split("/")[0]) for line in shown.splitlines()]


@needs_ip
async def test_it_does_not_reach_this_machine_or_its_neighbours(executor: ProcessExecutor, reference: str) -> None:
    with socket.socket() as listener:
        listener.bind(("", 0))
        listener.listen()
        port = listener.getsockname()[1]
        await executor.start(python("n-1", reference, NEIGHBOUR))
        await until(lambda: has_said(executor, "n-1"))
        neighbour = (await lines(executor, "n-1"))[0].decode()
        gateway = str(ip_address(neighbour) - 1)  # this run's: another's may be anybody's a moment later
        found = addresses()
        assert gateway in [address for name, address in found if name.startswith("actm")]
        own = next(address for name, address in found if not name.startswith(("lo", "actm", "wld")))
        targets = [(gateway, port), (own, port), (neighbour, 4000)]  # metadata addresses: test_hostile.py, with decoys
        for number, (host, target) in enumerate(targets):
            script = REACH.format(host=host, port=target, patience=0.5)
            await executor.start(python(f"a{number}-1", reference, script))
        for number in range(len(targets)):
            assert (await ended(executor, f"a{number}-1")).exit_code == 1
            said = await lines(executor, f"a{number}-1")
            assert b"not reached" in said[0], (targets[number], said)
