"""PostgreSQL, on a private server."""

from __future__ import annotations

from functools import partial

import pytest

from actorium.database.postgres import Postgres
from actorium.testing.conformance.database import DatabaseConformance


class TestPostgres(DatabaseConformance):
    pytestmark = [pytest.mark.anyio, pytest.mark.services]
    overlapping = True

    @pytest.fixture
    async def empty(self, postgres_url: str) -> Postgres:
        return await Postgres.open(postgres_url)

    @pytest.fixture
    def another(self, postgres_url: str) -> partial[object]:
        return partial(Postgres.open, postgres_url, writers=1, readers=1)
