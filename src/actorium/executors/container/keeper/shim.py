"""The keeper of one container of an engine: its output, deadline, measurements, ports and end."""

from __future__ import annotations

import contextlib
import signal
import socket
from pathlib import Path
from typing import Any

from actorium.executors.container.keeper.api import EngineError, Frames
from actorium.executors.container.keeper.box import Box
from actorium.executors.process.keeper import clock, plan
from actorium.executors.process.keeper.prepared import Prepared
from actorium.executors.process.keeper.reactor import READ
from actorium.executors.process.keeper.shim import Shim

FOLDER = Path(__file__).parent
_READ_BYTES = 262_144
_DRAIN_SECS_MAX = 5.0
_ATTACH_AGAIN_SECS = 1.0
_ATTACH_AGAIN_SECS_MAX = 60.0
_DISK_LOOKS = 20  # a look at the disk may take one part of so many of the time


class EngineShim(Shim):
    """From a plan to an exit file, with an engine in between."""

    def __init__(self, state: Path, told: plan.Plan, woken: int, prepared: Prepared | None = None) -> None:
        super().__init__(state, told, woken, prepared, Box)
        assert isinstance(self._sandbox, Box)
        self._box = self._sandbox
        self._frames = Frames()
        self._pause_secs = _ATTACH_AGAIN_SECS
        self._disk_due = 0.0

    def _attend(self) -> None:
        super()._attend()
        self._reactor.watch(self._box.pidfd, READ, lambda _: self._gone())
        if self._box.counters.alarm is not None:
            self._reactor.watch(self._box.counters.alarm, READ, lambda _: self._alarmed())
        self._follow()

    def _alarmed(self) -> None:
        self._box.counters.alarmed()
        self._meter.look()  # the engine takes the group away at the end, and its peak with it

    def _follow(self) -> None:
        stream = self._box.stream
        assert stream is not None
        self._take(self._box.early)
        self._reactor.watch(stream.fileno(), READ, lambda _: self._read_stream(stream))

    def _take(self, data: bytes) -> None:
        if output := self._frames.feed(data):
            self._log.feed(output)
            self._hints.log()

    def _read_stream(self, stream: socket.socket) -> None:
        try:
            data = stream.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._take(data)
            return
        self._reactor.forget(stream.fileno())
        self._reactor.after(self._pause_secs, self._follow_again)

    def _follow_again(self) -> None:
        """The program closed its output, or the engine was started anew; to find out costs little."""
        self._pause_secs = min(self._pause_secs * 2, _ATTACH_AGAIN_SECS_MAX)
        self._frames = Frames()
        try:
            self._box.attach_again()
        except (EngineError, OSError):
            self._reactor.after(self._pause_secs, self._follow_again)
        else:
            self._follow()

    def _gone(self) -> None:
        self._reactor.forget(self._box.pidfd)
        if self._cause == "exited":
            state = self._box.settled()
            if state is None:
                self._cause = "vanished"
                self._message = "The container engine lost this container, or it was removed by another program."
            else:
                self._ended(state)
        if self._plan.disk_mbytes is not None:
            self._look_at_disk()
        self._meter.last()
        self._reactor.stopped = True

    def _ended(self, state: dict[str, Any]) -> None:
        """Engines give a signal as 128 and its number; a program that itself ends with such a code looks the same."""
        code = int(state["ExitCode"])
        if code - 128 in signal.valid_signals():
            self._signal = code - 128
        else:
            self._exit_code = code
        if state.get("OOMKilled"):
            self._box.counters.short_of_memory = True

    def _watch_disk(self) -> None:
        if self._plan.disk_mbytes is not None and clock.monotonic() >= self._disk_due:
            begun = clock.monotonic()
            self._look_at_disk()
            self._disk_due = clock.monotonic() + (clock.monotonic() - begun) * _DISK_LOOKS

    def _look_at_disk(self) -> None:
        written = self._box.written_bytes()
        if written is not None and self._plan.disk_mbytes is not None and written > self._plan.disk_mbytes << 20:
            self._log.note(f"More than the {self._plan.disk_mbytes} MB of disk were written: the container is ended.")
            self._kill("out-of-disk")

    def _drain(self) -> None:
        """Every writer is dead: the engine sends the rest and closes the stream."""
        super()._drain()
        stream = self._box.stream
        if stream is None:
            return
        self._reactor.forget(stream.fileno())
        until = clock.monotonic() + _DRAIN_SECS_MAX
        with contextlib.suppress(OSError):
            while (left := until - clock.monotonic()) > 0:
                stream.settimeout(left)
                data = stream.recv(_READ_BYTES)
                if not data:
                    return
                self._take(data)
