"""Who holds a run's token: the run's owner, acting through the run, while it lives and shortly after."""

from __future__ import annotations

from actorium.database import Database, Tx
from actorium.kernel.clock import Clock
from actorium.kernel.limits import RUN_TOKEN_GRACE_SECS
from actorium.kernel.principal import Principal
from actorium.runs import store
from actorium.runs.tokens import RunTokens


class RunAuthentication:
    """Turns run tokens into principals."""

    def __init__(self, database: Database, *, tokens: RunTokens, clock: Clock) -> None:
        self._database = database
        self._tokens = tokens
        self._clock = clock

    async def authenticate(self, token: str) -> Principal | None:
        """The principal of a run's token; None when it is wrong, or the run has been over for long."""
        run_id = self._tokens.run_id(token)
        if run_id is None:
            return None
        now = self._clock.now()

        def work(tx: Tx) -> Principal | None:
            run = store.find(tx, run_id)
            if run is None:
                return None
            finished = run.life.finished_at
            if finished is not None and now > finished.plus(secs=RUN_TOKEN_GRACE_SECS):
                return None
            return Principal(
                user_id=run.owner_id,
                username=run.document.starter_name,
                number=run.document.owner_number,
                run_id=run.id,
            )

        return await self._database.read(work)
