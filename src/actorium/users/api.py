"""Routes about users."""

from __future__ import annotations

from typing import Any

from actorium.http.route import Auth, Call, Route
from actorium.users.model import UserPrivateInfo, UserPublicInfo
from actorium.users.service import Users


def routes(users: Users) -> tuple[Route, ...]:
    """Every route of the tag Users."""

    async def me(call: Call[Any, None]) -> UserPrivateInfo:
        return await users.me(call.principal)

    async def public(call: Call[Any, None]) -> UserPublicInfo:
        return await users.public(call["userId"])

    return (
        Route(
            method="GET",
            path="/v2/users/me",
            handler=me,
            operation_id="users_me_get",
            tag="Users",
            summary="Get the account of the caller",
            returns=UserPrivateInfo,
        ),
        Route(
            method="GET",
            path="/v2/users/{userId}",
            handler=public,
            operation_id="user_get",
            tag="Users",
            summary="Get what is public of a user",
            returns=UserPublicInfo,
            auth=Auth.NONE,
        ),
    )
