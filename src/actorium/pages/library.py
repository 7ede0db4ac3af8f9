"""The documents that are shown: found once, read when asked for, kept rendered."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from actorium.pages.markdown import Listed, Rendered, listed_links, render

INDEX = "index"
_SHIPPED = Path(__file__).with_name("content")
_SOURCES = Path(__file__).parents[3] / "docs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the contents."""

    name: str
    """The document's path in the library without its ending: ``howto/curl``."""
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Entries under one heading of the contents."""

    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document, ready for a page."""

    name: str
    rendered: Rendered
    before: Entry | None
    after: Entry | None


def shipped_or_sources() -> Path:
    """Where the documents are: beside this file in an installed package, in ``docs/`` of a source checkout."""
    return _SHIPPED if _SHIPPED.is_dir() else _SOURCES


class Library:
    """Markdown files below one folder. A name is looked up among those found at the start and never leads elsewhere.

    The lists in ``index.md`` are the table of contents: their sections, order and titles.
    """

    def __init__(self, folder: Path) -> None:
        self._files: Mapping[str, Path] = {
            path.relative_to(folder).with_suffix("").as_posix(): path
            for path in sorted(folder.rglob("*.md"))
            if path.is_file()
        }
        self._documents: dict[str, Document] = {}
        self._sections: tuple[Section, ...] | None = None

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._files)

    @property
    def sections(self) -> tuple[Section, ...]:
        """The table of contents."""
        if self._sections is None:
            self._sections = self._read_sections()
        return self._sections

    def get(self, name: str) -> Document | None:
        """The document, or None if there is none of that name."""
        if name not in self._files:
            return None
        if name not in self._documents:
            self._documents[name] = self._make(name)
        return self._documents[name]

    def _make(self, name: str) -> Document:
        contents = [entry for section in self.sections for entry in section.entries]
        order = [Entry(name=INDEX, title="Documentation"), *contents]
        at = next((at for at, entry in enumerate(order) if entry.name == name), None)
        return Document(
            name=name,
            rendered=render(self._text(name), relink=lambda target: self._relink(name, target)),
            before=order[at - 1] if at else None,
            after=order[at + 1] if at is not None and at + 1 < len(order) else None,
        )

    def _read_sections(self) -> tuple[Section, ...]:
        if INDEX not in self._files:
            return ()
        found = [one for one in listed_links(self._text(INDEX)) if self._named(INDEX, one.target) in self._files]
        return tuple(
            Section(title=title, entries=tuple(self._entry(one) for one in group))
            for title, group in groupby(found, key=lambda one: one.section)
        )

    def _entry(self, listed: Listed) -> Entry:
        return Entry(name=self._named(INDEX, listed.target), title=listed.text)

    def _text(self, name: str) -> str:
        return self._files[name].read_text(encoding="utf-8")

    def _relink(self, name: str, target: str) -> str | None:
        """Links to files become links to their pages; files that are no pages here are not linked."""
        path, hash_mark, anchor = target.partition("#")
        if not path or path.startswith("/") or ":" in path.partition("/")[0]:
            return target
        linked = self._named(name, path)
        return address(linked, seen_from=name) + hash_mark + anchor if linked in self._files else None

    @staticmethod
    def _named(name: str, target: str) -> str:
        """The name of the document that a link in another one leads to."""
        path = target.partition("#")[0]
        return posixpath.normpath(posixpath.join(posixpath.dirname(name), path)).removesuffix(".md")


def address(name: str, *, seen_from: str) -> str:
    """The relative address of a document's page, as seen from another's."""
    up = "../" * seen_from.count("/")
    return (up or "./") if name == INDEX else up + name
