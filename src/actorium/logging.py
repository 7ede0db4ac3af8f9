"""How the server tells what it does: one event a line, with fields, on standard error."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from actorium.kernel.lines import printable
from actorium.kernel.structs import encode


def configure(*, level: str, format: str) -> None:
    """Set up the log of this process. ``auto``: text on a terminal, JSON elsewhere."""
    as_text = format == "text" or (format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ending: list[Any]
    if as_text:
        # Rich tracebacks show local variables, tokens among them, and take a second each.
        plain = structlog.dev.plain_traceback
        ending = [_printable, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    else:
        ending = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_serialize)]
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _printable(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Fields may hold what an Actor said: no terminal is to do it."""
    return {key: printable(value) if isinstance(value, str) else value for key, value in event.items()}


def _serialize(event: dict[str, Any], **_: Any) -> str:
    return encode({key: value if _is_plain(value) else str(value) for key, value in event.items()}).decode()


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)
