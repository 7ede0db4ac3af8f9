"""Forwarding between sockets of one machine."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from actorium.executors.process.keeper.forwarder import ByteMeter, Forwarder
from actorium.executors.process.keeper.reactor import Reactor

WAIT_SECS = 20


def listener() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen(100)
    made.settimeout(WAIT_SECS)
    return made


def tcp() -> socket.socket:
    return socket.socket()


class Running:
    """A forwarder in a thread of its own."""

    def __init__(self, target: tuple[str, int], *, hold_secs: float = 5) -> None:
        self.reactor = Reactor()
        self.entrance = listener()
        self.meter = ByteMeter()
        Forwarder(self.reactor, self.entrance, target, make=tcp, hold_secs=hold_secs, meter=self.meter)
        wake, self.woken = socket.socketpair()
        self.reactor.watch(wake.fileno(), 1, lambda _: setattr(self.reactor, "stopped", True))
        self.keep = wake
        self.thread = threading.Thread(target=self.reactor.run)
        self.thread.start()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.entrance.getsockname(), timeout=WAIT_SECS)

    def stop(self) -> None:
        self.woken.send(b"x")
        self.thread.join(WAIT_SECS)
        assert not self.thread.is_alive()
        self.reactor.close()
        for one in (self.woken, self.keep, self.entrance):
            one.close()


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with listener() as made:
        yield made


@pytest.fixture
def running(server: socket.socket) -> Iterator[Running]:
    made = Running(server.getsockname())
    yield made
    made.stop()


def test_half_closed_connections_still_answer(server: socket.socket, running: Running) -> None:
    with running.connect() as client:
        far, _ = server.accept()
        with far:
            client.sendall(b"question")
            client.shutdown(socket.SHUT_WR)
            assert far.recv(100) == b"question"
            assert far.recv(100) == b""
            far.sendall(b"answer")
        assert client.recv(100) == b"answer"
        assert client.recv(100) == b""
    assert (running.meter.sent_bytes, running.meter.received_bytes) == (8, 6)


def test_a_slow_reader_slows_the_writer_and_nobody_else(server: socket.socket, running: Running) -> None:
    with running.connect() as slow, running.connect() as quick:
        accepted = {}
        for _ in range(2):
            far, _ = server.accept()
            accepted[len(accepted)] = far
        slow.setblocking(False)
        written = 0
        with pytest.raises(BlockingIOError):
            while True:
                written += slow.send(b"x" * 65536)
        assert written < 64 << 20  # buffers of sockets, not of this process
        quick.sendall(b"ping")
        assert accepted[1].recv(4) == b"ping"
        slow.setblocking(True)
        left = written
        while left:
            left -= len(accepted[0].recv(1 << 20))
        for far in accepted.values():
            far.close()


def test_a_refused_connection_is_tried_again(server: socket.socket) -> None:
    with socket.socket() as late:
        late.bind(("127.0.0.1", 0))
        running = Running(late.getsockname())
        try:
            with running.connect() as client:
                client.sendall(b"early")
                late.listen()
                late.settimeout(WAIT_SECS)
                far, _ = late.accept()
                with far:
                    assert far.recv(5) == b"early"
        finally:
            running.stop()


def test_nobody_there_at_all_closes_it() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        running = Running(nobody.getsockname(), hold_secs=0)
        try:
            with running.connect() as client:
                assert client.recv(1) == b""
        finally:
            running.stop()


def test_a_reset_closes_the_other_side(server: socket.socket, running: Running) -> None:
    with running.connect() as client:
        far, _ = server.accept()
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        far.close()
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
