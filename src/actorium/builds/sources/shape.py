"""The folder that archives of hosted repositories put around everything: it is no part of the Actor."""

from __future__ import annotations

from actorium.builds.sources import Log, Tree

_MARKS = ("Dockerfile", "package.json", "requirements.txt", "pyproject.toml", "main.js", "main.py", "README.md")


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
    return Tree(
        files={path.removeprefix(prefix): content for path, content in tree.files.items()},
        executable=frozenset(path.removeprefix(prefix) for path in tree.executable),
        folders=frozenset(path.removeprefix(prefix) for path in tree.folders if path != name),
    )
