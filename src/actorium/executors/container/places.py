"""Where container engines answer on a machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_KNOWN = ("/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock")
_OF_A_USER = ("docker.sock", "podman/podman.sock")
_SCHEME = "unix://"


def sockets(host: str, environment: Mapping[str, str]) -> list[str]:
    """Where engines may answer: at the address that a setting names, else at the usual places."""
    if host:
        return [host.removeprefix(_SCHEME)]
    places = list(_KNOWN)
    if folder := environment.get("XDG_RUNTIME_DIR"):
        places += [f"{folder}/{name}" for name in _OF_A_USER]
    found: dict[tuple[int, int], str] = {}
    for place in places:
        if Path(place).is_socket():
            seen = os.stat(place)  # noqa: PTH116
            found.setdefault((seen.st_dev, seen.st_ino), place)
    return list(found.values())
