"""Which server is called, and with whose token."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from actorium.caller.failure import Failed
from actorium.data_folder import DataFolder
from actorium.dev.place import Place, place
from actorium.kernel.limits import OWN_SERVER_START_SECS
from actorium.settings import Settings
from actorium.testing.clock import ManualClock

pytestmark = pytest.mark.anyio


async def found(environment: Mapping[str, str], settings: Settings, clock: ManualClock | None = None) -> Place:
    def tell(line: str) -> None:
        pytest.fail(f"a server was started: {line}")

    async with place(environment, settings, clock=clock or ManualClock(), tell=tell) as here:
        return here


@pytest.mark.parametrize("name", ["APIFY_CLIENT_BASE_URL", "APIFY_API_BASE_URL"])
async def test_the_environment_names_a_server(tmp_path: Path, name: str) -> None:
    here = await found({name: "http://there:1/v2/", "APIFY_TOKEN": "secret"}, Settings(data=tmp_path))
    assert here == Place(url="http://there:1", token="secret")
    assert "secret" not in repr(here)


async def test_an_address_without_a_token_is_no_server(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="there is no APIFY_TOKEN") as caught:
        await found({"APIFY_CLIENT_BASE_URL": "http://there"}, Settings(data=tmp_path))
    assert "unset APIFY_CLIENT_BASE_URL" in caught.value.hint


async def test_an_address_without_a_scheme_is_told_to_have_one(tmp_path: Path) -> None:
    """It was called, and the machine was said to lack something."""
    with pytest.raises(Failed, match="'there:8010', which is no address") as caught:
        await found({"APIFY_CLIENT_BASE_URL": "there:8010", "APIFY_TOKEN": "t"}, Settings(data=tmp_path))
    assert "http://" in caught.value.hint


async def test_the_installations_own_server_gets_its_own_token_only(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with folder.locked():
        folder.address.write_text("http://here:2\n")
        folder.token.write_text("local\n")
        here = await found({"APIFY_TOKEN": "of-another-service"}, Settings(data=tmp_path))
        assert here == Place(url="http://here:2", token="local")
        here = await found({}, Settings(data=tmp_path, token="from-the-settings"))
        assert here.token == "from-the-settings"


async def test_the_address_of_the_own_server_needs_no_token(tmp_path: Path) -> None:
    """The official command line is told it in the same shell, and keeps its token elsewhere."""
    folder = DataFolder(tmp_path)
    with folder.locked():
        folder.address.write_text("http://here:2\n")
        folder.token.write_text("local\n")
        here = await found({"APIFY_CLIENT_BASE_URL": "http://here:2/v2/"}, Settings(data=tmp_path))
        assert here == Place(url="http://here:2", token="local")
        here = await found({"APIFY_CLIENT_BASE_URL": "http://here:2", "APIFY_TOKEN": "mine"}, Settings(data=tmp_path))
        assert here.token == "mine"
        with pytest.raises(Failed, match="there is no APIFY_TOKEN"):
            await found({"APIFY_CLIENT_BASE_URL": "http://elsewhere:2"}, Settings(data=tmp_path))


async def test_a_server_that_is_just_starting_is_waited_for(tmp_path: Path) -> None:
    folder, clock = DataFolder(tmp_path), ImpatientClock()
    with folder.locked():
        clock.then = lambda: (folder.address.write_text("http://here:3"), folder.token.write_text("t"))
        assert (await found({}, Settings(data=tmp_path), clock)).url == "http://here:3"


async def test_but_not_for_ever(tmp_path: Path) -> None:
    clock = ImpatientClock()
    with DataFolder(tmp_path).locked(), pytest.raises(Failed, match="has not said where it answers"):
        await found({}, Settings(data=tmp_path), clock)
    assert clock.monotonic() >= OWN_SERVER_START_SECS


class ImpatientClock(ManualClock):
    """Sleeps take no time but that of the clock; something may happen meanwhile."""

    def then(self) -> object:
        return None

    async def sleep(self, secs: float) -> None:
        self._now = self._now.plus(secs=secs)
        self.then()
