"""The parts of the example Actor that need no package: its input, and what it takes for a page."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from actorium.demo.story import example_folder

FOLDER = example_folder()


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / "site_crawler" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def wanted() -> Iterator[ModuleType]:
    yield load("wanted")
    del sys.modules["example_wanted"]


def test_start_urls_are_objects_or_texts(wanted: ModuleType) -> None:
    found = wanted.read({"startUrls": [{"url": "https://a/", "method": "GET"}, "http://b/"]})
    assert found.start_urls == ("https://a/", "http://b/")
    assert (found.max_pages, found.delay_secs, found.same_host) == (40, 0, True)


def test_the_defaults_are_those_of_the_schema(wanted: ModuleType) -> None:
    schema = json.loads((FOLDER / ".actor" / "input_schema.json").read_text())["properties"]
    found = wanted.read({"startUrls": ["https://a/"]})
    assert found.max_pages == schema["maxPages"]["default"]
    assert found.delay_secs == schema["delaySecs"]["default"]
    assert found.same_host == schema["sameHost"]["default"]


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"startUrls": []},
        {"startUrls": ["ftp://a/"]},
        {"startUrls": [7]},
        {"startUrls": [{"requestsFromUrl": "https://a/"}]},
        {"startUrls": ["https://a/"], "maxPages": 0},
        {"startUrls": ["https://a/"], "maxPages": "9"},
        {"startUrls": ["https://a/"], "maxPages": True},
        {"startUrls": ["https://a/"], "delaySecs": -1},
        {"startUrls": ["https://a/"], "delaySecs": float("nan")},
        {"startUrls": ["https://a/"], "sameHost": "yes"},
    ],
)
def test_a_wrong_input_is_refused_by_name(wanted: ModuleType, given: Any) -> None:
    with pytest.raises(wanted.WrongInput, match=r'^"(startUrls|maxPages|delaySecs|sameHost)"'):
        wanted.read(given)


def test_pages_are_told_from_other_files() -> None:
    page = load("page")
    assert page.is_page(None)
    assert page.is_page("text/html; charset=utf-8")
    assert not page.is_page("application/json")
    for url in ("https://a/x.PDF", "https://a/b.tar.gz?c=d", "https://a/openapi.json#x"):
        assert page.NOT_PAGES.match(url)
    for url in ("https://a/", "https://a.zip.example/x", "https://a/json", "https://a/x.html", "https://a/v1.2"):
        assert not page.NOT_PAGES.match(url)


def test_the_requirements_are_pinned() -> None:
    lines = (FOLDER / "requirements.txt").read_text().split()
    assert all(re.fullmatch(r"[\w\[\]-]+==[\d.]+", line) for line in lines)
