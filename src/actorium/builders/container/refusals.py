"""What a Dockerfile may not ask of an engine, because the engine would do it outside of the build's walls."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from itertools import takewhile

from actorium.builders.process.dockerfile import Dockerfile, DockerfileError, Instruction, parse

_FETCHED = re.compile(r"""://|^git@|\.git\b|[$\\"'`]""")
"""Addresses, and whatever could become one in the engine's own reading of quotes and variables."""
_PLAIN = re.compile(r"""[^\s"'\\`]*""")
_MOUNTS = ("cache", "tmpfs", "secret", "ssh")
_WITHIN = {"network": ("default", "none"), "security": ("sandbox",), "device": ()}
"""Flags of RUN that can lead out of the sandbox, and the values that do not."""


def refuse(parsed: Dockerfile, *, heredocs: bool) -> None:
    """Raises ``DockerfileError``. ``heredocs``: this engine reads them as they are read here."""
    for instruction in parsed.instructions:
        keyword, words = _inner(instruction)
        cut = instruction.rest.startswith("[") and instruction.json_form is None  # engines read it as JSON all the same
        if keyword == "ADD" and any(_FETCHED.search(word) for word in (words if cut else words[:-1])):
            raise DockerfileError(
                instruction.line,
                "ADD of an address would be fetched by the engine in this machine's own network: use RUN with curl or "
                "wget, or for files whose names have variables or quotes COPY",
            )
        if instruction.heredocs and not heredocs:
            raise DockerfileError(
                instruction.line,
                "heredocs need Podman 4.8 or newer, or ACTORIUM_EXECUTOR=process: with this engine put the text into a "
                "file and COPY it",
            )
        _refuse_flags(instruction, words if instruction.keyword == "ONBUILD" else ())


def refuse_triggers(triggers: Iterable[str], *, heredocs: bool) -> None:
    """The same for what a base image wants to be done in builds on it."""
    for trigger in triggers:  # each by itself, as engines read them: one may end as if it went on in the next
        parsed = parse(f"FROM scratch\n{trigger}\n")
        refuse(parsed, heredocs=heredocs)
        if any(instruction.keyword == "ONBUILD" or list(sources(instruction)) for instruction in parsed.instructions):
            raise DockerfileError(0, "its base image takes files from other images")


def _refuse_flags(instruction: Instruction, later: Iterable[str]) -> None:
    for name, value in (*instruction.flags, *_flags_of(later)):
        if not _PLAIN.fullmatch(value):
            raise DockerfileError(
                instruction.line, f"the value of --{name} is to be without quotes, spaces and escapes"
            )
        if name in _WITHIN and value not in _WITHIN[name]:
            raise DockerfileError(instruction.line, f"RUN --{name}={value} leads out of the build's sandbox: leave it")
        if name != "mount":
            continue
        options = _options(value)
        if options.get("type", "bind") not in _MOUNTS or {"from", "source", "src"} & set(options):
            raise DockerfileError(
                instruction.line,
                "RUN --mount of files is refused, as engines have followed links in them out of the build: use COPY",
            )
        if instruction.keyword == "ONBUILD":
            raise DockerfileError(instruction.line, "ONBUILD RUN --mount is refused: write the RUN where it is needed")


def _inner(instruction: Instruction) -> tuple[str, tuple[str, ...]]:
    """Keyword and words of what an ONBUILD holds, or of the instruction itself."""
    keyword, words = instruction.keyword, instruction.json_form or tuple(instruction.rest.split())
    while keyword == "ONBUILD" and words:
        keyword, words = words[0].upper(), words[1:]
    return keyword, words


def _flags_of(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Those that an ONBUILD's own instruction begins with."""
    for word in takewhile(lambda one: one.startswith("--"), words):
        name, _, value = word[2:].partition("=")
        yield name, value


def _options(mount: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in mount.split(","))
    return {name.strip("\"'"): value.strip("\"'") for name, _, value in pairs}


def sources(instruction: Instruction) -> Iterator[str]:
    """What an instruction takes files from: images, or stages by their names or numbers."""
    is_later = instruction.keyword == "ONBUILD"
    for name, value in _flags_of(_inner(instruction)[1]) if is_later else instruction.flags:
        if name == "from" and "$" in value:
            raise DockerfileError(instruction.line, "--from takes no variables")
        if name == "from":
            yield value


def own_mount(mount: str, owner: str) -> str | None:
    """What ``--mount`` asks for, each option once; a cache as one of its owner's: engines share them by name, and some
    take a name for a path. None: a secret or a key, of which builds get none; Podman's service falls over at some."""
    written = {part.partition("=")[0]: part for part in mount.split(",")}
    options = _options(mount)
    if options.get("type") in ("secret", "ssh"):
        return None
    if options.get("type") == "cache":
        name = options.get("id") or options.get("target") or options.get("dst") or options.get("destination") or ""
        written.pop("id", None)
        written["id"] = f"id={hashlib.sha256(f'{owner} {name}'.encode()).hexdigest()[:32]}"
    return ",".join(written.values())
