"""Connections between the host's loopback and a container's: the API going out, its web server coming in."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from actorium.executors.process.keeper import clock
from actorium.executors.process.keeper.reactor import READ, WRITE, Reactor
from actorium.kernel.descriptors import limit, share
from actorium.kernel.limits import FORWARDER_CONNECTIONS_MAX, FORWARDER_HOLD_SECS

_PIECE, _PIECE_MIN = 256 * 1024, 4096
_HELD_BYTES = 8 << 20
"""What may wait here for those who do not read: it is no memory of the container's. A few times as much, when pieces
were taken while there were fewer connections."""
_RETRY_SECS = 0.1
_ACCEPTED_AT_ONCE = 64
_FORWARDERS = 3  # of one container: to the API, and to its web server from outside and from inside
_SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)  # what the machine, or this process, has no more of


class _Flow:
    """Bytes in one direction: read, written, and what waits between the two."""

    __slots__ = ("count", "done", "pending", "room", "sink", "source")

    def __init__(
        self,
        source: socket.socket,
        sink: socket.socket,
        count: Callable[[int], None] | None,
        room: Callable[[], int],
    ) -> None:
        """``room`` says how much may be taken at once."""
        self.source, self.sink, self.count, self.room = source, sink, count, room
        self.pending: memoryview | None = None
        self.done = False

    def move(self) -> None:
        """Once: write what waits, else read and write. Raises OSError when either side is broken."""
        if self.pending is None and not self.done:
            try:
                data = self.source.recv(self.room())
            except BlockingIOError:
                return
            if not data:
                self.done = True
                self.sink.shutdown(socket.SHUT_WR)
                return
            if self.count is not None:
                self.count(len(data))
            self.pending = memoryview(data)
        if self.pending is not None:
            try:
                sent = self.sink.send(self.pending)
            except BlockingIOError:
                return
            self.pending = self.pending[sent:] if sent < len(self.pending) else None


class _Pair:
    """Two connected sockets and the two flows between them."""

    def __init__(
        self,
        reactor: Reactor,
        near: socket.socket,
        far: socket.socket,
        *,
        meter: ByteMeter | None,
        room: Callable[[], int],
    ) -> None:
        self._reactor = reactor
        self._ends = (near, far)
        outward = meter.sent if meter else None
        inward = meter.received if meter else None
        self._flows = (_Flow(near, far, outward, room), _Flow(far, near, inward, room))
        self.closed: Callable[[], None] | None = None

    def begin(self) -> None:
        for end in self._ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setblocking(False)
        self._wait()

    def _wait(self) -> None:
        for end in self._ends:
            events = 0
            for flow in self._flows:
                if flow.source is end and flow.pending is None and not flow.done:
                    events |= READ
                if flow.sink is end and flow.pending is not None:
                    events |= WRITE
            if events:
                self._reactor.watch(end.fileno(), events, self._ready)
            else:
                self._reactor.forget(end.fileno())  # else a hang-up would wake the loop without end

    def _ready(self, _: int) -> None:
        try:
            for flow in self._flows:
                flow.move()
        except OSError:
            self.close()
            return
        if all(flow.done and flow.pending is None for flow in self._flows):
            self.close()
        else:
            self._wait()

    def close(self) -> None:
        for end in self._ends:
            self._reactor.forget(end.fileno())
            end.close()
        if self.closed is not None:
            self.closed()


class ByteMeter:
    """Counts what goes through."""

    def __init__(self) -> None:
        self.received_bytes = self.sent_bytes = 0

    def received(self, count: int) -> None:
        self.received_bytes += count

    def sent(self, count: int) -> None:
        self.sent_bytes += count


def _fitting() -> int:
    """How many connections of one forwarder fit what this process may have open: two descriptors each."""
    return share(limit(), 2 * _FORWARDERS, at_most=FORWARDER_CONNECTIONS_MAX)


class Forwarder:
    """Takes connections at a listener and leads each to one address, trying again for a while when nobody is there."""

    def __init__(
        self,
        reactor: Reactor,
        listener: socket.socket,
        target: tuple[str, int],
        *,
        make: Callable[[], socket.socket | None],
        hold_secs: float = FORWARDER_HOLD_SECS,
        meter: ByteMeter | None = None,
        connections_max: int = FORWARDER_CONNECTIONS_MAX,
    ) -> None:
        self._reactor, self._listener, self._target = reactor, listener, target
        self._make, self._hold_secs, self._meter = make, hold_secs, meter
        self._connections_max = min(connections_max, _fitting())
        self._open = 0
        listener.setblocking(False)
        self._listen()

    def _listen(self) -> None:
        self._reactor.watch(self._listener.fileno(), READ, self._accept)

    def _accept(self, _: int) -> None:
        for _number in range(_ACCEPTED_AT_ONCE):
            if self._open >= self._connections_max:
                self._reactor.forget(self._listener.fileno())  # until one closes: the kernel holds the others
                return
            try:
                near, _address = self._listener.accept()
            except OSError as error:
                if error.errno in _SHORT:
                    self._reactor.forget(self._listener.fileno())  # else it would wake the loop without end
                    self._reactor.after(_RETRY_SECS, self._listen)
                return
            self._open += 1
            self._connect(near, clock.monotonic() + self._hold_secs)

    def _room(self) -> int:
        return max(_PIECE_MIN, min(_PIECE, _HELD_BYTES // (2 * max(self._open, 1))))

    def _released(self) -> None:
        self._open -= 1
        self._listen()

    def _connect(self, near: socket.socket, until: float) -> None:
        try:
            far = self._make()
        except OSError as error:
            if error.errno not in _SHORT:
                raise
            far = None
        if far is None:
            self._again(near, until)
            return
        far.setblocking(False)
        result = far.connect_ex(self._target)
        if result not in (0, errno.EINPROGRESS):
            far.close()
            self._again(near, until)
            return
        self._reactor.watch(far.fileno(), WRITE, lambda _: self._connected(near, far, until))

    def _connected(self, near: socket.socket, far: socket.socket, until: float) -> None:
        self._reactor.forget(far.fileno())
        error = far.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error == errno.ECONNRESET:  # somebody was there and hung up: not for us to call again
            far.close()
            near.close()
            self._released()
            return
        if error:
            far.close()
            self._again(near, until)
            return
        pair = _Pair(self._reactor, near, far, meter=self._meter, room=self._room)
        pair.closed = self._released
        pair.begin()

    def _again(self, near: socket.socket, until: float) -> None:
        if clock.monotonic() + _RETRY_SECS > until:
            near.close()
            self._released()
        else:
            self._reactor.after(_RETRY_SECS, lambda: self._connect(near, until))
