"""The composition root: the only file that names implementations, chosen by the settings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import structlog

from actorium import __version__
from actorium.actors.approvals import Approvals
from actorium.blobs import Blobs
from actorium.blobs.files import FileBlobs
from actorium.blobs.memory import MemoryBlobs
from actorium.builders import Builder
from actorium.builders.process.builder import ProcessBuilder
from actorium.builders.reach import Reach
from actorium.builders.reach.defaults import of_this_machine
from actorium.data_folder import DataFolder, write_private
from actorium.database import installation, sqlite
from actorium.database.migrate import Engine, migrate
from actorium.database.sqlite import SQLite
from actorium.executors.container.places import sockets
from actorium.executors.fake import FakeExecutor
from actorium.executors.process import probe
from actorium.executors.process.executor import ProcessExecutor, ProcessOptions
from actorium.executors.process.keeper.plan import installation as installation_name
from actorium.http.app import HttpApp, HttpLimits
from actorium.http.openapi import document
from actorium.http.server import Bound, bind, serve
from actorium.kernel.clock import SystemClock
from actorium.kernel.descriptors import limit, raise_limit, share
from actorium.kernel.errors import Unavailable
from actorium.kernel.ids import RandomIds
from actorium.kernel.limits import FORWARDER_CONNECTIONS_MAX
from actorium.pages.routes import pages
from actorium.runs import nodes
from actorium.runs.brakes.service import Brakes
from actorium.runs.usage import prices_of
from actorium.runs.view import Views
from actorium.settings import Settings
from actorium.users.service import Users
from actorium.wiring import Features, Ground, Work, aliases, routes

if TYPE_CHECKING:
    from actorium.executors.container.engine import ContainerEngine

log = structlog.get_logger()

SECRET = "secret"  # noqa: S105 - the name of the row that holds it


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server."""

    url: str
    username: str
    new_token: str | None
    """The first user's token, if it was made by this start."""


async def open_database(settings: Settings, folder: DataFolder) -> Engine:
    """The database that the settings name, with its schema up to date, for a server or a command beside it."""
    database = await open_engine(settings, folder)
    try:
        await migrate(database, now=SystemClock().now())
        if await database.read(installation.is_unfinished_copy):
            raise Unavailable(
                "ACTORIUM_DATABASE names an unfinished copy: start 'actorium copy' once more and let it end, or name "
                "another database."
            )
    except BaseException:
        await database.close()
        raise
    return database


async def open_engine(settings: Settings, folder: DataFolder) -> Engine:
    """The database that the settings name, as it is."""
    kind, _, rest = settings.database.partition(":")
    if kind == "sqlite":
        folder.make()
        return await SQLite.open(rest or folder.database)
    try:
        from actorium.database.postgres import Postgres
    except ImportError as error:
        raise Unavailable(
            "ACTORIUM_DATABASE names PostgreSQL, and its driver is not installed: in the clone of Actorium,"
            " pip install -e '.[postgres]'."
        ) from error
    return await Postgres.open(settings.database)


async def is_used(settings: Settings, folder: DataFolder) -> bool:
    """Whether an Actorium process, or another program, is at the database now. Raises BackendUnavailable."""
    kind, _, rest = settings.database.partition(":")
    if kind == "sqlite":
        path = Path(rest) if rest else folder.database
        return path.exists() and await asyncio.to_thread(sqlite.is_used, path)
    from actorium.database import postgres_connection

    return await asyncio.to_thread(postgres_connection.is_used, settings.database)


async def open_blobs(settings: Settings, folder: DataFolder, *, only_reading: bool = False) -> Blobs:
    """The blob store that the settings name. ``only_reading``: beside a server, which is not to be disturbed."""
    kind, _, rest = settings.blobs.partition(":")
    if kind == "file":
        return await FileBlobs.open(Path(rest) if rest else folder.blobs, only_reading=only_reading)
    try:
        from actorium.blobs.s3 import S3Blobs
    except ImportError as error:
        raise Unavailable(
            "ACTORIUM_BLOBS names S3, and what speaks to it is not installed: in the clone of Actorium,"
            " pip install -e '.[s3]'."
        ) from error
    credentials = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return await S3Blobs.open(settings.blobs, credentials, only_reading=only_reading)


async def probe_executor(settings: Settings) -> list[probe.Finding]:
    """What the executor that the settings name can do on this machine."""
    engine = await _engine(settings)
    if engine is None:
        return await probe.probe(_options(settings))
    from actorium.executors.container import probe as engines

    try:
        return await engines.probe(engine)
    finally:
        await engine.close()


