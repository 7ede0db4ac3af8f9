"""A container engine's API as a shim needs it: a few blocking calls over its socket, and a container's streams."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

CALL_SECS_MAX = 60.0
_HEAD_BYTES_MAX = 65_536
FRAME_HEAD_BYTES = 8


class EngineError(Exception):
    """The engine said no. ``status`` is HTTP's; 0: it could not be asked."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=CALL_SECS_MAX)
        self._path = path

    def connect(self) -> None:
        self.sock = _dial(self._path)


def _dial(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    made.settimeout(CALL_SECS_MAX)
    try:
        made.connect(path)
    except BaseException:
        made.close()
        raise
    return made


class Api:
    """One engine. Each call is a connection of its own: a shim makes a handful in a run's life."""

    def __init__(self, path: str) -> None:
        self._path = path

    def call(self, method: str, target: str, body: Any = None) -> Any:
        """The decoded answer. Raises EngineError."""
        connection = _Connection(self._path)
        content = None if body is None else json.dumps(body).encode("utf-8", "surrogatepass")
        try:
            connection.request(method, target, body=content, headers={"Content-Type": "application/json"})
            reply = connection.getresponse()
            answer = reply.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(0, f"the container engine at {self._path} does not answer: {error!r}") from error
        finally:
            connection.close()
        if reply.status >= 300:
            raise EngineError(reply.status, _message(answer))
        try:
            return json.loads(answer) if answer else None
        except ValueError:
            return None

    def attach(self, container: str) -> tuple[socket.socket, bytes]:
        """A container's input and output as one socket, and what of its output came with the answer."""
        stream = _dial(self._path)
        target = f"/containers/{container}/attach?stream=1&stdin=1&stdout=1&stderr=1"
        try:
            stream.sendall(
                f"POST {target} HTTP/1.1\r\nHost: engine\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n".encode()
            )
            head = b""
            while b"\r\n\r\n" not in head:
                piece = stream.recv(4096)
                if not piece or len(head) > _HEAD_BYTES_MAX:
                    raise EngineError(0, "the container engine hung up instead of giving the container's output")
                head += piece
            head, _, early = head.partition(b"\r\n\r\n")
            status = int(head.split(None, 2)[1])
            if status not in (101, 200):
                raise EngineError(status, _message(early))
        except BaseException:
            stream.close()
            raise
        return stream, early


def _message(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer.decode("utf-8", "replace").strip()[:500] or "no reason given"


class Frames:
    """The engine's frames around output: a kind, three zeros and a length before each piece."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """The output in what has come, without the frames; pieces of frames wait."""
        data = self._rest + data
        output, at = [], 0
        while len(data) - at >= FRAME_HEAD_BYTES:
            length = int.from_bytes(data[at + 4 : at + FRAME_HEAD_BYTES], "big")
            end = at + FRAME_HEAD_BYTES + length
            if end > len(data):
                break
            output.append(data[at + FRAME_HEAD_BYTES : end])
            at = end
        self._rest = data[at:]
        return b"".join(output)
