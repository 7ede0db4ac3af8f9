"""The first process of a container: it builds the view, starts the program, reaps what is orphaned, and tells the shim.

It stays outside the container's control group, and root outside of user namespaces, so the program can't touch it. When
it ends, for whatever reason, the kernel ends everything in its process namespace.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import select
import signal
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from actorium.executors.process.keeper import clock, forerunner, linux, network, seccomp, skeleton, view, watching
from actorium.executors.process.keeper.plan import Plan
from actorium.kernel.limits import SPARE_ENVIRONMENT_ROOM_BYTES

# The shim and init talk by datagrams of one letter and its argument.
LINK, TERMINATE, SOCKETS = b"L", b"T", b"S"  # shim to init; SOCKETS also back, with descriptors
ADMIT = b"A"  # shim to init of a spare: the run has come, with its link and web port
LISTENERS, RUNNING, FAILED, ENDED = b"I", b"R", b"E", b"X"  # init to shim
PREPARED = b"P"  # init of a spare to shim: everything but the run is there
RUNNING_FORMAT = "=d"  # when the program was started, by the monotonic clock
ENDED_FORMAT = "=i"  # wait status
SPARE_SOCKETS = 4

NOT_FOUND, NOT_EXECUTABLE = 127, 126
CORE_BYTES_MAX = 1  # no file, and no program of the machine's that takes cores: at 0 the kernel starts it all the same
FILES_MAX = 65_536  # open files of one process: browsers and crawlers need thousands


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Descriptors that init gets from the shim."""

    channel: socket.socket
    output: int
    groups: tuple[int, ...]
    """A "0" written into each takes the program into its control group."""
    outer: tuple[int, int]
    """User and group of the server, for the map of a user namespace."""
    waiting: int | None = None
    """Of a spare: where the run's environment comes from."""
    host_network: bool = False
    """The network is the machine's own, which is up and has what doors would lead to."""
    ahead: tuple[int, int] | None = None
    """Of a spare whose program imports ahead: where it says that it waits now, and the archive that makes it so."""

    @property
    def all(self) -> tuple[int, ...]:
        own = (self.channel.fileno(), self.output, *self.groups, *(self.ahead or ()))
        return own if self.waiting is None else (*own, self.waiting)


def become_init(plan: Plan, stage: view.Stage, doors: Doors) -> NoReturn:
    """The whole life of init. Called in the child right after the fork."""
    try:
        linux.die_with_parent()
        linux.set_name("actorium-init")
        linux.hide_arguments()  # every program in the container can read it
        forget_signals()
        close_others((0, 1, 2, *doors.all))
        if not stage.privileged:
            _map_user(plan.uid, doors.outer)
        _prepare(plan, stage, doors)
    except OSError as error:
        doors.channel.send(FAILED + str(error).encode()[:4000])
        os._exit(1)
    linux.drop_bounding_set()
    if doors.waiting is not None and doors.ahead is None:
        plan = _await_run(plan, doors)
    begun = clock.monotonic()
    main = os.fork()
    if main == 0:
        _become_program(plan, stage, doors)
    for fd in doors.all:
        if fd != doors.channel.fileno():
            os.close(fd)
    if doors.ahead is None:
        _give_up()
    if doors.waiting is None:
        _say_running(doors.channel, begun)
    _reap(main, plan, doors.channel)


def _await_run(plan: Plan, doors: Doors) -> Plan:
    """In a sandbox without a program: wait for the run. Returns the plan with its environment."""
    assert doors.waiting is not None
    doors.channel.send(PREPARED)
    request = doors.channel.recv(4096)
    if not request.startswith(ADMIT):
        os._exit(1)
    _admit(plan, doors.channel, json.loads(request[1:]))
    pairs = (pair.partition(b"=") for pair in forerunner.read_whole(doors.waiting).split(b"\0")[:-1])
    return replace(plan, env={os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs})


def _give_up() -> None:
    """From here on init can do nothing but end what runs."""
    linux.keep_capabilities(1 << linux.CAP_KILL)
    linux.set_dumpable(False)


