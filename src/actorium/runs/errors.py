"""What can be wrong with a call about runs."""

from __future__ import annotations

from actorium.kernel.errors import Forbidden, InvalidValue, NotFound


class RunNotFound(NotFound):
    """Actor run was not found."""


class JobFinished(Forbidden):
    """The run has already finished or is about to, so this cannot be done; only a run in status RUNNING can."""

    type = "job-finished"


class RunNotFinished(InvalidValue):
    """A run that has not finished cannot be deleted; abort it first."""

    type = "cannot-remove-running-run"


class InvalidMemory(InvalidValue):
    """Memory must be a power of two between 128 and 32768 MB."""


class InvalidMaxItems(InvalidValue):
    """maxItems must be a number from 0, where 0 means no limit."""

    type = "max-items-must-be-greater-than-zero"


class InvalidMaxTotalCharge(InvalidValue):
    """maxTotalChargeUsd must be greater than 0; leave it out for no limit."""

    type = "max-total-charge-usd-must-be-greater-than-zero"


class InvalidTimeout(InvalidValue):
    """Timeout must be a number of seconds from 0 (no limit) to 315360000."""