async def _engine(settings: Settings) -> ContainerEngine | None:
    """The container engine that is to run Actors; None: local processes do."""
    places = sockets(settings.container_host, os.environ)
    if settings.executor == "process" or (settings.executor == "auto" and not places):
        return None
    from actorium.executors.container import probe as engines

    if settings.executor == "container":
        found = await engines.find(settings.container_host, os.environ)
        if found is None:
            where = settings.container_host or "any of the usual places"
            raise Unavailable(
                f"ACTORIUM_EXECUTOR is container, and no container engine answers at {where}. Start Docker or Podman's "
                "service (podman system service --time=0), or name its socket in ACTORIUM_CONTAINER_HOST."
            )
        return found
    if (await probe.probe(_options(settings)))[0].ok:
        return None
    return await engines.find(settings.container_host, os.environ)


async def _backend(settings: Settings, folder: DataFolder, clock: SystemClock) -> tuple[ProcessExecutor, Builder]:
    """What runs Actors, and what builds what it runs."""
    options, engine = _options(settings), await _engine(settings)
    if engine is None:
        builder = ProcessBuilder(
            folder.builds,
            clock=clock,
            environment=os.environ,
            options=options,
            reach=reach_of(settings, by_process=True),
        )
        return ProcessExecutor(folder.containers, clock=clock, images=builder.images, options=options), builder
    from actorium.builders.container.builder import ContainerBuilder
    from actorium.builders.container.network import StepNetworks
    from actorium.executors.container import probe as engines
    from actorium.executors.container.executor import ContainerExecutor

    log.info("executor.container", engine=await engines.name(engine), socket=engine.socket)
    for place in (folder.containers, folder.builds / "networks"):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return ContainerExecutor(folder.containers, engine=engine, clock=clock, options=options), ContainerBuilder(
        engine,
        clock=clock,
        installation=installation_name(folder.containers),
        environment=os.environ,
        networks=StepNetworks(folder.builds / "networks", engine, clock=clock, options=options),
        reach=reach_of(settings, by_process=False),
        cpu_cores=float(os.cpu_count() or 1),
    )


def reach_of(settings: Settings, *, by_process: bool) -> Reach:
    """How far the settings let build steps get; sandboxes of ``by_process`` may have no network on this machine."""
    return Reach(
        settings.build_network,
        hosts=settings.build_hosts.split(",") if settings.build_hosts else [],
        environment=os.environ,
        defaults=of_this_machine,
        is_only=by_process and not probe.leads_out(_options(settings)),
    )


@asynccontextmanager
async def users_of(settings: Settings) -> AsyncIterator[Users]:
    """The users alone, for commands beside a running server."""
    database = await open_database(settings, DataFolder(settings.data))
    try:
        yield Users(database, ids=RandomIds(), clock=SystemClock())
    finally:
        await database.close()


@asynccontextmanager
async def approvals_of(settings: Settings) -> AsyncIterator[Approvals]:
    """What users let Actors of others do, for a command beside a running server."""
    clock, database = SystemClock(), await open_database(settings, DataFolder(settings.data))
    try:
        yield Approvals(database, users=Users(database, ids=RandomIds(), clock=clock), clock=clock)
    finally:
        await database.close()