def _say_running(channel: socket.socket, begun: float) -> None:
    channel.send(RUNNING + struct.pack(RUNNING_FORMAT, begun))


def forget_signals() -> None:
    """What the shim does at a signal is not for init, nor for the program between its fork and its start."""
    signal.set_wakeup_fd(-1)
    of_shim = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    for number in (*of_shim, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


def close_others(descriptors: Iterable[int]) -> None:
    """Close every descriptor but these."""
    kept = sorted(descriptors)
    for low, high in zip(kept, [*kept[1:], 1 << 20], strict=True):
        if low + 1 < high:
            os.closerange(low + 1, high)


def _prepare(plan: Plan, stage: view.Stage, doors: Doors) -> None:
    os.umask(0o022)
    socket.sethostname(skeleton.HOSTNAME)
    if not doors.host_network:
        network.loopback_up()
    if doors.waiting is None:
        open_doors(plan, plan.web_port, doors.channel, host_network=doors.host_network)
    view.build(plan, stage)
    if doors.waiting is None:
        message = doors.channel.recv(4096)
        if not message.startswith(LINK):
            raise OSError(errno.EPIPE, "the shim went away")
        _connect(json.loads(message[1:]))
    else:
        linux.set_dumpable(False)  # what it may still do is not for those who wait beside it
    _make_workdir(plan)


def _connect(link: dict[str, str | int] | None) -> None:
    if link is not None:
        network.configure(network.Link(**link))  # type: ignore[arg-type]


def _admit(plan: Plan, channel: socket.socket, told: dict[str, Any]) -> None:
    """What a spare's sandbox gets only now: the ways in and out of it. Then its program may go on."""
    begun = clock.monotonic()
    try:
        open_doors(plan, told["web_port"], channel)
        _connect(told["link"])
    except OSError as error:
        channel.send(FAILED + str(error).encode()[:4000])
        os._exit(1)
    _say_running(channel, begun)


def _map_user(uid: int, outer: tuple[int, int]) -> None:
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {outer[0]} 1"), ("gid_map", f"{uid} {outer[1]} 1")):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123
            file.write(text)


def open_doors(plan: Plan, web_port: int | None, channel: socket.socket, *, host_network: bool = False) -> None:
    """Sockets of this network namespace for the shim: listeners for what it leads out, spares for what it lets in."""
    listeners = []
    for port in (plan.api_port, web_port if web_port != plan.container_port else None):
        if port is None or host_network:
            continue
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(1024)
        listeners.append(listener)
    socket.send_fds(channel, [LISTENERS], [listener.fileno() for listener in listeners])
    if web_port is not None:
        send_sockets(channel)


def send_sockets(channel: socket.socket) -> None:
    """Hand over some sockets of this network namespace."""
    made = [socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) for _ in range(SPARE_SOCKETS)]
    socket.send_fds(channel, [SOCKETS], [one.fileno() for one in made])


def _make_workdir(plan: Plan) -> None:
    """What cannot be made is the image's fault, not this machine's: the program's own start says so."""
    with contextlib.suppress(OSError):
        _make_folders(plan)


def _make_folders(plan: Plan) -> None:
    missing = []
    place = plan.workdir
    while not os.path.isdir(place):  # noqa: PTH112
        missing.append(place)
        place = os.path.dirname(place)  # noqa: PTH120
    for folder in reversed(missing):
        os.mkdir(folder)  # noqa: PTH102
        os.chown(folder, plan.uid, plan.uid)


def _reap(main: int, plan: Plan, channel: socket.socket) -> NoReturn:
    """Wait for the program to end; meanwhile pass on requests and bury orphans."""
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    poll.register(channel, select.POLLIN)
    while True:
        ended = _bury(main)
        if ended is not None:
            channel.send(ENDED + ended)
            channel.recv(16)  # the shim reads the last counters, then ends this process
            os._exit(0)
        for fd, _ in poll.poll():
            if fd == woken:
                os.read(woken, 4096)
            else:
                _obey(channel, plan, main)


def _bury(main: int) -> bytes | None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid == 0:
            return None
        if os.WIFSTOPPED(status):
            linux.stop_tracing(pid, os.WSTOPSIG(status))  # it asked to be traced by its parent, which has no use for it
        elif pid == main:
            return struct.pack(ENDED_FORMAT, status)


