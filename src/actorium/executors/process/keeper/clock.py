"""The only file of the keeper that reads the machine's clock."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Milliseconds since 1970 in UTC."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Seconds that never run backwards."""
    return time.monotonic()


def pause(secs: float) -> None:
    """Wait: for the few places of a helper process that have nothing else to do meanwhile."""
    time.sleep(secs)
