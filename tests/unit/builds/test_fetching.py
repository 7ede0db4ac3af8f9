"""Archives fetched over HTTP: limits, redirects, what stays out of reach, and the next attempt."""

from __future__ import annotations

import gc
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from actorium.actors.model import SourceType
from actorium.builders import BuildFailed
from actorium.builds.sources import Wanted, web
from actorium.builds.sources.fetching import Fetcher
from actorium.builds.sources.git import GitRepositories
from actorium.builds.sources.proxies import Proxies
from actorium.builds.sources.reach import Reach
from actorium.builds.sources.records import Records
from actorium.kernel.limits import SOURCE_KEPT_SECS, SOURCE_REDIRECTS_MAX
from actorium.kernel.principal import Principal
from actorium.testing.clock import ManualClock
from source_server import SourceServer, serving
from world import no_records

pytestmark = pytest.mark.anyio


def packed(text: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("main.py", text)
    return out.getvalue()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SourceServer]:
    with serving(tmp_path) as server:
        server.pages["/a.zip"] = 200, {}, packed("one")
        yield server


class World:
    def __init__(self, scratch: Path, *, networks: str = "127.0.0.1") -> None:
        self.scratch, self.clock, self.said = scratch, ManualClock(), list[str]()
        git = GitRepositories(Reach(networks), environment={}, ssh_key=None)
        self.fetcher = Fetcher(
            records=Records(no_records, own=()), reach=Reach(networks), git=git, scratch=scratch, clock=self.clock
        )

    def wanted(self, place: str, *, build: str = "b1") -> Wanted:
        return Wanted(build_id=build, owner=Principal("u", "me", 1), type=SourceType.TARBALL, place=place)

    async def text(self, place: str) -> bytes:
        return (await self.fetcher.fetch(self.wanted(place), self.said.append)).files["main.py"]

    async def refused(self, place: str) -> str:
        with pytest.raises(BuildFailed) as caught:
            await self.text(place)
        return caught.value.message


@pytest.fixture
def here(tmp_path: Path) -> World:
    return World(tmp_path / "scratch")


async def test_an_archive(server: SourceServer, here: World) -> None:
    assert await here.text(f"http://me:pa55@{server.url[7:]}/a.zip?key=secret#x") == b"one"
    (path, headers), said = server.asked[0], "\n".join(here.said)
    assert path == "/a.zip?key=secret"
    assert headers["Authorization"].startswith("Basic ")
    assert headers["User-Agent"].startswith("actorium/")
    assert "secret" not in said
    assert "pa55" not in said
    assert "SHA-256" in said


async def test_the_next_attempt_gets_the_same(server: SourceServer, here: World) -> None:
    """A server that died may come back to an archive that is another by then."""
    assert await here.text(f"{server.url}/a.zip") == b"one"
    server.pages["/a.zip"] = 200, {}, packed("two")
    assert await World(here.scratch).text(f"{server.url}/a.zip") == b"one"
    await here.fetcher.forget("b1")
    assert await here.text(f"{server.url}/a.zip") == b"two"
    assert len(server.asked) == 2
    await here.clock.advance(here.scratch.stat().st_mtime - int(here.clock.now()) / 1000)
    await here.fetcher.prune()
    assert (here.scratch / "b1").exists()
    await here.clock.advance(SOURCE_KEPT_SECS + 10)
    await here.fetcher.prune()
    assert not (here.scratch / "b1").exists()
    await here.fetcher.forget("b1")


async def test_a_part_of_an_archive_is_none(server: SourceServer, here: World) -> None:
    server.pages["/cut.zip"] = 200, {"Content-Length": "5000", "Connection": "close"}, packed("one")
    assert "could not be fetched" in await here.refused(f"{server.url}/cut.zip")
    assert await here.text(f"{server.url}/a.zip") == b"one"


