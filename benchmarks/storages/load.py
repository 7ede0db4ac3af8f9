"""The load: requests over keep-alive connections, from a process of its own, with as little work for each as can be.

A ``Talk`` is what one connection says: its first request, and the next one for each reply. ``Loader`` is the process.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol, Self, TypeVar

import httptools

from actorium.http.server import loop_factory

T = TypeVar("T")
AGENT = "ApifyClient/3.4.0 (linux; Python/3.11)"
GRACE_SECS = 30.0  # how long replies may be late after the time is over


class Refused(RuntimeError):
    """The server answered a request of the load with an error, or hung up."""


class Talk(Protocol):
    """One connection's side of a conversation. It is sent to the load's process, so it holds plain values."""

    done: int
    """Acknowledged operations; what one is, the talk decides."""

    def first(self) -> bytes: ...

    def next(self, body: bytes) -> bytes | None:
        """The request after this reply; None when there is nothing more to say."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one load."""

    done: int
    calls: int
    secs: float
    """From the first request to the last reply."""
    median_secs: float
    """Of one call."""
    slow_secs: float
    """95 of 100 calls were faster."""
    load_cpu_secs: float
    """What the load itself used."""
    waits: list[float]
    """How long each call of the first talk took, in order."""

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.done / self.secs


def request(
    method: str, path: str, *, token: str = "", body: bytes | None = None, content_type: str = "application/json"
) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", "accept: */*", f"user-agent: {AGENT}"]
    if token:
        lines.append(f"authorization: Bearer {token}")
    if body is not None:
        lines += [f"content-type: {content_type}", f"content-length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


class Speaker(asyncio.Protocol):
    """One talk: sends its next request as soon as the reply before it is complete, on the same connection if it can."""

    def __init__(self, talk: Talk, *, deadline: float) -> None:
        self.waits: list[float] = []
        self.following: bytes | None = talk.first()
        """What is to be said when a connection is made; None while a reply is awaited, and in the end."""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._talk = talk
        self._deadline = deadline
        self._parser = httptools.HttpResponseParser(self)
        self._transport: Any = None
        self._pieces: list[bytes] = []
        self._sent = 0.0
        self._outcome: Exception | None = Refused("the server closed a connection in the middle of the load")

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)
        content, self.following = self.following, None
        assert content is not None
        self._say(content)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(Refused(f"not HTTP: {error!r} in {data[:200]!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.closed.done():
            return
        if self.following is not None or self._outcome is None:
            self.closed.set_result(None)
        else:
            self.closed.set_exception(exc or self._outcome)

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        self.waits.append(now - self._sent)
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces = []
        try:
            following = self._next(self._parser.get_status_code(), body)
        except (Refused, ValueError, KeyError) as error:
            self._end(error)
            return
        if following is None or now >= self._deadline:
            self._end(None)
        elif self._parser.should_keep_alive():
            self._say(following)
        else:
            self.following = following
            self._transport.close()

    def _next(self, status: int, body: bytes) -> bytes | None:
        if status >= 400:
            raise Refused(f"answered {status}: {body[:300]!r}")
        return self._talk.next(body)

    def _say(self, content: bytes) -> None:
        self._sent = time.perf_counter()
        self._transport.write(content)

    def _end(self, outcome: Exception | None) -> None:
        self._outcome = outcome
        self._transport.abort()


def converse(port: int, talks: Sequence[Talk], secs: float) -> Outcome:
    """Let every talk have a connection until the time is over, then wait for the last replies. Raises Refused."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_converse(port, talks, secs))


async def _speak(port: int, speaker: Speaker) -> list[float]:
    """How long each reply took. One connection after the other, if the server closes them after a reply."""
    loop = asyncio.get_running_loop()
    while speaker.following is not None:
        speaker.closed = loop.create_future()
        await loop.create_connection(lambda: speaker, "127.0.0.1", port)
        await speaker.closed
    return speaker.waits


async def _converse(port: int, talks: Sequence[Talk], secs: float) -> Outcome:
    begun, cpu = time.perf_counter(), time.process_time()
    speakers = [Speaker(talk, deadline=begun + secs) for talk in talks]
    async with asyncio.timeout(secs + GRACE_SECS):
        spoken = await asyncio.gather(*(_speak(port, speaker) for speaker in speakers))
    took = time.perf_counter() - begun
    waits = sorted(wait for one in spoken for wait in one)
    return Outcome(
        done=sum(talk.done for talk in talks),
        calls=len(waits),
        secs=took,
        median_secs=statistics.median(waits),
        slow_secs=waits[int(len(waits) * 0.95)],
        load_cpu_secs=time.process_time() - cpu,
        waits=spoken[0],
    )


class Loader:
    """A process that runs functions of this package one after the other, so that loads do not share our interpreter."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs,), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send(None)
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """What the function gives, or raises, over there."""
        self._pipe.send((function, arguments))
        answer, error = self._pipe.recv()
        if error is not None:
            raise error
        return answer  # type: ignore[no-any-return]  # a pipe has no types


def _serve(pipe: Connection) -> None:
    while (job := pipe.recv()) is not None:
        function, arguments = job
        try:
            pipe.send((function(*arguments), None))
        except Exception as error:  # whatever it is, the other side raises it
            pipe.send((None, Refused(f"{type(error).__name__}: {error}")))
