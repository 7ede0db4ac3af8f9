"""Forks through the whole server once more, on PostgreSQL: there works do run side by side."""

from __future__ import annotations

import inspect
from functools import partial

import pytest

import server_world
from actorium.database.postgres import Postgres
from api import test_runs_fork

pytestmark = [pytest.mark.anyio, pytest.mark.services]

NAMES = (
    "test_a_fork_goes_on_from_where_its_source_is",
    "test_a_source_that_is_deleted_meanwhile_is_copied_whole_or_not_found",
    "test_a_source_that_does_not_write_is_not_waited_for_long",
    "test_a_running_source_is_asked_to_write_its_state_first",
    "test_copied_items_are_not_charged_again",
)


@pytest.mark.parametrize("name", NAMES)
async def test_on_postgres(name: str, postgres_kept_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = await Postgres.open(postgres_kept_url)
    monkeypatch.setattr(test_runs_fork, "open_server", partial(server_world.open_server, database=database))
    test = getattr(test_runs_fork, name)
    assert not inspect.signature(test).parameters
    await test()
