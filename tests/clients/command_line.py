"""The official command line on a server: the same commands in processes of their own or in one that stays."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from clients.node import NODE, installed, node, path
from live_server import LiveServer

HERE = Path(__file__).parent / "cli"
COMMAND_SECS = 180
TEMPLATE = "python-start"
MANIFESTS = "raw.githubusercontent.com/apify/actor-templates/master"
ZIP = "github.com/apify/actor-templates/python-start.zip"


@dataclass
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return f"{self.out}\n{self.err}"

    @property
    def json(self) -> Any:
        assert self.code == 0, self.text
        return json.loads(self.out)


@dataclass
class Elsewhere:
    """The hosts on the internet that the command line asks for templates, on this machine; it notes what was asked."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    @contextlib.contextmanager
    def opened(cls, template: dict[str, str]) -> Iterator[Self]:
        """With one template, whose files are given by their names."""
        here = cls()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.lstrip("/")
                here.asked.append(path)
                content = here.files.get(path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_: object) -> None:
                """Nothing: the test prints what matters."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        here.url = f"http://127.0.0.1:{server.server_port}"
        here._offer(template)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield here
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def _offer(self, template: dict[str, str]) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in template.items():
                archive.writestr(name, content)
        told = {
            "id": TEMPLATE,
            "name": TEMPLATE,
            "label": "Start with Python",
            "category": "python",
            "technologies": ["nodejs"],
            "description": "Prints and ends.",
            "archiveUrl": f"https://{ZIP}",
            "defaultRunOptions": {"build": "latest", "memoryMbytes": 256, "timeoutSecs": 120},
        }
        manifest = json.dumps({"templates": [told], "localReadmeSuffixUrl": f"https://{MANIFESTS}/suffix.md"})
        self.files = {
            f"{MANIFESTS}/templates/manifest.json": manifest.encode(),
            f"{MANIFESTS}/suffix.md": b"\n## On this machine\n",
            ZIP: packed.getvalue(),
        }


class CommandLine:
    """``apify`` and ``actor``, with a home folder of their own and a server.

    A call of it runs a command in the process that stays, or, when none shall stay, as ``alone`` does: in its own.
    """

    def __init__(self, server: LiveServer, folder: Path, elsewhere: Elsewhere, *, stays: bool = True) -> None:
        self.folder = folder
        self.stays = stays
        self.packages = installed(HERE)
        (folder / "home").mkdir(parents=True)
        # CI would change what the command line says it is.
        around = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("APIFY_", "ACTOR_")) and name not in ("CI", "GITHUB_ACTIONS")
        }
        self.environment = around | {
            "PATH": path(around),
            "HOME": str(folder / "home"),
            "APIFY_CLIENT_BASE_URL": server.url,
            "APIFY_CONSOLE_URL": server.url,
            "APIFY_DISABLE_KEYRING": "1",
            "APIFY_CLI_DISABLE_TELEMETRY": "1",
            "APIFY_CLI_SKIP_UPDATE_CHECK": "1",
            "NODE_OPTIONS": f"--require {HERE / 'elsewhere.cjs'}",
            "ELSEWHERE": elsewhere.url,
            "NO_COLOR": "1",
        }
        self._resident: Resident | None = None

    def entry(self, name: str) -> Path:
        return self.packages / "node_modules" / "apify-cli" / "dist" / f"{name}.js"

    def __call__(self, *args: str, name: str = "apify", folder: Path | None = None, **environment: str) -> Done:
        if not self.stays:
            return self.alone(*args, name=name, folder=folder, **environment)
        if self._resident is None:
            self._resident = Resident(self.environment, self.folder)
        return self._resident.run(self.entry(name), args, folder or self.folder, self.environment | environment)

    def alone(
        self, *args: str, name: str = "apify", folder: Path | None = None, given: str | None = None, **environment: str
    ) -> Done:
        """A command in a process of its own; ``given`` is what it reads."""
        around = self.environment | environment
        where = folder or self.folder
        done = node(str(self.entry(name)), *args, folder=where, secs=COMMAND_SECS, environment=around, given=given)
        return Done(done.returncode, done.stdout, done.stderr)

    def begun(self, *args: str) -> subprocess.Popen[str]:
        """A command in a process of its own that is still running."""
        command = [str(NODE), str(self.entry("apify")), *args]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )

    def close(self) -> None:
        if self._resident is not None:
            self._resident.close()


class Resident:
    """The process that stays; see ``cli/resident.mjs``."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        theirs, self._requests = os.pipe()
        self._replies, reply = os.pipe()
        command = [str(NODE), str(HERE / "resident.mjs"), str(theirs), str(reply)]
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, pass_fds=(theirs, reply)
        )
        os.close(theirs)
        os.close(reply)
        self._reader = os.fdopen(self._replies, "rb")

    def run(self, entry: Path, args: tuple[str, ...], folder: Path, environment: dict[str, str]) -> Done:
        request = {"entry": str(entry), "args": args, "folder": str(folder), "environment": environment}
        os.write(self._requests, json.dumps(request).encode() + b"\n")
        line = self._reader.readline()
        assert line, f"the process that runs the command line ended during {args}"
        told = json.loads(line)
        return Done(told["code"], told["stdout"], told["stderr"])

    def close(self) -> None:
        os.close(self._requests)
        self._process.terminate()  # sockets that the client keeps would hold it for minutes
        self._process.wait(COMMAND_SECS)
        self._reader.close()


@dataclass
class World:
    """A server, the command line logged in to it, and the Actor that it has pushed."""

    server: LiveServer
    elsewhere: Elsewhere
    apify: CommandLine
    folder: Path
    login: Done
    push: dict[str, Any] = field(default_factory=dict)

    @property
    def actor(self) -> str:
        return str(self.push["actor"]["id"])

    def get(self, path: str) -> Any:
        status, reply = self.server.api("GET", path)
        assert status == 200, reply
        return reply["data"] if isinstance(reply, dict) and "data" in reply else reply

    def call(self, **given: Any) -> dict[str, Any]:
        """The run that a call came to."""
        done: dict[str, Any] = self.apify("call", "pushed", "--json", "--input", json.dumps(given)).json
        return self.get(f"/v2/actor-runs/{done['run']['id']}")  # type: ignore[no-any-return]

    def waiting(self, **options: Any) -> dict[str, Any]:
        """A run that waits to be aborted."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        status, reply = self.server.api("POST", f"/v2/actors/{self.actor}/runs?{query}", {"wait": True, "times": 1})
        assert status == 201, reply
        return reply["data"]  # type: ignore[no-any-return]

    def told(self, run: dict[str, Any]) -> dict[str, str]:
        """The environment that a run has told, once it has."""
        path = f"/v2/key-value-stores/{run['defaultKeyValueStoreId']}/records/ENVIRONMENT"
        deadline = time.monotonic() + 60
        while (found := self.server.api("GET", path))[0] != 200:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found[1]  # type: ignore[no-any-return]
