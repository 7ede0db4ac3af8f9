"""XML and RSS: a key is an element, an array repeats it, ``@`` holds attributes and ``#`` the text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import quoteattr

from actorium.datasets.formats import NO_TABLE, Item, Table
from actorium.datasets.formats.cells import cell
from actorium.datasets.formats.json_texts import BOM
from actorium.kernel.errors import InvalidInput, InvalidValue
from actorium.kernel.limits import MARKUP_CHARS_MAX

_STARTS = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u0131\u0391-\u03a1\u03a3-\u03ce\u0401-\u040c\u040e-\u044f\u0451-\u045c"
    "\u05d0-\u05ea\u0621-\u063a\u0641-\u064a\u0905-\u0939\u0e01-\u0e2e\u3041-\u3094\u30a1-\u30fa\u4e00-\u9fa5\uac00-\ud7a3"
)
"""Letters that names may begin with in every edition of XML 1.0: readers differ about newer ones."""
_INSIDE = f"{_STARTS}.0-9-"
_NAME = re.compile(f"[{_STARTS}][{_INSIDE}]*")
_NOT_NAME = re.compile(f"[^{_INSIDE}]")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONTROLS = bytes(code for code in range(32) if chr(code) not in "\t\n")
_NAMES_KNOWN = 4096  # as many keys as a dataset has, and some
_NAME_CHARS_KNOWN = 200
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


class Xml:
    """``format=xml``"""

    media_type = "application/xml; charset=utf-8"
    extension = "xml"
    is_table = False

    def __init__(self, *, root: str = "items", row: str = "item", bom: bool = False) -> None:
        for name, value in (("xmlRoot", root), ("xmlRow", row)):
            if _NAME.fullmatch(value) is None:
                raise InvalidValue(f"{name} must be an XML name: a letter, then letters, digits, '.', '_' and '-'.")
        self._root = root
        self._row = row
        self._bom = BOM if bom else b""

    def begin(self, table: Table = NO_TABLE) -> bytes:  # noqa: ARG002 - it is none
        return self._bom + f"{_DECLARATION}<{self._root}>\n".encode()

    def rows(self, items: Sequence[Item]) -> bytes:
        return _written(self._row, items)

    def end(self) -> bytes:
        return f"</{self._root}>\n".encode()


class Rss:
    """``format=rss``"""

    media_type = "application/rss+xml; charset=utf-8"
    extension = "rss"
    is_table = False

    def __init__(self, *, title: str, description: str, bom: bool = False) -> None:
        self._channel = {"title": title, "description": description}
        self._bom = BOM if bom else b""

    def begin(self, table: Table = NO_TABLE) -> bytes:  # noqa: ARG002 - it is none
        channel = "".join([_Elements().element(name, text) for name, text in self._channel.items()])
        return self._bom + _sound(f'{_DECLARATION}<rss version="2.0"><channel>{channel}\n')

    def rows(self, items: Sequence[Item]) -> bytes:
        return _written("item", items)

    def end(self) -> bytes:
        return b"</channel></rss>\n"


def _written(name: str, items: Sequence[Item]) -> bytes:
    element = _Elements().element
    return _sound("".join([element(name, item) + "\n" for item in items]))


def _sound(text: str) -> bytes:
    """XML as bytes, without the characters that it cannot hold: they can only have come from values.

    Looking at the whole costs far less than looking at each value.
    """
    written = text.encode()
    odd = len(written.translate(None, _CONTROLS)) != len(written)
    if odd or b"\xef\xbf\xbe" in written or b"\xef\xbf\xbf" in written:
        written = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r", "&#13;")).encode()
    return written


class _Elements:
    """Makes the elements of one piece of a file."""

    def __init__(self) -> None:
        self._room = MARKUP_CHARS_MAX

    def element(self, name: str, value: Any) -> str:
        """One element, or one for each of an array. Items are stored with a bounded depth, so this may recurse."""
        kind = type(value)
        if kind is list:
            self._room -= len(value) * (2 * len(name) + 5)
            if self._room < 0:
                raise InvalidInput(
                    f"The array {name[:80]!r} repeats its name in more than {MARKUP_CHARS_MAX} characters of XML: "
                    "leave it out with omit, or use format=json."
                )
            return "".join([self.element(name, part) for part in value])
        name = _as_name(name)
        if kind is not dict:
            text = value if kind is str else cell(value)
            if "&" in text or "<" in text or ">" in text:
                text = _escape(text)
            return f"<{name}>{text}</{name}>" if text else f"<{name}/>"
        own = value.get("@")
        attributes = _attributes(own) if type(own) is dict else ""
        children = "".join(
            [self.element(key, part) for key, part in value.items() if key != "#" and not (key == "@" and attributes)]
        )
        inside = children or _escape(cell(value.get("#")))
        return f"<{name}{attributes}>{inside}</{name}>" if inside else f"<{name}{attributes}/>"


def _attributes(own: Item) -> str:
    named = {_as_name(key): part for key, part in own.items()}  # an element has each attribute once
    return "".join([f" {name}={quoteattr(cell(part))}" for name, part in named.items()])


def _as_name(key: str) -> str:
    """The nearest XML name to a key."""
    return _known_name(key) if len(key) <= _NAME_CHARS_KNOWN else _nearest_name(key)


@lru_cache(_NAMES_KNOWN)
def _known_name(key: str) -> str:
    return _nearest_name(key)


def _nearest_name(key: str) -> str:
    if _NAME.fullmatch(key):
        return key
    name = _NOT_NAME.sub("_", key)
    return name if _NAME.fullmatch(name) else f"_{name}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
