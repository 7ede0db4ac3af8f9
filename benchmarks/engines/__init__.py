"""Other engines that run programs on request: Scrapyd and Prefect beside ours, with the same programs, by turns."""

from __future__ import annotations

import asyncio
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from tests.live_server import LiveServer

from benchmarks.client import Client, client
from benchmarks.engines.peers import PROGRAMS, Prefect, Run, Scrapyd, Times, times
from benchmarks.figure import Figure
from benchmarks.storages.peers import PeersMissing, environment_of

TRIVIAL_ROUNDS, SPIDER_ROUNDS, SPINNING_ROUNDS = 5, 3, 3
PAGES = 20
MEMORY = 512
GOAL = 0.25
STAMP = "import time; print(f'first line {time.time():.6f}', flush=True)"
SCRAPYD_SECS, SCRAPYD_OFTEN_SECS = 5.0, 0.1
PREFECT_SECS, PREFECT_OFTEN_SECS = 10, 1
"""The defaults of both, and what looks at the queue about as often as is of use; Prefect takes whole seconds."""
OURS, IN_SCRAPY, BESIDE_SPINNING = "ours", "ours, in Scrapy", "ours, beside it"
SPINNING = "Scrapyd, never resting"


def measure(folder: Path) -> list[Figure]:
    """Every figure about engines."""
    try:
        python = environment_of("peers-engines")
    except (PeersMissing, OSError, subprocess.SubprocessError) as error:
        return [Figure(name="Scrapyd and Prefect", value=0, unit="", against=str(error)[-300:], goal="", met=None)]
    with LiveServer(folder / "server", ACTORIUM_LOG_LEVEL="info") as server:
        ours = Ours(server)
        with ExitStack() as stack:
            peers: dict[str, Scrapyd | Prefect] = {
                "Scrapyd": Scrapyd(python, folder / "scrapyd", poll_secs=SCRAPYD_SECS),
                "Scrapyd, looking often": Scrapyd(python, folder / "scrapyd-often", poll_secs=SCRAPYD_OFTEN_SECS),
                "Prefect": Prefect(python, folder / "prefect", poll_secs=PREFECT_SECS),
                "Prefect, looking often": Prefect(python, folder / "prefect-often", poll_secs=PREFECT_OFTEN_SECS),
            }
            for peer in peers.values():
                stack.enter_context(peer.running())
            trivial = _rounds(
                {OURS: ours.stamp, IN_SCRAPY: ours.empty} | _of(peers, "empty", "trivial"), TRIVIAL_ROUNDS
            )
            crawling = {"pages": PAGES, "first_url": ours.first_url}
            crawls = _rounds({OURS: ours.crawl} | _of(peers, "crawl", "crawl", **crawling), SPIDER_ROUNDS)
        spinning = Scrapyd(python, folder / "scrapyd-spinning", poll_secs=0)
        with spinning.running():
            alone = {SPINNING: partial(spinning.run, "empty"), BESIDE_SPINNING: ours.stamp}
            trivial |= _rounds(alone, SPINNING_ROUNDS)
    return [*_figures("trivial program", trivial, goals=("Scrapyd",)), *_figures(f"spider of {PAGES} pages", crawls)]


def _of(peers: Mapping[str, Scrapyd | Prefect], spider: str, flow: str, **more: Any) -> dict[str, Run]:
    return {
        name: partial(peer.run, spider if isinstance(peer, Scrapyd) else flow, **more) for name, peer in peers.items()
    }


def _rounds(contenders: Mapping[str, Run], count: int) -> dict[str, list[Times]]:
    """Each once to warm up, then all in turn."""
    for run in contenders.values():
        run()
    found: dict[str, list[Times]] = {name: [] for name in contenders}
    for _ in range(count):
        for name, run in contenders.items():
            found[name].append(run())
    return found


def _figures(what: str, measured: Mapping[str, list[Times]], *, goals: tuple[str, ...] = ()) -> list[Figure]:
    """Ours as a part of each peer's, by the medians."""
    figures = []
    for part, secs in PARTS.items():
        middle = {name: statistics.median(secs(one) for one in runs) for name, runs in measured.items()}
        in_scrapy = f" ({middle[IN_SCRAPY]:.2f} s in Scrapy)" if IN_SCRAPY in middle else ""
        for peer, theirs in middle.items():
            if peer.startswith(OURS):
                continue
            ours = middle[BESIDE_SPINNING if peer == SPINNING else OURS]
            figures.append(
                Figure(
                    name=f"{what}: request to {part}, p50 of {len(measured[peer])}, part of {peer}",
                    value=ours / theirs,
                    unit="x",
                    against=f"{ours:.2f} s here{'' if peer == SPINNING else in_scrapy}, {theirs:.2f} s",
                    goal=f"<= {GOAL} x" if peer in goals else "",
                    met=ours / theirs <= GOAL if peer in goals else None,
                )
            )
    return figures


PARTS: dict[str, Callable[[Times], float]] = {
    "first line": lambda one: one.first_line,
    "finished": lambda one: one.finished,
}


class Ours:
    """A server with the three programs as Actors, and with the pages that all spiders read."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self.first_url = asyncio.run(self._make_site())
        self._stamp, self._empty, self._crawl = asyncio.run(self._build())

    def stamp(self) -> Times:
        return asyncio.run(self._run(self._stamp))

    def empty(self) -> Times:
        return asyncio.run(self._run(self._empty))

    def crawl(self) -> Times:
        return asyncio.run(self._run(self._crawl, pages=PAGES))

    async def _run(self, actor: str, *, pages: int = 0) -> Times:
        async with client(self._server.url, self._server.token) as api:
            begun = time.time()
            run = await api.finish(actor, memory=MEMORY)
            finished = time.time()
            assert run["status"] == "SUCCEEDED", run
            return times(begun, finished, await api.text(f"/logs/{run['id']}"), pages=pages)

    async def _make_site(self) -> str:
        """Pages that each link to all, as public records: the one site that also a run in its sandbox reaches."""
        async with client(self._server.url, self._server.token) as api:
            store = await api.call("POST", "/key-value-stores")
            path = f"/key-value-stores/{store['id']}"
            await api.call("PUT", path, json={"generalAccess": "ANYONE_WITH_ID_CAN_READ"})
            links = "".join(f'<a href="page-{number}.html">{number}</a> ' for number in range(PAGES))
            for number in range(PAGES):
                page = f"<!doctype html><title>Page {number}</title>{links}"
                await api.put(f"{path}/records/page-{number}.html", page.encode(), content_type="text/html")
            return f"{self._server.url}/v2{path}/records/page-0.html"

    async def _build(self) -> tuple[str, str, str]:
        async with client(self._server.url, self._server.token) as api:
            return (
                await api.actor("stamp", ["python3", "-c", STAMP]),
                await self._scrapy(api, "empty"),
                await self._scrapy(api, "crawl", "-a", f"first_url={self.first_url}"),
            )

    async def _scrapy(self, api: Client, spider: str, *arguments: str) -> str:
        version = re.search(r"^scrapy==.+$", (PROGRAMS / "peers.in").read_text(), re.MULTILINE)
        assert version is not None
        package = PROGRAMS / "bench_spiders"
        files = {f"bench_spiders/{file.name}": file.read_text() for file in package.glob("*.py")}
        files |= {"requirements.txt": version[0], "scrapy.cfg": "[settings]\ndefault = bench_spiders.settings\n"}
        return await api.actor(spider, ["python3", "-m", "scrapy", "crawl", spider, *arguments], files=files)
