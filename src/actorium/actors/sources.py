"""Inline source files: names that stay inside the build, contents that can be read, a total that fits."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence, Set

from actorium.actors.errors import SourcePathInvalid, SourcesTooLarge
from actorium.actors.model import SourceFile, SourceFormat
from actorium.kernel.errors import InvalidInput
from actorium.kernel.limits import SOURCE_BYTES_MAX, SOURCE_FILES_MAX, SOURCE_PATH_CHARS_MAX

_PART_BYTES_MAX = 255  # the limit of every file system in use


def check_files(files: Sequence[SourceFile]) -> None:
    """Raises SourcePathInvalid, SourcesTooLarge or InvalidInput, each naming the file."""
    decoded_files(files)


def decoded_files(files: Sequence[SourceFile]) -> dict[str, bytes]:
    """The files' contents by clean path, folders left out. Raises as ``check_files``."""
    if len(files) > SOURCE_FILES_MAX:
        raise InvalidInput(f"A version can have at most {SOURCE_FILES_MAX} source files; this one has {len(files)}.")
    contents: dict[str, bytes] = {}
    folders: set[str] = set()
    total = 0
    for file in files:
        path = clean_path(file.name)
        if file.folder is True:
            folders.add(path)
            continue
        if path in contents:
            raise SourcePathInvalid(f"Source file {file.name!r} is there twice.")
        contents[path] = _content(file)
        total += len(contents[path])
        if total > SOURCE_BYTES_MAX:
            raise SourcesTooLarge
    check_collisions(contents, folders)
    return contents


def empty_folders(files: Sequence[SourceFile], contents: Mapping[str, bytes]) -> frozenset[str]:
    """The folders among files that were decoded which have no file in them. Raises SourcePathInvalid."""
    folders = {clean_path(file.name) for file in files if file.folder is True}
    inner = {parent for path in (*contents, *folders) for parent in _parents(path)}
    return frozenset(folders - inner)


def clean_path(name: str) -> str:
    """A source file's path, relative and without detours. Raises SourcePathInvalid."""
    if len(name) > SOURCE_PATH_CHARS_MAX:
        raise SourcePathInvalid(
            f"Source file {name[:80]!r}… has a path of more than {SOURCE_PATH_CHARS_MAX} characters."
        )
    if name.startswith("/"):
        raise SourcePathInvalid(f"Source file {name!r} has an absolute path; use a path relative to the Actor's root.")
    if "\\" in name:
        raise SourcePathInvalid(f"Source file {name!r} has a backslash in its path; separate folders by '/'.")
    if any(char < " " or char == "\x7f" or "\ud800" <= char <= "\udfff" for char in name):
        raise SourcePathInvalid(f"Source file {name!r} has a character in its path that cannot be used.")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise SourcePathInvalid(f"Source file {name!r} leads outside the Actor by '..'.")
    if not parts:
        raise SourcePathInvalid(f"Source file {name!r} has no name.")
    if any(len(part.encode()) > _PART_BYTES_MAX for part in parts):
        raise SourcePathInvalid(f"Source file {name!r} has a folder or file name of more than {_PART_BYTES_MAX} bytes.")
    return "/".join(parts)


def check_collisions(contents: Mapping[str, bytes], folders: Set[str]) -> None:
    """A name is a file's or a folder's. Raises SourcePathInvalid."""
    for path in (*contents, *folders):
        for parent in _parents(path) & contents.keys():
            raise SourcePathInvalid(f"Source file {path!r} lies in {parent!r}, which is a file.")
    for path in contents.keys() & folders:
        raise SourcePathInvalid(f"Source file {path!r} is there twice: as a file and as a folder.")


def _parents(path: str) -> set[str]:
    parts = path.split("/")
    return {"/".join(parts[:depth]) for depth in range(1, len(parts))}


def _content(file: SourceFile) -> bytes:
    text = file.content if isinstance(file.content, str) else ""
    if file.format is not SourceFormat.BASE64:
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"Source file {file.name!r} is not valid base64: {error}.") from error
