"""Start one sandbox: its control group, network and init. Runs in the shim, outside of all of them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from ipaddress import IPv4Network
from pathlib import Path

from actorium.executors.process.keeper import cgroups, disk, inside, linux, network, plan, skeleton, view
from actorium.executors.trees import delete_tree

START_SECS_MAX = 30.0
_LAST_WORD_SECS = 1.0
_NAMESPACES = linux.CLONE_NEWPID | linux.CLONE_NEWNS | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS
MESSAGE_BYTES_MAX = 4096


class SandboxFailed(Exception):
    """The sandbox could not be made."""


class Sandbox:
    """One container's sandbox from its start to the last trace."""

    def __init__(self, told: plan.Plan, state: Path, folder: Path) -> None:
        self.plan = told
        self.pid = 0
        self.begun = 0.0
        """When the program was started, by the monotonic clock."""
        self.before = cgroups.Usage()
        """What its control group had used until then."""
        self.listeners: list[socket.socket] = []
        self.spare: list[socket.socket] = []
        self.interface: str | None = None
        self.notes: list[str] = []
        """What this host could not give, for the container's log."""
        self.waiting_mbytes = told.memory_mbytes
        """What its control group may use until a run takes it over; the view is the run's from the beginning."""
        self._state = state
        self._folder = folder
        self._slirp: subprocess.Popen[bytes] | None = None
        self._unconnected = False
        self._link: network.Link | None = None
        self.group: cgroups.Group | None = cgroups.group(group_name(state, told.name))
        self.channel, self._inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.privileged = os.geteuid() == 0
        self.limited_disk = told.upper is None and told.disk_mbytes is not None and disk.possible()

    def start(self, output: int) -> None:
        """Run the program, its output into the given descriptor. Raises SandboxFailed; then ``end`` cleans up."""
        with _told():
            outward, host = self._choose_network()
            self._fork(output, host_network=host)
            try:
                link = self._connect() if outward else None
                self.channel.settimeout(START_SECS_MAX)
                self.channel.send(inside.LINK + json.dumps(asdict(link) if link else None).encode())
            except OSError:
                self.channel.settimeout(_LAST_WORD_SECS)
                with contextlib.suppress(TimeoutError):
                    self._await_running()  # if init ended meanwhile, it has said why
                raise
            self._await_running()

    def prepare(self, output: int, waiting: int, ahead: tuple[int, int] | None) -> None:
        """Everything but the ways in and out and the program, unless it imports ahead. Raises SandboxFailed."""
        with _told():
            outward, host = self._choose_network()
            if host:
                raise OSError("only the host's own network could be used, and imports ahead of a run get none")
            self._fork(output, host_network=False, waiting=waiting, ahead=ahead)
            self._unconnected = outward
            if self.privileged or ahead is None:  # init alone can bring up an interface, slirp4netns does at once
                self._late_link()

    def limit_waiting(self, memory_bytes: int) -> None:
        """Lower what its group may use until a run takes it over. Raises OSError."""
        self.waiting_mbytes = min(self.waiting_mbytes, (memory_bytes >> 20) + 1)
        for fd in self._make_group():
            os.close(fd)

    def admit(self, told: plan.Plan, folder: Path) -> None:
        """A run takes over what was prepared: its limits, its folder, its network. Raises SandboxFailed."""
        with _told():
            if (self._folder / plan.DISK).exists():
                (self._folder / plan.DISK).rename(folder / plan.DISK)
            shutil.rmtree(self._folder)  # from here on everything of it is the container's
            self.plan, self._folder = told, folder
            self.waiting_mbytes = told.memory_mbytes
            for fd in self._make_group():
                os.close(fd)
            link = self._late_link()
            admission = {"web_port": told.web_port, "link": asdict(link) if link else None}
            self.channel.settimeout(START_SECS_MAX)
            self.channel.send(inside.ADMIT + json.dumps(admission).encode())
            self._await_running()
            if self.group is not None:
                self.before = self.group.usage()

    def _late_link(self) -> network.Link | None:
        """Connect the sandbox, once."""
        if self._unconnected:
            self._unconnected = False
            self._link = self._connect()
        return self._link

    def _fork(
        self, output: int, *, host_network: bool, waiting: int | None = None, ahead: tuple[int, int] | None = None
    ) -> None:
        groups = self._make_group()
        stage = self._stage()
        outer = (os.getuid(), os.getgid())
        doors = inside.Doors(
            channel=self._inner, output=output, groups=groups, outer=outer, waiting=waiting, ahead=ahead,
            host_network=host_network,
        )  # fmt: skip
        own_user = 0 if self.privileged else linux.CLONE_NEWUSER
        self.pid = linux.fork_into(_NAMESPACES | own_user | (0 if host_network else linux.CLONE_NEWNET))
        if self.pid == 0:
            inside.become_init(self.plan, stage, doors)
        self._inner.close()
        for fd in groups:
            os.close(fd)

    def _make_group(self) -> tuple[int, ...]:
        if self.group is None:
            return ()
        self.group.create(
            memory_bytes=self.waiting_mbytes << 20,
            cpu_cores=self.plan.cpu_cores,
            cpu_weight=self.plan.cpu_weight,
            pids_max=self.plan.pids_max,
        )
        return tuple(self.group.entries())

    def _stage(self) -> view.Stage:
        mount = self._state / plan.VIEW / "root"
        disk_mount = self._state / plan.VIEW / "disk"
        for folder in (mount, disk_mount):
            folder.mkdir(parents=True, exist_ok=True)
        image = None
        if self.plan.upper is not None:
            upper = Path(self.plan.upper)
            upper.mkdir(parents=True, exist_ok=True)
            work = upper.with_name(f"{upper.name}.work")
            _unsettle(upper, work)
        elif self.limited_disk and self.plan.disk_mbytes is not None:
            image = self._folder / plan.DISK
            disk.make(image, self.plan.disk_mbytes, self._state / plan.TEMPLATES)
            upper, work = disk_mount / "upper", disk_mount / "work"
        else:
            (self._folder / plan.DISK).mkdir(exist_ok=True)
            upper, work = self._folder / plan.DISK / "upper", self._folder / plan.DISK / "work"
        slirp = network.SLIRP_NAMESERVER if not self.privileged and self.plan.network else None
        lowest = skeleton.ensure(
            self._state / plan.SKELETONS,
            uid=self.plan.uid,
            mountpoints=view.mountpoints(self.plan),
            resolv_conf=slirp,
        )
        return view.Stage(
            mount=mount,
            disk_mount=disk_mount,
            skeleton=lowest,
            upper=upper,
            work=work,
            image=image,
            privileged=self.privileged,
        )

    def _choose_network(self) -> tuple[bool, bool]:
        """Whether to make an outward connection, and whether to use the host's network instead."""
        if not self.plan.network:
            return False, False
        try:
            if self.privileged:
                network.ensure_rules(IPv4Network(self.plan.network_range))
            elif network.slirp() is None:
                raise FileNotFoundError("slirp4netns is not installed")
        except OSError as error:
            if self.plan.host_network:
                return False, True
            self.notes.append(f"No network: {error}. `actorium doctor` says what is missing.")
            return False, False
        return True, False

    def _connect(self) -> network.Link | None:
        program = network.slirp()
        if not self.privileged and program is not None:
            self._slirp = network.start_slirp(program, self.pid)
            return None
        link = network.connect(self.pid, IPv4Network(self.plan.network_range), self.pid)
        self.interface = link.interface
        return link

    def _await_running(self) -> None:
        while True:
            message = self.receive()
            if message.startswith(inside.RUNNING):
                self.begun = struct.unpack(inside.RUNNING_FORMAT, message[1:])[0]
                return
            if message.startswith(inside.FAILED):
                raise OSError(message[1:].decode("utf-8", "replace"))
            if not message:
                raise OSError("its first process ended before the program was started")

    def receive(self) -> bytes:
        """The next word of init; sockets it hands over are kept. Empty when init is gone."""
        try:
            message, received, _, _ = socket.recv_fds(self.channel, MESSAGE_BYTES_MAX, 16)
        except ConnectionError:
            return b""
        sockets = [socket.socket(fileno=fd) for fd in received]
        if message == inside.LISTENERS:
            self.listeners = sockets
        elif message == inside.SOCKETS:
            self.spare += sockets
        return message

    def terminate(self) -> None:
        """Ask the program to leave."""
        with contextlib.suppress(OSError):
            self.channel.send(inside.TERMINATE)

    def more_sockets(self) -> None:
        """Ask for more sockets of the container's network."""
        with contextlib.suppress(OSError):
            self.channel.send(inside.SOCKETS)

    def kill(self) -> None:
        """End everything in it; returns when nothing is left."""
        if self.pid > 0:
            os.kill(self.pid, signal.SIGKILL)  # its own child, not waited for: the number can't be another's
            os.waitpid(self.pid, 0)
            self.pid = 0
        if self._slirp is not None:
            self._slirp.kill()
            self._slirp.wait()

    def remove(self) -> None:
        """Take away what the machine still holds for it."""
        self.channel.close()
        self._inner.close()
        for one in (*self.listeners, *self.spare):
            one.close()
        if self.group is not None:
            self.group.remove()
        image = self._folder / plan.DISK
        if self.limited_disk:
            image.unlink(missing_ok=True)
        if self.plan.upper is not None:
            _settle(Path(self.plan.upper))


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What can't be done, in words for people."""
    try:
        yield
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxFailed(f"The sandbox could not be made: {error}.") from error


def group_name(state: Path, name: str) -> str:
    return f"{plan.installation(state)}.{name}"


def _unsettle(upper: Path, work: Path) -> None:
    """Before a step: what an earlier one wrote below /usr goes where the overlay of /usr wants it."""
    work.mkdir(exist_ok=True)
    if (upper / "usr").is_dir():
        (upper / "usr").rename(work / "usr")


def _settle(upper: Path) -> None:
    """After a step: what was written below /usr becomes part of the layer."""
    work = upper.with_name(f"{upper.name}.work")
    written = work / "usr"
    if written.is_dir() and any(written.iterdir()):
        with contextlib.suppress(FileNotFoundError):
            (upper / "usr").rmdir()
        written.rename(upper / "usr")
    delete_tree(work)
