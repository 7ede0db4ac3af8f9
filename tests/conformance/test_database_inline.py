"""The simulator's database, held to the same contract."""

from __future__ import annotations

import pytest

from actorium.database.inline import Inline
from actorium.testing.conformance.database import DatabaseConformance


class TestInline(DatabaseConformance):
    shared = False

    @pytest.fixture
    async def empty(self) -> Inline:
        return await Inline.open()
