"""An address that cannot be used is told by the names of its settings."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from actorium import app
from actorium.data_folder import DataFolder
from actorium.kernel.errors import Unavailable
from actorium.settings import Settings

NOBODYS = "192.0.2.1"  # for documentation, never a machine's own


def test_a_host_that_is_not_ours_is_told_by_its_setting(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=rf"^ACTORIUM_HOST is {NOBODYS}\. .* Choose another host or port\.$"):
        app._bind(Settings(host=NOBODYS, port=0), DataFolder(tmp_path))


def test_a_port_that_is_taken_is_told_by_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=rf"^ACTORIUM_HOST is 127\.0\.0\.1, ACTORIUM_PORT is {port}\. .* in use"):
            app._bind(Settings(port=port), DataFolder(tmp_path))
