"""A process inside a container's network and nothing else of it: it makes sockets there and hands them to the shim."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
from typing import NoReturn

from actorium.executors.process.keeper import clock, inside, linux, network
from actorium.executors.process.keeper.plan import Plan


def open_door(pid: int, plan: Plan, channel: socket.socket) -> int:
    """Start it for the network of a process. It speaks as a container's init does (``inside``). Returns its id."""
    child = os.fork()
    if child == 0:
        _become_door(pid, plan, channel)
    return child


def _become_door(pid: int, plan: Plan, channel: socket.socket) -> NoReturn:
    try:
        linux.die_with_parent()
        linux.set_name("actorium-door")
        inside.forget_signals()
        inside.close_others((0, 1, 2, channel.fileno()))
        _enter(pid)
        inside.open_doors(plan, plan.web_port, channel)
        message = channel.recv(4096)
        link = json.loads(message[1:]) if message.startswith(inside.LINK) else None
        if link is not None:
            network.configure(network.Link(**link))
        channel.send(inside.RUNNING + struct.pack(inside.RUNNING_FORMAT, clock.monotonic()))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while request := channel.recv(16):
            if request == inside.SOCKETS:
                inside.send_sockets(channel)
    except OSError as error:
        with contextlib.suppress(OSError):
            channel.send(inside.FAILED + _why(error).encode()[:4000])
        os._exit(1)
    os._exit(0)


def _why(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return (
            f"this user may not enter the container's network ({error}): run Actorium as root, or use an engine of "
            "this user's own, such as rootless Podman"
        )
    return str(error)


def _enter(pid: int) -> None:
    """Who is not root enters the user namespace of an engine of the same user first."""
    if os.geteuid() != 0 and os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user"):  # noqa: PTH115
        _join(pid, "user", linux.CLONE_NEWUSER)
    _join(pid, "net", linux.CLONE_NEWNET)


def _join(pid: int, kind: str, flag: int) -> None:
    fd = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        linux.setns(fd, flag)
    finally:
        os.close(fd)
