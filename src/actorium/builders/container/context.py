"""What an engine is sent to build: the source as an archive, and its Dockerfile with the marks of its owner."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass

from actorium.builders import BuildFailed, BuildSpec
from actorium.builders.container.refusals import own_caches, refuse, sources
from actorium.builders.process.default_dockerfile import default_dockerfile
from actorium.builders.process.dockerfile import Dockerfile, DockerfileError, parse
from actorium.builders.process.patterns import context_files, context_folders
from actorium.builders.process.plan import PLATFORM_ARGS
from actorium.builders.process.variables import ExpansionError, expand, split_words

DEFAULT_PYTHON = "3.13"
"""Of the base image that an Actor without a Dockerfile gets."""
DOCKERFILE = ".actorium.Dockerfile"
IGNORE = ".dockerignore"
SCRATCH = "scratch"
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One build as an engine is told it."""

    archive: bytes
    dockerfile: str
    """The Dockerfile's name in the archive."""
    bases: tuple[str, ...]
    """Images that the build stands on, and those that it takes files from."""

    async def pieces(self) -> AsyncIterator[bytes]:
        """The archive, to be sent."""
        for at in range(0, len(self.archive), _PIECE):
            yield self.archive[at : at + _PIECE]


def context(spec: BuildSpec, labels: Mapping[str, str], *, heredocs: bool = True) -> Context:
    """The archive of a build, for an engine that knows ``heredocs`` or not. Raises ``BuildFailed``.

    The labels stand right after each FROM: all layers of a build carry them, so that an engine, which shares layers by
    what made them, shares none between owners, and unused ones can be found again.
    """
    text = _text(spec)
    parsed = parse(text)
    refuse(parsed, heredocs=heredocs)
    text = own_caches(text, parsed, f"{sorted(labels.items())} {spec.actor}")
    bases = _bases(parsed, spec.build_args)
    visible = dict(context_files(spec.files, spec.dockerfile))
    folders = context_folders(spec.folders, spec.files, spec.dockerfile)
    name = spec.dockerfile if spec.dockerfile in visible else DOCKERFILE
    hidden = [one for one in (name, IGNORE) if one not in visible]
    sent = visible | {name: _marked(text, parsed, labels).encode()}
    if hidden:  # engines need both, and take from the context what this file names
        sent[IGNORE] = "".join(f"{one}\n" for one in dict.fromkeys((*hidden, IGNORE))).encode()
    return Context(
        archive=_archive(sent, spec.executable, folders),
        dockerfile=name,
        bases=tuple(base for base in bases if base != SCRATCH),
    )


def fingerprint(spec: BuildSpec, made: Context, base_ids: Mapping[str, str]) -> str:
    """What a build is made of, as one short text: equal ones of one owner give the same image."""
    parts = [spec.owner_number, sorted(spec.build_args.items()), sorted(base_ids.items()), made.dockerfile]
    digest = hashlib.sha256(json.dumps(parts).encode())
    digest.update(made.archive)
    return digest.hexdigest()


def _text(spec: BuildSpec) -> str:
    if not spec.dockerfile:
        return default_dockerfile(spec.files, minor=DEFAULT_PYTHON)
    if spec.dockerfile not in spec.files:
        raise BuildFailed(f"The Dockerfile {spec.dockerfile} is not among the source files.")
    return spec.files[spec.dockerfile].decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")


def _bases(parsed: Dockerfile, build_args: Mapping[str, str]) -> list[str]:
    """What stages stand on, and what files are taken from, that is no stage itself."""
    variables, aliases, found = dict(PLATFORM_ARGS), set[str](), list[str]()
    for instruction in parsed.instructions:
        try:
            # Of the others the rest is for a shell, or for people to read: quotes need not come in pairs.
            if instruction.keyword == "ARG" and not found:
                for word in split_words(instruction.rest, escape=parsed.escape):
                    name, _, value = word.partition("=")
                    variables[name] = build_args.get(name, expand(value, variables, escape=parsed.escape))
            elif instruction.keyword == "FROM":
                words = split_words(instruction.rest, escape=parsed.escape)
                image = expand(words[0], variables, escape=parsed.escape)
                if image.lower() not in aliases and image not in found:
                    found.append(image)
                aliases |= {word.lower() for word in words[2:3]}
            found += [one for one in sources(instruction) if one.lower() not in aliases and one not in found]
        except ExpansionError as error:
            raise DockerfileError(instruction.line, str(error)) from error
    return found


def _marked(text: str, parsed: Dockerfile, labels: Mapping[str, str]) -> str:
    """The Dockerfile with a LABEL before whatever follows each FROM."""
    mark = "LABEL " + " ".join(f"{name}={json.dumps(value)}" for name, value in labels.items())
    lines = text.rstrip("\n").split("\n")
    instructions = parsed.instructions
    for at in range(len(instructions) - 1, -1, -1):
        if instructions[at].keyword == "FROM":
            following = instructions[at + 1].line - 1 if at + 1 < len(instructions) else len(lines)
            lines.insert(following, mark)
    return "\n".join(lines) + "\n"


def _archive(files: Mapping[str, bytes], executable: Collection[str], folders: Iterable[str]) -> bytes:
    """Reproducible: the same files make the same bytes, so that layers are found again."""
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
