"""Clients that push, put, add, lock and update as fast as answers come, never give up, and note what they did."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from histories.ledger import Handled, Ledger, Lock, Push, Put

CALL_SECS = 10.0  # a call to a server that was just killed may hang; then it counts as not answered
PAUSE_SECS = 0.02  # before the next call after one that was not answered
LOCK_SECS = 3
PUSH_SIZES = (1, 1, 1, 1, 1, 5, 40, 400)  # one in eight is large enough for a blob
RECORD_SIZES = (0, 10, 3_000, 80_000, 300_000)
RECORDS_PER_CLIENT = 6
FILLER = "f" * 300
NO_LOCK = 400  # request-handled-or-locked


@dataclass(slots=True)
class Stage:
    """Where the clients play: addresses of one storage of each kind, and the ledger they all write."""

    http: aiohttp.ClientSession
    dataset: str
    store: str
    queue: str
    ledger: Ledger = field(default_factory=Ledger)
    refusals: list[str] = field(default_factory=list)
    """Answers that no client should ever get, whatever happens to the server."""
    over: bool = False

    async def call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any] | None:
        """Status and decoded body; None if there was no answer or the server could not (5xx)."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            async with self.http.request(method, path, data=body, headers=headers) as reply:
                content = await reply.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            await asyncio.sleep(PAUSE_SECS)
            return None
        if reply.status >= 500:
            await asyncio.sleep(PAUSE_SECS)
            return None
        return reply.status, json.loads(content) if content else None

    def refused(self, what: str, answer: tuple[int, Any]) -> None:
        self.refusals.append(f"{what}: {answer}")


