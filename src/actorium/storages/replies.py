"""Replies that the three kinds of storage give alike."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from actorium.http.route import Reply

_UNSAFE = re.compile(r"[^A-Za-z0-9._ ()!-]")

DELETED = Reply(status=204)


def opened(view: Any, *, created: bool, path: str) -> Reply:
    """The reply of get-or-create: 201 with the place of a new one, 200 for one that was there."""
    if not created:
        return Reply(content=view)
    return Reply(status=201, content=view, headers={"Location": f"/v2/{path}/{view.id}"})


def attachment(filename: str) -> dict[str, str]:
    """The header that makes a browser save what it gets; any name is safe."""
    plain = _UNSAFE.sub("_", filename)
    encoded = quote(filename.encode("utf-8", "replace"), safe="")
    return {"Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"}
