"""Markdown to HTML: headings get anchors, links between files become links between pages, raw HTML stays text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_COMMENT = re.compile(r"^<!--.*?-->$", re.MULTILINE | re.DOTALL)

Relink = Callable[[str], str | None]
"""From the target of a link as it stands in the file to that of the page. None: the link leads nowhere here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One document as HTML."""

    title: str
    """The text of its first heading."""
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A link that heads a list item, with the section it stands in."""

    section: str
    text: str
    target: str


def render(text: str, *, relink: Relink) -> Rendered:
    """A document as HTML, safe to show whatever it holds."""
    parser = _parser()
    tokens = parser.parse(_COMMENT.sub("", text))
    title, used = "", set[str]()
    for heading, inline in _headings(tokens):
        words = _plain(inline)
        title = title or words
        heading.attrSet("id", _anchor(words, used))
    for token in tokens:
        for child in token.children or ():
            _relink(child, relink)
    return Rendered(title=title, html=str(parser.renderer.render(tokens, parser.options, {})))


def listed_links(text: str) -> Iterator[Listed]:
    """The first link of every list item, in order: what a table of contents lists."""
    section, item_open = "", False
    tokens = _parser().parse(text)
    headings = {id(inline) for _, inline in _headings(tokens)}
    for token in tokens:
        if id(token) in headings:
            section = _plain(token)
        elif token.type == "list_item_open":
            item_open = True
        elif token.type == "inline" and item_open:
            item_open = False
            children = token.children or []
            if children and children[0].type == "link_open":
                closed = next(at for at, child in enumerate(children) if child.type == "link_close")
                words = "".join(child.content for child in children[1:closed])
                yield Listed(section=section, text=words, target=str(children[0].attrGet("href")))


def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # 30 ms that a server needs only when somebody reads

    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _headings(tokens: Sequence[Token]) -> Iterator[tuple[Token, Token]]:
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            yield token, tokens[at + 1]


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline"))


def _anchor(words: str, used: set[str]) -> str:
    """The name of a heading in an address, as code forges make it; unique in its document."""
    slug = re.sub(r"[^\w\- ]", "", words.lower()).strip().replace(" ", "-")
    anchor, number = slug, 0
    while anchor in used:
        number += 1
        anchor = f"{slug}-{number}"
    used.add(anchor)
    return anchor


def _relink(token: Token, relink: Relink) -> None:
    if token.type != "link_open":
        return
    target = relink(str(token.attrGet("href")))
    if target is None:
        del token.attrs["href"]
    else:
        token.attrSet("href", target)
