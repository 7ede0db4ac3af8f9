"""The API tests of users, Actors, builds and storages once more, on PostgreSQL and S3: each store is one text."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import s3_server
import storage_world
import world
from actorium.blobs import Blobs
from actorium.blobs.s3 import S3Blobs
from actorium.database.migrate import Engine
from actorium.database.postgres import Postgres

pytestmark = [pytest.mark.anyio, pytest.mark.services]

API = Path(__file__).resolve().parents[1] / "api"
QUEUES = ("test_request_queues", "test_request_queues_lists", "test_request_queues_rules")
STORAGES = ("test_datasets", "test_key_value_stores", *QUEUES)
FILES = ("test_users", "test_actors", "test_actor_versions", "test_builds", "test_build_loop", *STORAGES)

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
async def test_on_postgres(
    test: Test, postgres_kept_url: str, s3: s3_server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def open_database() -> Engine:
        return await Postgres.open(postgres_kept_url)

    async def open_blobs() -> Blobs:
        return await S3Blobs.open(s3.url, s3.environment)

    for module in (world, storage_world):
        monkeypatch.setattr(module, "open_database", open_database)
    monkeypatch.setattr(storage_world, "open_blobs", open_blobs)
    await test()
