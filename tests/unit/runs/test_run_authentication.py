"""Run tokens: looked up once while nothing is committed, and good for no longer than their run and some minutes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from actorium.kernel.instant import Instant
from actorium.kernel.limits import RUN_TOKEN_GRACE_SECS
from actorium.kernel.principal import RunScope
from actorium.runs import authentication
from actorium.runs.authentication import RunAuthentication
from actorium.runs.model import StorageIds
from actorium.runs.tokens import RunTokens
from actorium.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

RUN_ID = "run00000000000001"


class Reads:
    """A database that counts reads, and whose version a test sets."""

    def __init__(self) -> None:
        self.now_version: int | None = 1
        self.reads = 0

    def version(self) -> int | None:
        return self.now_version

    async def read(self, work: Any) -> Any:
        self.reads += 1
        return work(None)


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    life = SimpleNamespace(finished_at=None)
    ids = StorageIds(datasets={"default": "d"}, key_value_stores={"default": "k"}, request_queues={"default": "q"})
    document = SimpleNamespace(
        starter_name="alice",
        present_actor_id=None,
        metamorphs=(),
        owner_number=1,
        permission_level="LIMITED_PERMISSIONS",
        storage_ids=ids,
        granted_storages={"r": ("READ",), "w": ("READ", "WRITE")},
    )
    run = SimpleNamespace(id=RUN_ID, owner_id="alice-id", actor_id="a", build_id="b", document=document, life=life)
    monkeypatch.setattr(authentication.store, "find", lambda _, run_id: run if run_id == RUN_ID else None)
    return life


async def test_a_token_is_looked_up_once_while_nothing_is_committed(life: SimpleNamespace) -> None:
    database, tokens = Reads(), RunTokens("secret")
    authenticating = RunAuthentication(database, tokens=tokens, clock=ManualClock())  # type: ignore[arg-type]
    for _ in range(3):
        principal = await authenticating.authenticate(tokens.token(RUN_ID))
        assert principal is not None
        assert (principal.user_id, principal.run_id) == ("alice-id", RUN_ID)
        assert principal.scope == RunScope(
            run_id=RUN_ID,
            actor_id="a",
            build_id="b",
            own_storages=frozenset({"d", "k", "q"}),
            may_write=frozenset({"w"}),
            may_read=frozenset({"r"}),
        )
    assert database.reads == 1
    database.now_version = 2
    assert await authenticating.authenticate(tokens.token(RUN_ID)) is not None
    assert database.reads == 2
    for wrong in (tokens.token("run00000000000009"), RunTokens("other").token(RUN_ID), "x"):
        assert await authenticating.authenticate(wrong) is None


async def test_a_remembered_token_ends_with_its_time(life: SimpleNamespace) -> None:
    database, tokens, clock = Reads(), RunTokens("secret"), ManualClock()
    authenticating = RunAuthentication(database, tokens=tokens, clock=clock)  # type: ignore[arg-type]
    life.finished_at = Instant(clock.now())
    await clock.advance(RUN_TOKEN_GRACE_SECS)
    assert await authenticating.authenticate(tokens.token(RUN_ID)) is not None
    await clock.advance(0.001)
    assert await authenticating.authenticate(tokens.token(RUN_ID)) is None
    assert database.reads == 1
