"""The steps of the demo and what must come out of each."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from actorium.caller.actor_folder import ActorFolder, source_files
from actorium.caller.api import Api
from actorium.caller.failure import Failed, expect
from actorium.caller.own_server import DOCTOR, OwnServer
from actorium.demo.screen import Screen
from actorium.kernel.limits import DEMO_BUILD_SECS, DEMO_RUN_SECS, GRACEFUL_ABORT_SECS

MEMORY_MBYTES = 512
PAGES_AT_LEAST = 10
PAGES_MAX = 200  # more than the documentation has: two crawls that are cut off differ in what they leave out
PAGES_BEFORE_ABORT = 4
PAGES_BEFORE_REBOOT = 5
DELAY_SECS = 0.1
ROWS_SHOWN = 8
REPORT = "This is a bug of Actorium: please report it, with the lines above and the server's log."

_CRAWLED = re.compile(r"Crawled (\d+) of ")
_SHIPPED = Path(__file__).with_name("site-crawler")
_SOURCES = Path(__file__).parents[3] / "examples" / "site-crawler"

Run = dict[str, Any]
Items = list[dict[str, Any]]


def example_folder() -> Path:
    """The example Actor: in an installed package beside this file, in a source checkout in examples/."""
    return _SHIPPED if _SHIPPED.is_dir() else _SOURCES


class Story:
    """What the demo does with a server. Only ``of`` makes one."""

    def __init__(self, api: Api, url: str, *, screen: Screen, source: Path) -> None:
        self._api = api
        self._screen = screen
        self._source = source
        self._start_url = f"{url}/docs/"
        self._actor_id = ""
        self._version = ""

    @classmethod
    @asynccontextmanager
    async def of(cls, server: OwnServer, *, screen: Screen, source: Path) -> AsyncIterator[Story]:
        """A story; runs that are still going on when it breaks off are aborted."""
        async with Api.at(server.url, token=server.token) as api:
            story = cls(api, server.url, screen=screen, source=source)
            try:
                yield story
            except BaseException:
                await story.abandon()
                raise

    async def tell(self) -> None:
        """Every step in order. Raises Failed."""
        await self.push()
        await self.build()
        run, pages = await self.run()
        await self.abort(pages)
        await self.reboot(pages)
        await self.account(run, pages)

    async def push(self) -> None:
        """The Actor's sources, over the API."""
        spec = json.loads((self._source / ".actor" / "actor.json").read_text())
        files = source_files(ActorFolder(self._source).files())
        self._screen.begin("Pushing the example Actor", "POST /v2/actors with the files of examples/site-crawler")
        self._version = spec["version"]
        version = {
            "versionNumber": self._version,
            "sourceType": "SOURCE_FILES",
            "buildTag": "latest",
            "sourceFiles": files,
        }
        body = {"name": spec["name"], "title": spec["title"], "versions": [version]}
        actor = await self._api.call("POST", "/v2/actors", body)
        self._actor_id = actor["id"]
        size = sum(len(file["content"]) for file in files)
        self._screen.say(f"{actor['username']}/{actor['name']} ({actor['id']}): {len(files)} files, {size} characters")

    async def build(self) -> None:
        """Once, and once more unchanged."""
        self._screen.begin("Building it", f"POST /v2/actors/{self._actor_id}/builds, with its log")
        await self._built(show=True)
        self._screen.begin("Building it again, unchanged", "Every step comes from the cache")
        await self._built(show=False)

    async def run(self) -> tuple[Run, Items]:
        """A whole crawl; the run and its pages."""
        self._screen.begin("Running it", f"on this server's own documentation, {self._start_url}")
        run = await self._start(delay_secs=0)
        await self._follow(run["id"])
        run = await self._finished(run["id"])
        items = await self._items(run)
        _expect_run(run, "SUCCEEDED", exit_code=0)
        _expect_once(items)
        expect(
            len(items) >= PAGES_AT_LEAST and run["statusMessage"] == f"Crawled {len(items)} pages",
            f"The run says {run['statusMessage']!r}, and its dataset has {len(items)} items.",
            hint=REPORT,
        )
        self._show_items(items)
        return run, items

    async def abort(self, pages: Items) -> None:
        """A second run, told to leave in the middle."""
        self._screen.begin(
            "Aborting a second run gracefully",
            f"after {PAGES_BEFORE_ABORT} pages; the Actor hears of it and has {GRACEFUL_ABORT_SECS} seconds to leave",
        )
        run = await self._start(delay_secs=DELAY_SECS)

        async def ask() -> None:
            asked = await self._api.call("POST", f"/v2/actor-runs/{run['id']}/abort", gracefully="true")
            self._screen.say(f"→ abort?gracefully=true: the run is {asked['status']}")
            expect(asked["status"] in ("ABORTING", "ABORTED"), f"The run is {asked['status']}.", hint=REPORT)

        await self._follow(run["id"], pages=PAGES_BEFORE_ABORT, then=ask)
        done = await self._finished(run["id"])
        items = await self._items(done)
        self._tell_end(done, items)
        _expect_run(done, "ABORTED", exit_code=0)
        _expect_once(items)
        expect(
            PAGES_BEFORE_ABORT <= len(items) < len(pages),
            f"The aborted run left {len(items)} items; a whole crawl has {len(pages)}.",
            hint=REPORT,
        )
        expect(
            str(done["statusMessage"]).startswith("Stopped after") and done["isStatusMessageTerminal"] is True,
            f"The Actor's last words are missing: the status message is {done['statusMessage']!r}.",
            hint=REPORT,
        )

    async def reboot(self, pages: Items) -> None:
        """A third run, whose process is replaced in the middle."""
        self._screen.begin(
            "Rebooting a third run",
            f"after {PAGES_BEFORE_REBOOT} pages its process is replaced; it must finish with no page crawled twice",
        )
        run = await self._start(delay_secs=DELAY_SECS)

        async def ask() -> None:
            asked = await self._api.call("POST", f"/v2/actor-runs/{run['id']}/reboot")
            self._screen.say(f"→ reboot: the run is {asked['status']}, rebootCount {asked['stats']['rebootCount']}")
            expect(asked["status"] == "RUNNING", f"The rebooted run is {asked['status']}.", hint=REPORT)

        await self._follow(run["id"], pages=PAGES_BEFORE_REBOOT, then=ask)
        done = await self._finished(run["id"])
        items = await self._items(done)
        attempts = Counter(item["attempt"] for item in items)
        self._tell_end(done, items)
        self._screen.say(", ".join(f"attempt {number}: {count} pages" for number, count in sorted(attempts.items())))
        _expect_run(done, "SUCCEEDED", exit_code=0)
        _expect_once(items)
        expect(done["stats"]["rebootCount"] == 1, f"rebootCount is {done['stats']['rebootCount']}.", hint=REPORT)
        expect(set(attempts) == {1, 2}, f"Both attempts should have crawled, found {dict(attempts)}.", hint=REPORT)
        missing = {item["url"] for item in pages} ^ {item["url"] for item in items}
        expect(not missing, f"The rebooted run and the first one differ in {sorted(missing)}.", hint=REPORT)

    async def account(self, run: Run, pages: Items) -> None:
        """What the first run used; by now it has been counted in full."""
        self._screen.begin("What the first run used", "stats measured by the operating system, usage by the server")
        run = await self._finished(run["id"])
        self._show_run(run)
        writes = run["usage"]["DATASET_WRITES"]
        expect(writes == len(pages), f"{writes} dataset writes were counted for {len(pages)} pages.", hint=REPORT)
        expect(run["stats"]["computeUnits"] > 0, "No compute units were counted.", hint=REPORT)

    async def abandon(self) -> None:
        """Leave no run behind."""
        try:
            listed = await self._api.call("GET", "/v2/actor-runs", status="READY,RUNNING")
            for run in listed["items"]:
                await self._api.call("POST", f"/v2/actor-runs/{run['id']}/abort")
                await self._api.call("GET", f"/v2/actor-runs/{run['id']}", waitForFinish=10)
        except (Failed, asyncio.CancelledError):
            self._screen.say("Runs of the demo may still be going on; the server could not be asked to abort them.")

    async def _built(self, *, show: bool) -> None:
        path = f"/v2/actors/{self._actor_id}/builds"
        build = await self._api.call("POST", path, version=self._version, useCache=1)
        async with self._within(DEMO_BUILD_SECS, "The build"):
            async for line in self._api.log_lines(build["id"]):
                if show:
                    self._screen.log_line(line)
            while build["status"] in ("READY", "RUNNING"):
                build = await self._api.call("GET", f"/v2/actor-builds/{build['id']}", waitForFinish=60)
        took = build["stats"]["durationMillis"] / 1000
        self._screen.say(f"Build {build['buildNumber']}: {build['status']} in {took:.1f} s")
        hint = f"Its log says why. The build installs packages from the index that pip uses on this machine. {DOCTOR}"
        expect(build["status"] == "SUCCEEDED", f"The build is {build['status']}.", hint=hint)

    async def _start(self, *, delay_secs: float) -> Run:
        wanted = {"startUrls": [{"url": self._start_url}], "maxPages": PAGES_MAX, "delaySecs": delay_secs}
        path = f"/v2/actors/{self._actor_id}/runs"
        run: Run = await self._api.call("POST", path, wanted, memory=MEMORY_MBYTES, timeout=DEMO_RUN_SECS)
        self._screen.say(f"Run {run['id']}: {run['status']}")
        return run

    async def _follow(self, run_id: str, *, pages: int = 0, then: Callable[[], Awaitable[None]] | None = None) -> None:
        """Show the log until the run has finished; do something once when it has told of so many pages."""
        async with self._within(DEMO_RUN_SECS, "The run"):
            async for line in self._api.log_lines(run_id):
                self._screen.log_line(line)
                found = _CRAWLED.search(line)
                if then is not None and found and int(found[1]) >= pages:
                    act, then = then, None
                    await act()
        expect(then is None, f"The run ended before it had crawled {pages} pages.", hint=REPORT)

    async def _finished(self, run_id: str) -> Run:
        run: Run = await self._api.call("GET", f"/v2/actor-runs/{run_id}", waitForFinish=60)
        return run

    async def _items(self, run: Run) -> Items:
        items: Items = await self._api.call("GET", f"/v2/datasets/{run['defaultDatasetId']}/items")
        return items

    @asynccontextmanager
    async def _within(self, secs: int, what: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(secs):
                yield
        except TimeoutError:
            raise Failed(f"{what} took more than {secs} seconds.", DOCTOR) from None

    def _tell_end(self, run: Run, items: Items) -> None:
        self._screen.say(f"{run['status']}, exit code {run['exitCode']}: {run['statusMessage']}")
        self._screen.say(f"The dataset has {len(items)} pages, each once")

    def _show_items(self, items: Items) -> None:
        rows = [
            (item["title"], item["url"], item["headings"], item["links"], item["textLength"])
            for item in items[:ROWS_SHOWN]
        ]
        title = f"The first {len(rows)} of {len(items)} items of the dataset"
        self._screen.rows(title, ("title", "url", "headings", "links", "text"), rows)

    def _show_run(self, run: Run) -> None:
        stats, usage = run["stats"], run.get("usage") or {}
        facts: dict[str, object] = {"run time": f"{stats['runTimeSecs']:.1f} s"}
        if "memMaxBytes" in stats:
            facts["memory at most"] = f"{stats['memMaxBytes'] / 1e6:.0f} MB of {run['options']['memoryMbytes']}"
        if "cpuAvgUsage" in stats:
            facts["CPU on average"] = f"{stats['cpuAvgUsage']:.0f} % of one core"
        facts["compute units"] = f"{stats['computeUnits']:.5f}"
        names = ("DATASET_WRITES", "REQUEST_QUEUE_WRITES", "KEY_VALUE_STORE_WRITES")
        facts |= {name.lower().replace("_", " "): usage[name] for name in names if usage.get(name) is not None}
        if run.get("usageTotalUsd") is not None:
            facts["would cost"] = f"{run['usageTotalUsd']:.6f} USD by the price table"
        self._screen.facts(facts)


def _expect_run(run: Run, status: str, *, exit_code: int) -> None:
    expect(
        run["status"] == status,
        f"The run is {run['status']} ({run['statusMessage']}), not {status}.",
        hint=f"Its log above says more. {DOCTOR}",
    )
    expect(run["exitCode"] == exit_code, f"The exit code is {run['exitCode']}, not {exit_code}.", hint=REPORT)


def _expect_once(items: Items) -> None:
    twice = [url for url, count in Counter(item["url"] for item in items).items() if count > 1]
    expect(not twice, f"Crawled more than once: {', '.join(twice)}.", hint=REPORT)
