"""The helper process of one build step: makes the sandbox, waits for it, and ends it when the builder goes away."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
from pathlib import Path

from actorium.executors.process.keeper import clock, inside, plan
from actorium.executors.process.keeper.forwarder import Forwarder
from actorium.executors.process.keeper.reactor import READ, Reactor
from actorium.executors.process.keeper.sandbox import Sandbox, SandboxFailed

# Descriptors of this process: 0 the plan, then closed by the builder when it wants the end; 1 the step's output;
# the one named in the command line gets the result as JSON.


class Step:
    """One step from its plan to its result."""

    def __init__(self, state: Path, told: plan.Plan) -> None:
        self._plan = told
        self._sandbox = Sandbox(told, state, state)
        self._reactor = Reactor()
        self._result: dict[str, object] = {"kind": "cancelled"}

    def run(self) -> dict[str, object]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            self._sandbox.start(1)
            for listener in self._sandbox.listeners:
                door = ("127.0.0.1", self._plan.api_port or 0)
                Forwarder(self._reactor, listener, door, make=_tcp, hold_secs=0)
            self._reactor.watch(0, READ, lambda _: self._abandoned())
            self._reactor.watch(self._sandbox.channel.fileno(), READ, lambda _: self._told(self._sandbox.receive()))
            self._keep_deadline()
            self._reactor.run()
        except SandboxFailed as error:
            self._result = {"kind": "failed", "message": str(error)}
        self._sandbox.kill()
        self._explain_memory()
        self._sandbox.remove()
        return self._result

    def _abandoned(self) -> None:
        if not os.read(0, 4096):
            self._reactor.stopped = True

    def _told(self, message: bytes) -> None:
        if message.startswith(inside.ENDED):
            code = os.waitstatus_to_exitcode(struct.unpack(inside.ENDED_FORMAT, message[1:])[0])
            self._result = {"kind": "ended", "code": code if code >= 0 else 128 - code}
            self._reactor.stopped = True
        elif not message:
            self._reactor.stopped = True

    def _keep_deadline(self) -> None:
        if self._plan.deadline_ms is None:
            return
        left = (self._plan.deadline_ms - clock.now_ms()) / 1000
        if left > 0:
            self._reactor.after(left, self._keep_deadline)
        else:
            self._result = {"kind": "deadline"}
            self._reactor.stopped = True

    def _explain_memory(self) -> None:
        group = self._sandbox.group
        if self._result.get("code") != 128 + signal.SIGKILL or group is None or not group.out_of_memory():
            return
        text = f"actorium: The step used more than its {self._plan.memory_mbytes} MB of memory.\n"
        with contextlib.suppress(OSError):
            os.write(1, text.encode())


def _tcp() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)


def main(state: Path, result_fd: int) -> int:
    """Read a plan of one line from standard input, run it, write the result."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(0, 65536)
        if not piece:
            return 1
        line += piece
    result = Step(state, plan.decode(bytes(line))).run()
    os.write(result_fd, json.dumps(result).encode())
    return 0
