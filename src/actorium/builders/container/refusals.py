"""What a Dockerfile may not ask of an engine, because the engine would do it outside of the build's walls."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

from actorium.builders.process.dockerfile import Dockerfile, DockerfileError, Instruction, parse

_FETCHED = re.compile(r"""://|^git@|\.git\b|[$\\"'`]""")
"""Addresses, and whatever could become one in the engine's own reading of quotes and variables."""
_MOUNT = re.compile(r"--mount=(\S+)")
_MOUNTS = ("cache", "tmpfs", "secret", "ssh")
_WITHIN = {"network": ("default", "none"), "security": ("sandbox",), "device": ()}
"""Flags of RUN that can lead out of the sandbox, and the values that do not."""


def refuse(parsed: Dockerfile, *, heredocs: bool) -> None:
    """Raises ``DockerfileError``. ``heredocs``: this engine reads them as they are read here."""
    for instruction in parsed.instructions:
        keyword, words = instruction.keyword, instruction.json_form or tuple(instruction.rest.split())
        while keyword == "ONBUILD" and words:
            keyword, words = words[0].upper(), words[1:]
        if keyword == "ADD" and any(_FETCHED.search(word) for word in words[:-1]):
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
    lines = "".join(f"{line}\n" for line in ("FROM scratch", *triggers))
    parsed = parse(lines)
    refuse(parsed, heredocs=heredocs)
    if any(instruction.keyword == "ONBUILD" or list(sources(instruction)) for instruction in parsed.instructions):
        raise DockerfileError(0, "its base image takes files from other images")


def _refuse_flags(instruction: Instruction, later: Iterable[str]) -> None:
    for name, value in (*instruction.flags, *(_flag(word) for word in later if word.startswith("--"))):
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


def _flag(word: str) -> tuple[str, str]:
    name, _, value = word[2:].partition("=")
    return name, value


def _options(mount: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in mount.split(","))
    return {name.strip("\"'"): value.strip("\"'") for name, _, value in pairs}


def sources(instruction: Instruction) -> Iterator[str]:
    """What an instruction takes files from: images, or stages by their names."""
    if instruction.keyword == "ONBUILD":
        flags: Iterable[tuple[str, str]] = [_flag(word) for word in instruction.rest.split() if word.startswith("--")]
    else:
        flags = instruction.flags
    for name, value in flags:
        if name == "from" and "$" in value:
            raise DockerfileError(instruction.line, "--from takes no variables")
        if name == "from" and not value.isdecimal():  # stages have numbers, too
            yield value


def own_caches(text: str, parsed: Dockerfile, owner: str) -> str:
    """The Dockerfile with each cache that it mounts as one of its owner's: engines share them by name, and some take
    a name for a path."""
    wanted = sum(
        name == "mount" and _options(value).get("type") == "cache"
        for instruction in parsed.instructions
        for name, value in instruction.flags
    )
    changed = 0

    def owned(match: re.Match[str]) -> str:
        nonlocal changed
        options = _options(match[1].strip("\"'"))
        if options.get("type") != "cache":
            return match[0]
        changed += 1
        name = options.pop("id", "") or options.get("target") or options.get("dst") or options.get("destination") or ""
        options["id"] = hashlib.sha256(f"{owner} {name}".encode()).hexdigest()[:32]
        return "--mount=" + ",".join(f"{key}={value}" if value else key for key, value in options.items())

    starts = [instruction.line - 1 for instruction in parsed.instructions]
    lines = text.split("\n")
    for at, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        if "--mount" in "".join(lines[at:end]):
            lines[at:end] = [_MOUNT.sub(owned, line) for line in lines[at:end]]
    if changed < wanted:
        raise DockerfileError(0, "a --mount is broken over lines: write each in one piece")
    return "\n".join(lines)
