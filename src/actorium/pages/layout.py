"""The frame of every page: one style sheet inside it, nothing fetched from elsewhere, and headers that forbid it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from actorium.pages.library import INDEX, Document, Entry, Section, address

MEDIA_TYPE = "text/html; charset=utf-8"
STYLE = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='4' fill='%23245c4f'/%3E"
    "%3Cpath d='M8 3l4.5 10h-2.4L8 7.6 5.9 13H3.5z' fill='white'/%3E%3C/svg%3E"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def landing_page(article: str) -> bytes:
    """The page at ``/``."""
    return _page(
        "Actorium", _masthead("./", "docs/") + f'<main class="alone" id="content"><article>{article}</article></main>'
    )


def document_page(document: Document, sections: Sequence[Section]) -> bytes:
    """A page of the documentation."""
    up = "../" * document.name.count("/")
    title = document.rendered.title
    whole_title = title if document.name == INDEX else f"{title} · Actorium"
    body = (
        _masthead(f"{up}../", up or "./")
        + f'<div class="columns">{_contents(sections, seen_from=document.name)}'
        + f'<main id="content"><article>{document.rendered.html}</article>{_neighbours(document)}</main></div>'
    )
    return _page(whole_title, body)


def missing_page(*, depth: int) -> bytes:
    """The page for an address below /docs/ that is none. ``depth``: how many folders deep it stands."""
    docs = "../" * depth or "./"
    article = (
        "<h1>There is no such page</h1>"
        f'<p>The documentation has nothing at this address. <a href="{docs}">Its contents</a> list every page.</p>'
    )
    return _page(
        "Not found · Actorium", _masthead(f"{docs}../", docs) + f'<main class="alone" id="content">{article}</main>'
    )


def _page(title: str, body: str) -> bytes:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n"
        f'<link rel="icon" href="{_ICON}">\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n'
    ).encode()


def _alone(article: str) -> str:
    return f'<main class="alone" id="content"><article>{article}</article></main>'


def _masthead(home: str, docs: str) -> str:
    return (
        '<a class="skip" href="#content">Skip to the content</a>'
        f'<header><a class="brand" href="{home}">Actorium</a><nav aria-label="Site">'
        f'<a href="{docs}">Documentation</a> <a href="{home}openapi.json">OpenAPI</a></nav></header>\n'
    )


def _contents(sections: Sequence[Section], *, seen_from: str) -> str:
    parts = []
    for section in sections:
        lines = "".join(_line(entry, seen_from=seen_from) for entry in section.entries)
        parts.append(f"<h2>{escape(section.title)}</h2><ul>{lines}</ul>")
    return f'<nav class="contents" aria-label="Contents">{"".join(parts)}</nav>'


def _line(entry: Entry, *, seen_from: str) -> str:
    current = ' aria-current="page"' if entry.name == seen_from else ""
    target = escape(address(entry.name, seen_from=seen_from))
    return f'<li><a href="{target}"{current}>{escape(entry.title)}</a></li>'


def _neighbours(document: Document) -> str:
    before, after = document.before, document.after
    parts = []
    if before is not None:
        target = escape(address(before.name, seen_from=document.name))
        parts.append(f'<a rel="prev" href="{target}">← {escape(before.title)}</a>')
    if after is not None:
        target = escape(address(after.name, seen_from=document.name))
        parts.append(f'<a rel="next" href="{target}">{escape(after.title)} →</a>')
    return f'<nav class="neighbours" aria-label="Next pages">{"".join(parts)}</nav>' if parts else ""
