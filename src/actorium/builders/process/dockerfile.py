"""Reads Dockerfiles: directives, comments, continuations, heredocs, flags and both forms of arguments.

Own parser: ``dockerfile-parse`` keeps neither heredocs nor flags apart, and ``dockerfile`` needs a Go compiler.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field

from actorium.builders import BuildFailed
from actorium.builders.process.variables import ExpansionError, split_words
from actorium.kernel.limits import DOCKERFILE_BYTES_MAX, DOCKERFILE_INSTRUCTIONS_MAX

FLAGS: dict[str, frozenset[str]] = {
    "FROM": frozenset({"platform"}),
    "RUN": frozenset({"mount", "network", "security", "device"}),
    "COPY": frozenset({"from", "chown", "chmod", "link", "parents", "exclude"}),
    "ADD": frozenset({"chown", "chmod", "link", "checksum", "keep-git-dir", "exclude", "unpack"}),
    "HEALTHCHECK": frozenset({"interval", "timeout", "start-period", "start-interval", "retries"}),
    "ENV": frozenset(),
    "ARG": frozenset(),
    "WORKDIR": frozenset(),
    "USER": frozenset(),
    "CMD": frozenset(),
    "ENTRYPOINT": frozenset(),
    "SHELL": frozenset(),
    "LABEL": frozenset(),
    "EXPOSE": frozenset(),
    "VOLUME": frozenset(),
    "STOPSIGNAL": frozenset(),
    "ONBUILD": frozenset(),
    "MAINTAINER": frozenset(),
}
"""Every instruction and the flags it may carry."""

_JSON_FORMS = frozenset({"RUN", "CMD", "ENTRYPOINT", "SHELL", "COPY", "ADD", "VOLUME", "HEALTHCHECK"})
_HEREDOC_FORMS = frozenset({"RUN", "COPY", "ADD"})
_EMPTY_ALLOWED = frozenset({"CMD", "ENTRYPOINT"})
_DIRECTIVE = re.compile(r"^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$")
_HEREDOC = re.compile(r"^\d*<<(-?)([^<\s]+)$")
_FLAG = re.compile(r"^--([a-z][a-z-]*)(?:=(.*))?$", re.DOTALL)


_BLANK = "\t\n\v\f\r \x85\xa0" + "".join(
    map(chr, (0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000))
)
"""White space to Docker: Python's has four control characters more, and a line of these would be no empty one there."""


