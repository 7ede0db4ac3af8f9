"""An Actor's folder on this machine: which of its files are the Actor, when they changed, and what they are sent as."""

from __future__ import annotations

import base64
import io
import os
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec

from actorium.builds import lenient_json
from actorium.caller.failure import Failed
from actorium.kernel.limits import SOURCE_TREE_BYTES_MAX, SOURCE_TREE_ENTRIES_MAX

DEFINITION = ".actor/actor.json"
SKIPPED = frozenset(
    {".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".idea", ".vscode", ".DS_Store", ".actorium"}
)
"""Names that are never an Actor's sources: what tools make beside them."""
STORAGES = frozenset({"storage", "apify_storage", "crawlee_storage"})
"""What local runs make, at the top of the folder; further down it is a package that somebody wrote."""
_GIT = ".gitignore"
_ACTOR = ".actorignore"
_ALWAYS = ".actor/"
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
        waiting = [("", self.root, _Ignoring(git=_above(self.root)))]
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
            ignoring = above.with_rules_of(prefix, entries)
            for entry in entries:
                if entry.name in SKIPPED or (not prefix and entry.name in STORAGES):
                    continue
                name = f"{prefix}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    if (inside := ignoring.inside(f"{name}/")) is not None:
                        waiting.append((f"{name}/", folder / entry.name, inside))
                elif not ignoring.ignores(name) and entry.is_file():
                    yield name, entry


_Rules = tuple[tuple[str, str, GitIgnoreSpec], ...]
"""What ignore files say; deeper ones come later. Before each is what to take from the front of a path, and what to put
there, so that it is the path in the ignore file's folder."""


@dataclass(frozen=True, slots=True)
class _Ignoring:
    """What is left out in a folder: what ``.gitignore`` says, unless ``.actorignore`` speaks of the path.

    So the official CLI has it: ``!dist/`` in ``.actorignore`` sends what Git ignores, and ``.actor`` is always sent.
    """

    git: _Rules = ()
    actor: _Rules = ()
    is_within: bool = False
    """The folder itself is left out: no ``.gitignore`` in it brings anything back, as Git has it."""

    def with_rules_of(self, prefix: str, entries: Sequence[os.DirEntry[str]]) -> _Ignoring:
        """With the ignore files among the entries of a folder."""
        read = {entry.name: _spec(Path(entry.path)) for entry in entries if entry.name in (_GIT, _ACTOR)}
        git, actor = (() if (spec := read.get(name)) is None else ((prefix, "", spec),) for name in (_GIT, _ACTOR))
        return replace(self, git=(*self.git, *git), actor=(*self.actor, *actor)) if read else self

    def ignores(self, name: str) -> bool:
        """Names of folders end with a slash."""
        if name.startswith(_ALWAYS):
            return False
        said = _said(name, self.actor)
        return said if said is not None else self.is_within or bool(_said(name, self.git))

    def inside(self, name: str) -> _Ignoring | None:
        """For a folder in it; None: nothing there can be the Actor's."""
        is_ignored = self.ignores(name)
        if is_ignored and not any(pattern.include is False for _, _, spec in self.actor for pattern in spec.patterns):
            return None
        return replace(self, is_within=is_ignored)


def _above(root: Path) -> _Rules:
    """The ignore files above a folder in a Git repository, unless they leave out the folder as a whole."""
    found: list[tuple[str, str, GitIgnoreSpec]] = []
    here = root
    while not (here / ".git").exists():
        if here.parent == here:
            return ()  # in no repository
        here = here.parent
        if (spec := _spec(here / _GIT)) is not None:
            found.append(("", f"{root.relative_to(here).as_posix()}/", spec))
    rules = tuple(reversed(found))
    return () if _said("", rules) else rules


def _spec(path: Path) -> GitIgnoreSpec | None:
    try:
        return GitIgnoreSpec.from_lines(path.read_text(errors="replace").splitlines())
    except (OSError, ValueError):
        return None  # unreadable, or a pattern that Git itself would not take


def _said(name: str, rules: _Rules) -> bool | None:
    """Whether a path is left out, as the deepest ignore file has it that speaks of it; None: none does."""
    for prefix, lead, spec in reversed(rules):
        said = spec.check_file(lead + name[len(prefix) :]).include
        if said is not None:
            return said
    return None


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
