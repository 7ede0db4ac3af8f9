"""What the API tells about users, and whose token is whose."""

from __future__ import annotations

import pytest
from apify_client._models import UserPrivateInfo, UserPublicInfo

from actorium.kernel.errors import Conflict
from actorium.users.model import TokenNotGood, UsernameInvalid, UsernameTaken, UserNotFound
from world import Client, open_world

pytestmark = pytest.mark.anyio


async def test_me_has_what_the_clients_read() -> None:
    async with open_world() as world:
        me = await world.alice.get("/v2/users/me")
        UserPrivateInfo.model_validate(me)
        assert me["username"] == "alice"
        assert len(me["id"]) == 17
        assert len(me["proxy"]["password"]) >= 16
        assert me["proxy"]["groups"] == []
        assert me["plan"]["id"] == "SELF_HOSTED"
        assert me["plan"]["tier"] == "FREE"
        assert me["plan"]["availableProxyGroups"] == {}
        assert me["effectivePlatformFeatures"]["ACTORS"] == {
            "isEnabled": True,
            "disabledReason": None,
            "disabledReasonType": None,
            "isTrial": False,
            "trialExpirationAt": None,
        }
        assert me["effectivePlatformFeatures"]["PROXY"]["isEnabled"] is False
        assert me["createdAt"] == "2026-01-01T00:00:00.000Z"
        assert me["isPaying"] is False
        assert (await world.alice.get("/v2/users/me"))["proxy"] == me["proxy"]
        assert (await world.bob.get("/v2/users/me"))["proxy"] != me["proxy"]


async def test_a_public_user_is_found_by_id_and_by_name_without_a_token() -> None:
    async with open_world() as world:
        me = await world.alice.get("/v2/users/me")
        by_id = await world.nobody.get(f"/v2/users/{me['id']}")
        UserPublicInfo.model_validate(by_id)
        assert by_id == await world.nobody.get("/v2/users/ALICE")
        assert by_id["username"] == "alice"
        assert "proxy" not in by_id
        assert (await world.nobody.get("/v2/users/carol", status=404))["type"] == "record-not-found"


async def test_tokens_that_are_missing_or_unknown() -> None:
    async with open_world() as world:
        assert (await world.nobody.get("/v2/users/me", status=401))["type"] == "token-not-provided"
        stranger = Client(world.app, token="actorium_api_of_nobody_at_all")
        assert (await stranger.get("/v2/users/me", status=401))["type"] == "user-or-token-not-found"


async def test_a_rotated_token_is_dead_at_once() -> None:
    async with open_world() as world:
        await world.alice.get("/v2/users/me")
        fresh = await world.users.rotate("Alice")
        await world.alice.get("/v2/users/me", status=401)
        assert (await Client(world.app, token=fresh).get("/v2/users/me"))["username"] == "alice"
        assert (await world.bob.get("/v2/users/me"))["username"] == "bob"
        with pytest.raises(UserNotFound) as caught:
            await world.users.rotate("carol")
        assert "'actorium user list'" in str(caught.value)


async def test_users_get_numbers_from_one() -> None:
    async with open_world() as world:
        await world.client_of("carol")
        users = await world.users.page()
        assert [(user.username, user.number) for user in users] == [("alice", 1), ("bob", 2), ("carol", 3)]
        assert await world.users.find_id("CAROL") == users[2].id
        assert await world.users.find_id("dave") is None


@pytest.mark.parametrize("username", ["al", "a" * 31, "al ice", "alice/bob", "ali~ce", "", "alice\n"])
async def test_usernames_that_cannot_be(username: str) -> None:
    async with open_world() as world:
        with pytest.raises(UsernameInvalid):
            await world.users.create(username)


async def test_names_and_tokens_that_are_taken() -> None:
    async with open_world() as world:
        with pytest.raises(UsernameTaken):
            await world.users.create("ALICE")
        with pytest.raises(TokenNotGood):
            await world.users.create("carol", "short")
        await world.users.create("carol", "a-token-of-carol-herself")
        with pytest.raises(Conflict):
            await world.users.create("dave", "a-token-of-carol-herself")
        assert await world.users.find_id("dave") is None


async def test_the_first_start_makes_a_user_and_later_ones_find_it() -> None:
    async with open_world() as world:
        await world.database.write(lambda tx: (tx.run("DELETE FROM users"), tx.run("DELETE FROM tokens")))
        made, token = await world.users.ensure_first("root", None)
        assert token is not None
        assert (await world.users.authenticate(token)) == made.principal
        assert await world.users.ensure_first("root", None) == (made, None)
        assert await world.users.ensure_first("renamed", None) == (made, None)
        given = "a-token-from-the-settings"
        assert await world.users.ensure_first("root", given) == (made, given)
        assert await world.users.ensure_first("root", given) == (made, given)
        assert (await world.users.authenticate(given)) == made.principal
        assert await world.users.authenticate(token) is None