@asynccontextmanager
async def brakes_of(settings: Settings) -> AsyncIterator[Brakes]:
    """Money brakes, for a command beside a running server."""
    database = await open_database(settings, DataFolder(settings.data))
    try:
        views = Views(prices=prices_of(settings.prices), container_url=lambda _: "", public_base_url="")
        yield Brakes(database, views=views, clock=SystemClock())
    finally:
        await database.close()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Server]:
    """A whole server, answering while the block runs; containers go on after it."""
    folder, clock, ids = DataFolder(settings.data), SystemClock(), RandomIds()
    raise_limit()
    async with AsyncExitStack() as stack:
        stack.enter_context(folder.locked())
        database = await open_database(settings, folder)
        stack.push_async_callback(database.close)
        blobs = await open_blobs(settings, folder)
        stack.push_async_callback(blobs.close)
        bound = _bind(settings, folder)
        executor, builder = await _backend(settings, folder, clock)
        stack.push_async_callback(_let_go, executor)
        ground = Ground(
            settings=settings,
            database=database,
            blobs=blobs,
            executor=executor,
            builder=builder,
            clock=clock,
            ids=ids,
            node=folder.node(ids),
            secret=await installation.secret(database, SECRET, ids=ids),
            scratch=folder.sources,
            environment=os.environ,
            port=bound.port,
            base_url=f"http://127.0.0.1:{bound.port}",
            public_url=settings.public_url.rstrip("/") or bound.url,
        )
        await database.write(partial(nodes.drain, node=ground.node, is_draining=False))
        features = Features(ground)
        user, token = await features.users.ensure_first(settings.username, settings.token or None)
        if token is not None:
            write_private(folder.token, f"{token}\n")
        work = Work(features)
        work.start()
        stack.push_async_callback(work.stop)
        application = http_app(features)
        for listening in (bound, *_also_on_loopback(bound)):
            serving = serve(application, listening, trusted_proxies=settings.trusted_proxies or None)
            await stack.enter_async_context(serving)
        write_private(folder.address, f"{ground.public_url}\n")
        log.info("server.ready", url=ground.public_url, data=str(folder.root), version=__version__)
        yield Server(url=ground.public_url, username=user.username, new_token=token)
        log.info("server.stopping")


def http_app(features: Features) -> HttpApp:
    """The ASGI application over the features."""
    ground = features.ground
    return HttpApp(
        routes(features),
        aliases(features),
        authenticate=features.authenticate,
        clock=ground.clock,
        ids=ground.ids,
        limits=HttpLimits(rate_scale=ground.settings.rate_limit_scale),
        pages=pages(api_url=ground.public_url, document=lambda: _document(features)),
        websockets={"/v2/actor-runs/{runId}/events": features.events_socket.serve},
    )


async def openapi() -> dict[str, Any]:
    """The server's OpenAPI document, from its own route table; nothing is stored or started."""
    with TemporaryDirectory() as folder:
        return await _openapi(folder)


async def _openapi(folder: str) -> dict[str, Any]:
    database = await SQLite.open(":memory:")
    clock, ids = SystemClock(), RandomIds()
    ground = Ground(
        settings=Settings(),
        database=database,
        blobs=MemoryBlobs(),
        executor=FakeExecutor(clock=clock),
        builder=ProcessBuilder(Path(folder), clock=clock, environment={}),
        clock=clock,
        ids=ids,
        secret=ids.secret(),
        node=ids.new(),
        port=0,
        base_url="http://127.0.0.1:8010",
        public_url="http://127.0.0.1:8010",
    )
    try:
        return _document(Features(ground))
    finally:
        await database.close()


def _document(features: Features) -> dict[str, Any]:
    return document(routes(features), aliases(features), title="Actorium API", version=__version__)


def _also_on_loopback(bound: Bound) -> list[Bound]:
    """Runs reach the API over the machine's loopback, whichever address it was told to listen on."""
    if bound.host in ("127.0.0.1", "localhost", "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return []
    return [bind("127.0.0.1", bound.port)]


async def _let_go(executor: ProcessExecutor) -> None:
    """Leave running containers alone; where there are none, leave nothing behind."""
    if not await executor.survey():
        await executor.retire()
    await executor.close()


def api_connections_max(settings: Settings) -> int:
    """How many connections to the API each run may have at once, by what this process may have open."""
    return share(limit(), settings.concurrent_runs, at_most=FORWARDER_CONNECTIONS_MAX)


def _options(settings: Settings) -> ProcessOptions:
    return ProcessOptions(
        allow_host_network=settings.allow_host_network,
        api_connections_max=api_connections_max(settings),
        warm_memory_mbytes=settings.warm_memory_mbytes if settings.warm_starts else 0,
    )


def _bind(settings: Settings, folder: DataFolder) -> Bound:
    """Listen; a free port that was taken once is taken again, because runs that go on call it."""
    try:
        bound = bind(settings.host, settings.port or folder.remembered_port())
    except Unavailable as error:
        if settings.port:
            where = f"ACTORIUM_HOST is {settings.host}, ACTORIUM_PORT is {settings.port}"
            raise Unavailable(f"{where}. {error.message}") from error
        bound = _bind_any(settings.host)
    folder.remember_port(bound.port)
    return bound


def _bind_any(host: str) -> Bound:
    try:
        return bind(host, 0)
    except Unavailable as error:
        raise Unavailable(f"ACTORIUM_HOST is {host}. {error.message}") from error
