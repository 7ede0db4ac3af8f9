"""One attempt at a build: from its frozen sources to an image, or to a reason why not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from actorium.actors.errors import VaultLocked
from actorium.builders import Builder, BuildFailed, BuildSpec, Image
from actorium.builds.definition import Definition, read_definition
from actorium.builds.lifecycle import Event
from actorium.builds.row import BuildRow, Facts
from actorium.builds.sources import Sources, Tree, Wanted
from actorium.kernel.errors import ActoriumError, Forbidden, Invalid
from actorium.kernel.instant import Instant
from actorium.kernel.limits import BUILD_TIMEOUT_SECS
from actorium.kernel.structs import encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Everything an attempt needs."""

    row: BuildRow
    actor_name: str
    owner_number: int
    wanted: Wanted
    build_args: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended."""

    event: Event
    message: str
    """The log's last line."""
    image: Image | None = None
    definition: str | None = None
    facts: Facts | None = None


Check = Callable[[Definition], Awaitable[Sequence[str]]]
"""Looks at a definition and says what its author should know. Raises BuildFailed for what no run could use."""


async def attempt(
    task: Task, builder: Builder, sources: Sources, log: Callable[[bytes], None], *, now: Instant, check: Check
) -> Outcome:
    """Build. What is wrong with the sources is an outcome; a builder that cannot answer is an error."""
    definition: Definition | None = None
    try:
        tree = await sources.fetch(task.wanted, lambda line: log(f"ACTOR: {line}".encode()))
        if not tree.files:
            raise BuildFailed(f"Version {task.row.version_number} has no source files. Give it some, then build again.")
        definition = read_definition(tree.files, name=task.actor_name, version=task.row.version_number, root=tree.root)
        log(f"ACTOR: Found {len(tree.files)} source files, {_shown(definition)}.".encode())
        for remark in await check(definition):
            log(f"ACTOR: {remark}".encode())
        image = await builder.build(_spec(task, tree, definition, now), log)
    except (BuildFailed, Invalid, Forbidden, VaultLocked) as error:
        return failure(error, definition)
    return Outcome(
        event=Event.SUCCEEDED,
        message=_success(task.row, image),
        image=image,
        definition=encode(definition.document).decode(),
        facts=definition.facts,
    )


def failure(error: ActoriumError, definition: Definition | None = None) -> Outcome:
    """The outcome when something cannot be built."""
    return Outcome(
        event=Event.FAILED,
        message=f"ACTOR: Build failed: {error.message}",
        definition=None if definition is None else encode(definition.document).decode(),
    )


def _spec(task: Task, tree: Tree, definition: Definition, now: Instant) -> BuildSpec:
    row = task.row
    return BuildSpec(
        name=f"{row.id}-{row.life.attempt}",
        owner_number=task.owner_number,
        actor=row.actor_id,
        files=definition.context_files(tree.files),
        executable=frozenset(definition.context_files(dict.fromkeys(tree.executable, b""))),
        folders=frozenset(definition.context_files(dict.fromkeys(tree.folders, b""))),
        dockerfile=definition.dockerfile,
        build_args={**task.build_args, "ACTOR_PATH_IN_DOCKER_CONTEXT": definition.path_in_context},
        use_cache=row.document.options.use_cache,
        memory_mbytes=row.document.options.memory_mbytes,
        deadline=row.life.deadline or now.plus(secs=BUILD_TIMEOUT_SECS),
    )


def _shown(definition: Definition) -> str:
    return f"Dockerfile {definition.dockerfile}" if definition.dockerfile else "no Dockerfile"


def _success(row: BuildRow, image: Image) -> str:
    size = "" if image.size_bytes is None else f", image of {image.size_bytes / 1_000_000:.1f} MB"
    cached = ", the same as one built before" if image.cached else ""
    return f"ACTOR: Build {row.number} finished{size}{cached}."
