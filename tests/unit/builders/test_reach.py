"""How far build steps get: which hosts are let through, the proxy that does it, and what a failed build says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from actorium import settings
from actorium.builders import BuildFailed
from actorium.builders.process.output import Output
from actorium.builders.reach import MODES, Reach, gate
from actorium.builders.reach.gate import Gate
from actorium.builders.reach.hosts import Hosts, registries
from actorium.builders.reach.onward import Onward

pytestmark = pytest.mark.anyio


def test_registries_are_those_of_the_hosts_settings() -> None:
    variables = {
        "PIP_INDEX_URL": "https://one.example/simple",
        "PIP_EXTRA_INDEX_URL": "http://two.example:8080/simple https://[::1]/simple",
        "UV_INDEX": "named=https://three.example/simple",
        "HTTPS_PROXY": "http://proxy.example:3128",
    }
    npmrc = (
        "cafile=/x\nregistry=https://four.example/\n@scope:registry=http://five.example/npm/\nhttps-proxy=http://no/\n"
    )
    assert registries(variables, npmrc) == [
        "one.example:443", "two.example:8080", "[::1]:443", "three.example:443", "four.example:443", "five.example:80",
    ]  # fmt: skip


def test_hosts_are_let_through_by_name_and_port() -> None:
    hosts = Hosts(["One.example", ".below.example", "two.example:8443", "[::1]:80"])
    reached = [
        ("one.example", 443),
        ("ONE.example.", 80),
        ("a.b.below.example", 443),
        ("two.example", 8443),
        ("::1", 80),
    ]
    assert all(hosts.allow(*one) for one in reached)
    kept = [("one.example", 22), ("below.example", 443), ("xbelow.example", 443), ("two.example", 443), ("::1", 443)]
    kept += [("one.example.evil.example", 443), ("evil-one.example", 443), ("example", 443), ("", 443)]
    assert not any(hosts.allow(*one) for one in kept)


@pytest.mark.parametrize("mode", MODES)
async def test_all_clients_are_told_where_a_proxy_is_the_only_way(mode: str) -> None:
    """Also those of Node.js, which read the usual variables only if they are told to."""
    async with Reach(mode).opened(Output(lambda _: None)) as way:
        env = way.over({"NO_PROXY": "x.example"})
    names = ("HTTPS_PROXY", "http_proxy", "NPM_CONFIG_PROXY", "NODE_USE_ENV_PROXY")
    assert [name in env for name in (*names, "NO_PROXY")] == [mode != "everything"] * 4 + [mode == "everything"]


@pytest.mark.parametrize("text", ["a b", "http://x.example", "x.example:0", "x.example:70000", "x/y", "*", "-x"])
def test_wrong_hosts_are_refused_at_the_start(text: str) -> None:
    with pytest.raises(settings.WrongSetting, match="ACTORIUM_BUILD_HOSTS"):
        settings.read({"ACTORIUM_BUILD_HOSTS": text})


def test_settings() -> None:
    found = settings.read({"ACTORIUM_BUILD_HOSTS": "x.example, .y.example:8443,[::1]:80"})
    assert found.build_hosts == "x.example,.y.example:8443,[::1]:80"
    assert found.build_network == MODES[0] == "everything"
    for mode in MODES:
        assert settings.read({"ACTORIUM_BUILD_NETWORK": mode}).build_network == mode
    with pytest.raises(settings.WrongSetting, match="everything, registries or nothing"):
        settings.read({"ACTORIUM_BUILD_NETWORK": "some"})


@asynccontextmanager
async def server(answer: Callable[[bytes], bytes]) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answers each request's head once and hangs up; what it heard."""
    heard: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            heard.append(head)
            writer.write(answer(head))
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as listening:
        yield int(listening.sockets[0].getsockname()[1]), heard


