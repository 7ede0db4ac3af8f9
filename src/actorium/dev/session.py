"""One round: push, build, run, with the log; and how one that is going on makes way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actorium.caller.actor_folder import ActorFolder
from actorium.caller.api import Api, Raw
from actorium.caller.failure import Failed
from actorium.dev.given import WHERE, Given
from actorium.dev.pushing import Pushed, push
from actorium.dev.screen import BUILD_LINES_SHOWN, ITEMS_SHOWN, RECORDS_SHOWN, Screen
from actorium.loops.background import to_its_end

TAG = "dev"
"""The tag of its builds: what plain runs get, mostly ``latest``, stays what was pushed."""
ABORT_SECS = 30  # how long the end of an aborted run or build is waited for; it takes a moment
_ONGOING = ("READY", "RUNNING", "TIMING-OUT", "ABORTING")
_INPUT = "INPUT"
Run = dict[str, Any]
Build = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Options of the runs; None: what the Actor says."""

    memory_mbytes: int | None = None
    timeout_secs: int | None = None

    @property
    def query(self) -> Mapping[str, object]:
        given = {"memory": self.memory_mbytes, "timeout": self.timeout_secs}
        return {name: value for name, value in given.items() if value is not None}


class Session:
    """Rounds of one folder on one server."""

    def __init__(
        self, api: Api, url: str, *, folder: ActorFolder, given: Given, screen: Screen, options: RunOptions
    ) -> None:
        self._api = api
        self._url = url
        self.folder = folder
        self._given = given
        self._screen = screen
        self._options = options
        self._pushed: Pushed | None = None
        self._build: Build | None = None
        """The last one that succeeded, while the files are its."""
        self._ongoing: str | None = None
        """The path of the build or run that has been started and is not known to have ended."""

    async def round(self, *, is_built: bool = False) -> int:
        """Push and build, unless that was done and files are the same, and run. Raises Failed.

        Returns 0 for a run that succeeded, else its exit code, or 1 where there is none. Cancelled, it aborts what it
        has started before it ends.
        """
        try:
            await self._abort_what_was_left()
            given = self._given.read()
            if not is_built or self._build is None:
                self._build = None
                self._build = await self._built()
            if self._build is None:
                return 1
            run = await self._ran(self._build, given)
            await self._show_results(run)
            return 0 if run["status"] == "SUCCEEDED" else run.get("exitCode") or 1
        except asyncio.CancelledError:
            await to_its_end(self.make_way())
            raise

    async def _built(self) -> Build | None:
        """A build of what the files are now; None: it failed, which was shown."""
        self.folder.check()
        pushed = await push(
            self._api, self._url, self.folder.definition(), self.folder.files(), remark=self._screen.warn
        )
        if self._pushed != pushed:
            self._screen.say(f"{pushed.name} {pushed.version} on {self._url}")
        self._pushed = pushed
        path, query = f"/v2/actors/{pushed.actor_id}/builds", {"version": pushed.version, "tag": TAG, "useCache": 1}
        await to_its_end(self._begin(path, "/v2/actor-builds", None, query))
        lines: deque[str] = deque(maxlen=BUILD_LINES_SHOWN)
        with self._screen.building() as show:
            async for line in self._api.log_lines(self._id()):
                lines.append(line)
                show(line)
            build = await self._ended()
        took = build["stats"]["durationMillis"] / 1000
        if build["status"] == "SUCCEEDED":
            self._screen.say(f"Build {build['buildNumber']} in {took:.1f} s")
            return build
        for line in lines:
            self._screen.log_line(line)
        self._screen.fail(Failed(f"Build {build['buildNumber']} is {build['status']} after {took:.1f} s.", ""))
        return None

    async def _ran(self, build: Build, given: bytes | None) -> Run:
        query = {"build": build["buildNumber"], **self._options.query}
        body = self._prefilled(build) if given is None else Raw(given, "application/json")
        await to_its_end(self._begin(f"/v2/actors/{build['actId']}/runs", "/v2/actor-runs", body, query))
        self._screen.say(f"Run {self._id()}")
        async for line in self._api.log_lines(self._id()):
            self._screen.log_line(line)
        run = await self._ended()
        self._screen.end(run)
        return run

    def _prefilled(self, build: Build) -> dict[str, Any] | None:
        """What the input schema fills forms with."""
        schema = (build.get("actorDefinition") or {}).get("input") or {}
        fields = schema.get("properties")
        fields = fields if isinstance(fields, dict) else {}
        prefilled = {
            name: field["prefill"] for name, field in fields.items() if isinstance(field, dict) and "prefill" in field
        }
        if not prefilled:
            return None
        self._screen.say(
            f"Input: the prefilled values of the input schema ({', '.join(prefilled)}); for another: {WHERE}"
        )
        return prefilled

    async def _show_results(self, run: Run) -> None:
        """How much is in the run's storages, and where."""
        dataset = f"/v2/datasets/{run['defaultDatasetId']}"
        total = (await self._api.call("GET", dataset))["itemCount"]
        items = await self._api.call("GET", f"{dataset}/items", limit=ITEMS_SHOWN) if total else []
        self._screen.items(items, total=total, where=f"{self._url}{dataset}/items")
        store = f"/v2/key-value-stores/{run['defaultKeyValueStoreId']}"
        listed = await self._api.call("GET", f"{store}/keys", limit=RECORDS_SHOWN + 1)
        keys = [each["key"] for each in listed["items"] if each["key"] != _INPUT][:RECORDS_SHOWN]
        if keys:
            self._screen.records(keys, is_all=not listed["isTruncated"], where=f"{self._url}{store}/records/KEY")

    async def _begin(self, path: str, kind: str, body: Any, query: Mapping[str, object]) -> None:
        begun = await self._api.call("POST", path, body, **query)
        self._ongoing = f"{kind}/{begun['id']}"

    def _id(self) -> str:
        return (self._ongoing or "").rpartition("/")[2]

    async def _ended(self, *, secs: int | None = None) -> dict[str, Any]:
        """What was begun, once it has ended, or as it is after so many seconds."""
        path = self._ongoing
        while True:
            seen: dict[str, Any] = await self._api.call("GET", f"{path}", waitForFinish=60 if secs is None else secs)
            if seen["status"] not in _ONGOING:
                self._ongoing = None
            if self._ongoing is None or secs is not None:
                return seen

    async def make_way(self) -> None:
        """Abort what goes on, if anything does, or say that it could not be done."""
        if self._ongoing is None:
            return
        try:
            await self._abort()
        except Failed as failure:
            self._screen.warn(f"What was going on may still go on; it could not be aborted: {failure}")
        finally:
            self._ongoing = None

    async def _abort_what_was_left(self) -> None:
        """What a round that lost its server has begun goes on there. Raises Failed while the server does not answer."""
        if self._ongoing is None:
            return
        try:
            await self._abort()
        except Failed as failure:
            if failure.status == 0:
                raise
        self._ongoing = None  # or another server answers, which knows nothing of it

    async def _abort(self) -> None:
        """At once: a graceful abort cannot be hastened, and most Actors let it take its 30 s. Raises Failed."""
        await self._api.call("POST", f"{self._ongoing}/abort")
        await self._ended(secs=ABORT_SECS)
        self._screen.say("What was going on was aborted.")
