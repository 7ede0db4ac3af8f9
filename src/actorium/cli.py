"""The command line: reads settings, calls the app, prints for people."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Annotated, Any, Never

from cyclopts import App, Parameter
from rich.console import Console

from actorium import __version__
from actorium.data_folder import DataFolder, write_private
from actorium.database.migrate import SchemaMismatch
from actorium.kernel.errors import ActoriumError
from actorium.kernel.limits import COLLECTED_OBJECTS_MIN
from actorium.kernel.store_limits import USAGE_STORAGES_SHOWN
from actorium.runs.brakes.model import BrakeView
from actorium.settings import Settings, WrongSetting
from actorium.settings import read as read_settings
from actorium.users.model import Quota

app = App(name="actorium", version=__version__, help="Runs Actors on your own machine and speaks the Apify API v2.")
token_app = App(name="token", help="Show or rotate the first user's API token.")
user_app = App(name="user", help="Users of this installation.")
brake_app = App(name="brake", help="Money brakes: how much may be spent a day.")
app.command(token_app)
app.command(user_app)
app.command(brake_app)
app.command(
    "actorium.dev.command:dev",
    help="Build and run a local Actor, with its log, again whenever its files change; see docs/howto/develop.",
)


@app.command
def serve() -> None:
    """Run the server until it is told to stop. Settings come from ACTORIUM_* variables."""
    settings = _settings()
    _log(settings)
    _run(_serve(settings))


@app.command
def demo() -> None:
    """Start a server of its own, build the example Actor and run it: abort one run, reboot another."""
    from actorium.demo import main

    sys.exit(main())


@app.command
def openapi() -> None:
    """Print the server's OpenAPI document."""
    from actorium.app import openapi as document

    _print_json(_run(document()))


@app.command
def doctor() -> None:
    """Say what this machine can do for Actors and what that means."""
    from actorium.doctor import examine, report

    settings = _settings()
    findings = _run(examine(settings))
    report(settings, findings)
    sys.exit(0 if all(one.ok or not one.required for one in findings) else 1)


@app.command
def migrate() -> None:
    """Bring the database's schema up to date; ``serve`` does it too."""
    from actorium.app import open_database

    async def work() -> None:
        settings = _settings()
        database = await open_database(settings, DataFolder(settings.data))
        await database.close()

    _run(work())
    print("The schema is up to date.")


Pair = tuple[str, str]
"""A database and a blob store, as ACTORIUM_DATABASE and ACTORIUM_BLOBS take them."""


