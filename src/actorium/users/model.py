"""A user as a row and on the wire."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from actorium.kernel.errors import Conflict, Invalid, InvalidValue, NotFound
from actorium.kernel.instant import Instant
from actorium.kernel.limits import TOKEN_CHARS_MIN
from actorium.kernel.principal import Principal
from actorium.kernel.structs import Wire

_USERNAME = re.compile(r"[a-zA-Z0-9_.-]{3,30}")


class UserNotFound(NotFound):
    """User was not found."""


class UsernameInvalid(Invalid):
    """A username has 3 to 30 characters of letters, digits, dots, dashes and underscores."""

    type = "invalid-username"


class UsernameTaken(Conflict):
    """This username is already taken."""

    type = "username-already-taken"


class TokenNotGood(InvalidValue):
    """A token needs at least 16 printable characters and no spaces."""


class TokenTaken(Conflict):
    """This token already belongs to another user."""


class Profile(Wire, kw_only=True, frozen=True):
    """What a user tells everybody."""

    bio: str | None = None
    name: str = ""
    picture_url: str | None = None
    github_username: str | None = None
    website_url: str | None = None
    twitter_username: str | None = None


class Quota(Wire, kw_only=True, frozen=True, omit_defaults=True):
    """What an account may use at once; 0 = no limit, None = what the settings say."""

    memory_mbytes: int | None = None
    """Of unfinished runs and builds together."""
    concurrent_runs: int | None = None
    """Unfinished runs, those that wait included."""


class Document(Wire, kw_only=True, frozen=True):
    """The part of a user that no query filters by."""

    proxy_password: str
    profile: Profile = Profile()
    email: str | None = None
    quota: Quota = Quota()


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One user. ``number`` is small, unique and never used again: uid ranges are computed from it."""

    id: str
    username: str
    number: int
    created_at: Instant
    document: Document = field(repr=False)

    @property
    def principal(self) -> Principal:
        return Principal(user_id=self.id, username=self.username, number=self.number)


class UserPublicInfo(Wire, kw_only=True, frozen=True):
    """What anybody may read of a user."""

    id: str
    username: str
    profile: Profile


class ProxyGroup(Wire, kw_only=True, frozen=True):
    """A group of proxy addresses."""

    name: str
    description: str | None
    available_count: int


class Proxy(Wire, kw_only=True, frozen=True):
    """A user's access to proxies."""

    password: str
    groups: list[ProxyGroup]


class Plan(Wire, kw_only=True, frozen=True):
    """What a self-hosted account may use. A limit that this server does not have is absent."""

    id: str
    description: str
    is_enabled: bool
    tier: str
    monthly_base_price_usd: float
    monthly_usage_credits_usd: float
    usage_discount_percent: float
    enabled_platform_features: list[str]
    available_proxy_groups: dict[str, int]
    max_actor_count: int
    max_actor_memory_gbytes: float


class Feature(Wire, kw_only=True, frozen=True):
    """Whether a part of the platform is there."""

    is_enabled: bool
    disabled_reason: str | None
    disabled_reason_type: str | None
    is_trial: bool = False
    trial_expiration_at: Instant | None = None


class UserPrivateInfo(Wire, kw_only=True, frozen=True):
    """What a user may read of themselves."""

    id: str
    username: str
    profile: Profile
    proxy: Proxy
    plan: Plan
    effective_platform_features: dict[str, Feature]
    created_at: Instant
    is_paying: bool


def check_username(username: str) -> None:
    """Raises UsernameInvalid."""
    if _USERNAME.fullmatch(username) is None:
        raise UsernameInvalid


def check_token(token: str) -> None:
    """Raises TokenNotGood."""
    if len(token) < TOKEN_CHARS_MIN or not token.isprintable() or " " in token:
        raise TokenNotGood
