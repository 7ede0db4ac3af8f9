"""What every test may use."""

from __future__ import annotations

from itertools import groupby

import pytest
import structlog
from hypothesis import HealthCheck, settings

# A loaded machine is no failure.
settings.register_profile("quick", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=200)
settings.load_profile("quick")

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Drawing boxes around tracebacks takes longer than most tests.
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

pytest_plugins = ["container_engine", "session_servers"]

WAITING = ("clients", "process", "services")
"""Marks of tests that start processes and wait for them, those that take longest first."""
WAITING_PART = 0.8


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread files that wait between those that compute, and none at the end: so no core is idle meanwhile."""
    files = [list(file) for _, file in groupby(items, lambda item: item.path)]
    waiting = sorted((file for file in files if rank(file) < len(WAITING)), key=rank)
    computing = [file for file in files if rank(file) == len(WAITING)]
    places = [(WAITING_PART * number / len(waiting), file) for number, file in enumerate(waiting)]
    places += [(number / len(computing), file) for number, file in enumerate(computing)]
    items[:] = [item for _, file in sorted(places, key=lambda place: place[0]) for item in file]


def rank(file: list[pytest.Item]) -> int:
    """The place in ``WAITING`` of the first mark that any test of a file has."""
    marks = {mark.name for item in file for mark in item.iter_markers()}
    return next((number for number, name in enumerate(WAITING) if name in marks), len(WAITING))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
