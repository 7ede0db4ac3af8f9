"""Making users, checking tokens, and what the API tells about a user."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from msgspec import structs

from actorium.database import Database, Tx
from actorium.database.again import write_again
from actorium.database.unchanged import Unchanged
from actorium.kernel.clock import Clock
from actorium.kernel.errors import StaleWrite
from actorium.kernel.ids import Ids
from actorium.kernel.limits import ACTORS_PER_USER_MAX, MEMORY_MBYTES_MAX, PAGE_ITEMS_MAX, TOKENS_KNOWN_MAX
from actorium.kernel.principal import Principal
from actorium.users import store
from actorium.users.model import (
    Document,
    Feature,
    Plan,
    Profile,
    Proxy,
    Quota,
    TokenTaken,
    User,
    UsernameTaken,
    UserNotFound,
    UserPrivateInfo,
    UserPublicInfo,
    check_token,
    check_username,
)
from actorium.users.tokens import new_token, token_hash

FEATURES = (
    "ACTORS",
    "STORAGE",
    "SCHEDULER",
    "PROXY",
    "PROXY_EXTERNAL_ACCESS",
    "PROXY_RESIDENTIAL",
    "PROXY_SERPS",
    "WEBHOOKS",
    "ACTORS_PUBLIC_ALL",
    "ACTORS_PUBLIC_DEVELOPER",
)
"""Every part of the platform that the API names."""

ENABLED = frozenset({"ACTORS", "STORAGE", "ACTORS_PUBLIC_ALL", "ACTORS_PUBLIC_DEVELOPER"})
"""The parts that this server has."""

_MAIN = "main"  # the name of the token that ``rotate`` replaces


class Users:
    """The users of this server."""

    def __init__(
        self, database: Database, *, ids: Ids, clock: Clock, enabled_features: frozenset[str] = ENABLED
    ) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._enabled_features = enabled_features
        self._known: Unchanged[str, Principal] = Unchanged(database, entries_max=TOKENS_KNOWN_MAX)

    async def create(self, username: str, token: str | None = None) -> tuple[User, str]:
        """Make a user; the user and its token, which is readable only now.

        Raises UsernameInvalid, UsernameTaken, TokenNotGood, TokenTaken.
        """
        check_username(username)
        if token is not None:
            check_token(token)
        token = token or new_token(self._ids)
        user_id, password = self._ids.new(), self._ids.secret()

        def work(tx: Tx) -> User:
            if store.id_of(tx, username) is not None:
                raise UsernameTaken
            user = User(
                id=user_id,
                username=username,
                number=store.next_number(tx),
                created_at=self._clock.now(),
                document=Document(proxy_password=password, profile=Profile(name=username)),
            )
            if not store.add(tx, user):
                raise StaleWrite  # another server took the same number at the same moment
            self._set_token(tx, user.id, token)
            return user

        return await write_again(self._database, work), token

    async def ensure_first(self, username: str, token: str | None) -> tuple[User, str | None]:
        """The user that this server starts with; its token too when it was made or given just now.

        An empty server gets a user of the name. Later starts find the user of the name, or else the first one,
        and make a given token its own.
        """
        user = await self._database.read(lambda tx: store.find_named(tx, username) or store.first(tx))
        if user is None:
            return await self.create(username, token)
        if token is None:
            return user, None
        await self._give(user, token)
        return user, token

    async def rotate(self, username: str, token: str | None = None) -> str:
        """Replace a user's token by a new one, at once and everywhere. Raises UserNotFound."""
        user = await self.named(username)
        token = token or new_token(self._ids)
        check_token(token)

        def work(tx: Tx) -> None:
            store.delete_tokens(tx, user.id)
            self._set_token(tx, user.id, token)

        await self._database.write(work)
        return token

    async def limit(self, username: str, *, memory_mbytes: int | None, concurrent_runs: int | None) -> Quota:
        """Give a user limits of their own; None leaves one as it is, below 0 goes back to the settings. Their limits.

        Raises UserNotFound.
        """
        user_id = (await self.named(username)).id
        given = {"memory_mbytes": memory_mbytes, "concurrent_runs": concurrent_runs}

        def work(tx: Tx) -> Quota:
            store.hold(tx, user_id)
            user = store.find(tx, user_id)
            if user is None:
                raise UserNotFound
            changes = {name: None if value < 0 else value for name, value in given.items() if value is not None}
            quota = structs.replace(user.document.quota, **changes)
            store.save_document(tx, replace(user, document=structs.replace(user.document, quota=quota)))
            return quota

        return await self._database.write(work)

    async def authenticate(self, token: str) -> Principal | None:
        """Who a token belongs to. Remembered only while nothing is committed: a rotated token is dead at once."""
        known = self._known.get(token)
        if known is None:
            seen = self._known.seen
            known = await self._database.read(lambda tx: store.principal_of(tx, token_hash(token)))
            if known is not None:
                self._known.put(token, known, seen)
        return known

    async def find_id(self, username: str) -> str | None:
        return await self._database.read(lambda tx: store.id_of(tx, username))

    async def named(self, username: str) -> User:
        """A user by name. Raises UserNotFound."""
        user = await self._database.read(lambda tx: store.find_named(tx, username))
        if user is None:
            raise UserNotFound(f"There is no user {username!r} here; 'actorium user list' names all.")
        return user

    async def page(self, *, offset: int = 0, limit: int = PAGE_ITEMS_MAX) -> list[User]:
        """Users by number."""
        return await self._database.read(lambda tx: store.page(tx, offset=offset, limit=min(limit, PAGE_ITEMS_MAX)))

    def find_id_in(self, tx: Tx, username: str) -> str | None:
        return store.id_of(tx, username)

    def find_in(self, tx: Tx, user_id: str) -> User | None:
        return store.find(tx, user_id)

    def usernames_in(self, tx: Tx, user_ids: Iterable[str]) -> dict[str, str]:
        """Names by id; users that are gone are left out."""
        return store.usernames(tx, user_ids)

    async def public(self, id_or_name: str) -> UserPublicInfo:
        """What anybody may read of a user. Raises UserNotFound."""
        user = await self._database.read(lambda tx: store.find(tx, id_or_name) or store.find_named(tx, id_or_name))
        if user is None:
            raise UserNotFound
        return UserPublicInfo(id=user.id, username=user.username, profile=user.document.profile)

    async def me(self, principal: Principal) -> UserPrivateInfo:
        """What a user may read of themselves. Raises UserNotFound."""
        user = await self._database.read(lambda tx: store.find(tx, principal.user_id))
        if user is None:
            raise UserNotFound
        return UserPrivateInfo(
            id=user.id,
            username=user.username,
            profile=user.document.profile,
            proxy=Proxy(password=user.document.proxy_password, groups=[]),
            plan=self._plan(),
            effective_platform_features={name: self._feature(name) for name in FEATURES},
            created_at=user.created_at,
            is_paying=False,
        )

    def _plan(self) -> Plan:
        return Plan(
            id="SELF_HOSTED",
            description="A server of your own",
            is_enabled=True,
            tier="FREE",
            monthly_base_price_usd=0,
            monthly_usage_credits_usd=0,
            usage_discount_percent=0,
            enabled_platform_features=[name for name in FEATURES if name in self._enabled_features],
            available_proxy_groups={},
            max_actor_count=ACTORS_PER_USER_MAX,
            max_actor_memory_gbytes=MEMORY_MBYTES_MAX / 1024,
        )

    def _feature(self, name: str) -> Feature:
        if name in self._enabled_features:
            return Feature(is_enabled=True, disabled_reason=None, disabled_reason_type=None)
        reason = "This server does not have this feature."
        return Feature(is_enabled=False, disabled_reason=reason, disabled_reason_type="DISABLED")

    async def _give(self, user: User, token: str) -> None:
        check_token(token)
        await self._database.write(lambda tx: self._set_token(tx, user.id, token))

    def _set_token(self, tx: Tx, user_id: str, token: str) -> None:
        if not store.set_token(tx, hash=token_hash(token), user_id=user_id, name=_MAIN, now=self._clock.now()):
            raise TokenTaken
