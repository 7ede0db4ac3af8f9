"""Where the demo keeps what it makes."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Mapping
from pathlib import Path

from actorium.caller.failure import Failed
from actorium.caller.own_server import live_containers
from actorium.kernel.limits import DEMO_FOLDERS_MAX

SERVER_LOG = "server.log"
_OWN_PLACES = ("DATA", "HOST", "PORT", "PUBLIC_URL", "USERNAME", "TOKEN", "DATABASE", "BLOBS", "LOG_FORMAT")


def fresh_folder(parent: Path) -> Path:
    """A new folder ``demo``; that of an earlier demo is removed, unless something of it may still be alive.

    Then it is ``demo-2`` and so on. Raises Failed.
    """
    try:
        for number in range(1, DEMO_FOLDERS_MAX + 1):
            folder = parent / ("demo" if number == 1 else f"demo-{number}")
            if _is_over(folder):
                shutil.rmtree(folder)
            if not folder.exists():
                folder.mkdir(parents=True, mode=0o700)
                return folder
    except OSError as error:
        raise Failed(
            f"The demo cannot make its folder in {parent}: {error.strerror}.",
            "Run it in a folder that you may write.",
        ) from error
    raise Failed(
        f"{parent} holds {DEMO_FOLDERS_MAX} folders of demos that did not end in good order.",
        "Look whether one of them still runs, then remove them.",
    )


def _is_over(folder: Path) -> bool:
    """Whether it is a demo's folder whose server is gone and which holds no container any more."""
    if not (folder / SERVER_LOG).is_file():
        return False
    lock = folder / "lock"
    if lock.is_file():
        with lock.open() as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
    return not live_containers(folder)


def environment(inherited: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The caller's environment with the demo's own places; settings about the machine's powers stay."""
    own = {f"ACTORIUM_{name}" for name in _OWN_PLACES}
    kept = {name: value for name, value in inherited.items() if name not in own}
    return kept | {"ACTORIUM_DATA": str(folder), "ACTORIUM_PORT": "0", "ACTORIUM_LOG_FORMAT": "text"}
