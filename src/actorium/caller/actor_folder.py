"""An Actor's folder on this machine: which of its files are the Actor, when they changed, and what they are sent as."""

from __future__ import annotations

import base64
import io
import os
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec

from actorium.builds import lenient_json
from actorium.caller.failure import Failed
from actorium.kernel.limits import SOURCE_TREE_BYTES_MAX, SOURCE_TREE_ENTRIES_MAX

DEFINITION = ".actor/actor.json"
SKIPPED = frozenset(
    {".git", ".hg", ".svn", ".venv", "venv", "node_modules", "storage", "apify_storage", "__pycache__"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".idea", ".vscode", ".DS_Store", ".actorium"}
)
"""Names that are never an Actor's sources: what tools and runs make beside them."""
_IGNORING = (".gitignore", ".actorignore")
_SIGNS = (DEFINITION, "Dockerfile", ".actor/Dockerfile", "package.json", "main.js", "main.py", "src/__main__.py")
_UNFIT = re.compile(r"[^a-z0-9]+")

State = Mapping[str, tuple[int, int, int, int]]
"""Each file's time of change in nanoseconds, size, inode and mode: what differs when a file was touched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What ``.actor/actor.json`` says of the Actor as a whole."""

    name: str
    version: str
    """MAJOR.MINOR, as versions of Actors are named."""
    title: str | None = None
    description: str | None = None
    build_tag: str = "latest"
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class File:
    """A file's content and whether it may be executed."""

    content: bytes = field(repr=False)
    is_executable: bool


class ActorFolder:
    """The folder. Links to files count as the files; links to folders are left out, as they may lead anywhere."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()  # it may be the current folder, which may go and come back

    def check(self) -> None:
        """Raises Failed for what is no Actor, before anything of it is read or sent."""
        if not self.root.is_dir():
            raise Failed(f"{self.root} is no folder.", "Name the folder of an Actor: actorium dev FOLDER")
        if not any((self.root / sign).is_file() for sign in _SIGNS):
            raise Failed(
                f"{self.root.resolve()} does not look like an Actor: it has none of {', '.join(_SIGNS)}.",
                "Name the folder of an Actor: actorium dev FOLDER. The tutorial makes one from nothing in a minute.",
            )

    def state(self) -> State:
        """How the files are now. Files that go away meanwhile are left out. Raises Failed."""
        found = {}
        for name, entry in self._entries():
            try:
                seen = entry.stat()
            except OSError:
                continue
            found[name] = (seen.st_mtime_ns, seen.st_size, seen.st_ino, seen.st_mode)
        return found

    def files(self) -> dict[str, File]:
        """Every file of the Actor, by its path. Raises Failed."""
        found, size = {}, 0
        for name, entry in sorted(self._entries()):
            try:
                size += entry.stat().st_size
                if size > SOURCE_TREE_BYTES_MAX:
                    raise Failed(f"The files of {self.root} are larger than an Actor may be.", _too_much(name))
                content = Path(entry.path).read_bytes()
            except FileNotFoundError:
                continue  # gone between listing and reading; the next look notices
            except OSError as error:
                raise Failed(f"{entry.path} cannot be read: {error.strerror}.", _too_much(name)) from error
            found[name] = File(content, os.access(entry.path, os.X_OK))
        return found

    def definition(self) -> Definition:
        """What it says of itself; where it does not, the folder's name and version 0.0. Raises Failed."""
        path = self.root / DEFINITION
        try:
            said = lenient_json.parse(path.read_bytes())
        except FileNotFoundError:
            said = {}
        except (OSError, ValueError) as error:
            raise Failed(f"{path} cannot be read: {error}.", "Mend the file.") from error
        if not isinstance(said, dict):
            raise Failed(f"{path} is no JSON object.", 'Begin it with "{" and give it at least a "name".')
        environment = said.get("environmentVariables")
        return Definition(
            name=_text(said, "name") or _UNFIT.sub("-", self.root.resolve().name.lower()).strip("-"),
            version=".".join((_text(said, "version") or "0.0").split(".")[:2]),
            title=_text(said, "title"),
            description=_text(said, "description"),
            build_tag=_text(said, "buildTag") or "latest",
            environment={str(name): str(value) for name, value in environment.items()}
            if isinstance(environment, dict)
            else {},
        )

    def _entries(self) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Files that are the Actor's, by their path. Raises Failed."""
        count = 0
        waiting: list[tuple[str, Path, tuple[_Rules, ...]]] = [("", self.root, ())]
        while waiting:
            prefix, folder, above = waiting.pop()
            try:
                entries = list(os.scandir(folder))
            except OSError:
                continue
            count += len(entries)
            if count > SOURCE_TREE_ENTRIES_MAX:
                raise Failed(
                    f"{self.root} has more than {SOURCE_TREE_ENTRIES_MAX} files and folders.", _too_much(prefix)
                )
            rules = (*above, *_rules(prefix, entries))
            for entry in entries:
                name = f"{prefix}{entry.name}"
                is_folder = entry.is_dir(follow_symlinks=False)
                if entry.name in SKIPPED or _is_ignored(name + "/" * is_folder, rules):
                    continue
                if is_folder:
                    waiting.append((f"{name}/", folder / entry.name, rules))
                elif entry.is_file():
                    yield name, entry


_Rules = tuple[str, GitIgnoreSpec]
"""The folder in which an ignore file lies, and what it says."""


def _rules(prefix: str, entries: Sequence[os.DirEntry[str]]) -> Iterator[_Rules]:
    for entry in entries:
        if entry.name in _IGNORING:
            try:
                text = Path(entry.path).read_text(errors="replace")
                yield prefix, GitIgnoreSpec.from_lines(text.splitlines())
            except (OSError, ValueError):
                continue  # unreadable, or a pattern that Git itself would not take


def _is_ignored(name: str, rules: Sequence[_Rules]) -> bool:
    """As Git has it: the deepest ignore file that speaks of a path decides."""
    for prefix, spec in reversed(rules):
        said = spec.check_file(name[len(prefix) :]).include
        if said is not None:
            return said
    return False


def _text(said: Mapping[str, Any], name: str) -> str | None:
    value = said.get(name)
    return value if isinstance(value, str) and value else None


def _too_much(near: str) -> str:
    return f"Name what is no source in a file .actorignore, in the manner of .gitignore; look at {near or 'it'}."


def source_files(files: Mapping[str, File]) -> list[dict[str, str]]:
    """The files as a version holds them."""
    return [{"name": name, **_content(file.content)} for name, file in files.items()]


def archive(files: Mapping[str, File]) -> bytes:
    """The files as a zip archive, the same bytes for the same files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        for name, file in files.items():
            member = zipfile.ZipInfo(name)
            member.create_system = 3  # Unix: what the mode below is read as
            member.external_attr = (0o100755 if file.is_executable else 0o100644) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(member, file.content)
    return packed.getvalue()


def _content(content: bytes) -> dict[str, str]:
    try:
        return {"format": "TEXT", "content": content.decode()}
    except UnicodeDecodeError:
        return {"format": "BASE64", "content": base64.b64encode(content).decode()}
