"""The data folder of the embedded default: who owns it, what is in it, and what is remembered there between starts."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actorium.kernel.errors import Unavailable
from actorium.kernel.ids import Ids


class DataFolder:
    """A folder that only its owner reads."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()

    @property
    def database(self) -> Path:
        return self.root / "actorium.db"

    @property
    def blobs(self) -> Path:
        return self.root / "blobs"

    @property
    def containers(self) -> Path:
        return self.root / "containers"

    @property
    def builds(self) -> Path:
        return self.root / "builds"

    @property
    def sources(self) -> Path:
        """What builds are fetching."""
        return self.root / "sources"

    @property
    def token(self) -> Path:
        """The first user's token, readable only by the owner of the folder."""
        return self.root / "token"

    @property
    def address(self) -> Path:
        """Where the server answers, while it runs."""
        return self.root / "address"

    def make(self) -> None:
        """Create the folder, closed to others. Raises Unavailable with what would help."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"ACTORIUM_DATA is {self.root}: {error.strerror}. Choose a folder you may write."
            ) from error
        if not os.access(self.root, os.W_OK):
            raise Unavailable(f"ACTORIUM_DATA is {self.root}, which this user may not write. Choose another folder.")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one server; freed by the kernel when the process ends, however it ends."""
        self.make()
        with (self.root / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Unavailable(
                    f"Another Actorium server uses {self.root}; stop it, or choose another ACTORIUM_DATA."
                ) from error
            yield

    def is_served(self) -> bool:
        """Whether a server holds the folder now."""
        try:
            with (self.root / "lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def node(self, ids: Ids) -> str:
        """Which machine this is to the runs on it: made with the folder, kept as long as it."""
        path = self.root / "node"
        if not path.exists():
            write_private(path, f"{ids.new()}\n")
        return path.read_text().strip()

    def remembered_port(self) -> int:
        """The port of the last server, so that runs find the next one; 0: none yet."""
        try:
            return int((self.root / "port").read_text())
        except (OSError, ValueError):
            return 0

    def remember_port(self, port: int) -> None:
        write_private(self.root / "port", f"{port}\n")


def write_private(path: Path, text: str) -> None:
    """Write a small file whole, readable only by its owner."""
    scratch = path.with_name(f".{path.name}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    scratch.replace(path)
