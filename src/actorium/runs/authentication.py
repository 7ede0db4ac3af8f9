"""Who holds a run's token: the run's owner, acting through the run, while it lives and shortly after."""

from __future__ import annotations

from dataclasses import dataclass

from actorium.database import Database, Tx
from actorium.database.unchanged import Unchanged
from actorium.kernel.clock import Clock
from actorium.kernel.instant import Instant
from actorium.kernel.limits import RUN_TOKEN_GRACE_SECS, TOKENS_KNOWN_MAX
from actorium.kernel.principal import Principal
from actorium.runs import store
from actorium.runs.permissions import actor_of, scope_of
from actorium.runs.tokens import Bearer, RunTokens


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who a run's token stands for, and until when; None: while the run lives."""

    principal: Principal
    until: Instant | None


class RunAuthentication:
    """Turns run tokens into principals."""

    def __init__(self, database: Database, *, tokens: RunTokens, clock: Clock) -> None:
        self._database = database
        self._tokens = tokens
        self._clock = clock
        self._known: Unchanged[Bearer, _Holder] = Unchanged(database, entries_max=TOKENS_KNOWN_MAX)

    async def authenticate(self, token: str) -> Principal | None:
        """The principal of a run's token; None when it is wrong, or the run has been over for long."""
        bearer = self._tokens.bearer(token)
        if bearer is None:
            return None
        holder = self._known.get(bearer)
        if holder is None:
            seen = self._known.seen
            holder = await self._database.read(lambda tx: _holder(tx, bearer))
            if holder is None:
                return None
            self._known.put(bearer, holder, seen)
        if holder.until is not None and self._clock.now() > holder.until:
            return None
        return holder.principal


def _holder(tx: Tx, bearer: Bearer) -> _Holder | None:
    run = store.find(tx, bearer.run_id)
    if run is None:
        return None
    finished = run.life.finished_at
    principal = Principal(
        user_id=run.owner_id,
        username=run.document.starter_name,
        number=run.document.owner_number,
        run_id=run.id,
        actor_id=actor_of(run, bearer.metamorphs),
        scope=scope_of(run, bearer.metamorphs),
    )
    return _Holder(principal, None if finished is None else finished.plus(secs=RUN_TOKEN_GRACE_SECS))
