"""The one error of commands that call a server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Failed(Exception):
    """Something did not go as it should."""

    message: str
    """What happened."""
    hint: str
    """What to do about it."""
    server_log: str = ""
    """The end of the server's log."""
    status: int = 0
    """The HTTP status, if it is an answer."""

    def __str__(self) -> str:
        return self.message


def expect(truth: object, message: str, *, hint: str) -> None:
    """Raise Failed unless it is true."""
    if not truth:
        raise Failed(message, hint)
