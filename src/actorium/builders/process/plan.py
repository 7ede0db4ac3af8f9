"""From a Dockerfile to the steps that build its last stage: pure, knows neither files nor the host."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field

from actorium.builders import BuildFailed
from actorium.builders.process.actions import act
from actorium.builders.process.bases import recognise
from actorium.builders.process.dockerfile import Dockerfile, DockerfileError, Instruction
from actorium.builders.process.image_paths import checked_place
from actorium.builders.process.mounts import sources
from actorium.builders.process.state import Config, StageState
from actorium.builders.process.steps import CopyStep, FetchStep, FolderStep, Step
from actorium.builders.process.variables import ExpansionError, expand
from actorium.kernel.limits import DOCKERFILE_STAGES_MAX

_MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
PLATFORM_ARGS: Mapping[str, str] = {
    f"{side}{name}": value
    for side in ("TARGET", "BUILD")
    for name, value in (("PLATFORM", f"linux/{_MACHINE}"), ("OS", "linux"), ("ARCH", _MACHINE))
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One FROM and what follows it."""

    index: int
    line: int
    text: str
    image: str
    """The base image's name; empty when it stands on another stage."""
    parent: int | None
    instructions: tuple[Instruction, ...]
    aliases: Mapping[str, int]
    """Which earlier stage each name means here, numbers among them."""
    global_args: Mapping[str, str]
    notes: tuple[str, ...] = ()
    needs: frozenset[int] = field(default_factory=frozenset)
    """The earlier stages that it stands on or takes files from; negative numbers are those of bare images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A stage's steps and the configuration it ends with."""

    steps: tuple[Step, ...]
    config: Config


def stages(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> list[Stage]:
    """The stages that the last one needs, in the order they are built. Raises ``DockerfileError``."""
    found, images = _split(dockerfile, build_args)
    needed, todo = set[int](), [len(found) - 1]
    while todo:
        index = todo.pop()
        if index not in needed:
            needed.add(index)
            todo += found[index].needs if index >= 0 else ()
    return [stage for stage in (*images.values(), *found) if stage.index in needed]


def steps(stage: Stage, start: Config, dockerfile: Dockerfile, build_args: Mapping[str, str]) -> Planned:
    """What a stage does, on top of the configuration it starts from. Raises ``DockerfileError``."""
    state = StageState(start, stage.global_args, build_args, escape=dockerfile.escape)
    out = []
    for instruction in stage.instructions:
        try:
            action, notes = act(instruction, state, stage.aliases)
        except ExpansionError as error:
            raise DockerfileError(instruction.line, str(error)) from error
        if isinstance(action, FolderStep):
            for path in (action.path, *action.more):
                checked_place(instruction.line, path)
        elif isinstance(action, CopyStep | FetchStep):
            checked_place(instruction.line, action.target)
        out.append(Step(line=instruction.line, text=instruction.text, action=action, notes=notes))
    return Planned(steps=tuple(out), config=state.config())


def _split(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> tuple[list[Stage], dict[str, Stage]]:
    """The stages of the file, and the bare images that they take files from, by name."""
    global_args = dict(PLATFORM_ARGS)
    found: list[Stage] = []
    images: dict[str, Stage] = {}
    aliases: dict[str, int] = {}
    at = 0
    instructions = dockerfile.instructions
    while at < len(instructions) and instructions[at].keyword == "ARG":
        _global_arg(instructions[at], global_args, build_args, dockerfile.escape)
        at += 1
    while at < len(instructions):
        end = at + 1
        while end < len(instructions) and instructions[end].keyword != "FROM":
            end += 1
        stage, name = _stage(
            len(found), instructions[at:end], aliases, images=images, global_args=global_args,
            escape=dockerfile.escape,
        )  # fmt: skip
        found.append(stage)
        aliases = {**aliases, str(stage.index): stage.index} | ({name: stage.index} if name else {})
        at = end
        if len(found) + len(images) > DOCKERFILE_STAGES_MAX:
            raise DockerfileError(stage.line, f"there are more than {DOCKERFILE_STAGES_MAX} stages")
    return found, images


def _global_arg(instruction: Instruction, known: dict[str, str], build_args: Mapping[str, str], escape: str) -> None:
    state = StageState(Config(env=known), {}, {}, escape=escape)
    try:
        for name, default in state.arg_words(instruction.rest):
            if name in build_args:
                known[name] = build_args[name]
            elif default is not None:
                known[name] = default
    except ExpansionError as error:
        raise DockerfileError(instruction.line, str(error)) from error


def _stage(
    index: int,
    block: tuple[Instruction, ...],
    aliases: Mapping[str, int],
    *,
    images: dict[str, Stage],
    global_args: Mapping[str, str],
    escape: str,
) -> tuple[Stage, str]:
    head, body = block[0], block[1:]
    words = head.rest.split()
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise DockerfileError(head.line, "FROM must read: FROM image[:tag] [AS name]")
    try:
        image = expand(words[0], global_args, escape=escape)
    except ExpansionError as error:
        raise DockerfileError(head.line, str(error)) from error
    if not image:
        raise DockerfileError(head.line, f"{words[0]} is empty: an ARG before FROM must give it a value")
    parent = aliases.get(image.lower()) if not image.isdigit() else None
    own, needs = {**aliases}, set[int]() if parent is None else {parent}
    for instruction in body:
        for name in _taken_from(instruction):
            if name.lower() not in own:
                own[name.lower()] = _image(instruction, name, aliases, images)
            needs.add(own[name.lower()])
    notes = ("--platform has no effect: it is built for this machine",) if head.flag("platform") else ()
    stage = Stage(
        index=index, line=head.line, text=head.text, image="" if parent is not None else image, parent=parent,
        instructions=body, aliases=own, global_args=global_args, notes=notes, needs=frozenset(needs),
    )  # fmt: skip
    return stage, words[2].lower() if len(words) == 3 else ""


_WAYS = {"COPY": "COPY --from", "RUN": "RUN --mount=from"}


def _taken_from(instruction: Instruction) -> list[str]:
    """The stages and images whose files an instruction uses."""
    if instruction.keyword == "RUN":
        return sources(instruction)
    source = instruction.flag("from") if instruction.keyword == "COPY" else None
    return [source] if source is not None else []


def _image(instruction: Instruction, name: str, aliases: Mapping[str, int], images: dict[str, Stage]) -> int:
    """The number of a stage that is nothing but an image. Raises ``DockerfileError`` for one that is not emulated."""
    try:
        recognise(name, line=instruction.line)
    except BuildFailed as error:
        known = ", ".join(each for each in aliases if not each.isdigit()) or "none has a name"
        raise DockerfileError(
            instruction.line,
            f"{_WAYS[instruction.keyword]}={name} names no stage above it ({known}) and no image that is emulated "
            "here; other images need a container engine: ACTORIUM_EXECUTOR=container with Docker or Podman",
        ) from error
    if name not in images:
        images[name] = Stage(
            index=-1 - len(images), line=instruction.line, text=f"FROM {name}", image=name, parent=None,
            instructions=(), aliases={}, global_args={},
        )  # fmt: skip
    return images[name].index
