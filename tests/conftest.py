"""What every test may use."""

from __future__ import annotations

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")  # a loaded machine is no failure

pytest_plugins = ["container_engine", "iso", "postgres_server", "s3_server"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
