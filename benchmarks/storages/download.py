"""Reading one reply as a client that does nothing with it: when the first byte came, how many there were."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass

import httptools

PIECE = 1 << 20
STALL_SECS = 300.0


@dataclass(slots=True, kw_only=True)
class Download:
    """What came of one request."""

    status: int = 0
    first_secs: float = 0.0
    """From sending the request to the first byte of the body."""
    secs: float = 0.0
    size: int = 0
    """Bytes of the body, without HTTP's own."""
    lines: int = 0
    whole: bool = False
    start: bytes = b""
    """The first bytes of the body: an error says there what it is."""

    @property
    def refused(self) -> str:
        """Why there is no content; nothing if there is."""
        return "" if self.status < 400 else f"answered {self.status}: {self.start[:300].decode(errors='replace')}"


class _Reply:
    """What the parser calls."""

    def __init__(self, found: Download, begun: float) -> None:
        self._found = found
        self._begun = begun

    def on_body(self, piece: bytes) -> None:
        found = self._found
        if not found.size:
            found.first_secs = time.perf_counter() - self._begun
            found.start = piece[:1000]
        found.size += len(piece)
        found.lines += piece.count(b"\n")

    def on_message_complete(self) -> None:
        self._found.whole = True


def download(port: int, request: bytes, secs_max: float, pause_secs: float) -> Download:
    """Read until the end or until the time is over, whichever is first; ``pause_secs`` after the first byte."""
    found = Download()
    with socket.create_connection(("127.0.0.1", port), STALL_SECS) as connection:
        begun = time.perf_counter()
        connection.sendall(request)
        parser = httptools.HttpResponseParser(_Reply(found, begun))
        while not found.whole:
            piece = connection.recv(PIECE)
            if not piece:
                break
            parser.feed_data(piece)
            if pause_secs and found.size:
                time.sleep(pause_secs)
                pause_secs = 0
            if found.size and time.perf_counter() - begun >= secs_max:
                break
        found.secs = time.perf_counter() - begun
    found.status = parser.get_status_code()
    return found


def upload(port: int, head: bytes, piece: bytes, pieces: int) -> Download:
    """Send a body piece by piece; its length is in the head."""
    found = Download()
    with socket.create_connection(("127.0.0.1", port), STALL_SECS) as connection:
        begun = time.perf_counter()
        connection.sendall(head)
        for _ in range(pieces):
            connection.sendall(piece)
        parser = httptools.HttpResponseParser(_Reply(found, begun))
        while not found.whole and (answer := connection.recv(PIECE)):
            parser.feed_data(answer)
        found.secs = time.perf_counter() - begun
    found.status = parser.get_status_code()
    return found