def hello(_: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


async def asked(port: int, request: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    answer = await reader.read()
    writer.close()
    return answer


async def test_the_gate_leads_to_what_is_named_and_to_nothing_else() -> None:
    refused: list[str] = []
    async with server(hello) as (there, heard), server(hello) as (other, unheard):
        hosts = Hosts([f"127.0.0.1:{there}"])
        async with Gate(hosts, Onward({}), refused.append) as port:
            head = (
                f"GET http://127.0.0.1:{there}/a?b=c HTTP/1.1\r\nHost: evil\r\nProxy-Authorization: x\r\nA: b\r\n\r\n"
            )
            assert (await asked(port, head)).endswith(b"hello")
            said = b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nA: b\r\nConnection: close\r\n\r\n"
            assert heard == [said % there]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"CONNECT 127.0.0.1:{there} HTTP/1.1\r\n\r\n".encode())
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 200 Connected\r\n\r\n"
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert (await reader.read()).endswith(b"hello")
            writer.close()
            for request in (f"CONNECT 127.0.0.1:{other} HTTP/1.1", f"GET http://127.0.0.1:{other}/ HTTP/1.1"):
                answer = await asked(port, f"{request}\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 403 Not allowed by ACTORIUM_BUILD_NETWORK")
            wrong = (
                "GET / HTTP/1.1",
                "GET https://x/ HTTP/1.1",
                "CONNECT x HTTP/1.1",
                "hello",
                "GET http://x y HTTP/1.1",
            )
            for request in (*wrong, "GET http://127.0.0.1:99999/ HTTP/1.1", f"A{'a' * 70_000} x HTTP/1.1"):
                assert (await asked(port, f"{request}\r\n\r\n"))[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 403"), request
    assert unheard == []
    assert refused[:2] == [f"127.0.0.1:{other}"] * 2


async def test_the_gate_uses_the_machines_own_proxy() -> None:
    """With its password, which no step gets; what NO_PROXY names it reaches directly."""

    def proxy(head: bytes) -> bytes:
        return b"HTTP/1.1 200 OK\r\n\r\n" + (b"" if head.startswith(b"CONNECT") else b"by proxy")

    async with server(proxy) as (there, heard), server(hello) as (near, _):
        address = f"http://me:se%40cret@127.0.0.1:{there}"
        onward = Onward({"HTTPS_PROXY": address, "http_proxy": address, "NO_PROXY": f"x.example,127.0.0.1:{near}"})
        hosts = Hosts(["far.example", f"127.0.0.1:{near}"])
        async with Gate(hosts, onward, lambda _: None) as port:
            assert (await asked(port, "GET http://far.example/a HTTP/1.1\r\n\r\n")).endswith(b"by proxy")
            assert b"200" in await asked(port, "CONNECT far.example:443 HTTP/1.1\r\n\r\n")
            assert (await asked(port, f"GET http://127.0.0.1:{near}/ HTTP/1.1\r\n\r\n")).endswith(b"hello")
    assert [head.split(b"\r\n")[0] for head in heard] == [
        b"GET http://far.example:80/a HTTP/1.1", b"CONNECT far.example:443 HTTP/1.1"
    ]  # fmt: skip
    assert all(b"Proxy-Authorization: Basic bWU6c2VAY3JldA==" in head for head in heard)


async def test_a_host_that_is_not_there() -> None:
    async with server(hello) as (gone, _):
        pass
    async with Gate(Hosts([f"127.0.0.1:{gone}"]), Onward({}), lambda _: None) as port:
        assert (await asked(port, f"CONNECT 127.0.0.1:{gone} HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 502")


@pytest.mark.parametrize("most", [("_CONNECTIONS_MAX", 1), ("limit", lambda: 63)])
async def test_connections_are_counted(monkeypatch: pytest.MonkeyPatch, most: tuple[str, object]) -> None:
    """Where the server may open few files, a build's steps can't take them all."""
    monkeypatch.setattr(gate, *most)
    async with Gate(Hosts([]), Onward({}), lambda _: None) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert (await asked(port, "")).startswith(b"HTTP/1.1 503")
        writer.write(b"hello\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400")
        writer.close()


async def test_connections_end_with_the_gate() -> None:
    async with server(hello) as (there, _):
        async with Gate(Hosts([f"127.0.0.1:{there}"]), Onward({}), lambda _: None) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"CONNECT 127.0.0.1:{there} HTTP/1.1\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        (
            "registries",
            "=registries keeps from it: ACTORIUM_BUILD_HOSTS can name more hosts",
        ),
        ("nothing", "=nothing keeps from it: registries or everything would let it"),
    ],
)
async def test_a_failed_build_says_what_it_asked_for(mode: str, says: str) -> None:
    log: list[bytes] = []
    reach = Reach(mode, hosts=["x.example"], environment={"PIP_INDEX_URL": "https://me:pw@i.example/simple"})

    async def failing() -> None:
        async with reach.opened(Output(log.append)) as way:
            assert (way.outward, way.door is not None) == (False, True)
            assert way.over({"NO_PROXY": "*", "A": "b"})["HTTPS_PROXY"] == f"http://127.0.0.1:{way.door}"
            assert "NO_PROXY" not in way.over({"NO_PROXY": "*"})
            assert way.door is not None
            await asked(way.door, "CONNECT y.example:443 HTTP/1.1\r\n\r\n")
            raise BuildFailed("the command failed", exit_code=3)

    with pytest.raises(
        BuildFailed, match=rf"the command failed. A step asked for y.example:443, which ACTORIUM_BUILD_NETWORK{says}"
    ) as failed:
        await failing()
    assert failed.value.exit_code == 3
    text = b"".join(log).decode()
    assert ("a proxy to i.example:443, x.example" in text) is (mode == "registries")
    assert "Kept from y.example:443" in text


async def test_where_a_machine_gives_sandboxes_no_network_the_registries_are_left() -> None:
    """A server that is not root, without slirp4netns: no package could be installed."""
    log: list[bytes] = []
    reach = Reach(is_only=True, hosts=["x.example"], environment={"PIP_INDEX_URL": "https://i.example/simple"})

    async def failing() -> None:
        async with reach.opened(Output(log.append)) as way:
            assert (way.outward, way.is_only) == (False, True)
            assert way.door is not None
            await asked(way.door, "CONNECT y.example:443 HTTP/1.1\r\n\r\n")
            raise BuildFailed("the command failed")

    with pytest.raises(BuildFailed, match=r"asked for y.example:443, where nothing leads .*: ACTORIUM_BUILD_HOSTS"):
        await failing()
    text = b"".join(log).decode()
    assert "a proxy to i.example:443, x.example; this machine has no other for them, see 'actorium doctor'." in text
    assert "No way to y.example:443" in text


@pytest.mark.parametrize("mode", ["registries", "nothing"])
async def test_a_choice_of_the_operators_stays_where_it_is_the_only_way(mode: str) -> None:
    reach = Reach(mode, is_only=True)
    async with reach.opened(Output(lambda _: None)) as way:
        assert (reach.mode, way.is_only) == (mode, False)


async def test_everything_is_no_proxy() -> None:
    async with Reach().opened(Output(lambda _: None)) as way:
        assert (way.outward, way.door, way.over({"NO_PROXY": "x"})) == (True, None, {"NO_PROXY": "x"})
