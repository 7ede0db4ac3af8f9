"""What the process builder makes and the process executor starts: a list of file layers and how to run on them.

An image is a folder ``{images}/{reference}`` that holds ``image.json``; its layers are folders
``{layers}/{digest}`` that may be shared between images of one owner. A layer is a file tree as seen from ``/``
(``usr/src/app/main.py``); a deletion is an overlayfs whiteout (character device 0/0, or an opaque folder).
"""

from __future__ import annotations

from pathlib import Path

from actorium.kernel.structs import Wire, decode, encode

IMAGE_FILE = "image.json"


class ProcessImage(Wire, kw_only=True, frozen=True):
    """How to run an image."""

    layers: tuple[str, ...]
    """Absolute layer folders, lowest first. Below them lies the host's read-only system (/usr, /bin, /lib, ...)."""
    toolchain: tuple[str, ...] = ()
    """Host folders seen read-only at their own path: interpreters outside the system folders."""
    env: dict[str, str] = {}
    workdir: str = "/"
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    user: str = ""
    size_bytes: int | None = None

    @property
    def argv(self) -> tuple[str, ...]:
        return (*self.entrypoint, *self.cmd)


def load(folder: Path) -> ProcessImage:
    """Read an image's file. Raises FileNotFoundError."""
    return decode((folder / IMAGE_FILE).read_bytes(), ProcessImage)


def save(folder: Path, image: ProcessImage) -> None:
    """Write an image's file whole."""
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f".{IMAGE_FILE}"
    scratch.write_bytes(encode(image))
    scratch.replace(folder / IMAGE_FILE)
