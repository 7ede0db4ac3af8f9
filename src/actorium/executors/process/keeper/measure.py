"""What a container used: measured by the shim, kept in a small file that readers see whole or not at all."""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from dataclasses import astuple, dataclass

from actorium.executors.process.keeper import clock, network
from actorium.executors.process.keeper.cgroups import Group, Usage
from actorium.executors.process.keeper.forwarder import ByteMeter

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


_NEAR = 0.9  # of the limit: below this share the kernel does not kill for it


class Peak:
    """What the samples of memory missed, as far as the kernel's own peak tells.

    That peak holds page cache and the kernel's own memory, too. When it rose between two samples, the most that both
    held of this is taken off, so that what is left was resident: too little rather than too much. It is too much only
    by files that were written and deleted again between the two.
    """

    def __init__(self, group: Group | None, memory_bytes: int) -> None:
        self._group, self._limit = group, memory_bytes
        self._peak = self._other = self._killed = 0

    def start(self, before: Usage) -> None:
        """What was before is nobody's peak."""
        self._peak, self._other = before.mem_peak_bytes or 0, before.mem_other_bytes or 0

    def since(self, usage: Usage) -> int | None:
        """The most that was resident since the last sample; None: the kernel's peak did not rise, or there is none."""
        peak, other = usage.mem_peak_bytes, usage.mem_other_bytes
        if peak is None or other is None:
            return None
        rose, most = peak > self._peak, max(other, self._other)
        self._peak, self._other = peak, other
        if peak > self._limit * _NEAR and self._kills():
            most = other  # before it kills for memory, the kernel gives up all page cache that it can
        elif not rose:
            return None
        return max(min(peak, self._limit) - most, 0)

    def _kills(self) -> bool:
        """Whether the kernel killed for memory since this was asked last."""
        before = self._killed
        with contextlib.suppress(OSError):
            self._killed = self._group.out_of_memory() if self._group is not None else 0
        return self._killed > before


class Meter:
    """Adds up samples of one container."""

    def __init__(self, path: str, group: Group | None, memory_bytes: int) -> None:
        """Makes the file; FileExistsError means that the container was taken on before. ``memory_bytes``: its limit."""
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.state = State()
        self._group = group
        self.interface: str | None = None
        self.forwards = False
        self.api, self.web = ByteMeter(), ByteMeter()
        """Of connections that the program opens to the API, and of those that others open to its web server: neither
        goes over its interface."""
        self._started = self._cpu_at = self._mem_at = clock.monotonic()
        self._cpu_ns: int | None = None
        self._cpu_before_ns = 0
        self._mem_integral = 0.0
        self._peak = Peak(group, memory_bytes)
        self._write()

    def started(self, begun: float, before: Usage | None = None) -> None:
        """The program runs since the given moment of the monotonic clock; what its group did before is not its own."""
        before = before or Usage()
        self._peak.start(before)
        self.state.started_ms = clock.now_ms() - round((clock.monotonic() - begun) * 1000)
        self._started = self._cpu_at = self._mem_at = begun
        self._cpu_ns = self._cpu_before_ns = before.cpu_ns or 0
        self._add_memory(before.mem_bytes, begun)  # what it begins with is its own
        self._write()

    def sample(self) -> None:
        """Measure now."""
        usage, now = self._usage(), clock.monotonic()
        self._add_memory(usage.mem_bytes, now)
        self._add_peak(usage)
        self._save(usage, now)

    def look(self) -> None:
        """Measure only memory now, for the next ``sample`` to write down."""
        usage = self._usage()
        self._add_memory(usage.mem_bytes, clock.monotonic())
        self._add_peak(usage)

    def last(self) -> None:
        """The program ended and its memory is gone: it counts as what it was last, and as its peak since then."""
        usage, now = self._usage(), clock.monotonic()
        self._add_memory(max(round(self.state.mem_current), 0), now)
        self._add_peak(usage)
        self._save(usage, now)

    def _usage(self) -> Usage:
        return self._group.usage() if self._group is not None else Usage()

    def _save(self, usage: Usage, now: float) -> None:
        self.state.at_ms = clock.now_ms()
        self._add_cpu(usage.cpu_ns, now)
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
        self.state.mem_avg = self._mem_integral / max(now - self._started, 1e-3)

    def _add_peak(self, usage: Usage) -> None:
        self.state.mem_max = max(self.state.mem_max, self._peak.since(usage) or _ABSENT)

    def _add_network(self) -> None:
        internal_rx, internal_tx = self.api.received_bytes, self.api.sent_bytes
        if self.forwards:
            self.state.internal_rx, self.state.internal_tx = internal_rx, internal_tx
        if self.interface is None:
            return
        seen = network.counters(self.interface)
        if seen is not None:
            self.state.net_rx = seen[0] + internal_rx + self.web.sent_bytes  # sent by who called
            self.state.net_tx = seen[1] + internal_tx + self.web.received_bytes

    def _write(self) -> None:
        os.pwrite(self._fd, self.state.encode(), 0)
