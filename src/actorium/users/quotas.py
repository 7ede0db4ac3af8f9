"""What one account may use at once of runs and builds, and what it uses: counted in the transaction that adds to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from actorium.database import Tx
from actorium.kernel.errors import Payment
from actorium.users import store
from actorium.users.model import Quota


class ActorMemoryLimitExceeded(Payment):
    """The memory of your runs and builds together would pass the limit of your account."""

    type = "actor-memory-limit-exceeded"


class ConcurrentRunsLimitExceeded(Payment):
    """You have as many unfinished runs as your account may have."""

    type = "concurrent-runs-limit-exceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What an account uses now, whether it waits for a place or runs."""

    memory_mbytes: int = 0
    runs: int = 0


class Quotas:
    """The limits of accounts. Runs and builds say what they use; this knows neither."""

    def __init__(self, default: Quota) -> None:
        self._default = default
        self._counted: list[Callable[[Tx, str], Load]] = []

    def count(self, load_in: Callable[[Tx, str], Load]) -> None:
        """Count in what a feature tells of a user."""
        self._counted.append(load_in)

    def of_in(self, tx: Tx, user_id: str) -> Quota:
        """The limits of a user: the user's own where there are some, else those of the settings."""
        user = store.find(tx, user_id)
        own = Quota() if user is None else user.document.quota
        return Quota(
            memory_mbytes=self._default.memory_mbytes if own.memory_mbytes is None else own.memory_mbytes,
            concurrent_runs=self._default.concurrent_runs if own.concurrent_runs is None else own.concurrent_runs,
        )

    def load_in(self, tx: Tx, user_id: str) -> Load:
        """What a user's runs and builds use together."""
        loads = [load_in(tx, user_id) for load_in in self._counted]
        return Load(
            memory_mbytes=sum(load.memory_mbytes for load in loads),
            runs=sum(load.runs for load in loads),
        )

    def check_in(self, tx: Tx, user_id: str, *, more: Load) -> None:
        """Ask, in the transaction that adds to an account's load and before it does, whether it may.

        Two that ask at once for one user do so one after the other. Raises ActorMemoryLimitExceeded,
        ConcurrentRunsLimitExceeded.
        """
        quota = self.of_in(tx, user_id)
        if not quota.memory_mbytes and not quota.concurrent_runs:
            return
        store.hold(tx, user_id)
        now = self.load_in(tx, user_id)
        if quota.concurrent_runs and more.runs and now.runs + more.runs > quota.concurrent_runs:
            raise ConcurrentRunsLimitExceeded(
                f"You have {now.runs} unfinished runs, and your account may have {quota.concurrent_runs} at once."
                " Wait for one to end, abort one, or ask the operator of this server for more."
            )
        if quota.memory_mbytes and now.memory_mbytes + more.memory_mbytes > quota.memory_mbytes:
            raise ActorMemoryLimitExceeded(
                f"This needs {more.memory_mbytes} MB. Your unfinished runs and builds have {now.memory_mbytes} MB of"
                f" the {quota.memory_mbytes} MB that your account may use at once. Wait for one to end, abort one, ask"
                " for less memory, or ask the operator of this server for more."
            )
