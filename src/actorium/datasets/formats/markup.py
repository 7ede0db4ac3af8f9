"""XML and RSS: a key is an element, an array repeats it, ``@`` holds attributes and ``#`` the text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import msgspec

from actorium.datasets.formats import Item
from actorium.datasets.formats.json_texts import BOM
from actorium.kernel.errors import InvalidValue

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")
_NOT_NAME = re.compile(r"[^A-Za-z0-9._-]")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


class Xml:
    """``format=xml``"""

    media_type = "application/xml; charset=utf-8"
    extension = "xml"
    needs_columns = False

    def __init__(self, *, root: str = "items", row: str = "item", bom: bool = False) -> None:
        for name, value in (("xmlRoot", root), ("xmlRow", row)):
            if _NAME.fullmatch(value) is None:
                raise InvalidValue(f"{name} must be an XML name: a letter, then letters, digits, '.', '_' and '-'.")
        self._root = root
        self._row = row
        self._bom = BOM if bom else b""

    def begin(self, columns: list[str]) -> bytes:  # noqa: ARG002 - it has none
        return self._bom + f"{_DECLARATION}<{self._root}>\n".encode()

    def rows(self, items: Iterable[Item]) -> bytes:
        return "".join(_element(self._row, item) + "\n" for item in items).encode()

    def end(self) -> bytes:
        return f"</{self._root}>\n".encode()


class Rss:
    """``format=rss``"""

    media_type = "application/rss+xml; charset=utf-8"
    extension = "rss"
    needs_columns = False

    def __init__(self, *, title: str, description: str, bom: bool = False) -> None:
        self._title = title
        self._description = description
        self._bom = BOM if bom else b""

    def begin(self, columns: list[str]) -> bytes:  # noqa: ARG002 - it has none
        channel = _element("title", self._title) + _element("description", self._description)
        return self._bom + f'{_DECLARATION}<rss version="2.0"><channel>{channel}\n'.encode()

    def rows(self, items: Iterable[Item]) -> bytes:
        return "".join(_element("item", item) + "\n" for item in items).encode()

    def end(self) -> bytes:
        return b"</channel></rss>\n"


def _element(name: str, value: Any) -> str:
    """One element, or one for each of an array. Items are stored with a bounded depth, so this may recurse."""
    if isinstance(value, list):
        return "".join(_element(name, part) for part in value)
    name = _as_name(name)
    if not isinstance(value, dict):
        text = _text(value)
        return f"<{name}>{text}</{name}>" if text else f"<{name}/>"
    own = value.get("@")
    attributes = ""
    if isinstance(own, dict):
        attributes = "".join(f" {_as_name(key)}={quoteattr(_plain(part))}" for key, part in own.items())
    children = "".join(
        _element(key, part) for key, part in value.items() if not (key == "#" or (key == "@" and attributes))
    )
    inside = children or _text(value.get("#"))
    return f"<{name}{attributes}>{inside}</{name}>" if inside else f"<{name}{attributes}/>"


def _as_name(key: str) -> str:
    """The nearest XML name to a key."""
    if _NAME.fullmatch(key):
        return key
    name = _NOT_NAME.sub("_", key)
    return name if _NAME.fullmatch(name) else f"_{name}"


def _text(value: Any) -> str:
    return escape(_plain(value))


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", value)
    return "" if value is None else msgspec.json.encode(value).decode()
