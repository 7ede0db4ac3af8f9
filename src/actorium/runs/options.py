"""From what a caller asks for to what a run gets: each option by its chain of defaults, checked."""

from __future__ import annotations

import math

from actorium.kernel.errors import InvalidValue
from actorium.kernel.limits import (
    DISK_PER_MEMORY,
    MEMORY_MBYTES_DEFAULT,
    MEMORY_MBYTES_MAX,
    MEMORY_MBYTES_MIN,
    RUN_TIMEOUT_SECS_DEFAULT,
    RUN_TIMEOUT_SECS_MAX,
)
from actorium.kernel.structs import UNSET, Wire
from actorium.runs.errors import InvalidMemory, InvalidTimeout
from actorium.runs.model import RunOptions


class StartTaskOptions(Wire, kw_only=True, frozen=True):
    """Query of a task's start. Absent: the task's option, or else the Actor's default."""

    timeout: float | None = None
    """Seconds, 0 = no limit."""
    memory: float | None = None
    """MB, a power of two."""
    max_items: float | None = None
    max_total_charge_usd: float | None = None
    restart_on_error: bool | None = None
    build: str | None = None
    """A tag or a build number."""
    wait_for_finish: float | None = None
    """Seconds to hold the answer until the run has finished, 60 at most."""
    webhooks: str | None = None


class StartOptions(StartTaskOptions, kw_only=True, frozen=True):
    """Query of a run's start. Absent: the Actor's default."""

    force_permission_level: str | None = None


class Defaults(Wire, kw_only=True, frozen=True):
    """What an Actor says for options that the caller and the task leave out."""

    timeout_secs: float | None = None
    memory_mbytes: float | None = None
    max_items: float | None = None
    max_total_charge_usd: float | None = None
    restart_on_error: bool | None = None


def resolve(asked: StartTaskOptions, defaults: Defaults, *, build: str) -> RunOptions:
    """The options of a run. ``build`` is the tag or number asked for. Raises InvalidMemory and its kin."""
    memory = _first(asked.memory, defaults.memory_mbytes, MEMORY_MBYTES_DEFAULT)
    timeout = _first(asked.timeout, defaults.timeout_secs, RUN_TIMEOUT_SECS_DEFAULT)
    if not MEMORY_MBYTES_MIN <= memory <= MEMORY_MBYTES_MAX or not _power_of_two(memory):
        raise InvalidMemory(f"Memory is {memory:g} MB; it must be a power of two between 128 and 32768 MB.")
    if not math.isfinite(timeout) or not 0 <= timeout <= RUN_TIMEOUT_SECS_MAX:
        raise InvalidTimeout(f"Timeout is {timeout:g} seconds; it must be from 0 (no limit) to {RUN_TIMEOUT_SECS_MAX}.")
    max_items = _positive("maxItems", asked.max_items, defaults.max_items)
    max_charge = _positive("maxTotalChargeUsd", asked.max_total_charge_usd, defaults.max_total_charge_usd)
    restart = asked.restart_on_error if asked.restart_on_error is not None else defaults.restart_on_error
    return RunOptions(
        build=build,
        timeout_secs=round(timeout),
        memory_mbytes=int(memory),
        disk_mbytes=DISK_PER_MEMORY * int(memory),
        max_items=UNSET if max_items is None else round(max_items),
        max_total_charge_usd=UNSET if max_charge is None else max_charge,
        restart_on_error=True if restart else UNSET,
    )


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


def _positive(name: str, asked: float | None, default: float | None) -> float | None:
    """The value in force; 0 means none."""
    value = default if asked is None else asked
    if value is not None and (not math.isfinite(value) or value < 0):
        raise InvalidValue(f"{name} is {value:g}; it must be a number from 0, where 0 means no limit.")
    return value or None


def _power_of_two(value: float) -> bool:
    return value > 0 and value == int(value) and int(value).bit_count() == 1
