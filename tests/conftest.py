"""What every test may use."""

from __future__ import annotations

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")  # a loaded machine is no failure

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Drawing boxes around tracebacks takes longer than most tests.
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

pytest_plugins = ["container_engine", "postgres_server", "s3_server"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
