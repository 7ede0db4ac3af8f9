"""What the connections of a load say."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from benchmarks.storages.items import requests
from benchmarks.storages.load import Refused, request

BATCH = 25


@dataclass(slots=True, kw_only=True)
class Repeat:
    """The same few requests over and over; each reply acknowledges ``worth`` operations."""

    requests: list[bytes]
    worth: int = 1
    calls_max: int | None = None
    done: int = 0
    _calls: int = 0

    def first(self) -> bytes:
        return self.requests[0]

    def next(self, body: bytes) -> bytes | None:  # noqa: ARG002 - that it came is enough
        self.done += self.worth
        self._calls += 1
        if self._calls == self.calls_max:
            return None
        return self.requests[self._calls % len(self.requests)]


@dataclass(slots=True, kw_only=True)
class AddBatches:
    """Batches of 25 new requests to a queue; an operation is one request."""

    queue_id: str
    token: str
    prefix: str
    """Makes the requests of this talk different from every other's."""
    calls_max: int | None = None
    done: int = 0
    _calls: int = 0

    def first(self) -> bytes:
        return self._batch()

    def next(self, body: bytes) -> bytes | None:
        if body.count(b'"wasAlreadyPresent":false') != BATCH:
            raise Refused(f"not all of a batch was added: {body[:300]!r}")
        self.done += BATCH
        return None if self._calls == self.calls_max else self._batch()

    def _batch(self) -> bytes:
        self._calls += 1
        body = json.dumps(requests(f"{self.prefix}-{self._calls}", BATCH)).encode()
        path = f"/v2/request-queues/{self.queue_id}/requests/batch?clientKey=loader"
        return request("POST", path, token=self.token, body=body)


@dataclass(slots=True, kw_only=True)
class LockAndHandle:
    """Lock the head, then mark each of its requests as handled; an operation is one handled request."""

    queue_id: str
    token: str
    client_key: str
    head: int
    """Requests locked by one call."""
    handled_max: int | None
    done: int = 0
    _waiting: list[dict[str, Any]] = field(default_factory=list)
    _handling: bool = False

    def first(self) -> bytes:
        path = (
            f"/v2/request-queues/{self.queue_id}/head/lock?lockSecs=180&limit={self.head}&clientKey={self.client_key}"
        )
        return request("POST", path, token=self.token)

    def next(self, body: bytes) -> bytes | None:
        if self._handling:
            self.done += 1
            if self.done == self.handled_max:
                return None
        else:
            self._waiting = json.loads(body)["data"]["items"]
            if not self._waiting:
                return None
        self._handling = bool(self._waiting)
        return self._handled(self._waiting.pop(0)) if self._waiting else self.first()

    def _handled(self, one: dict[str, Any]) -> bytes:
        request_id = one["id"]
        content = {
            "id": request_id,
            "uniqueKey": one["uniqueKey"],
            "url": one["url"],
            "method": one["method"],
            "userData": {"label": "DETAIL", "depth": 1, "from": "https://shop.example.com/catalogue"},
            "handledAt": "2026-01-05T12:00:00.000Z",
        }
        path = f"/v2/request-queues/{self.queue_id}/requests/{request_id}?clientKey={self.client_key}"
        return request("PUT", path, token=self.token, body=json.dumps(content).encode())


@dataclass(slots=True, kw_only=True)
class PutAndGet:
    """Put a record and get it back, under a new key each time up to ``keys``; an operation is both."""

    path: str
    """Up to the key."""
    token: str
    content: bytes
    keys: int = 1000
    done: int = 0
    _calls: int = 0

    def first(self) -> bytes:
        return self._put()

    def next(self, body: bytes) -> bytes:
        self._calls += 1
        if self._calls % 2:
            return request("GET", f"{self.path}{self._key}", token=self.token)
        if body != self.content:
            raise Refused(f"a record came back different: {len(body)} bytes instead of {len(self.content)}")
        self.done += 1
        return self._put()

    def _put(self) -> bytes:
        return request("PUT", f"{self.path}{self._key}", token=self.token, body=self.content)

    @property
    def _key(self) -> int:
        return self._calls // 2 % self.keys