def record_body(key: str, version: int) -> bytes:
    """The bytes of one version of a record: different for each, the same whoever makes them."""
    size = RECORD_SIZES[version % len(RECORD_SIZES)]
    block = hashlib.sha256(f"{key} {version}".encode()).hexdigest().encode()
    return f"{key} {version} ".encode() + (block * (size // len(block) + 1))[:size]


def version_of(key: str, body: bytes) -> int:
    """Which version a body is; -1 for one that is none."""
    words = body.split(b" ", 2)
    if len(words) != 3 or words[0] != key.encode() or not words[1].isdigit():
        return -1
    version = int(words[1])
    return version if record_body(key, version) == body else -1


async def pusher(stage: Stage, name: str, chance: random.Random) -> None:
    """Pushes numbered items, one after the other."""
    number = 0
    while not stage.over:
        push = Push(name, number, chance.choice(PUSH_SIZES))
        number += push.count
        stage.ledger.pushes.append(push)
        items = [{"pusher": name, "n": push.first + at, "filler": FILLER} for at in range(push.count)]
        answer = await stage.call("POST", f"{stage.dataset}/items", json.dumps(items).encode())
        if answer is not None:
            push.acked = answer[0] == 201
            if not push.acked:
                stage.refused("push", answer)


async def putter(stage: Stage, name: str, chance: random.Random) -> None:
    """Writes versions of records of its own over each other."""
    version = 0
    while not stage.over:
        version += 1
        put = Put(f"{name}-{chance.randrange(RECORDS_PER_CLIENT)}", version)
        stage.ledger.puts.append(put)
        answer = await stage.call("PUT", f"{stage.store}/records/{put.key}", record_body(put.key, version))
        if answer is not None:
            put.acked = answer[0] == 201
            if not put.acked:
                stage.refused("put", answer)


async def adder(stage: Stage, name: str, chance: random.Random) -> None:
    """Adds requests, some at the front, one or a batch; repeats a call that was not answered, as clients do."""
    number = 0
    while not stage.over:
        count = chance.choice((1, 1, 25))
        keys = [f"{name}/{number + at}" for at in range(count)]
        number += count
        requests = [{"uniqueKey": key, "url": f"http://example.com/{key}", "method": "GET"} for key in keys]
        stage.ledger.added.update(dict.fromkeys(keys, False))
        path, body = ("requests", requests[0]) if count == 1 else ("requests/batch", requests)
        front = chance.choice(("", "?forefront=true"))
        answer = None
        while answer is None and not stage.over:
            answer = await stage.call("POST", f"{stage.queue}/{path}{front}", json.dumps(body).encode())
        if answer is None:
            continue
        if answer[0] != 201:
            stage.refused("add", answer)
        else:
            stage.ledger.added.update(dict.fromkeys(keys, True))


async def worker(stage: Stage, name: str, chance: random.Random) -> None:
    """Locks requests and handles them; sometimes it gives one back, sometimes it dies and forgets what it held."""
    lives = 0
    while not stage.over:
        me = f"{name}-{lives}"
        for lock in await _locked(stage, me, limit=chance.choice((1, 5, 25))):
            fate = chance.random()
            if fate < 0.03:
                lives += 1
                break
            if fate < 0.1:
                await release(stage, lock)
            else:
                await handle(stage, lock)


async def _locked(stage: Stage, me: str, *, limit: int) -> list[Lock]:
    sent = _now()
    answer = await stage.call("POST", f"{stage.queue}/head/lock?lockSecs={LOCK_SECS}&limit={limit}&clientKey={me}")
    if answer is None:
        return []
    if answer[0] != 201:
        stage.refused("lock", answer)
        return []
    received = _now()
    locks = [Lock(me, one["id"], sent, received, _millis(one["lockExpiresAt"])) for one in answer[1]["data"]["items"]]
    stage.ledger.locks += locks
    if not locks:
        await asyncio.sleep(PAUSE_SECS)
    return locks


async def handle(stage: Stage, lock: Lock) -> None:
    """Mark a request as handled, repeating a call that was not answered."""
    me = lock.worker
    found = await stage.call("GET", f"{stage.queue}/requests/{lock.id}")
    if found is None or found[0] != 200:
        return
    request = found[1]["data"]
    request.pop("lockExpiresAt", None)
    request["handledAt"] = "2026-01-01T00:00:00.000Z"
    body = json.dumps(request).encode()
    done = Handled(me, lock.id, _now(), 0, acked=False, first=False)
    stage.ledger.handled.append(done)
    answer = None
    while answer is None and not stage.over:
        answer = await stage.call("PUT", f"{stage.queue}/requests/{lock.id}?clientKey={me}", body)
    if answer is None or answer[0] == NO_LOCK:
        return  # its lock ended meanwhile and another worker has it
    if answer[0] != 200:
        stage.refused("handle", answer)
        return
    done.received, done.acked, done.first = _now(), True, not answer[1]["data"]["wasAlreadyHandled"]


async def release(stage: Stage, lock: Lock) -> None:
    """Give a request back before its lock ends."""
    given_up = Handled(lock.worker, lock.id, _now(), 0, acked=False, first=False)
    stage.ledger.released.append(given_up)
    answer = await stage.call("DELETE", f"{stage.queue}/requests/{lock.id}/lock?clientKey={lock.worker}")
    if answer is not None and answer[0] not in (204, NO_LOCK):
        stage.refused("release", answer)


async def drain(stage: Stage) -> int:
    """Handle what is left; how many calls in a row found nothing although a lock may just have ended."""
    deadline = time.monotonic() + LOCK_SECS + CALL_SECS
    empty = 0
    while time.monotonic() < deadline:
        locks = await _locked(stage, "last", limit=25)
        for lock in locks:
            await handle(stage, lock)
        if locks:
            deadline = time.monotonic() + LOCK_SECS + CALL_SECS
            continue
        status = await stage.call("GET", stage.queue)
        if status is not None and status[1]["data"]["pendingRequestCount"] == 0:
            return empty
        empty += 1
    return empty


def _now() -> float:
    return time.time() * 1000


def _millis(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp() * 1000
