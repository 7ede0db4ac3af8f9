"""A charge on the wire."""

from __future__ import annotations

from actorium.kernel.structs import Wire


class ChargeRun(Wire, kw_only=True, frozen=True):
    """One charge."""

    event_name: str
    count: int = 1
    """How often the event happened."""
