"""What can be wrong with a call about builds."""

from __future__ import annotations

from actorium.kernel.errors import Forbidden, Invalid, InvalidInput, NotFound


class BuildMissing(NotFound):
    """Build was not found."""


class VersionRequired(InvalidInput):
    """The query parameter version is required: the version to build, such as 0.1."""


class UnknownBuildTag(Forbidden):
    """The Actor has no build with this tag. Build it first, or use another tag."""

    type = "unknown-build-tag"


class BuildNotFound(Forbidden):
    """The Actor has no build with this number."""

    type = "build-not-found"


class InvalidBuild(Forbidden):
    """This build did not succeed, so it cannot be run."""

    type = "invalid-build"


class TooManyBuilds(Forbidden):
    """The version has reached the highest build number. Add a new version."""

    type = "invalid-build"


class DeletingDefaultBuild(Invalid):
    """The default build of an Actor cannot be deleted. Let another build be the default first."""

    type = "deleting-default-build"


class DeletingUnfinishedBuild(Invalid):
    """A build that has not finished cannot be deleted; abort it first."""

    type = "deleting-unfinished-build"