class DockerfileError(BuildFailed):
    """The Dockerfile cannot be read."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"Dockerfile line {line}: {problem}" if line else f"Dockerfile: {problem}")
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Heredoc:
    """A text that stands in the Dockerfile itself, after its instruction."""

    name: str
    content: str
    expands: bool
    """Variables in it are replaced: its name was not quoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction as written; variables are still in it."""

    keyword: str
    line: int
    """Where it starts, counted from 1."""
    rest: str
    """What follows keyword and flags, continuations joined."""
    flags: tuple[tuple[str, str], ...] = ()
    json_form: tuple[str, ...] | None = None
    heredocs: tuple[Heredoc, ...] = ()

    def flag(self, name: str) -> str | None:
        """The flag's last value, empty when it was given without one."""
        return next((value for key, value in reversed(self.flags) if key == name), None)

    @property
    def text(self) -> str:
        """For the log: in one line, as people know it."""
        flags = "".join(f"--{name}={value} " if value else f"--{name} " for name, value in self.flags)
        return " ".join(f"{self.keyword} {flags}{self.rest}".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """A whole Dockerfile, ``FROM`` known to be there and first but for ``ARG``."""

    instructions: tuple[Instruction, ...]
    escape: str = "\\"


def parse(text: str) -> Dockerfile:
    """Read a Dockerfile. Raises ``DockerfileError``, which names the line."""
    if len(text.encode("utf-8", "surrogatepass")) > DOCKERFILE_BYTES_MAX:
        raise DockerfileError(0, f"it is larger than {DOCKERFILE_BYTES_MAX} bytes")
    if "\0" in text:
        raise DockerfileError(text[: text.index("\0")].count("\n") + 1, "it contains a NUL character")
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    escape = _directives(lines)
    reader = _Lines(lines, escape)
    instructions: list[Instruction] = []
    while (logical := reader.logical()) is not None:
        instructions.append(_instruction(logical, reader))
        if len(instructions) > DOCKERFILE_INSTRUCTIONS_MAX:
            raise DockerfileError(logical[0], f"there are more than {DOCKERFILE_INSTRUCTIONS_MAX} instructions")
    _check_order(instructions)
    return Dockerfile(instructions=tuple(instructions), escape=escape)


def _directives(lines: list[str]) -> str:
    escape, seen = "\\", set()
    for number, line in enumerate(lines, start=1):
        match = _DIRECTIVE.match(line.strip(_BLANK))
        if match is None or match[1].lower() not in ("syntax", "escape", "check"):
            break
        name, value = match[1].lower(), match[2]
        if name in seen:
            raise DockerfileError(number, f"the directive {name} is given twice")
        seen.add(name)
        if name == "escape":
            if value not in ("\\", "`"):
                raise DockerfileError(number, f"escape must be \\ or `, not {value}")
            escape = value
    return escape


@dataclass(slots=True)
class _Lines:
    """The lines of a file, read one instruction at a time."""

    lines: list[str]
    escape: str
    at: int = 0
    continued: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        mark = re.escape(self.escape)
        self.continued = re.compile(rf"(?<!{mark}){mark}[ \t]*$")

    def logical(self) -> tuple[int, str] | None:
        """The next instruction's line number and text; None at the end."""
        parts: list[str] = []
        start = 0
        while self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            if not line.strip(_BLANK) or line.lstrip(_BLANK).startswith("#"):
                continue
            start = start or self.at
            line = line if parts else line.lstrip(_BLANK)
            going_on = self.continued.search(line)
            parts.append(line[: going_on.start()] if going_on else line)
            if not going_on:
                break
        return (start, "".join(parts).strip(_BLANK)) if parts else None

    def heredoc(self, name: str, *, chomp: bool, line: int) -> str:
        """The lines up to the one that is the heredoc's name."""
        content: list[str] = []
        while self.at < len(self.lines):
            text = self.lines[self.at]
            self.at += 1
            text = text.lstrip("\t") if chomp else text
            if text == name:
                return "".join(f"{part}\n" for part in content)
            content.append(text)
        raise DockerfileError(line, f"the heredoc <<{name} is never closed with a line that is {name}")


def _instruction(logical: tuple[int, str], reader: _Lines) -> Instruction:
    line, text = logical
    word, rest = _first_word(text) if text[:1] not in "\"'" else (text, "")
    keyword = word.upper()
    if keyword not in FLAGS:
        near = difflib.get_close_matches(keyword, FLAGS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise DockerfileError(line, f"unknown instruction {word[:40]}{hint}")
    flags, rest = _flags(keyword, rest.strip(), line)
    heredocs = _heredocs(rest, reader, line) if keyword in _HEREDOC_FORMS else ()
    json_form = _json_form(rest) if keyword in _JSON_FORMS and not heredocs else None
    if not rest and keyword not in _EMPTY_ALLOWED:
        raise DockerfileError(line, f"{keyword} needs an argument")
    if keyword == "SHELL" and not json_form:
        raise DockerfileError(line, 'SHELL must be written as a JSON array of strings, as in SHELL ["/bin/bash", "-c"]')
    return Instruction(
        keyword=keyword, line=line, rest=rest, flags=flags, json_form=json_form, heredocs=tuple(heredocs)
    )


def _flags(keyword: str, rest: str, line: int) -> tuple[tuple[tuple[str, str], ...], str]:
    flags: list[tuple[str, str]] = []
    while rest.startswith("--"):
        word, tail = _first_word(rest)
        if word == "--":
            return tuple(flags), tail
        match = _FLAG.match(word)
        if match is None or match[1] not in FLAGS[keyword]:
            if keyword in ("CMD", "ENTRYPOINT", "ENV", "LABEL", "ONBUILD"):
                break
            known = ", ".join(f"--{name}" for name in sorted(FLAGS[keyword])) or "none"
            raise DockerfileError(line, f"{keyword} has no flag {word[:60]}; it knows {known}")
        flags.append((match[1], (match[2] or "").strip("\"'")))
        rest = tail
    return tuple(flags), rest


def _first_word(text: str) -> tuple[str, str]:
    quote = ""
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char.isspace():
            return text[:at], text[at:].lstrip()
    return text, ""


def _heredocs(rest: str, reader: _Lines, line: int) -> tuple[Heredoc, ...]:
    if "<<" not in rest:
        return ()
    try:
        words = split_words(rest, escape=reader.escape)
    except ExpansionError:
        return ()  # the shell will say what is wrong with the quotes of its own command
    found = []
    for word in words:
        match = _HEREDOC.match(word)
        if match is None:
            continue
        name = match[2].strip("\"'")
        if not name:
            continue
        content = reader.heredoc(name, chomp=bool(match[1]), line=line)
        found.append(Heredoc(name=name, content=content, expands=name == match[2]))
    return tuple(found)


def _json_form(rest: str) -> tuple[str, ...] | None:
    """The strings of a JSON array; None when it is not one, and then the text is the shell's, as Docker does it."""
    if not rest.startswith("["):
        return None
    try:
        words = json.loads(rest)
    except (ValueError, RecursionError):
        return None
    if not isinstance(words, list) or not all(isinstance(word, str) and "\0" not in word for word in words):
        return None
    return tuple(words)


def _check_order(instructions: list[Instruction]) -> None:
    if not instructions:
        raise DockerfileError(0, "it has no instruction; it must start with FROM, as in FROM apify/actor-python:3.13")
    first = next((each for each in instructions if each.keyword != "ARG"), None)
    if first is None or first.keyword != "FROM":
        line = first.line if first else instructions[0].line
        raise DockerfileError(line, "FROM must come before anything but ARG")
