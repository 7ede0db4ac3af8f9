"""The one error of the demo."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class DemoFailed(Exception):
    """Something did not go as it should."""

    message: str
    """What happened."""
    hint: str
    """What to do about it."""
    server_log: str = ""
    """The end of the server's log."""

    def __str__(self) -> str:
        return self.message


def expect(truth: object, message: str, *, hint: str) -> None:
    """Raise DemoFailed unless it is true."""
    if not truth:
        raise DemoFailed(message, hint)
