"""One container's keeper: starts it, reads its output, keeps its deadline, measures it, writes down how it ended."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from actorium.executors.process.keeper import clock, inside, linux, lock, plan
from actorium.executors.process.keeper.forwarder import Forwarder
from actorium.executors.process.keeper.logfile import LogFile
from actorium.executors.process.keeper.measure import Meter
from actorium.executors.process.keeper.prepared import Prepared
from actorium.executors.process.keeper.reactor import READ, Reactor
from actorium.executors.process.keeper.sandbox import Sandbox, SandboxFailed
from actorium.executors.process.keeper.unnamed import Hidden
from actorium.executors.trees import blocks_below
from actorium.kernel.limits import GRACEFUL_ABORT_SECS, STATS_PERIOD_SECS, TIMING_OUT_SECS

STOP, KILL, SPARE = signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2
"""What the server sends a shim; to the holder of the lock only."""
STARTED, FOUND = b"started", b"found"  # what a shim answers to the one who asked for the start
_FIRST_SAMPLES_SECS = (0.005, 0.02, 0.1, 0.3)  # short runs are measured too
_LOOK_SECS_MIN = 0.02
_LOOKS = 8  # the next look at memory is after one part of so many of a run's age, until samples come as often
_READ_BYTES = 262_144
_HINT_GAP_SECS = 0.05
_HINT_SECS_MAX = 1.0
_DEADLINE_CHECK_SECS = 3600.0  # clocks may be set; a wait longer than this is cut
_PIPE_BYTES = 262_144
_DISK_FULL_BYTES = 1 << 20  # the file system keeps the last blocks for itself: writing fails before none is left


class Hints:
    """Tells a server that is there what changed. Nobody waits for it and nothing depends on it."""

    def __init__(self, state: Path, name: str, reactor: Reactor) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        folder = os.open(state, os.O_PATH | os.O_CLOEXEC)
        self._address = f"/proc/self/fd/{folder}/{plan.HINTS_SOCKET}"  # short, whatever the folder's own path
        self._name, self._reactor = name, reactor
        self._quiet = False
        self._again = False

    def state(self) -> None:
        """The phase changed; waits a moment when the server has much to read."""
        self._socket.settimeout(_HINT_SECS_MAX)
        self._send("state")

    def log(self) -> None:
        """There is more log: said at once, then at most every _HINT_GAP_SECS."""
        if self._quiet:
            self._again = True
            return
        self._quiet = True
        self._socket.setblocking(False)
        self._send("log")
        self._reactor.after(_HINT_GAP_SECS, self._speak)

    def _speak(self) -> None:
        self._quiet = False
        if self._again:
            self._again = False
            self.log()

    def _send(self, kind: str) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendto(f"{kind} {self._name}".encode(), self._address)


class Shim:
    """From a plan to an exit file."""

    def __init__(
        self,
        state: Path,
        told: plan.Plan,
        woken: int,
        prepared: Prepared | None,
        make: Callable[..., Sandbox] = Sandbox,
    ) -> None:
        """``woken`` has a byte for each signal that came; ``make`` makes what it keeps, unless that was made ahead."""
        self._plan = told
        self._prepared = prepared
        self._folder = state / plan.CONTAINERS / told.name
        self._reactor = Reactor()
        self._hints = Hints(state, told.name, self._reactor)
        if prepared is None:
            self._sandbox = make(told, state, self._folder)
        else:
            self._sandbox = prepared.sandbox
            (self._folder / plan.GROUP).write_text(prepared.group)  # before anything can end without it
        self._meter = Meter(str(self._folder / plan.STATE), self._sandbox.group, told.memory_mbytes << 20)
        self._log = LogFile(str(self._folder / plan.LOG), told.log_bytes_max)
        self._hidden = Hidden(self._folder)
        self._output = -1
        self._cause = "exited"
        self._message: str | None = None
        self._exit_code: int | None = None
        self._signal: int | None = None
        self._ending = False
        self._is_asked = False
        self._spared = False
        self._disk_full = False
        self._deadline_ms = told.deadline_ms
        self._reactor.watch(woken, READ, lambda _: self._signalled(os.read(woken, 64)))

    def run(self, reply: socket.socket | None) -> None:
        """The container's whole life."""
        try:
            if self._prepared is None:
                self._start()
            else:
                self._take_over(self._prepared)
        except SandboxFailed as error:
            self._cause, self._message = "not-started", str(error)
            self._log.note(str(error))
        if self._message is None:
            self._meter.started(self._sandbox.begun, self._sandbox.before)
            if self._deadline_ms is None and self._plan.timeout_ms is not None:
                self._deadline_ms = self._meter.state.started_ms + self._plan.timeout_ms
            answer(reply, STARTED)
            self._hints.state()
            self._attend()
            self._reactor.run()
        self._end()
        answer(reply, STARTED)

    def _start(self) -> None:
        self._output, inner = output_pipe()
        try:
            self._sandbox.start(inner)
        finally:
            os.close(inner)

    def _take_over(self, prepared: Prepared) -> None:
        """Let the program that waits become this run's."""
        self._output = prepared.output
        self._sandbox.admit(self._plan, self._folder)
        prepared.release(self._plan.env)

    # While it runs

    def _attend(self) -> None:
        for note in self._sandbox.notes:
            self._log.note(note)
        os.set_blocking(self._output, False)
        self._reactor.watch(self._output, READ, lambda _: self._read_output())
        self._reactor.watch(self._sandbox.channel.fileno(), READ, lambda _: self._heard())
        self._keep_deadline()
        for secs in _FIRST_SAMPLES_SECS:
            self._reactor.after(secs, self._meter.sample)
        self._reactor.after(_LOOK_SECS_MIN, self._look)
        self._reactor.after(STATS_PERIOD_SECS, self._measure)
        self._meter.interface = self._sandbox.interface
        self._forward()

    def _forward(self) -> None:
        told, listeners = self._plan, list(self._sandbox.listeners)
        if told.api_port is not None and listeners:
            self._meter.forwards = True
            api = ("127.0.0.1", told.api_port)
            most = told.api_connections_max
            Forwarder(self._reactor, listeners.pop(0), api, make=_tcp, meter=self._meter.api, connections_max=most)
        if told.web_port is None or told.container_port is None:
            return
        web = ("127.0.0.1", told.container_port)
        outside = _tcp()
        outside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            outside.bind(("127.0.0.1", told.web_port))
            outside.listen(128)
        except OSError as error:
            self._log.note(f"The web server's port {told.web_port} can't be opened on this machine: {error}.")
            outside.close()
        else:
            Forwarder(self._reactor, outside, web, make=self._socket_inside, hold_secs=0, meter=self._meter.web)
        for listener in listeners:  # from inside, the container has the same address for itself: no traffic
            Forwarder(self._reactor, listener, web, make=self._socket_inside, hold_secs=0)

    def _socket_inside(self) -> socket.socket | None:
        if not self._sandbox.spare:
            self._sandbox.more_sockets()
            while not self._sandbox.spare:
                message = self._sandbox.receive()
                if message != inside.SOCKETS:
                    self._told(message)
                    return None
        return self._sandbox.spare.pop()

    def _read_output(self) -> None:
        try:
            data = os.read(self._output, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._reactor.forget(self._output)  # closed by everything inside; the program may go on
            return
        self._log.feed(data)
        self._hints.log()

    def _heard(self) -> None:
        self._told(self._sandbox.receive())

    def _told(self, message: bytes) -> None:
        if message.startswith(inside.ENDED):
            self._exited(*struct.unpack(inside.ENDED_FORMAT, message[1:]))
        elif not message:
            self._reactor.stopped = True  # init was killed

    def _exited(self, status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            self._exit_code = code
        else:
            self._signal = -code
        if self._sandbox.limited_disk:
            self._watch_disk()  # a full disk may be why it ended
        self._meter.last()
        self._reactor.stopped = True

    def _signalled(self, numbers: bytes) -> None:
        if KILL in numbers:
            self._kill("killed")
            return
        if SPARE in numbers and not self._spared:
            self._spared = True
            self._reactor.after(GRACEFUL_ABORT_SECS, lambda: self._kill("killed"))
        if STOP in numbers:
            self._cause = "killed" if self._cause == "exited" else self._cause
            self._ask_to_end()

    def _ask_to_end(self) -> None:
        """Once: deadline and server both ask, and to many programs a second SIGTERM means to leave all as it is."""
        if not self._is_asked:
            self._is_asked = True
            self._sandbox.terminate()

    def _kill(self, cause: str) -> None:
        if self._reactor.stopped:
            return
        self._cause = cause if self._cause == "exited" else self._cause
        self._meter.sample()  # it still has its memory
        self._reactor.stopped = True

    def _keep_deadline(self) -> None:
        if self._deadline_ms is None or self._spared:
            return
        left = (self._deadline_ms - clock.now_ms()) / 1000
        if left > 0:
            self._reactor.after(min(left, _DEADLINE_CHECK_SECS), self._keep_deadline)
        elif not self._ending:
            self._ending = True
            self._cause = "deadline"
            self._ask_to_end()
            self._reactor.after(TIMING_OUT_SECS, self._overdue)

    def _overdue(self) -> None:
        if not self._spared:
            self._kill("deadline")

    def _look(self) -> None:
        """What comes and goes fast is seen in the life of young runs; it costs too much for the life of all others."""
        self._meter.look()
        pause = max(_LOOK_SECS_MIN, (clock.monotonic() - self._sandbox.begun) / _LOOKS)
        if pause < STATS_PERIOD_SECS:
            self._reactor.after(pause, self._look)

    def _measure(self) -> None:
        self._meter.sample()
        if not self._folder.exists():
            self._kill("killed")  # the state folder was deleted: nobody else can end this container any more
            return
        self._watch_disk()
        self._reactor.after(STATS_PERIOD_SECS, self._measure)

    def _watch_disk(self) -> None:
        if self._plan.disk_mbytes is None or self._disk_full:
            return
        if self._sandbox.limited_disk:
            with contextlib.suppress(OSError):
                left = os.statvfs(f"/proc/{self._sandbox.pid}/root/")
                self._disk_full = left.f_bavail * left.f_frsize < _DISK_FULL_BYTES or left.f_favail == 0
            if self._disk_full:
                self._log.note(f"The container's disk of {self._plan.disk_mbytes} MB is full: writing fails.")
            return
        most = self._plan.disk_mbytes << 20
        if blocks_below(self._folder / plan.DISK) + self._hidden.bytes_below(self._sandbox.pid, most) > most:
            self._log.note(f"More than the {self._plan.disk_mbytes} MB of disk were written: the container is ended.")
            self._kill("out-of-disk")

    # When it ends

    def _end(self) -> None:
        self._sandbox.kill()
        self._drain()
        group = self._sandbox.group
        out_of_memory = 0
        with contextlib.suppress(OSError):
            out_of_memory = group.out_of_memory() if group is not None else 0
        if self._cause == "exited" and self._signal == signal.SIGKILL and out_of_memory:
            self._cause = "out-of-memory"
            self._message = f"The container used more than its {self._plan.memory_mbytes} MB of memory."
            self._log.note(self._message)
        if self._signal is not None and self._message is None:
            self._message = f"Ended by signal {self._signal} ({signal.Signals(self._signal).name})."
        self._log.close()
        try:
            write_exit(self._folder, self._cause, message=self._message, exit_code=self._exit_code)
            self._hints.state()
        finally:  # also when the folder is gone or its disk is full
            self._sandbox.remove()

    def _drain(self) -> None:
        """Every writer is dead: what is left in the pipe is the end of it."""
        if self._output < 0:
            return
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._output, _READ_BYTES):
                self._log.feed(data)


def keep(
    state: Path,
    name: str,
    reply: socket.socket | None,
    prepared: Prepared | None = None,
    kind: Callable[[Path, plan.Plan, int, Prepared | None], Shim] = Shim,
) -> None:
    """Take a container on, unless another shim has or had it; with a sandbox made for it now, or made ahead."""
    linux.set_name(f"shim {name}")
    folder = state / plan.CONTAINERS / name
    woken = _take_signals()  # before the lock, which is what makes others send them
    try:
        held = lock.take(folder / plan.LOCK)
        if held is None or (folder / plan.STATE).exists():
            answer(reply, FOUND)
            return
        told = plan.decode((folder / plan.PLAN).read_bytes())
    except FileNotFoundError:
        answer(reply, FOUND)  # removed meanwhile
        return
    except (ValueError, KeyError, TypeError) as error:
        message = f"what was written about it is damaged, as after a loss of power ({error}). Start the run again"
        write_exit(folder, "not-started", message=message, exit_code=None)
        answer(reply, STARTED)
        return
    kind(state, told, woken, prepared).run(reply)


def output_pipe() -> tuple[int, int]:
    """Where a program's output is read, and where it writes."""
    output, inner = os.pipe2(os.O_CLOEXEC)
    with contextlib.suppress(OSError):
        fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return output, inner


def _take_signals() -> int:
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (STOP, KILL, SPARE):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return woken


def write_exit(folder: Path, cause: str, *, message: str | None, exit_code: int | None) -> None:
    """How a container ended, whole or not at all."""
    found = {"exit_code": exit_code, "cause": cause, "message": message, "finished_ms": clock.now_ms()}
    scratch = folder / f".{plan.EXIT}"
    fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    os.write(fd, json.dumps(found).encode())
    os.fsync(fd)
    os.close(fd)
    scratch.replace(folder / plan.EXIT)


def answer(reply: socket.socket | None, word: bytes) -> None:
    """Tell who asked, if still there. Only the first answer is heard."""
    if reply is not None and reply.fileno() >= 0:
        with contextlib.suppress(OSError):
            reply.send(word)
        reply.close()


def _tcp() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
