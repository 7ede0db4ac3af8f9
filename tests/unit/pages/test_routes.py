"""The pages over the real edge: addresses, headers, links that hold."""

from __future__ import annotations

import re
from collections import deque
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urldefrag, urljoin

import pytest

from actorium.http.app import HttpApp
from actorium.kernel.clock import SystemClock
from actorium.kernel.ids import SeededIds
from actorium.kernel.principal import Principal
from actorium.pages.library import shipped_or_sources
from actorium.pages.routes import pages
from asgi_client import AsgiClient

pytestmark = pytest.mark.anyio

URL = "https://actors.example.net/x"


async def nobody(_: str) -> Principal | None:
    return None


@pytest.fixture
def client() -> AsgiClient:
    asked: list[int] = []

    def document() -> dict[str, Any]:
        asked.append(1)
        return {"openapi": "3.1.0", "asked": len(asked)}

    routes = pages(api_url=URL, document=document)
    return AsgiClient(HttpApp([], authenticate=nobody, clock=SystemClock(), ids=SeededIds(), pages=routes))


class Links(HTMLParser):
    """The addresses and ids of a page, and everything it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.hrefs: list[str] = []
        self.ids: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "a" and found.get("href"):
            self.hrefs.append(str(found["href"]))
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag in ("script", "img", "iframe", "link", "object", "embed", "form"):
            self.fetched.append(str(found.get("href") or found.get("src") or tag))


async def test_the_landing_page_names_the_api_and_the_first_call(client: AsgiClient) -> None:
    answer = await client.request("GET", "/")
    text = answer.body.decode()
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f"{URL}/v2/users/me" in text
    assert "actorium token" in text
    assert {"docs/", "docs/tutorial", "openapi.json"} <= set(Links(text).hrefs)


async def test_every_page_forbids_what_it_does_not_need(client: AsgiClient) -> None:
    for path in ("/", "/docs/", "/docs/concepts/runs", "/docs/none"):
        answer = await client.request("GET", path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert all(address.startswith("data:") for address in Links(answer.body.decode()).fetched)
        assert not re.search(r"\sstyle=|\son\w+=", answer.body.decode())


async def test_every_link_of_every_page_holds(client: AsgiClient) -> None:
    """What a crawler sees: all documents of the contents are reached, no link is dead, every fragment exists."""
    seen: dict[str, Links] = {}
    wanted: list[tuple[str, str, str]] = []
    waiting = deque(["/docs/"])
    while waiting:
        path = waiting.popleft()
        if path in seen:
            continue
        answer = await client.request("GET", path)
        assert answer.status == 200, path
        seen[path] = Links(answer.body.decode() if "html" in answer.headers["content-type"] else "")
        for href in seen[path].hrefs:
            target, fragment = urldefrag(urljoin(f"http://here{path}", href))
            if target.startswith("http://here/"):
                waiting.append(target.removeprefix("http://here"))
                wanted.append((path, target.removeprefix("http://here"), fragment))
    missing = [(path, target, part) for path, target, part in wanted if part and part not in seen[target].ids]
    assert not missing
    assert {"/", "/docs/", "/docs/tutorial", "/docs/concepts/runs", "/docs/howto/ci", "/openapi.json"} <= set(seen)


async def test_a_page_has_one_address(client: AsgiClient) -> None:
    for path, target in (("/docs", "docs/"), ("/docs/tutorial/", "../tutorial"), ("/docs/howto/ci/", "../ci")):
        answer = await client.request("GET", path)
        assert (answer.status, answer.headers["location"]) == (308, target)
        whole = urljoin(f"http://here{path}", target).removeprefix("http://here")
        assert (await client.request("GET", whole)).status == 200


@pytest.mark.parametrize(
    "path",
    ["/docs/none", "/docs/index", "/docs/tutorial.md", "/docs/howto", "/docs/a/b/c/", "/docs/%5c%5cx", "/docs/%20/x"],
)
async def test_what_is_no_page_is_a_page_that_leads_back(client: AsgiClient, path: str) -> None:
    answer = await client.request("GET", path)
    assert answer.status == 404
    links = Links(answer.body.decode()).hrefs
    assert urljoin(f"http://here{path}", links[-1]) == "http://here/docs/"


@pytest.mark.parametrize(
    "path",
    [
        "/docs/../pyproject.toml",
        "/docs/..%2f..%2fpyproject.toml",
        "/docs/..%2ftutorial",
        "/docs/%2e%2e/%2e%2e/etc/passwd",
        "/docs//etc/passwd",
        "/docs/%2fetc%2fpasswd",
        "/docs/concepts/../tutorial",
    ],
)
async def test_path_tricks_find_nothing(client: AsgiClient, path: str) -> None:
    assert (await client.request("GET", path)).status == 404


async def test_head_and_other_methods(client: AsgiClient) -> None:
    assert (await client.request("HEAD", "/docs/tutorial")).status == 200
    answer = await client.request("POST", "/docs/tutorial")
    assert answer.status == 405


async def test_no_token_is_looked_at(client: AsgiClient) -> None:
    answer = await client.request("GET", "/docs/", headers={"authorization": "Bearer wrong"})
    assert answer.status == 200


async def test_the_openapi_document_is_made_once(client: AsgiClient) -> None:
    first, second = await client.request("GET", "/openapi.json"), await client.request("GET", "/openapi.json")
    assert first.json == second.json == {"openapi": "3.1.0", "asked": 1}
    assert first.headers["content-type"] == "application/json; charset=utf-8"


async def test_the_documents_are_those_of_the_checkout(client: AsgiClient) -> None:
    assert (shipped_or_sources() / "index.md").is_file()
    text = (await client.request("GET", "/docs/concepts/runs")).body.decode()
    assert '<a rel="prev" href="../concepts/definition">' in text
    assert '<a rel="next" href="../concepts/forks">' in text
    assert '<a href="../concepts/runs" aria-current="page">' in text
    assert "<title>Runs: statuses, and what changes them · Actorium</title>" in text
