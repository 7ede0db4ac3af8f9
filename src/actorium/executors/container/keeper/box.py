"""One container of an engine in the place of a sandbox: made, given its network, let go, ended and removed."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from actorium.executors.container.keeper.api import Api, EngineError
from actorium.executors.container.keeper.counters import Counters
from actorium.executors.container.keeper.door import open_door
from actorium.executors.process.keeper import clock, inside, network, plan
from actorium.executors.process.keeper.sandbox import START_SECS_MAX, Sandbox, SandboxFailed
from actorium.executors.process.keeper.unnamed import Hidden, unnamed
from actorium.executors.trees import blocks_below

RESOLV_CONF = "resolv.conf"
# The program waits for its network; its two outputs are one, so that lines stay in the order they were written in.
GATE = ("/bin/sh", "-c", 'read -r actorium_gate && exec "$@" </dev/null 2>&1', "sh")
_SETTLE_SECS_MAX = 30.0
_KILL_TRY_SECS = 0.5
_PAUSE_SECS = 0.02
_NOTICED_SECS_MAX = 5.0
"""How late an engine may notice that a container has ended."""


class Box(Sandbox):
    """The shim's view of a container that an engine keeps."""

    def __init__(self, told: plan.Plan, state: Path, folder: Path) -> None:
        super().__init__(told, state, folder)
        self.group = self.counters = Counters()
        self.limited_disk = False
        self.stream: socket.socket | None = None
        self.early = b""
        self.pidfd = -1
        """Readable once the container's first process, and so everything in it, has ended."""
        self._engine = cast("dict[str, Any]", told.engine)
        self._api = Api(self._engine["socket"])
        self._id = ""
        self._door = 0
        self._upper: Path | None = None
        self._hidden: Hidden | None = None
        self._engines: list[Path] = []
        """Files of the engine's own that it shows the container, which root in it may write."""
        self._volumes: list[Path] = []
        """What the image declares as such: the engine keeps them beside the container's own layer."""

    def start(self, output: int) -> None:  # noqa: ARG002 - the engine has the output
        """Run the program. Raises SandboxFailed; then ``kill`` and ``remove`` clean up."""
        try:
            outward, _ = self._choose_network()
            gated = self._create(outward=outward)
            self.stream, self.early = self._api.attach(self._id)
            self._api.call("POST", f"/containers/{self._id}/start")
            try:
                self._meet(outward=outward)
            except OSError:
                if gated or not self._was_quick():
                    raise
            self.begun = clock.monotonic()
            self.before = self.counters.usage()  # the engine's own beginnings of it
            if gated:
                self.stream.sendall(b"\n")
            self.stream.setblocking(False)
        except EngineError as error:
            raise SandboxFailed(f"The container could not be started: {error}.") from error
        except OSError as error:
            raise SandboxFailed(f"The container could not be made: {error}.") from error

    def _create(self, *, outward: bool) -> bool:
        """Make the container. True: its program waits until it is told to go, as the image has a shell to do that."""
        self._write_resolv_conf(outward=outward)
        body = dict(self._engine["create"])
        name = self._engine["name"]
        self._id = self._made(name, body, (*GATE, *self.plan.argv))
        if self._has_shell():
            return True
        self._api.call("DELETE", f"/containers/{self._id}?force=true&v=true")
        self._id = self._made(name, body, self.plan.argv)
        return False

    def _made(self, name: str, body: dict[str, Any], entrypoint: tuple[str, ...]) -> str:
        told = body | {"Entrypoint": list(entrypoint)}
        return str(self._api.call("POST", f"/containers/create?name={name}", told)["Id"])

    def _has_shell(self) -> bool:
        try:
            self._api.call("HEAD", f"/containers/{self._id}/archive?path={GATE[0]}")
        except EngineError as error:
            if error.status != 404:
                raise
            return False
        return True

    def _write_resolv_conf(self, *, outward: bool) -> None:
        """The engine binds this file into the container: without a network of its own it would not write one."""
        text = network.resolv_conf() if self.privileged else network.SLIRP_NAMESERVER
        target = self._folder / RESOLV_CONF
        target.write_text(text if outward else "")
        target.chmod(0o644)

    def _meet(self, *, outward: bool) -> None:
        """Find the container's first process, and give it its network and its doors."""
        seen = self._api.call("GET", f"/containers/{self._id}/json")
        self.pid = int(seen["State"]["Pid"])
        if self.pid <= 0:
            raise OSError(f"it ended before its program was started: {seen['State'].get('Error') or 'no reason given'}")
        self.pidfd = os.pidfd_open(self.pid)
        data = (seen.get("GraphDriver") or {}).get("Data") or {}
        if upper := data.get("UpperDir"):
            self._upper = Path(upper)
            with contextlib.suppress(OSError):  # not for this user to see
                self._hidden = Hidden(self._upper)
        self._engines = [Path(seen[name]) for name in ("HostsPath", "HostnamePath") if seen.get(name)]
        self._engines += [path.with_name(".containerenv") for path in self._engines[-1:]]  # Podman's
        self._volumes = [Path(one["Source"]) for one in seen.get("Mounts") or () if one.get("Type") == "volume"]
        self.counters.follow(self.pid)
        self._door = open_door(self.pid, self.plan, self._inner)
        self._inner.close()
        link = self._connect() if outward else None
        self.channel.settimeout(START_SECS_MAX)
        self.channel.send(inside.LINK + json.dumps(asdict(link) if link else None).encode())
        self._await_running()

    def _was_quick(self) -> bool:
        """Whether a program that nothing held was done before it was met: then its end is all that is left to see."""
        until = clock.monotonic() + _NOTICED_SECS_MAX
        while (state := self._api.call("GET", f"/containers/{self._id}/json")["State"])["Running"]:
            if clock.monotonic() >= until:
                return False
            clock.pause(_PAUSE_SECS)  # it is gone, and the engine has not noticed yet
        if state.get("Error"):
            return False
        self.channel.close()  # what the door says now is no word about the program
        self._inner.close()
        self.channel, self._inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if self.pidfd < 0:
            self.pidfd = os.eventfd(1, os.EFD_CLOEXEC)  # readable, as that of a process which has ended is
        return True

    def attach_again(self) -> None:
        """The stream broke off and the container goes on. Raises EngineError or OSError."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None
        self.stream, self.early = self._api.attach(self._id)
        self.stream.setblocking(False)

    def settled(self) -> dict[str, Any] | None:
        """What the engine says of the end; None: it has no such container any more, or does not answer in time."""
        until = clock.monotonic() + _SETTLE_SECS_MAX
        while clock.monotonic() < until:
            try:
                state: dict[str, Any] = self._api.call("GET", f"/containers/{self._id}/json")["State"]
            except EngineError as error:
                if error.status == 404:
                    return None
            else:
                if not state["Running"]:
                    return state
            clock.pause(_PAUSE_SECS)
        return None

    def written_bytes(self) -> int | None:
        """What it wrote over its image, into volumes and into files without a name; None: not known now."""
        most = (self.plan.disk_mbytes or 0) << 20
        held = self._hidden.bytes_below(self.pid, most) if self._hidden is not None else unnamed(self.pid).disk_bytes
        beside = sum(map(blocks_below, self._volumes)) + sum(map(_blocks, self._engines)) + held
        if self._upper is not None and os.access(self._upper, os.R_OK | os.X_OK):
            return blocks_below(self._upper) + beside
        with contextlib.suppress(EngineError):
            seen = self._api.call("GET", f"/containers/{self._id}/json?size=true")
            return int(seen.get("SizeRw") or 0) + beside
        return None

    def terminate(self) -> None:
        """Ask the program to leave."""
        with contextlib.suppress(EngineError):
            self._api.call("POST", f"/containers/{self._id}/kill?signal=SIGTERM")

    def kill(self) -> None:
        """End everything in it; returns when nothing is left."""
        if self.pidfd < 0:
            self._end_unmet()
        else:
            ended = select.poll()
            ended.register(self.pidfd, select.POLLIN)
            while not ended.poll(0):
                # Root needs no engine for this: with its first process everything in the container ends.
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
                if not ended.poll(_KILL_TRY_SECS * 1000):
                    with contextlib.suppress(EngineError):
                        self._api.call("POST", f"/containers/{self._id}/kill?signal=SIGKILL")
        if self._door:
            os.kill(self._door, signal.SIGKILL)  # its own child, not waited for: the number can't be another's
            os.waitpid(self._door, 0)
            self._door = 0
        self.pid = 0
        if self._slirp is not None:
            self._slirp.kill()
            self._slirp.wait()

    def _end_unmet(self) -> None:
        """It was made, perhaps started, and something went wrong before its process was known."""
        until = clock.monotonic() + _SETTLE_SECS_MAX
        while self._id and clock.monotonic() < until:
            try:
                self._api.call("DELETE", f"/containers/{self._id}?force=true&v=true")
            except EngineError as error:
                if error.status == 404:
                    return
                clock.pause(_PAUSE_SECS)
            else:
                return

    def remove(self) -> None:
        """Take away what the engine still holds for it; one that does not answer is asked again by the server."""
        super().remove()
        if self._id:
            with contextlib.suppress(EngineError):
                self._api.call("DELETE", f"/containers/{self._id}?force=true&v=true")
        if self.stream is not None:
            self.stream.close()


def _blocks(file: Path) -> int:
    with contextlib.suppress(OSError):  # not there, or not for this user to see
        return file.stat().st_blocks * 512
    return 0
