"""The limit of the server's own stack: a bare "hello world" in a process with the same settings."""

from __future__ import annotations

import multiprocessing
from typing import Self

from benchmarks.http_kernel import run_server


class Hello:
    """``with Hello() as hello: hello.port``"""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=run_server, args=("hello", theirs), daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._process.start()
        self.port = self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send("stop")
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()
