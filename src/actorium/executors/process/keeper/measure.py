"""What a container used: measured by the shim, kept in a small file that readers see whole or not at all."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import astuple, dataclass

from actorium.executors.process.keeper import clock, network
from actorium.executors.process.keeper.cgroups import Group, Usage

_FORMAT = "=qq ddd ddd qq qq"  # shims of older versions go on writing it: a change needs a second file
_SIZE = struct.calcsize(_FORMAT)
_ABSENT = -1
CPU_WINDOW_SECS_MIN = 0.1  # a peak over less is noise of the scheduler's ticks


@dataclass(slots=True, kw_only=True)
class State:
    """The small file. -1 is what is not measured or not yet known."""

    started_ms: int = _ABSENT
    at_ms: int = _ABSENT
    mem_avg: float = _ABSENT
    mem_max: float = _ABSENT
    mem_current: float = _ABSENT
    cpu_avg: float = _ABSENT
    cpu_max: float = _ABSENT
    cpu_current: float = _ABSENT
    net_rx: int = _ABSENT
    net_tx: int = _ABSENT
    internal_rx: int = _ABSENT
    internal_tx: int = _ABSENT

    def encode(self) -> bytes:
        body = struct.pack(_FORMAT, *astuple(self))
        return body + struct.pack("=I", zlib.crc32(body))

    @classmethod
    def decode(cls, data: bytes) -> State | None:
        """None when it was read in the middle of a write, or is not written yet."""
        if len(data) != _SIZE + 4 or zlib.crc32(data[:_SIZE]) != struct.unpack_from("=I", data, _SIZE)[0]:
            return None
        return cls(**dict(zip(cls.__dataclass_fields__, struct.unpack_from(_FORMAT, data), strict=True)))


class Meter:
    """Adds up samples of one container."""

    def __init__(self, path: str, group: Group | None) -> None:
        """Makes the file; FileExistsError means that the container was taken on before."""
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.state = State()
        self._group = group
        self.interface: str | None = None
        self.forwards = False
        self.internal_rx = self.internal_tx = 0
        self._started = self._cpu_at = self._mem_at = clock.monotonic()
        self._cpu_ns: int | None = None
        self._cpu_before_ns = 0
        self._mem_integral = 0.0
        self._write()

    def started(self, begun: float, *, cpu_before_ns: int = 0) -> None:
        """The program runs since the given moment of the monotonic clock; what its group used before is not its own."""
        self.state.started_ms = clock.now_ms() - round((clock.monotonic() - begun) * 1000)
        self._started = self._cpu_at = self._mem_at = begun
        self._cpu_ns = self._cpu_before_ns = cpu_before_ns
        self._write()

    def sample(self) -> None:
        """Measure now."""
        usage = self._group.usage() if self._group is not None else Usage()
        now = clock.monotonic()
        self.state.at_ms = clock.now_ms()
        self._add_cpu(usage.cpu_ns, now)
        self._add_memory(usage.mem_bytes, now)
        self._add_network()
        self._write()

    def last(self) -> None:
        """The program ended: counters are final, memory is what the samples before saw."""
        usage = self._group.usage() if self._group is not None else Usage()
        self.state.at_ms = clock.now_ms()
        self._add_cpu(usage.cpu_ns, clock.monotonic())
        self._add_network()
        self._write()

    def _add_cpu(self, cpu_ns: int | None, now: float) -> None:
        if cpu_ns is None or self._cpu_ns is None:
            return
        window = now - self._cpu_at
        self.state.cpu_avg = (cpu_ns - self._cpu_before_ns) / 1e7 / max(now - self._started, 1e-3)
        if window >= CPU_WINDOW_SECS_MIN or self.state.cpu_current < 0:
            self.state.cpu_current = (cpu_ns - self._cpu_ns) / 1e7 / max(window, 1e-3)
            self.state.cpu_max = max(self.state.cpu_max, self.state.cpu_current)
            self._cpu_ns, self._cpu_at = cpu_ns, now
        self.state.cpu_max = max(self.state.cpu_max, self.state.cpu_avg)  # windows may all be too short

    def _add_memory(self, mem_bytes: int | None, now: float) -> None:
        if not mem_bytes:
            return  # nothing in it yet, or nothing any more: no measurement of a program
        self._mem_integral += mem_bytes * (now - self._mem_at)
        self._mem_at = now
        self.state.mem_current = mem_bytes
        self.state.mem_max = max(self.state.mem_max, mem_bytes)
        self.state.mem_avg = self._mem_integral / (now - self._started)

    def _add_network(self) -> None:
        if self.forwards:
            self.state.internal_rx, self.state.internal_tx = self.internal_rx, self.internal_tx
        if self.interface is None:
            return
        seen = network.counters(self.interface)
        if seen is not None:
            self.state.net_rx = seen[0] + self.internal_rx
            self.state.net_tx = seen[1] + self.internal_tx

    def _write(self) -> None:
        os.pwrite(self._fd, self.state.encode(), 0)