async def test_redirects(server: SourceServer, here: World) -> None:
    server.pages["/moved"] = 302, {"Location": "/a.zip"}, b""
    assert await here.text(f"http://me:pa55@{server.url[7:]}/moved") == b"one"
    assert "Authorization" in server.asked[-1][1]
    await here.fetcher.forget("b1")
    with serving(here.scratch) as other:
        other.pages["/a.zip"] = 200, {}, packed("other")
        server.pages["/away"] = 307, {"Location": f"{other.url}/a.zip"}, b""
        assert await here.text(f"http://me:pa55@{server.url[7:]}/away") == b"other"
        assert "Authorization" not in other.asked[-1][1]
    await here.fetcher.forget("b1")
    server.pages["/round"] = 301, {"Location": "/round"}, b""
    before = len(server.asked)
    assert "redirects more than" in await here.refused(f"{server.url}/round")
    assert len(server.asked) == before + SOURCE_REDIRECTS_MAX + 1


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "http://127.0.0.2/", "http://169.254.169.254/latest/", "http://[::1]/", "http://localhost/"],
)
async def test_redirects_to_where_sources_may_not_come_from(server: SourceServer, here: World, location: str) -> None:
    server.pages["/evil"] = 302, {"Location": location}, b""
    if location == "http://localhost/":
        here.fetcher = World(here.scratch, networks="127.0.0.1").fetcher
        here.fetcher._reach = Reach("127.0.0.1", lookup=_private)  # type: ignore[assignment]
    message = await here.refused(f"{server.url}/evil")
    assert "not on the public internet" in message or "none of the web" in message
    assert len(server.asked) == 1


async def test_a_proxy(server: SourceServer, here: World) -> None:
    """The server stands in for a proxy: it is asked for whole addresses. What it fetches may not be anywhere."""
    here.fetcher._reach = Reach("", lookup=_nobody_knows, proxies=Proxies({"http_proxy": server.url}))
    assert await here.text("http://code.example/a.zip") == b"one"
    assert server.asked[0][0] == "http://code.example/a.zip"
    await here.fetcher.forget("b1")
    here.fetcher._reach = Reach("", lookup=_private, proxies=Proxies({"http_proxy": server.url}))
    assert "not on the public internet" in await here.refused("http://code.example/a.zip")
    assert len(server.asked) == 1


async def _nobody_knows(host: str, port: int) -> list[str]:
    raise OSError


async def _private(host: str, port: int) -> list[str]:
    return [host] if host == "127.0.0.1" else ["10.0.0.7"]


async def test_loopback_is_out_of_reach_by_default(server: SourceServer, tmp_path: Path) -> None:
    here = World(tmp_path / "scratch", networks="")
    for host in ("127.0.0.1", "localhost"):
        message = await here.refused(f"http://{host}:{server.server_port}/a.zip")
        assert "ACTORIUM_SOURCE_NETWORKS" in message
        assert "ACTORIUM_PUBLIC_URL" in message
    assert server.asked == []


@pytest.mark.parametrize("length", [{}, {"Transfer-Encoding": "chunked"}], ids=["said", "not said"])
async def test_an_archive_that_is_too_large(
    server: SourceServer, here: World, length: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "SOURCE_FETCH_BYTES_MAX", 50)
    body = packed("one")
    server.pages["/big"] = 200, length, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if length else body
    assert "is larger than" in await here.refused(f"{server.url}/big")


@pytest.mark.parametrize(
    ("status", "told"),
    [(401, "not for everybody"), (404, "no archive"), (500, "Try again later"), (304, "answers 304")],
)
async def test_answers_without_an_archive(server: SourceServer, here: World, status: int, told: str) -> None:
    server.pages["/x"] = status, {}, b""
    assert told in await here.refused(f"{server.url}/x?key=secret")


async def test_addresses_that_cannot_be_asked(here: World) -> None:
    for place in ("", " ", "there", "file:///etc/passwd", "http://", "http://127.0.0.1:1/a"):
        message = await here.refused(place)
        assert message.endswith("."), message
        assert any(word in message for word in ("Begin it", "Set it", "Try again")), message


async def test_it_takes_too_long(server: SourceServer, here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actorium.builds.sources.fetching.SOURCE_FETCH_SECS", 0.05)
    server.pages["/slow"] = 200, {"Content-Length": "5000"}, b"PK"
    assert "took longer than" in await here.refused(f"{server.url}/slow")


async def test_a_temporary_folder_goes_with_its_fetcher(server: SourceServer, here: World) -> None:
    here.fetcher._scratch, here.fetcher._is_lent = None, True
    assert await here.text(f"{server.url}/a.zip") == b"one"
    scratch = here.fetcher._scratch
    assert scratch is not None
    assert scratch.exists()
    del here.fetcher
    gc.collect()
    assert not scratch.exists()


async def test_inline_sources_need_no_folder(here: World) -> None:
    wanted = replace(here.wanted(""), type=SourceType.SOURCE_CODE)
    assert (await here.fetcher.fetch(wanted, here.said.append)).files == {}
    assert not here.scratch.exists()
    await here.fetcher.forget("b1")
    await here.fetcher.prune()
