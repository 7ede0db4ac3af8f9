"""Forwarding between sockets of one machine."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from actorium.executors.process.keeper import forwarder
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

    def __init__(
        self,
        target: tuple[str, int],
        *,
        hold_secs: float = 5,
        make: Callable[[], socket.socket] = tcp,
        entrance: socket.socket | None = None,
        connections_max: int = 100,
    ) -> None:
        self.reactor = Reactor()
        self.entrance = entrance or listener()
        self.meter = ByteMeter()
        Forwarder(
            self.reactor,
            self.entrance,
            target,
            make=make,
            hold_secs=hold_secs,
            meter=self.meter,
            connections_max=connections_max,
        )
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


def test_what_waits_for_many_who_do_not_read_is_little(
    server: socket.socket, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is held outside of the container's memory."""
    flows: list[forwarder._Flow] = []

    class Seen(forwarder._Flow):
        def __init__(self, *told: Any) -> None:
            super().__init__(*told)
            flows.append(self)

    monkeypatch.setattr(forwarder, "_HELD_BYTES", 1 << 20)
    monkeypatch.setattr(forwarder, "_Flow", Seen)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # soon full: what is accepted has the same
    until = time.monotonic() + WAIT_SECS
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(running.connect()) for _ in range(40)]
        for client in clients:
            stack.enter_context(server.accept()[0])
            client.setblocking(False)
        held: list[int] = []
        while len(held) < len(clients):
            for client in clients:
                with contextlib.suppress(BlockingIOError):
                    client.send(bytes(1 << 20))
            held = [len(waiting) for one in flows if (waiting := one.pending) is not None]
            assert time.monotonic() < until, held
        assert 0 < sum(held) <= 1 << 20


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


def test_more_connections_than_allowed_wait_for_one_to_close(server: socket.socket) -> None:
    running = Running(server.getsockname(), connections_max=1)
    try:
        with running.connect() as first, running.connect() as second:
            first.sendall(b"1")
            second.sendall(b"2")
            far, _ = server.accept()
            with far:
                assert far.recv(2) == b"1"
                server.setblocking(False)
                with pytest.raises(BlockingIOError):
                    server.accept()
                server.settimeout(WAIT_SECS)
            first.close()
            later, _ = server.accept()
            with later:
                assert later.recv(2) == b"2"
    finally:
        running.stop()


def passes_on_and_stops(running: Running, server: socket.socket) -> None:
    try:
        with running.connect() as client:
            client.sendall(b"late")
            far, _ = server.accept()
            with far:
                assert far.recv(4) == b"late"
    finally:
        running.stop()


class Short:
    """A process that may open no more files, the first few times that it tries."""

    def __init__(self) -> None:
        self.refusals = 3

    def ask(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, "Too many open files")


def test_a_forwarder_that_may_open_no_more_sockets_tries_again(server: socket.socket) -> None:
    short = Short()

    def make() -> socket.socket:
        short.ask()
        return tcp()

    running = Running(server.getsockname(), make=make)
    passes_on_and_stops(running, server)
    assert not short.refusals


class ShortListener(socket.socket):
    """Of such a process."""

    short: Short

    def accept(self) -> tuple[socket.socket, object]:
        self.short.ask()
        return super().accept()


def test_a_forwarder_that_may_accept_no_more_tries_again_and_does_not_spin(server: socket.socket) -> None:
    entrance = ShortListener()
    entrance.short = Short()
    entrance.short.refusals = 2
    entrance.bind(("127.0.0.1", 0))
    entrance.listen(10)
    running = Running(server.getsockname(), entrance=entrance)
    watched: list[int] = []
    watch = running.reactor.watch
    running.reactor.watch = lambda fd, *rest: (watched.append(fd), watch(fd, *rest))[1]  # type: ignore[method-assign]
    passes_on_and_stops(running, server)
    assert watched.count(entrance.fileno()) <= 2
