"""The options that a start of an Actor's build comes to: what was asked for, the Actor's expression, its defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import to_builtins

from actorium.actors.row import ActorRow
from actorium.builds.row import BuildRow
from actorium.kernel.structs import UNSET
from actorium.runs.errors import InvalidMemory
from actorium.runs.memory.choice import NO_BOUNDS, Bounds, bounds_of, of_definition
from actorium.runs.memory.errors import ExpressionError
from actorium.runs.model import RunOptions
from actorium.runs.options import Defaults, StartTaskOptions, resolve, with_memory


@dataclass(frozen=True, slots=True)
class Chosen:
    """The options, and what the run's log shall say about how they came to be."""

    options: RunOptions
    remark: str | None = None


class InputValue:
    """A run's input as a value, read when an expression first asks for it: null for what is no JSON."""

    def __init__(self, content: bytes, content_type: str) -> None:
        self._content = content if content_type.partition(";")[0].strip().lower() == "application/json" else b""
        self._value: Any = UNSET

    def read(self) -> Any:
        if self._value is UNSET:
            try:
                self._value = msgspec.json.decode(self._content) if self._content else None
            except (msgspec.DecodeError, RecursionError):
                self._value = None
        return self._value


def bounds_for(build: BuildRow) -> Bounds:
    """Between what memory runs of a build can be."""
    return bounds_of(build.facts.min_memory_mbytes, build.facts.max_memory_mbytes)


def bounds_again(build: BuildRow, *, memory: float | None, had_mbytes: int, had_build_id: str) -> Bounds:
    """The same for runs that go on from a run. Raises InvalidMemory.

    Where no ``memory`` is named, its own is taken as it is: by a metamorph it may be outside of what its very build
    says. Another build has to allow it.
    """
    bounds = bounds_for(build)
    if memory is not None:
        return bounds
    if build.id != had_build_id and not bounds.least <= had_mbytes <= bounds.most:
        raise InvalidMemory(
            f"The run has {had_mbytes} MB of memory; build {build.number} runs with {bounds.least} to {bounds.most} MB."
            " Name as much with the parameter memory."
        )
    return NO_BOUNDS


def choose(
    asked: StartTaskOptions, actor: ActorRow, build: BuildRow, input: InputValue, *, bounds: Bounds
) -> Chosen:  # fmt: skip
    """The options of a run with memory in these bounds. Raises InvalidMemory and its kin.

    An expression that has no value for this input leaves the Actor's default, and the log says so: a run that starts is
    worth more to its caller than an error of somebody else's making.
    """
    own = actor.default_run_options
    defaults = Defaults(
        timeout_secs=own.timeout_secs,
        memory_mbytes=own.memory_mbytes,
        max_items=own.max_items if isinstance(own.max_items, int) else None,
        restart_on_error=own.restart_on_error,
    )
    options = resolve(asked, defaults, build=asked.build or own.build or "latest", bounds=bounds)
    said = build.facts.default_memory_mbytes
    if said is None or asked.memory is not None:
        return Chosen(options)
    names = {"input": input.read(), "runOptions": to_builtins(options)} if isinstance(said, str) else {}
    try:
        return Chosen(with_memory(options, of_definition(said, names, bounds)))
    except ExpressionError as error:
        return Chosen(
            options,
            f"defaultMemoryMbytes of the Actor has no value here: {error}. The run has the Actor's default of"
            f" {options.memory_mbytes} MB.",
        )
