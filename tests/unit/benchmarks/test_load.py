"""The load of the storage benchmarks reads replies as HTTP says, and notices what is no success."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from benchmarks.storages.download import download
from benchmarks.storages.load import Refused, Speaker, converse, request
from benchmarks.storages.talks import LockAndHandle, PutAndGet, Repeat

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello"
MISSING = b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnone"
FAR = float("inf")


class Wire(asyncio.Transport):
    """A connection of which the test is the other side."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.ended = ""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def abort(self) -> None:
        self.ended = "aborted"

    def close(self) -> None:
        self.ended = "closed"


class Heard:
    """A talk that says numbers and keeps what it hears."""

    def __init__(self) -> None:
        self.done = 0
        self.bodies: list[bytes] = []

    def first(self) -> bytes:
        return b"0"

    def next(self, body: bytes) -> bytes:
        self.bodies.append(body)
        self.done += 1
        return b"%d" % self.done


@pytest.mark.parametrize("reply", [OK, CHUNKED])
@pytest.mark.parametrize("piece", [1, 7, 1000])
async def test_a_reply_may_come_in_pieces_of_any_size(reply: bytes, piece: int) -> None:
    talk, wire = Heard(), Wire()
    speaker = Speaker(talk, deadline=FAR)
    speaker.connection_made(wire)
    for content in (reply, reply):
        for at in range(0, len(content), piece):
            speaker.data_received(content[at : at + piece])
    assert talk.bodies == [b"hello", b"hello"]
    assert wire.sent == [b"0", b"1", b"2"]
    assert len(speaker.waits) == 2


async def test_after_the_deadline_nothing_more_is_said() -> None:
    talk, wire = Heard(), Wire()
    speaker = Speaker(talk, deadline=0)
    speaker.connection_made(wire)
    speaker.data_received(OK)
    speaker.connection_lost(None)
    assert (talk.done, wire.sent, wire.ended) == (1, [b"0"], "aborted")
    assert speaker.closed.result() is None


async def test_a_server_that_closes_after_a_reply_gets_the_next_request_on_a_new_connection() -> None:
    wire, another = Wire(), Wire()
    speaker = Speaker(Heard(), deadline=FAR)
    speaker.connection_made(wire)
    speaker.data_received(CLOSING)
    assert (wire.sent, wire.ended, speaker.following) == ([b"0"], "closed", b"1")
    speaker.connection_lost(None)
    assert speaker.closed.result() is None
    speaker.connection_made(another)
    assert another.sent == [b"1"]


@pytest.mark.parametrize(
    ("content", "says"),
    [(MISSING, "answered 404: b'none'"), (b"SMTP ready\r\n", "not HTTP"), (OK[:-2], "in the middle of the load")],
)
async def test_what_is_no_success_ends_the_load(content: bytes, says: str) -> None:
    speaker = Speaker(Heard(), deadline=FAR)
    speaker.connection_made(Wire())
    speaker.data_received(content)
    speaker.connection_lost(None)
    with pytest.raises(Refused, match=says):
        speaker.closed.result()


async def test_a_repeated_request_counts_what_it_is_worth() -> None:
    talk = Repeat(requests=[b"a", b"b"], worth=25, calls_max=3)
    assert [talk.first(), talk.next(b""), talk.next(b""), talk.next(b"")] == [b"a", b"b", b"a", None]
    assert talk.done == 75


async def test_each_locked_request_is_marked_as_handled() -> None:
    items = [{"id": f"id{n}", "uniqueKey": f"key{n}", "url": f"http://x/{n}", "method": "GET"} for n in range(2)]
    talk = LockAndHandle(queue_id="q", token="t", client_key="c", head=2, handled_max=None)
    locking = talk.first()
    assert locking.startswith(b"POST /v2/request-queues/q/head/lock?lockSecs=180&limit=2&clientKey=c ")
    first = talk.next(json.dumps({"data": {"items": items}}).encode())
    second = talk.next(b"{}")
    for one, number in ((first, 0), (second, 1)):
        assert one is not None
        assert one.startswith(b"PUT /v2/request-queues/q/requests/id%d?clientKey=c " % number)
        assert json.loads(one.partition(b"\r\n\r\n")[2])["uniqueKey"] == f"key{number}"
    assert talk.next(b"{}") == locking
    assert talk.done == 2
    assert talk.next(b'{"data": {"items": []}}') is None


async def test_a_record_that_comes_back_different_is_noticed() -> None:
    talk = PutAndGet(path="/r/", token="t", content=b"content")
    assert talk.first().startswith(b"PUT /r/0 ")
    got = talk.next(b"{}")
    assert got.startswith(b"GET /r/0 ")
    with pytest.raises(Refused, match="came back different"):
        talk.next(b"other")


@contextmanager
def answering(*replies: bytes) -> Iterator[int]:
    """The port of a server that gives each connection the next reply to its request, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for reply in replies:
            connection, _ = listener.accept()
            with connection:
                heard = b""
                while b"\r\n\r\n" not in heard:
                    heard += connection.recv(1000)
                connection.sendall(reply)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(10)
        listener.close()


def test_a_load_counts_its_calls() -> None:
    talk = Repeat(requests=[request("GET", "/")], calls_max=2)
    with answering(CLOSING, CLOSING) as port:
        outcome = converse(port, [talk], 30.0)
    assert (outcome.done, outcome.calls) == (2, 2)


@pytest.mark.parametrize(
    ("reply", "size", "whole"),
    [(OK, 5, True), (CHUNKED, 5, True), (OK[:-2], 3, False), (OK.replace(b"hello", b"a\nb\nc"), 5, True)],
)
def test_a_download_counts_the_body(reply: bytes, size: int, whole: bool) -> None:
    with answering(reply) as port:
        found = download(port, request("GET", "/"), 30.0, 0.0)
    assert (found.size, found.whole, found.refused) == (size, whole, "")
    assert found.lines == (2 if b"a\nb" in reply else 0)


def test_a_refused_download_says_why() -> None:
    with answering(MISSING) as port:
        found = download(port, request("GET", "/"), 30.0, 0.0)
    assert found.refused == "answered 404: none"
