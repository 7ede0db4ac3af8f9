"""Hearing what servers log, instead of printing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog


@contextmanager
def hearing(hear: Callable[[str, dict[str, Any]], None]) -> Iterator[None]:
    """Give the level and content of every line that is logged in the block, from "info" on, to ``hear``."""
    before = structlog.get_config()

    def take(_: object, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        hear(level, dict(event))
        raise structlog.DropEvent

    structlog.configure(processors=[take], wrapper_class=structlog.make_filtering_bound_logger("info"))
    try:
        yield
    finally:
        structlog.configure(**before)
