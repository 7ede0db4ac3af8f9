"""What can be wrong with a brake, and what a brake says to those who want to spend."""

from __future__ import annotations

from actorium.kernel.errors import Forbidden, InvalidValue, NotFound, Payment


class BrakeReached(Payment):
    """What is left of a money brake for today does not pay for the beginning of this run."""

    type = "not-enough-usage-to-run-paid-actor"


class BrakeNotFound(NotFound):
    """There is no such brake; GET /v2/users/me/brakes lists those that there are."""


class SubjectNotFound(NotFound):
    """A brake is on a user, on an Actor or on a task, named by its id or as OWNER/NAME; this one was not found."""


class InvalidLimit(InvalidValue):
    """limitUsdPerDay must be a number of USD from 0, which stops everything, to 1000000000."""


class TooManyBrakes(InvalidValue):
    """You have as many brakes as one can have; delete one that you do not need, or set one on your account."""


class RunsSetNoBrakes(Forbidden):
    """The token of a run can neither set nor lift a brake, whatever its permissions; use your own API token."""


class OperatorsBrake(Forbidden):
    """This brake was set by the operator of this server, who alone can lift it ('actorium brake remove')."""
