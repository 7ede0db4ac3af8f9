"""What ``actorium serve`` tells of the first user."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actorium import app, cli


@pytest.mark.parametrize(("chosen", "is_told"), [("", True), ("a-token-for-this-job-only", False)])
def test_a_token_that_was_chosen_is_not_in_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, chosen: str, is_told: bool
) -> None:
    token = chosen or "actorium_api_made"

    @asynccontextmanager
    async def running(_: Any) -> AsyncIterator[Any]:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGTERM)
        yield SimpleNamespace(url="http://here", username="local", new_token=token)

    monkeypatch.setattr(app, "running", running)
    monkeypatch.setattr(cli, "_collect_rarely", lambda: None)
    monkeypatch.setattr(cli, "_log", lambda _: None)
    monkeypatch.setenv("ACTORIUM_DATA", str(tmp_path))
    monkeypatch.setenv("ACTORIUM_TOKEN", chosen)
    cli.serve()
    told = capsys.readouterr().out
    assert "User local was made" in told
    assert (token in told) == is_told
