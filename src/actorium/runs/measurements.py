"""What was measured of a run, over all its attempts: averages weighted by time, maxima kept, traffic added up."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from actorium.executors import Stats
from actorium.kernel.structs import UNSET, Wire
from actorium.runs.model import RunStats


class Measurement(Wire, kw_only=True, frozen=True, omit_defaults=True):
    """A stretch of a run's life. None: this host could not measure it."""

    millis: int = 0
    mem_avg_bytes: float | None = None
    mem_max_bytes: int | None = None
    mem_current_bytes: int | None = None
    cpu_avg_usage: float | None = None
    cpu_max_usage: float | None = None
    cpu_current_usage: float | None = None
    net_rx_bytes: int | None = None
    net_tx_bytes: int | None = None
    internal_rx_bytes: int | None = None
    internal_tx_bytes: int | None = None

    @property
    def internal_bytes(self) -> int | None:
        """API traffic in both directions."""
        return _sum(self.internal_rx_bytes, self.internal_tx_bytes)

    @property
    def external_bytes(self) -> int | None:
        """All other traffic in both directions."""
        total = _sum(self.net_rx_bytes, self.net_tx_bytes)
        return None if total is None else max(total - (self.internal_bytes or 0), 0)


_MEASURED = tuple(name for name in Measurement.__struct_fields__ if name != "millis")
_AVERAGES = ("mem_avg_bytes", "cpu_avg_usage")
_MAXIMA = ("mem_max_bytes", "cpu_max_usage")
_SUMS = ("net_rx_bytes", "net_tx_bytes", "internal_rx_bytes", "internal_tx_bytes")
_CURRENT = ("mem_current_bytes", "cpu_current_usage")


def of(stats: Stats | None, millis: int) -> Measurement:
    """An executor's measurement of one attempt that has lasted so long."""
    if stats is None:
        return Measurement(millis=millis)
    return Measurement(millis=millis, **{name: getattr(stats, name) for name in _MEASURED})


def join(earlier: Measurement, later: Measurement) -> Measurement:
    """Two stretches, one after the other, as one."""
    joined: dict[str, Any] = {name: getattr(later, name) for name in _CURRENT}
    joined |= {name: _max(getattr(earlier, name), getattr(later, name)) for name in _MAXIMA}
    joined |= {name: _sum(getattr(earlier, name), getattr(later, name)) for name in _SUMS}
    for name in _AVERAGES:
        joined[name] = _average(getattr(earlier, name), earlier.millis, getattr(later, name), later.millis)
    return Measurement(millis=earlier.millis + later.millis, **joined)


def ended(measurement: Measurement) -> Measurement:
    """The same, of containers that are gone: they use nothing now."""
    now = {name: 0 if getattr(measurement, name) is not None else None for name in _CURRENT}
    return structs.replace(measurement, **now)


def wire(measurement: Measurement | None) -> dict[str, Any]:
    """The fields of RunStats that were measured; the others are absent."""
    if measurement is None:
        return {}
    shared = [name for name in RunStats.__struct_fields__ if name in _MEASURED]
    return {name: UNSET if (value := getattr(measurement, name)) is None else value for name in shared}


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None and second is None else (first or 0) + (second or 0)


def _max(first: Any, second: Any) -> Any:
    return max((value for value in (first, second) if value is not None), default=None)


def _average(first: float | None, first_millis: int, second: float | None, second_millis: int) -> float | None:
    if first is None or second is None:
        return second if first is None else first
    total = first_millis + second_millis
    return second if total == 0 else (first * first_millis + second * second_millis) / total
