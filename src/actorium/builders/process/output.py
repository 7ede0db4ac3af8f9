"""A build's log: whole lines, bounded, without the passwords of the host's package indexes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from actorium.kernel.limits import LOG_BYTES_MAX, LOG_LINE_BYTES_MAX

_CREDENTIALS = re.compile(r"://([^/@\s]*:)?([^/@\s:]+)@")


class Output:
    """Collects pieces of any length and hands on whole lines, several at once when they come fast."""

    def __init__(self, log: Callable[[bytes], None], *, secrets: Iterable[str] = ()) -> None:
        self._log = log
        self._secrets = [secret.encode() for secret in secrets]
        self._longest = max(map(len, self._secrets), default=0)
        self._rest = b""
        self._left = LOG_BYTES_MAX

    def line(self, text: str) -> None:
        """One line of the builder's own."""
        self.end()
        self._emit(text.encode("utf-8", "replace") + b"\n")

    def piece(self, data: bytes) -> None:
        """What a step wrote."""
        if self._left <= 0:
            return
        lines, newline, self._rest = (self._rest + data).rpartition(b"\n")
        if newline:
            self._emit(lines + newline)
        # A secret that begins before the cut is all there, so that it is masked before it could be cut in two.
        while len(self._rest) > LOG_LINE_BYTES_MAX + self._longest:
            self._rest = self._masked(self._rest)
            if len(self._rest) > LOG_LINE_BYTES_MAX + self._longest:
                cut, self._rest = self._rest[:LOG_LINE_BYTES_MAX], self._rest[LOG_LINE_BYTES_MAX:]
                self._emit(cut + b"\n")

    def end(self) -> None:
        """A step has ended: its last line may lack a newline."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self._emit(rest + b"\n")

    def _emit(self, lines: bytes) -> None:
        if self._left <= 0:
            return
        lines = self._masked(lines)
        self._left -= len(lines)
        self._log(lines)
        if self._left <= 0:
            self._log(f"The log is longer than {LOG_BYTES_MAX} bytes; the rest is not kept.\n".encode())

    def _masked(self, text: bytes) -> bytes:
        for secret in self._secrets:
            text = text.replace(secret, b"***")
        return text


def credentials(values: Iterable[str]) -> set[str]:
    """The passwords in addresses such as ``https://user:password@host``."""
    return {match[2] for value in values for match in _CREDENTIALS.finditer(value)}
