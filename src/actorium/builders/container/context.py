"""What an engine is sent to build: the source as an archive, and its Dockerfile with the marks of its owner."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass

from actorium.builders import BuildFailed, BuildSpec
from actorium.builders.container.archives import refuse_bombs
from actorium.builders.container.refusals import refuse
from actorium.builders.container.writing import Pieces, read
from actorium.builders.process.default_dockerfile import default_dockerfile
from actorium.builders.process.dockerfile import parse
from actorium.builders.process.patterns import context_files, context_folders

DEFAULT_PYTHON = "3.13"
"""Of the base image that an Actor without a Dockerfile gets."""
DOCKERFILE = ".actorium.Dockerfile"
IGNORE = ".dockerignore"
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One build as an engine is told it."""

    dockerfile: str
    """The Dockerfile's name in the archive."""
    files: Mapping[str, bytes]
    """Without the Dockerfile."""
    executable: Collection[str]
    folders: tuple[str, ...]
    pieces: Pieces

    @property
    def bases(self) -> tuple[str, ...]:
        """Images that the build stands on, and those that it takes files from."""
        return self.pieces.images

    def archive(self, base_ids: Mapping[str, str]) -> bytes:
        """With the Dockerfile, which names its bases by their ids. Reproducible: layers are found again by it."""
        text = self.pieces.text(base_ids).encode()
        return _archive({**self.files, self.dockerfile: text}, self.executable, self.folders)


async def in_pieces(archive: bytes) -> AsyncIterator[bytes]:
    """An archive, to be sent."""
    for at in range(0, len(archive), _PIECE):
        yield archive[at : at + _PIECE]


def context(spec: BuildSpec, labels: Mapping[str, str], *, heredocs: bool = True) -> Context:
    """What is sent of a build to an engine that knows ``heredocs`` or not. Raises ``BuildFailed``.

    The labels stand right after each FROM: all layers of a build carry them, so that an engine, which shares layers by
    what made them, shares none between owners, and unused ones can be found again.
    """
    parsed = parse(_text(spec))
    refuse(parsed, heredocs=heredocs)
    pieces = read(parsed, spec.build_args, labels=labels, owner=f"{sorted(labels.items())} {spec.actor}")
    visible = dict(context_files(spec.files, spec.dockerfile))
    folders = context_folders(spec.folders, spec.files, visible, spec.dockerfile)
    name = spec.dockerfile if spec.dockerfile in visible else DOCKERFILE
    hidden = [one for one in (name, IGNORE) if one not in visible]
    visible.pop(name, None)
    if any("ADD" in (one.keyword, *one.rest.upper().split()[:1]) for one in parsed.instructions):
        refuse_bombs(visible)
    if hidden:  # engines need both, and take from the context what this file names
        visible[IGNORE] = "".join(f"{one}\n" for one in dict.fromkeys((*hidden, IGNORE))).encode()
    return Context(dockerfile=name, files=visible, executable=spec.executable, folders=tuple(folders), pieces=pieces)


def fingerprint(spec: BuildSpec, made: Context, base_ids: Mapping[str, str], archive: bytes) -> str:
    """What a build is made of, as one short text: equal ones of one owner give the same image."""
    parts = [spec.owner_number, sorted(spec.build_args.items()), sorted(base_ids.items()), made.dockerfile]
    digest = hashlib.sha256(json.dumps(parts).encode())
    digest.update(archive)
    return digest.hexdigest()


def _text(spec: BuildSpec) -> str:
    if not spec.dockerfile:
        return default_dockerfile(spec.files, minor=DEFAULT_PYTHON)
    if spec.dockerfile not in spec.files:
        raise BuildFailed(f"The Dockerfile {spec.dockerfile} is not among the source files.")
    return spec.files[spec.dockerfile].decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")


def _archive(files: Mapping[str, bytes], executable: Collection[str], folders: Iterable[str]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            entry.mode = 0o755 if name in executable or files[name].startswith(b"#!") else 0o644
            tar.addfile(entry, io.BytesIO(files[name]))
        for name in sorted(folders):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
    return made.getvalue()
