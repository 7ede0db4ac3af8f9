"""The server that is called: one that the environment names, the installation's own, or one that is started for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from actorium.caller.failure import Failed
from actorium.caller.own_server import serving
from actorium.data_folder import DataFolder
from actorium.kernel.clock import Clock
from actorium.kernel.limits import OWN_SERVER_LOOK_SECS, OWN_SERVER_START_SECS
from actorium.settings import Settings

ADDRESSES = ("APIFY_CLIENT_BASE_URL", "APIFY_API_BASE_URL")
"""What the official CLI and the clients read."""
TOKEN = "APIFY_TOKEN"  # noqa: S105  # the name of a variable
LOG = "dev-server.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server that answers, and as whom."""

    url: str
    token: str = field(repr=False)


@asynccontextmanager
async def place(
    environment: Mapping[str, str], settings: Settings, *, clock: Clock, tell: Callable[[str], None]
) -> AsyncIterator[Place]:
    """A server while the block runs. Raises Failed.

    A token in the environment is for the address there: it is sent nowhere else, and without an address to nobody. An
    address alone that is the installation's own server, as the official CLI is told it, means that one.
    """
    folder = DataFolder(settings.data)
    named = next((name for name in ADDRESSES if environment.get(name)), None)
    if named is not None and (environment.get(TOKEN) or _address(environment[named]) != _own_address(folder)):
        yield _named(environment, named)
        return
    if folder.is_served():
        yield await _running(folder, settings, clock=clock)
        return
    folder.make()
    folder.address.unlink(missing_ok=True)  # of a server that was killed
    log = folder.root / LOG
    tell(f"No server runs on {folder.root}: one is started and stopped with this command. Its log: {log}")
    async with serving(folder.root, environment=environment, log=log, clock=clock) as own:
        yield Place(url=own.url, token=settings.token or own.token)


def _named(environment: Mapping[str, str], named: str) -> Place:
    url = _address(environment[named])
    if not url.startswith(("http://", "https://")):
        raise Failed(f"{named} is {url!r}, which is no address.", "Begin it with http:// or https://.")
    token = environment.get(TOKEN, "")
    if not token:
        raise Failed(
            f"{named} names the server {url}, but there is no {TOKEN}.",
            f"Set {TOKEN} to a token of that server, or unset {named} to use this machine's own.",
        )
    return Place(url=url, token=token)


def _address(url: str) -> str:
    return url.rstrip("/").removesuffix("/v2")


def _own_address(folder: DataFolder) -> str | None:
    """Where the installation's server answers, if it runs and may be asked."""
    try:
        return folder.address.read_text().strip() if folder.is_served() else None
    except OSError:
        return None


async def _running(folder: DataFolder, settings: Settings, *, clock: Clock) -> Place:
    """The installation's server; one that has just been started is waited for."""
    until = clock.monotonic() + OWN_SERVER_START_SECS
    while True:
        try:
            url = folder.address.read_text().strip()
            return Place(url=url, token=settings.token or folder.token.read_text().strip())
        except FileNotFoundError:
            if clock.monotonic() > until:
                break
        except OSError as error:
            raise Failed(
                f"{error.filename} cannot be read: {error.strerror}.",
                f"Run this as the user of the server, or set {ADDRESSES[0]} and {TOKEN}.",
            ) from error
        await clock.sleep(OWN_SERVER_LOOK_SECS)
    raise Failed(
        f"A server holds {folder.root}, but has not said where it answers.",
        f"Look at its log, or set {ADDRESSES[0]} and {TOKEN}.",
    )
