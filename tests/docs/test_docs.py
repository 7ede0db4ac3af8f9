"""The documentation is true where a test can tell: links, contents, settings, snippets."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from actorium.pages.library import Library
from actorium.settings import Settings, environment_name

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if path.parent.name != "decisions")
WRITTEN = [*PAGES, ROOT / "examples" / "site-crawler" / "README.md"]
SNIPPET = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(path: Path) -> str:
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_links_lead_to_files(path: Path) -> None:
    targets = [target.partition("#")[0] for target in LINK.findall(prose(path)) if "://" not in target]
    dead = [target for target in targets if target and not (path.parent / target).exists()]
    assert not dead


def test_the_contents_list_every_page() -> None:
    listed = [entry.name for section in Library(DOCS).sections for entry in section.entries]
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in PAGES} - {"index"}
    assert len(set(listed)) == len(listed)
    assert set(listed) == pages


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_a_page_has_one_title(path: Path) -> None:
    assert len(re.findall(r"^# ", prose(path), re.MULTILINE)) == 1


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_snippets_can_be_read(path: Path) -> None:
    for language, text in SNIPPET.findall(path.read_text()):
        if language == "python":
            ast.parse(text)
        elif language == "json":
            json.loads(text)
        else:
            assert language in {"sh", "js"}, f"{language} is in no snippet that is checked"


def test_settings_are_shown_with_their_defaults() -> None:
    text = (DOCS / "howto" / "settings.md").read_text()
    shown = dict(re.findall(r"^\| `(ACTORIUM_\w+)` \| `([^`|]*)` \|", text, re.MULTILINE))
    known = {environment_name(one.name): one.default for one in fields(Settings)}
    compared = {setting: default for setting, default in known.items() if setting in shown and default is not MISSING}
    assert len(compared) >= 8
    assert {setting: shown[setting] for setting in compared} == {
        setting: f"{default:g}" if isinstance(default, float) else str(default).lower()
        for setting, default in compared.items()
    }


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_no_setting_is_named_that_is_none(path: Path) -> None:
    known = {environment_name(one.name) for one in fields(Settings)}
    assert set(re.findall(r"ACTORIUM_[A-Z_]*[A-Z]", path.read_text())) <= known


def test_the_tutorial_goes_on_from_the_readme_with_an_actor_of_another_name() -> None:
    (first,) = re.findall(r'^    name="([\w-]+)",$', (ROOT / "README.md").read_text(), re.MULTILINE)
    (second,) = re.findall(r'\{"name": "([\w-]+)", "versions"', (DOCS / "tutorial.md").read_text())
    assert first != second
    assert f"/v2/actors/~{second}/runs" in (DOCS / "tutorial.md").read_text()
