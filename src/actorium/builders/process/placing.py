"""Carries out COPY, ADD and WORKDIR, and tells what their author did wrong from what the machine could not do."""

from __future__ import annotations

import errno
import hashlib
import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path

from actorium.builders import BuildFailed, BuildSpec
from actorium.builders.process.copying import Context, place, place_from
from actorium.builders.process.dockerfile import DockerfileError
from actorium.builders.process.layers import Layers, LayerWriter
from actorium.builders.process.patterns import context_files, context_folders
from actorium.builders.process.source_names import Looks
from actorium.builders.process.steps import CopyStep, FolderStep, Step
from actorium.builders.process.threads import StopMark

_OF_THE_SOURCE = frozenset(
    {
        errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EMLINK, errno.EINVAL,
        errno.EILSEQ,
    }
)  # fmt: skip
"""What files and destinations lead to, however well the machine is."""
_KERNELS = ("/proc", "/sys")


def prepared(spec: BuildSpec, dockerfile: str, mark: StopMark) -> tuple[Context, dict[str, str]]:
    """What may be copied, and the digest of each file. Raises ``BuildFailed``."""
    files = context_files(spec.files, dockerfile, mark)
    context = Context(
        files=files,
        left_out=frozenset(spec.files.keys() - files.keys()),
        executable=spec.executable,
        folders=context_folders(spec.folders, spec.files, files, dockerfile, mark),
        looks=Looks(mark),
    )
    digests = {}
    for path, content in files.items():
        mark.look()
        digests[path] = hashlib.sha256(content).hexdigest() + ("x" if path in spec.executable else "")
    return context, digests


def carry_out(
    steps: Sequence[Step],
    writer: LayerWriter,
    context: Context,
    stages: Mapping[int, Sequence[Path]],
    shown: Sequence[str],
) -> None:
    """Write what the steps place, ``stages`` being the layers of each, ``shown`` folders of the machine that are seen.

    Raises ``BuildFailed``.
    """
    for step in steps:
        action = step.action
        try:
            if isinstance(action, FolderStep):
                if action.is_entered:
                    checked_workdir(step.line, action.path, writer.view)
                for path in (action.path, *action.more):
                    if not writer.is_folder(path):
                        writer.make_dir(path)
            elif isinstance(action, CopyStep) and action.stage is not None:
                place_from(action, Layers(stages[action.stage]), writer, context.looks, shown=shown)
            elif isinstance(action, CopyStep):
                place(action, context, writer)
        except OSError as error:
            if error.errno not in _OF_THE_SOURCE:
                raise
            name = str(error.filename or "").rpartition("/")[2][:80]
            at = f" ({name})" if name else ""
            raise DockerfileError(
                step.line, f"{step.text[:100]} cannot be carried out: {error.strerror}{at}"
            ) from error


def checked_workdir(line: int, path: str, view: Layers) -> None:
    """A folder that a command can be run in: there, or to be made. Raises ``DockerfileError``."""
    try:
        way = view.walk(path)
    except OSError as error:
        if error.errno not in _OF_THE_SOURCE:
            raise
        raise DockerfileError(line, f"WORKDIR {path[:100]} cannot be entered: {error.strerror}") from error
    except BuildFailed as error:
        raise DockerfileError(line, f"WORKDIR {path[:100]} cannot be entered: {error.message}") from error
    real = posixpath.join("/", *(name for name, _ in way))
    if real.startswith(tuple(f"{folder}/" for folder in _KERNELS)):
        raise DockerfileError(line, f"WORKDIR {path[:100]} lies in a folder of the kernel's own; choose another")
    for name, node in way:
        if node is not None and not node.is_dir:
            raise DockerfileError(line, f"WORKDIR {path[:100]} cannot be entered: {name} in it is a file, not a folder")
