"""What can be wrong with a charge, or with a limit of charges."""

from __future__ import annotations

from actorium.kernel.errors import Forbidden, InvalidInput, InvalidValue, MethodNotAllowed


class OwnTokenRequired(Forbidden):
    """A run is charged with its own token only, which its process finds in APIFY_TOKEN."""

    type = "own-token-required"


class NotPayPerEvent(MethodNotAllowed):
    """This run is not of a pay-per-event Actor, so it has no events to charge; give the Actor a price with
    pricingModel PAY_PER_EVENT and start another run."""

    type = "cannot-charge-non-pay-per-event-actor"


class PlatformEvent(MethodNotAllowed):
    """Events whose names begin with apify- are charged by the platform, not by the Actor."""

    type = "cannot-charge-apify-event"


class UnknownEvent(InvalidInput):
    """The Actor's price has no event of this name."""


class InvalidCount(InvalidInput):
    """count must be a whole number from 1; an event is charged up to 9007199254740991 times in a run."""


class InvalidIdempotencyKey(InvalidValue):
    """idempotency-key must have 1 to 512 characters."""

    type = "invalid-idempotency-key"


class LimitBelowMinimum(InvalidValue):
    """maxTotalChargeUsd is below what the Actor asks for at least."""

    type = "max-total-charge-usd-below-minimum"