def _obey(channel: socket.socket, plan: Plan, main: int) -> None:
    request = channel.recv(4096)
    if not request:
        os._exit(1)  # the shim is gone, and with it all that watched over this container
    if request == TERMINATE:
        with contextlib.suppress(ProcessLookupError):
            os.kill(main, signal.SIGTERM)
    elif request == SOCKETS:
        send_sockets(channel)
    elif request.startswith(ADMIT):
        _admit(plan, channel, json.loads(request[1:]))
        _give_up()


class _NoWorkdir(Exception):
    """Said instead of the command's own absence."""


def _go_to(workdir: str) -> None:
    try:
        os.chdir(workdir)
    except OSError as error:
        raise _NoWorkdir(error.strerror) from error


def _become_program(plan: Plan, stage: view.Stage, doors: Doors) -> NoReturn:
    output = doors.output
    code = NOT_EXECUTABLE
    try:
        linux.set_dumpable(True)  # as after any fork; init of a spare is not
        _enter(plan, stage, doors)
        _go_to(plan.workdir)
        os.execvpe(plan.argv[0], plan.argv, _environment(plan, doors))  # noqa: S606
    except _NoWorkdir as error:
        code, text = NOT_FOUND, f"The working directory {plan.workdir} cannot be entered: {error}."
    except (FileNotFoundError, NotADirectoryError):
        code = NOT_FOUND
        text = f"The command {plan.argv[0]!r} was not found in the container (working directory {plan.workdir})."
    except (OSError, ValueError) as error:
        text = f"The command {plan.argv[0]!r} could not be started: {error}."
    with contextlib.suppress(OSError):
        os.write(output, f"actorium: {text}\n".encode())
    os._exit(code)


def _environment(plan: Plan, doors: Doors) -> dict[str, str]:
    """The program's; that in which an interpreter finds what makes it import ahead and wait, if it is to."""
    if doors.ahead is None or doors.waiting is None:
        return plan.env
    verdict, archive = doors.ahead
    for fd in (doors.waiting, verdict, archive):
        os.set_inheritable(fd, True)
    path = f"/proc/self/fd/{archive}"
    if plan.env.get("PYTHONPATH"):
        path = f"{path}:{plan.env['PYTHONPATH']}"
    room = " " * SPARE_ENVIRONMENT_ROOM_BYTES  # the run's own variables take this one's place
    return {**plan.env, "PYTHONPATH": path, watching.VARIABLE: f"{doors.waiting} {verdict}{room}"}


def _enter(plan: Plan, stage: view.Stage, doors: Doors) -> None:
    """Take on the container's limits and give up every privilege."""
    os.setsid()
    for fd in doors.groups:
        os.write(fd, b"0")
    with contextlib.suppress(OSError):
        linux.unshare(linux.CLONE_NEWCGROUP)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("500")  # a host short of memory ends Actors before the server
    _limit(plan, has_groups=bool(doors.groups), image=stage.image is not None)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(doors.output, 1)
    os.dup2(doors.output, 2)
    linux.no_new_privileges()
    if stage.privileged:
        os.fchown(doors.output, plan.uid, plan.uid)  # its own log, which it may open again as /dev/stdout
        os.setgroups([])
        os.setresgid(plan.uid, plan.uid, plan.uid)
        os.setresuid(plan.uid, plan.uid, plan.uid)
    linux.keep_capabilities(0)
    rules = seccomp.program()
    if rules is not None:
        linux.install_seccomp(rules)


def _limit(plan: Plan, *, has_groups: bool, image: bool) -> None:
    limits = [(resource.RLIMIT_CORE, CORE_BYTES_MAX), (resource.RLIMIT_NOFILE, FILES_MAX)]
    if not has_groups:
        limits.append((resource.RLIMIT_NPROC, plan.pids_max))
    if not image and plan.disk_mbytes is not None:
        limits.append((resource.RLIMIT_FSIZE, plan.disk_mbytes << 20))
    for kind, wanted in limits:
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (value, value))
