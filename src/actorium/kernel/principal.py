"""Who is asking: every store method takes one, so that nothing is read without a name on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScope:
    """What a run with limited permissions may touch of what is its user's; made with its principal, read by services.

    The ids are here so that the calls a run makes most need no look at a row to be judged.
    """

    run_id: str
    actor_id: str
    build_id: str
    own_storages: frozenset[str]
    """Its default storages, of every kind and alias."""
    may_write: frozenset[str] = frozenset()
    """Storages that its input handed over for reading and writing."""
    may_read: frozenset[str] = frozenset()
    """Storages that its input handed over for reading only."""

    def made(self, *, run_id: str | None, actor_id: str | None) -> bool:
        """Whether it, or an earlier run of its Actor, made something that notes who did."""
        return run_id == self.run_id or actor_id == self.actor_id


@dataclass(frozen=True, slots=True)
class Principal:
    """A user, or a run acting for its user."""

    user_id: str
    username: str
    number: int
    """Small and unique per user: the base of the uid range of what the user runs."""
    run_id: str | None = None
    """Set when the caller holds a run's own token."""
    actor_id: str | None = None
    """The Actor of that run."""
    scope: RunScope | None = None
    """Set when that run has limited permissions; None: everything of the user's."""
