"""Who is asking: every store method takes one, so that nothing is read without a name on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """A user, or a run acting for its user."""

    user_id: str
    username: str
    number: int
    """Small and unique per user: the base of the uid range of what the user runs."""
    run_id: str | None = None
    """Set when the caller holds a run's own token."""
