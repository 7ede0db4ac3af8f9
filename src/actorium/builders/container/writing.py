"""The Dockerfile that an engine is sent: written anew from what was read of it here.

An engine has a parser of its own. Where the two read differently (white space, quotes, variables), it would carry out
what nobody has looked at. So each instruction stands in one line, with its flags as they were understood here, and
images are named by the ids that were looked at. Line numbers stay, as far as there is room.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from actorium.builders.container.refusals import own_mount, sources
from actorium.builders.process.dockerfile import FLAGS, Dockerfile, DockerfileError, Instruction
from actorium.builders.process.plan import PLATFORM_ARGS
from actorium.builders.process.variables import ExpansionError, expand, split_words

SCRATCH = "scratch"
_STAGE_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_.-]*")
_QUOTING = str.maketrans("", "", "\"'\\`")
_MARKS_NAMESPACE = "actorium."


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One instruction as it will stand there; between ``before`` and ``after`` stands the id of an image."""

    line: int
    before: str
    image: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """A Dockerfile whose images have no ids yet."""

    escape: str
    all: tuple[Piece, ...]

    @property
    def images(self) -> tuple[str, ...]:
        """What stages stand on and files are taken from, that is no stage itself."""
        return tuple(dict.fromkeys(piece.image for piece in self.all if piece.image))

    def text(self, ids: Mapping[str, str]) -> str:
        """``ids``: of each image."""
        lines = [] if self.escape == "\\" else [f"# escape={self.escape}"]
        for piece in self.all:
            lines += [""] * (piece.line - 1 - len(lines))
            lines += f"{piece.before}{ids[piece.image] if piece.image else ''}{piece.after}".split("\n")
        return "\n".join(lines) + "\n"


def read(parsed: Dockerfile, build_args: Mapping[str, str], *, labels: Mapping[str, str], owner: str) -> Pieces:
    """``labels`` are set in every stage; caches that are mounted become those of ``owner``. Raises DockerfileError."""
    reader = _Reader(parsed.escape, build_args, labels, owner)
    for instruction in parsed.instructions:
        try:
            reader.take(instruction)
        except ExpansionError as error:
            raise DockerfileError(instruction.line, str(error)) from error
    return Pieces(escape=parsed.escape, all=tuple(reader.pieces))


@dataclass(slots=True)
class _Reader:
    escape: str
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    owner: str
    pieces: list[Piece] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=lambda: dict(PLATFORM_ARGS))
    names: list[str] = field(default_factory=list)
    """Of each stage until now, lower case; empty for one without."""

    def take(self, instruction: Instruction) -> None:
        if instruction.keyword == "FROM":
            self._from(instruction)
            return
        if instruction.keyword == "ARG" and not self.names:
            self._argument(instruction)
        told = ((name, self._flag(name, value)) for name, value in instruction.flags)
        flags = [(name, value) for name, value in told if value is not None]
        images = [one for one in sources(instruction) if not self._is_stage(one, instruction)]
        if images:
            others = _flags(pair for pair in flags if pair[0] != "from")
            before, after = f"{instruction.keyword} --from=", f"{others} {_rest(instruction)}"
            self.pieces.append(Piece(line=instruction.line, before=before, image=images[-1], after=after))
        else:
            before = f"{instruction.keyword}{_flags(flags)} {_rest(instruction)}"
            self.pieces.append(Piece(line=instruction.line, before=before))
        if instruction.keyword == "LABEL" and _may_be_a_mark(instruction.rest):
            self._mark(instruction.line)

    def _flag(self, name: str, value: str) -> str | None:
        """None: it is left away, as what it asks for is so in any case."""
        if (name, value) in (("network", "default"), ("security", "sandbox")):
            return None
        return own_mount(value, self.owner) if name == "mount" else value

    def _argument(self, instruction: Instruction) -> None:
        for word in split_words(instruction.rest, escape=self.escape):
            name, _, value = word.partition("=")
            self.variables[name] = self.build_args.get(name, expand(value, self.variables, escape=self.escape))

    def _from(self, instruction: Instruction) -> None:
        words = split_words(instruction.rest, escape=self.escape)
        name = words[2] if len(words) == 3 and words[1].upper() == "AS" else ""
        if len(words) not in (1, 3) or (len(words) == 3 and not _STAGE_NAME.fullmatch(name)):
            raise DockerfileError(instruction.line, "FROM takes an image, or an image AS a name")
        image = expand(words[0], self.variables, escape=self.escape)
        if not image:
            raise DockerfileError(instruction.line, f"FROM names no image: {words[0]} is empty")
        is_image = image != SCRATCH and image.lower() not in filter(None, self.names)
        before, after = f"FROM{_flags(instruction.flags)} ", f" AS {name}" if name else ""
        piece = Piece(line=instruction.line, before=before, image=image, after=after)
        self.pieces.append(piece if is_image else Piece(line=instruction.line, before=f"{before}{image}{after}"))
        self.names.append(name.lower())
        self._mark(instruction.line)

    def _mark(self, line: int) -> None:
        marks = " ".join(f"{name}={json.dumps(value)}" for name, value in self.labels.items())
        self.pieces.append(Piece(line=line, before=f"LABEL {marks}"))

    def _is_stage(self, name: str, instruction: Instruction) -> bool:
        """Whether ``--from`` names a stage before this one; else it is an image."""
        if instruction.keyword == "ONBUILD":
            raise DockerfileError(instruction.line, "ONBUILD COPY --from is refused: write the COPY where it is needed")
        if name.isascii() and name.isdecimal():
            if name not in map(str, range(len(self.names) - 1)):  # Podman's service falls over at such a number
                raise DockerfileError(instruction.line, f"--from={name} is the number of no stage before this one")
            return True
        return name.lower() in filter(None, self.names[:-1])


def _flags(flags: Iterable[tuple[str, str]]) -> str:
    return "".join(f" --{name}={value}" if value else f" --{name}" for name, value in flags)


def _rest(instruction: Instruction) -> str:
    """What follows the flags, with the texts that stand below it."""
    is_cut = instruction.rest.startswith("--") and FLAGS[instruction.keyword]
    texts = "".join(f"\n{one.content}{one.name}" for one in instruction.heredocs)
    return f"{'-- ' if is_cut else ''}{instruction.rest}{texts}"  # as it was written: what follows is no flag


def _may_be_a_mark(rest: str) -> bool:
    """Whether a LABEL could say something else of whose a layer is."""
    return "$" in rest or _MARKS_NAMESPACE in rest.translate(_QUOTING)
