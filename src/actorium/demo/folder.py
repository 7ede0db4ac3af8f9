"""Where the demo keeps what it makes."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

from actorium.data_folder import DataFolder
from actorium.demo.failure import DemoFailed
from actorium.executors.process.keeper.plan import CONTAINERS
from actorium.kernel.limits import DEMO_FOLDERS_MAX

SERVER_LOG = "server.log"


def fresh_folder(parent: Path) -> Path:
    """A new folder ``demo``; that of an earlier demo is removed, unless something of it may still be alive.

    Then it is ``demo-2`` and so on. Raises DemoFailed.
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
        raise DemoFailed(
            f"The demo cannot make its folder in {parent}: {error.strerror}.",
            "Run it in a folder that you may write.",
        ) from error
    raise DemoFailed(
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


def live_containers(folder: Path) -> list[str]:
    """Names of the containers that were not removed yet."""
    containers = DataFolder(folder).containers / CONTAINERS
    return sorted(path.name for path in containers.iterdir()) if containers.is_dir() else []
