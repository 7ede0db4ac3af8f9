"""What can be wrong with a call about runs."""

from __future__ import annotations

from actorium.kernel.errors import Forbidden, Invalid, InvalidInput, InvalidValue, NotFound, TimedOut
from actorium.runs.lifecycle import RunStatus


class RunNotFound(NotFound):
    """Actor run was not found."""


class JobFinished(Forbidden):
    """The run has already finished or is about to, so this cannot be done; only a run in status RUNNING can."""

    type = "job-finished"

    @classmethod
    def for_lack_of(cls, run_id: str, status: RunStatus, verb: str) -> JobFinished:
        """Of a run that is not RUNNING. The contract has one type for all of them."""
        if status is RunStatus.READY:
            return cls(f"Run {run_id} is READY: it has not started yet; wait until it is RUNNING, then it {verb}.")
        why = "it has already finished or is about to"
        return cls(f"Run {run_id} is {status}: {why}; only a RUNNING run {verb}.")


class ElevatedPermissionsNeeded(Forbidden):
    """A run with limited permissions cannot start one with full permissions. Set the level of the other Actor to
    LIMITED_PERMISSIONS or start it with forcePermissionLevel=LIMITED_PERMISSIONS, or give the calling Actor full ones.
    """

    type = "elevated-permissions-needed"


class FullPermissionsNotApproved(Forbidden):
    """This Actor of another user wants full permissions on your account, and you have not approved that."""

    type = "full-permission-actor-not-approved"


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


class RunFailed(Invalid):
    """The run that the call started did not succeed; its log says why."""

    type = "run-failed"


class DefaultDatasetNotFound(Invalid):
    """The run has deleted its own default dataset, so there are no items to answer with."""

    type = "default-dataset-not-found"


class RunTimeoutExceeded(TimedOut):
    """The run has not finished in the time that a synchronous call waits, and goes on; wait for it by its id."""

    type = "run-timeout-exceeded"


class CannotResurrect(InvalidInput):
    """Only a run that has finished can be resurrected; wait for its end, or abort it first."""


class LimitMayOnlyGrow(InvalidInput):
    """A limit of what is charged may only grow when a run is resurrected."""


class TooManyMetamorphs(InvalidInput):
    """The run has metamorphed 10 times, which is the most a run can; start a new run of the target instead."""

    type = "max-metamorphs-exceeded"


class LimitedRun(Forbidden):
    """A run with limited permissions can only become an Actor with limited permissions; start that one by itself."""

    type = "insufficient-permissions"


class PaidByResult(Forbidden):
    """A run cannot become an Actor that is paid by its results, because the price of a run is fixed at its start; start
    that Actor as a run of its own."""

    type = "cannot-metamorph-to-pay-per-result-actor"


class TooLargeToFork(InvalidInput):
    """The run's default storages hold more than a fork copies; name them in the input of a new run instead."""


class CannotFork(InvalidInput):
    """The build of the run was deleted; name another one with the parameter build."""
