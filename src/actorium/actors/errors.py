"""What can be wrong with a call about Actors."""

from __future__ import annotations

from actorium.kernel.errors import Conflict, Forbidden, Invalid, InvalidInput, NotFound, Unavailable


class ActorMissing(NotFound):
    """Actor was not found."""


class ActorNotFound(NotFound):
    """Actor was not found."""

    type = "actor-not-found"


class VersionMissing(NotFound):
    """Actor version was not found."""


class EnvVarMissing(NotFound):
    """Environment variable was not found."""


class ActorNameNotUnique(Conflict):
    """You already have an Actor of this name; choose another name."""

    type = "actor-name-not-unique"


class TooManyActors(Forbidden):
    """You have reached the highest number of Actors; delete some first."""

    type = "too-many-actors"


class TooManyVersions(Forbidden):
    """This Actor has reached the highest number of versions; delete some first."""

    type = "too-many-versions"


class TooFewVersions(Forbidden):
    """An Actor needs at least one version."""

    type = "too-few-versions"


class VersionAlreadyExists(Forbidden):
    """The Actor already has a version of this number; update it instead."""

    type = "version-already-exists"


class SourcesTooLarge(Forbidden):
    """The source files of a version are larger than 3 MB in total; use a Git repository or an archive instead."""

    type = "versions-size-exceeded"


class CannotCreatePublic(Forbidden):
    """A new Actor cannot be public: it has no build yet. Build it first, then set isPublic."""

    type = "cannot-create-public-actor"


class CannotPublish(Forbidden):
    """A public Actor needs a title and at least one category."""

    type = "cannot-publish-actor"


class TaggedBuildRequired(Forbidden):
    """A public Actor needs a tagged build; build it first."""

    type = "tagged-build-required"


class EnvVarAlreadyExists(Forbidden):
    """The version already has an environment variable of this name; update it instead."""

    type = "env-var-already-exists"


class CannotRenameEnvVar(Forbidden):
    """An environment variable cannot be renamed; delete it and add another."""

    type = "cannot-rename-env-var"


class SourcePathInvalid(InvalidInput):
    """A source file has a name that cannot be used."""


class PricingAltersPast(Invalid):
    """A price that is or was in force cannot be changed; add a new entry to pricingInfos instead."""

    type = "cannot-add-pricing-info-that-alters-past"


class PricingRemoved(Invalid):
    """Entries of pricingInfos cannot be removed; send them all, in order, with the new one at the end."""

    type = "cannot-remove-pricing-info"


class PricingTwice(Invalid):
    """Only one entry can be added to pricingInfos at a time."""

    type = "cannot-add-multiple-pricing-infos"


class PricingFutureTwice(Invalid):
    """pricingInfos already has an entry that starts in the future; there can be only one."""

    type = "cannot-add-second-future-pricing-info"


class CannotAddPlatformEvents(Forbidden):
    """Names of events that begin with apify- belong to the platform; only apify-actor-start and
    apify-default-dataset-item can be priced."""

    type = "cannot-add-apify-events-to-ppe-actor"


class CannotDeletePaidActor(Forbidden):
    """An Actor that has a price cannot be deleted; add an entry with pricingModel FREE to its pricingInfos first."""

    type = "cannot-delete-paid-actor"


class VaultLocked(Unavailable):
    """A secret cannot be read with this installation's key. Set the secret again, or restore the key."""
