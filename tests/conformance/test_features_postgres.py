"""The API tests of users, Actors and builds once more, on PostgreSQL: each store is one text."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import world
from actorium.database.migrate import Engine
from actorium.database.postgres import Postgres

pytestmark = [pytest.mark.anyio, pytest.mark.services]

API = Path(__file__).resolve().parents[1] / "api"
FILES = ("test_users", "test_actors", "test_actor_versions", "test_builds", "test_build_loop")

Test = Callable[[], Awaitable[None]]


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"on_postgres_{name}", API / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def collected() -> Iterator[Test]:
    """The tests without parameters: each kind of statement is in one of them."""
    for name in FILES:
        for found, test in inspect.getmembers(loaded(name), inspect.iscoroutinefunction):
            if found.startswith("test_") and not inspect.signature(test).parameters:
                yield test


@pytest.mark.parametrize("test", [*collected()], ids=lambda test: test.__name__)
async def test_on_postgres(test: Test, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def open_database() -> Engine:
        return await Postgres.open(postgres_url)

    monkeypatch.setattr(world, "open_database", open_database)
    await test()
