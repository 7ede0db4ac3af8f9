"""Documents are found once, by names that lead nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from actorium.pages.library import Library, address

INDEX = """# Contents

- [Not there](not-there.md)

## First

- [Alpha](alpha.md)

## Second

- [Beta](deep/beta.md)
- [Gamma](deep/gamma.md#part)
"""


@pytest.fixture
def library(tmp_path: Path) -> Library:
    (tmp_path / "outside.md").write_text("# Outside\n")
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "index.md").write_text(INDEX)
    (folder / "alpha.md").write_text("# A\n[up](../outside.md) [b](deep/beta.md#x) [abs](/y) [out](https://z/)\n")
    (folder / "deep" / "beta.md").write_text("# B\n[a](../alpha.md) [g](gamma.md) [home](../index.md) [here](#b)\n")
    (folder / "deep" / "gamma.md").write_text("# G\n")
    (folder / "unlisted.md").write_text("# U\n")
    (folder / "notes.txt").write_text("no document")
    return Library(folder)


def test_sections_follow_the_lists_of_the_index(library: Library) -> None:
    found = [(section.title, [entry.name for entry in section.entries]) for section in library.sections]
    assert found == [("First", ["alpha"]), ("Second", ["deep/beta", "deep/gamma"])]


def test_neighbours_follow_the_same_order(library: Library) -> None:
    beta = library.get("deep/beta")
    assert beta is not None
    assert beta.before is not None
    assert beta.after is not None
    assert (beta.before.name, beta.after.name) == ("alpha", "deep/gamma")
    index, gamma, unlisted = library.get("index"), library.get("deep/gamma"), library.get("unlisted")
    assert index is not None
    assert gamma is not None
    assert unlisted is not None
    assert (index.before, gamma.after, unlisted.before, unlisted.after) == (None, None, None, None)


def test_links_between_files_lead_to_pages(library: Library) -> None:
    alpha, beta = library.get("alpha"), library.get("deep/beta")
    assert alpha is not None
    assert beta is not None
    assert '<a>up</a> <a href="deep/beta#x">b</a> <a href="/y">abs</a> <a href="https://z/">out</a>' in (
        alpha.rendered.html
    )
    assert (
        '<a href="../alpha">a</a> <a href="../deep/gamma">g</a> <a href="../">home</a> <a href="#b">here</a>'
        in beta.rendered.html
    )


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../outside", "deep", "deep/../alpha", "/etc/passwd", "alpha.md", "notes", "alpha\0", "ALPHA"],
)
def test_other_names_are_no_documents(library: Library, name: str) -> None:
    assert library.get(name) is None


def test_a_document_is_rendered_once(library: Library) -> None:
    assert library.get("alpha") is library.get("alpha")


@pytest.mark.parametrize(
    ("name", "seen_from", "expected"),
    [
        ("index", "index", "./"),
        ("a", "index", "a"),
        ("index", "a", "./"),
        ("b/c", "a", "b/c"),
        ("index", "b/c", "../"),
        ("a", "b/c", "../a"),
        ("b/d", "b/c", "../b/d"),
    ],
)
def test_addresses_are_relative(name: str, seen_from: str, expected: str) -> None:
    assert address(name, seen_from=seen_from) == expected


def test_an_empty_folder_is_an_empty_library(tmp_path: Path) -> None:
    library = Library(tmp_path)
    assert library.sections == ()
    assert library.get("index") is None
