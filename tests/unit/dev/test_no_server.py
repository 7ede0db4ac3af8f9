"""Calls to a server that is not there."""

from __future__ import annotations

import socket

import pytest

from actorium.caller.api import Api
from actorium.caller.failure import Failed

pytestmark = pytest.mark.anyio


async def test_a_server_that_is_down_is_to_be_started(anyio_backend: str) -> None:
    """Not to be looked for in what the machine lacks."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        async with Api.at(f"http://127.0.0.1:{nobody.getsockname()[1]}", token="t") as api:
            with pytest.raises(Failed, match="got no answer") as caught:
                await api.call("GET", "/v2/users/me")
    assert caught.value.hint.startswith("Start the server")