@app.command
def copy(
    *,
    source: Annotated[Pair | None, Parameter("--from", negative=())] = None,
    target: Annotated[Pair | None, Parameter("--to", negative=())] = None,
    compare: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Move the whole installation to another database and blob store, and prove that everything arrived.

    The server must be stopped. What is not named is what the settings say. A copy that broke off is started again.

    Parameters
    ----------
    source
        Where everything is, such as: --from sqlite: file:
    target
        Where it goes, such as: --to postgresql://HOST/NAME s3://BUCKET
    compare
        Copy nothing; only prove that both sides are the same.
    """
    from actorium.installations import copy as move
    from actorium.upkeep.screen import show_proof

    sides = [_settings(**_named(pair)) for pair in (source, target)]
    proof = _run(move(*sides, only_compare=compare, tell=lambda line: print(line, file=sys.stderr, flush=True)))
    show_proof(proof, Console())
    if not proof.is_whole:
        _fail("The two are not the same. The source is unchanged.", code=1)
    print("Both sides are the same.")


@app.command
def drain(*, over: Annotated[bool, Parameter(negative=())] = False) -> None:
    """Let every run leave this machine before it is stopped; the server must be running.

    Actors get the event 'migrating' and half a minute to persist; each then goes on, on the same storages, on another
    machine of the installation, or here when the server is started again.

    Parameters
    ----------
    over
        Let runs start here again without a start of the server.
    """
    from actorium.draining import drain as empty
    from actorium.kernel.clock import SystemClock
    from actorium.kernel.ids import RandomIds

    _run(
        empty(
            _settings(), clock=SystemClock(), ids=RandomIds(), tell=lambda line: print(line, flush=True), is_over=over
        )
    )


@app.command
def du(*, largest: int = USAGE_STORAGES_SHOWN, json: Annotated[bool, Parameter(negative=())] = False) -> None:
    """Say where the bytes of the installation are; a server may be running.

    Parameters
    ----------
    largest
        How many of the largest storages to name.
    json
        Print JSON, sizes in bytes.
    """
    from actorium.installations import usage
    from actorium.upkeep.screen import show_usage, usage_document

    found = _run(usage(_settings(), largest=largest))
    if json:
        _print_json(usage_document(found))
    else:
        show_usage(found, Console())


@token_app.default
def show() -> None:
    """Print the token of the first user."""
    path = DataFolder(_settings().data).token
    try:
        print(path.read_text().strip())
    except FileNotFoundError:
        _fail(f"There is no {path}: start the server once with 'actorium serve', or set ACTORIUM_DATA.")


@token_app.command
def rotate(username: str | None = None) -> None:
    """Make a new token for a user, the first one by default; the old one ends at once."""
    from actorium.app import users_of

    settings = _settings()
    name = username or settings.username

    async def work() -> str:
        async with users_of(settings) as users:
            return await users.rotate(name)

    token = _run(work())
    if username is None or username == settings.username:
        write_private(DataFolder(settings.data).token, f"{token}\n")
    print(token)


@user_app.command
def add(name: str) -> None:
    """Make another user and print its token, which is readable only now."""
    from actorium.app import users_of

    async def work() -> str:
        async with users_of(_settings()) as users:
            return (await users.create(name))[1]

    print(_run(work()))


@user_app.command
def limit(name: str, *, memory_mbytes: int | None = None, concurrent_runs: int | None = None) -> None:
    """Give a user limits of their own on what runs and builds use at once.

    Parameters
    ----------
    name
        The user.
    memory_mbytes
        Memory of unfinished runs and builds together in MB; 0 = no limit, -1 = what the settings say.
    concurrent_runs
        Unfinished runs; 0 = no limit, -1 = what the settings say.
    """
    from actorium.app import users_of

    async def work() -> Quota:
        async with users_of(_settings()) as users:
            return await users.limit(name, memory_mbytes=memory_mbytes, concurrent_runs=concurrent_runs)

    quota = _run(work())
    for what, value in (("memory_mbytes", quota.memory_mbytes), ("concurrent_runs", quota.concurrent_runs)):
        print(f"{what}: {'as the settings say' if value is None else value or 'no limit'}")


@user_app.command(name="list")
def list_users() -> None:
    """Print the names of all users."""
    from actorium.app import users_of

    async def work() -> list[str]:
        async with users_of(_settings()) as users:
            return [user.username for user in await users.page()]

    print(*_run(work()), sep="\n")


@app.command
def approve(username: str, actor: str, *, withdraw: Annotated[bool, Parameter(negative=())] = False) -> None:
    """Let an Actor of another user have full permissions in a user's account; see docs/concepts/permissions.

    Parameters
    ----------
    username
        Whose account the Actor may reach when this user runs it.
    actor
        The Actor, as OWNER/NAME or by its id.
    withdraw
        Take the approval back. Runs that have begun keep what they have.
    """
    from actorium.app import approvals_of

    async def work() -> str:
        async with approvals_of(_settings()) as approvals:
            row = await (approvals.withdraw if withdraw else approvals.give)(username, actor)
            return f"{row.username}/{row.name}"

    name = _run(work())
    print(f"{name} may {'no longer' if withdraw else 'now'} have full permissions when {username} runs it.")


@brake_app.command(name="set")
def set_brake(kind: str, name: str, usd: float) -> None:
    """Stop spending before it passes so many USD a day (UTC); 0 stops all that runs, at once.

    Parameters
    ----------
    kind
        What it is on: user, actor or task. Of an Actor or a task it counts the runs that its owner starts.
    name
        The user, or the Actor or task as OWNER/NAME or by its id.
    usd
        At most so much a day.
    """
    from actorium.app import brakes_of

    async def work() -> str:
        async with brakes_of(_settings()) as brakes:
            return str(await brakes.order(kind, name, usd))

    print(f"Set: {_run(work())}.")


@brake_app.command(name="remove")
def remove_brake(kind: str, name: str) -> None:
    """Lift a brake that was set here. Users lift their own ones themselves."""
    from actorium.app import brakes_of

    async def work() -> None:
        async with brakes_of(_settings()) as brakes:
            await brakes.lift(kind, name)

    _run(work())
    print("Lifted.")


@brake_app.command(name="list")
def list_brakes() -> None:
    """Print the brakes of all users: kind, name, limit, spent, reserved and left of today in USD, and who set it."""
    from actorium.app import brakes_of

    async def work() -> list[str]:
        async with brakes_of(_settings()) as brakes:
            return [line(view) for view in await brakes.every()]

    def line(view: BrakeView) -> str:
        amounts = (view.limit_usd_per_day, view.spent_today_usd, view.reserved_usd, view.left_today_usd)
        figures = "  ".join(f"{amount:.4f}" for amount in amounts)
        return f"{view.kind.lower()}  {view.name or view.subject_id}  {figures}  {view.set_by.lower()}"

    print(*_run(work()), sep="\n")


async def _serve(settings: Settings) -> None:
    from actorium.app import running

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as server:
        _collect_rarely()
        print(f"Actorium is ready at {server.url}", flush=True)
        if server.new_token is not None:
            print(_made(server.username, server.new_token, is_chosen=bool(settings.token)), flush=True)
        await stop.wait()


def _made(username: str, token: str, *, is_chosen: bool) -> str:
    """What is told of the first user; a token that somebody chose is known, and logs are kept and shown."""
    if is_chosen:
        return f"User {username} was made; the API token is that of ACTORIUM_TOKEN."
    return (
        f"User {username} was made; the API token, printed only this once: {token}\n"
        "'actorium token' shows it again to this user of the machine."
    )


def _collect_rarely() -> None:
    """Leave the interpreter's collector little to do: nearly everything ends without it, and looking for the rest
    costs a busy server a tenth of its time."""
    gc.freeze()
    gc.set_threshold(COLLECTED_OBJECTS_MIN, 20, 20)


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end; what a person can mend is one line, not a traceback."""
    from actorium.http.server import loop_factory

    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(work)
    except ActoriumError as error:
        _fail(error.message)
    except (SchemaMismatch, WrongSetting) as error:
        _fail(str(error))


def _print_json(document: Any) -> None:
    try:
        json.dump(document, sys.stdout, indent=2)
        print(flush=True)
    except BrokenPipeError:  # whoever reads has seen enough, as head has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes at its end
        sys.exit(1)


def _named(pair: Pair | None) -> dict[str, str]:
    return {} if pair is None else {"ACTORIUM_DATABASE": pair[0], "ACTORIUM_BLOBS": pair[1]}


def _settings(**instead: str) -> Settings:
    """The settings in force, but for what is given instead."""
    try:
        return read_settings({**os.environ, **instead})
    except WrongSetting as error:
        _fail(str(error))


def _log(settings: Settings) -> None:
    from actorium.logging import configure

    configure(level=settings.log_level, format=settings.log_format)


def _fail(message: str, *, code: int = 2) -> Never:
    print(f"actorium: {message}", file=sys.stderr)
    sys.exit(code)
