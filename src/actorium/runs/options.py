"""From what a caller asks for to what a run gets: each option by its chain of defaults, checked."""

from __future__ import annotations

import math

from msgspec import structs

from actorium.kernel.limits import (
    DISK_PER_MEMORY,
    MEMORY_MBYTES_DEFAULT,
    RUN_MAX_CHARGE_USD_MAX,
    RUN_MAX_ITEMS_MAX,
    RUN_TIMEOUT_SECS_DEFAULT,
    RUN_TIMEOUT_SECS_MAX,
)
from actorium.kernel.structs import UNSET, UnsetType, Wire
from actorium.runs.errors import InvalidMaxItems, InvalidMaxTotalCharge, InvalidTimeout
from actorium.runs.memory.choice import NO_BOUNDS, Bounds, checked
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
    """base64 of a JSON array of webhooks about this run alone."""


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


def resolve(asked: StartTaskOptions, defaults: Defaults, *, build: str, bounds: Bounds = NO_BOUNDS) -> RunOptions:
    """The options of a run. ``build`` is the tag or number asked for. Raises InvalidMemory and its kin.

    Memory that was asked for has to be within the ``bounds`` of the Actor; a default is brought there.
    """
    timeout = _first(asked.timeout, defaults.timeout_secs, RUN_TIMEOUT_SECS_DEFAULT)
    if not math.isfinite(timeout) or not 0 <= timeout <= RUN_TIMEOUT_SECS_MAX:
        raise InvalidTimeout(f"Timeout is {timeout:g} seconds; it must be from 0 (no limit) to {RUN_TIMEOUT_SECS_MAX}.")
    restart = asked.restart_on_error if asked.restart_on_error is not None else defaults.restart_on_error
    options = RunOptions(
        build=build,
        timeout_secs=_rounded(timeout),
        memory_mbytes=0,
        disk_mbytes=0,
        max_items=_max_items(asked.max_items if asked.max_items is not None else defaults.max_items),
        max_total_charge_usd=_max_charge(asked.max_total_charge_usd, defaults.max_total_charge_usd),
        restart_on_error=True if restart else UNSET,
    )
    if asked.memory is not None:
        return with_memory(options, checked(asked.memory, bounds))
    default = _first(defaults.memory_mbytes, MEMORY_MBYTES_DEFAULT)
    return with_memory(options, bounds.clamped(checked(default, NO_BOUNDS)))


def with_memory(options: RunOptions, memory_mbytes: int) -> RunOptions:
    """The same with other memory, and the disk that goes with it."""
    return structs.replace(options, memory_mbytes=memory_mbytes, disk_mbytes=DISK_PER_MEMORY * memory_mbytes)


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


def _rounded(value: float) -> int:
    """The nearest whole number; only 0 becomes 0, which means no limit."""
    return max(round(value), 1) if value > 0 else 0


def _max_items(value: float | None) -> int | UnsetType:
    if value is None:
        return UNSET
    if not 0 <= value <= RUN_MAX_ITEMS_MAX:
        raise InvalidMaxItems(
            f"maxItems is {value:g}; it must be a number from 0 to {RUN_MAX_ITEMS_MAX}, where 0 means no limit."
        )
    return _rounded(value) or UNSET


def _max_charge(asked: float | None, default: float | None) -> float | UnsetType:
    """A limit of 0 is refused: it would mean no limit to some and no money to others."""
    value = default if asked is None else asked
    if value is None:
        return UNSET
    if not 0 < value <= RUN_MAX_CHARGE_USD_MAX:
        raise InvalidMaxTotalCharge(
            f"maxTotalChargeUsd is {value:g}; it must be greater than 0 and at most {RUN_MAX_CHARGE_USD_MAX}."
            " Leave it out for no limit."
        )
    return value
