"""Who is calling: the token of a request, in either of its two forms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from actorium.http.route import ANONYMOUS, Auth
from actorium.kernel.errors import TokenNotProvided, Unauthenticated
from actorium.kernel.limits import TOKEN_CHARS_MAX
from actorium.kernel.principal import Principal

Authenticate = Callable[[str], Awaitable[Principal | None]]
"""From a token to its holder; None for a token nobody holds. Caching is its own business."""


def token_of(headers: Mapping[bytes, bytes], query: Mapping[str, str]) -> str:
    """The token a request carries: ``Authorization: Bearer T`` before ``?token=T``. Empty without one."""
    header = headers.get(b"authorization")
    if header is not None and header[:7].lower() == b"bearer ":
        return header[7:].strip().decode("latin-1")
    return query.get("token", "")


def without_token(token: str, auth: Auth) -> Principal | None:
    """The caller where no token tells it; None where the holder of the token is to be asked for.

    Raises TokenNotProvided, and Unauthenticated for what cannot be a token.
    """
    if auth is Auth.NONE:
        return ANONYMOUS
    if not token:
        if auth is Auth.OPTIONAL:
            return ANONYMOUS
        raise TokenNotProvided
    if len(token) > TOKEN_CHARS_MAX:
        raise Unauthenticated
    return None


async def identify(token: str, *, auth: Auth, authenticate: Authenticate) -> Principal:
    """The caller. Raises TokenNotProvided, or Unauthenticated for an unknown token even where none is needed."""
    principal = without_token(token, auth) or await authenticate(token)
    if principal is None:
        raise Unauthenticated
    return principal
