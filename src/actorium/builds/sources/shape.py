"""Where in what was fetched the Actor lies: inside a folder that hosts put around archives, or beside other Actors."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from actorium.builds import lenient_json
from actorium.builds.sources import Log, Tree

_MARKS = ("Dockerfile", "package.json", "requirements.txt", "pyproject.toml", "main.js", "main.py", "README.md")

_REFERENCES = (
    "dockerContextDir", "dockerfile", "readme", "changelog", "input", "inputSchema", "output", "outputSchema",
    "webServerSchema",
)  # fmt: skip
_STORAGES = ("dataset", "keyValueStore", "requestQueue")


def without_outer_folder(tree: Tree, log: Log) -> Tree:
    """The files inside, if all lie in one folder that looks like an Actor's own; else the tree as it is."""
    outer = {path.partition("/")[0] for path in (*tree.files, *tree.folders)}
    if len(outer) != 1 or (name := next(iter(outer))) in tree.files or name.startswith("."):
        return tree
    prefix = f"{name}/"
    inside = {path.removeprefix(prefix) for path in tree.files}
    if not any(mark in inside for mark in _MARKS) and not any(path.startswith(".actor/") for path in inside):
        return tree
    log(f"All files of the archive lie in the folder {name!r}; the Actor is what is in it.")
    return tree.below(name)


def refers_out(tree: Tree, folder: str) -> bool:
    """Whether the definition of an Actor in a folder of a repository names something that lies outside of the folder,
    but in the repository: the context of its Dockerfile, or a file."""
    try:
        written = lenient_json.parse(tree.files.get(".actor/actor.json", b""))
    except ValueError:
        return False
    named = _references(written) if isinstance(written, dict) else []
    places = [posixpath.normpath(posixpath.join(folder, ".actor", name)) for name in named if isinstance(name, str)]
    return any(place != folder and not place.startswith((f"{folder}/", "..", "/")) for place in places)


def _references(written: Mapping[str, Any]) -> list[Any]:
    """Whatever stands where the definition may name a file."""
    storages = written.get("storages")
    storages = storages if isinstance(storages, dict) else {}
    datasets = storages.get("datasets")
    return [
        *(written.get(field) for field in _REFERENCES),
        *(storages.get(field) for field in _STORAGES),
        *(datasets.values() if isinstance(datasets, dict) else ()),
    ]
