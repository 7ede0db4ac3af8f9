"""How a record is sent: which bytes, under which headers, so that what is stored cannot attack who looks at it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from actorium.key_value_stores.conditions import Span, Unsatisfiable, is_known, part_of
from actorium.key_value_stores.content import DEFAULT_CONTENT_TYPE, accepts
from actorium.key_value_stores.record import Record

SANDBOX = "sandbox allow-downloads allow-popups"
"""A page of its own: it reaches neither the console nor the API as the user."""
SANDBOX_WITH_SCRIPTS = f"{SANDBOX} allow-scripts"
_PASSIVE = re.compile(
    r"(application/(([\w.-]+\+)?json|octet-stream|pdf|zip|gzip|x-gzip|x-tar)|audio/[\w.+-]+|font/[\w.+-]+"
    r"|image/(apng|avif|bmp|gif|jpeg|png|vnd\.microsoft\.icon|webp|x-icon)|text/(csv|plain)|video/[\w.+-]+)"
    r"(\s*;\s*charset=\"?[\w-]+\"?)?\s*",
    re.IGNORECASE,
)
"""Types in which no browser runs anything; browsers show PDF in no sandbox. Everything else gets one: pages, SVG, XML
in its many names, mail, scripts, and whatever browsers may make of a type that is written in an unusual way."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A reply to a request for a record."""

    status: int
    headers: dict[str, str]
    span: Span | None = None
    """The bytes that are needed; None for none."""
    decoded: bool = False
    """Whether the bytes are sent without their content coding."""


_NONE = Plan(status=200, headers={})


class Asked:
    """A request for a record; ``plan`` is the reply to it, made for each version that is found until one is sent."""

    def __init__(self, headers: Mapping[str, str], *, body: bool, is_private: bool) -> None:
        """body: False for HEAD. is_private: whether the URL holds the caller's own token."""
        self._headers = headers
        self._body = body
        self._is_private = is_private
        self.plan = _NONE

    def __call__(self, record: Record) -> Span | None:
        self.plan = self._plan(record)
        return self.plan.span

    def _plan(self, record: Record) -> Plan:
        sent = self._headers
        coding = record.content_encoding
        whole = Span(0, record.size)
        decoded = coding is not None and not accepts(sent.get("accept-encoding"), coding)
        tag = f'"{record.version}-plain"' if decoded else f'"{record.version}"'
        headers = {"ETag": tag, "Vary": "Accept-Encoding"}
        if is_known(sent.get("if-none-match"), tag):
            return Plan(status=304, headers=headers)
        part = None
        try:
            if self._body and not decoded:
                part = part_of(sent.get("range"), record.size, if_range=sent.get("if-range"), tag=tag)
        except Unsatisfiable:
            headers["Content-Range"] = f"bytes */{record.size}"
            return Plan(status=416, headers=headers)
        self._protect(headers, record.content_type)
        if decoded:
            return Plan(status=200, headers=headers, span=whole if self._body else None, decoded=True)
        headers["Accept-Ranges"] = "bytes"
        if coding is not None:
            headers["Content-Encoding"] = coding
        if part is None:
            headers["Content-Length"] = str(record.size)
            return Plan(status=200, headers=headers, span=whole if self._body else None)
        headers["Content-Length"] = str(part.size)
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{record.size}"
        return Plan(status=206, headers=headers, span=part)

    def _protect(self, headers: dict[str, str], content_type: str) -> None:
        """Keep content from acting as its reader. A script could read a token in its own address."""
        headers["X-Content-Type-Options"] = "nosniff"
        if not _is_passive(content_type):
            headers["Content-Security-Policy"] = SANDBOX if self._is_private else SANDBOX_WITH_SCRIPTS
            headers["Referrer-Policy"] = "no-referrer"


def media_type(record: Record) -> str:
    """The type as stored; nothing is never called JSON, because clients would parse it."""
    is_json = record.content_type.lower().startswith("application/json")
    return DEFAULT_CONTENT_TYPE if is_json and record.size == 0 else record.content_type


@lru_cache(maxsize=1024)
def _is_passive(content_type: str) -> bool:
    return _PASSIVE.fullmatch(content_type) is not None
