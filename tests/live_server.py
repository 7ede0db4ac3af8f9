"""A real ``actorium serve`` in a process of its own, for tests that need the whole thing. Always stopped by pid."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

READY_SECS_MAX = 60.0
STOP_SECS_MAX = 30.0


class LiveServer:
    """``with LiveServer(folder) as server: server.api("GET", "/v2/users/me")``.

    The port is free at the first start and the same afterwards; ``kill`` is SIGKILL, ``start`` starts it again.
    """

    command: tuple[str, ...] = ("-m", "actorium", "serve")
    """What the interpreter runs."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.token = ""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        """Start and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        address = self.folder / "data" / "address"
        address.unlink(missing_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ACTORIUM_")}
        environment |= {
            "ACTORIUM_DATA": str(self.folder / "data"),
            "ACTORIUM_PORT": "0",
            "ACTORIUM_RATE_LIMIT_SCALE": "0",
            "ACTORIUM_LOG_LEVEL": "debug",
            "ACTORIUM_WARM_STARTS": "false",  # tests that count processes would count what waits, too
        } | self._settings
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([sys.executable, *self.command], env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_SECS_MAX
        while not address.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the server did not start:\n{self.tail()}")
            time.sleep(0.02)
        self.url = address.read_text().strip()
        self.token = (self.folder / "data" / "token").read_text().strip()
        return self

    def kill(self) -> None:
        """SIGKILL: what is left is what is on disk."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and wait."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def tail(self, chars: int = 6000) -> str:
        """The end of the server's log."""
        return self.log.read_text(errors="replace")[-chars:] if self.log.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.end_keepers()

    def end_keepers(self) -> None:
        """End the spawner and the containers of this server's folder; a test leaves nothing behind."""
        end_keepers(self.folder / "data" / "containers")

    def api(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """A JSON call with the first user's token: (status, decoded body)."""
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=content, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        if content is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=90) as reply:
                return reply.status, _decoded(reply.read())
        except urllib.error.HTTPError as error:
            return error.code, _decoded(error.read())


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content


def end_keepers(folder: Path) -> None:
    """End every process whose command line names the folder: the spawner and its shims."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in command and int(entry.name) != os.getpid():
            try:
                os.kill(int(entry.name), signal.SIGTERM)
            except ProcessLookupError:
                continue
