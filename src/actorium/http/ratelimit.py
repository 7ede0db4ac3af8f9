"""Token buckets per caller and per resource, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from actorium.kernel.errors import RateLimitExceeded
from actorium.kernel.limits import RATE_BUCKETS_MAX, TOKENS_PER_SECOND_USER

USER_BURST_SECS = 60  # the API's own limit is by the minute
RESOURCE_BURST_SECS = 1


class RateLimiter:
    """Counts requests against their rates. The state of a process: several servers each allow the full rate.

    Each bucket is one number, the moment at which it will be full again; a bucket whose moment has passed is the same
    as no bucket, so idle ones are forgotten without loss.

    scale: multiplies every rate; 0 turns the limiter off.
    """

    def __init__(
        self, monotonic: Callable[[], float], *, scale: float = 1.0, buckets_max: int = RATE_BUCKETS_MAX
    ) -> None:
        if scale < 0:
            raise ValueError(f"the scale of rate limits must be 0 (off) or more, not {scale}")
        self._monotonic = monotonic
        self._scale = scale
        self._buckets_max = buckets_max
        self._full_at: dict[Hashable, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def shown(self, rate: int) -> int:
        """The rate as callers see it, in requests a second."""
        return max(1, round(rate * self._scale)) if self._scale else rate

    def check(self, caller: str, resource: Hashable, *, rate: int, now: float) -> None:
        """Count one request. Raises RateLimitExceeded, and then counts nothing for the resource."""
        if self._scale and not self.within(caller, resource, rate=rate, now=now):
            raise RateLimitExceeded

    def within(self, caller: str, resource: Hashable, *, rate: int, now: float) -> bool:
        """The same, but False where only the rate of the resource is exceeded."""
        if not self._scale:
            return True
        if not self._take(caller, 1 / (TOKENS_PER_SECOND_USER * self._scale), USER_BURST_SECS, now):
            raise RateLimitExceeded
        return self._take((caller, resource), 1 / (rate * self._scale), RESOURCE_BURST_SECS, now)

    def check_stranger(self, address: str | None) -> None:
        """Count one refused token against the address it came from: guessing is limited too."""
        if self._scale:
            secs = 1 / (TOKENS_PER_SECOND_USER * self._scale)
            if not self._take(("stranger", address), secs, RESOURCE_BURST_SECS, self._monotonic()):
                raise RateLimitExceeded

    def _take(self, key: Hashable, secs: float, burst_secs: float, now: float) -> bool:
        """Take one token of ``secs`` out of a bucket that holds ``burst_secs``; False if there is none."""
        full_at = self._full_at.get(key)
        if full_at is None:
            if len(self._full_at) >= self._buckets_max:
                self._evict(now)
            full_at = now
        elif full_at < now:
            full_at = now
        full_at += secs
        if full_at - now > burst_secs + 1e-9 and full_at - now > secs + 1e-9:  # a slow bucket still holds one
            return False
        self._full_at[key] = full_at
        return True

    def _evict(self, now: float) -> None:
        busy = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        if len(busy) > self._buckets_max // 2:  # the emptiest half is the one worth remembering
            emptiest = sorted(busy, key=busy.__getitem__, reverse=True)[: self._buckets_max // 2]
            busy = {key: busy[key] for key in emptiest}
        self._full_at = busy
