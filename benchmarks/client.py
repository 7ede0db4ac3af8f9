"""A small async client for benchmarks: one session, JSON in and out, Actors built from a command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp


class Client:
    """Calls one server with the first user's token."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def text(self, path: str) -> str:
        async with self._session.get(f"{self._url}/v2{path}") as reply:
            return await reply.text()

    async def call(self, method: str, path: str, **options: Any) -> Any:
        async with self._session.request(method, f"{self._url}/v2{path}", **options) as reply:
            content = await reply.read()
            assert reply.status < 400, (reply.status, content)
            return json.loads(content)["data"]

    async def put(self, path: str, content: bytes, *, content_type: str) -> None:
        """Store bytes as they are."""
        headers = {"Content-Type": content_type}
        async with self._session.put(f"{self._url}/v2{path}", data=content, headers=headers) as reply:
            assert reply.status < 400, (reply.status, await reply.read())

    async def actor(self, name: str, command: list[str], *, files: Mapping[str, str] | None = None) -> str:
        """Make and build an Actor that is one command, and files if it needs some; its id.

        What ``requirements.txt`` among the files names is installed.
        """
        files = files or {}
        install = (
            "COPY requirements.txt ./\nRUN pip install -r requirements.txt\n" if "requirements.txt" in files else ""
        )
        copied = "COPY . ./\n" if files else ""
        dockerfile = f"FROM apify/actor-python:3.11\n{install}{copied}CMD {json.dumps(command)}\n"
        version = {
            "versionNumber": "0.0",
            "sourceType": "SOURCE_FILES",
            "buildTag": "latest",
            "sourceFiles": [
                {"name": name, "format": "TEXT", "content": text}
                for name, text in {"Dockerfile": dockerfile, **files}.items()
            ],
        }
        actor = await self.call("POST", "/actors", json={"name": name, "versions": [version]})
        build = await self.call("POST", f"/actors/{actor['id']}/builds?version=0.0&waitForFinish=60")
        while build.get("finishedAt") is None:
            build = await self.call("GET", f"/actor-builds/{build['id']}?waitForFinish=60")
        assert build["status"] == "SUCCEEDED", build
        return str(actor["id"])

    async def finish(self, actor_id: str, *, memory: int = 128) -> Any:
        """Start a run and wait for its end."""
        run = await self.call("POST", f"/actors/{actor_id}/runs?memory={memory}")
        while run.get("finishedAt") is None:
            run = await self.call("GET", f"/actor-runs/{run['id']}?waitForFinish=60")
        return run


@asynccontextmanager
async def client(url: str, token: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"}
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(headers=headers, connector=connector, timeout=timeout) as session:
        yield Client(session, url)
    await asyncio.sleep(0)
