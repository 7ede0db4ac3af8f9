"""Run one command of a build in the same sandbox as runs: ``run_step`` for the builder, and a small command line.

    python -m actorium.executors.process.step SPEC.json

The tree below ``StepSpec.upper`` is the layer that the step makes: what the command wrote, as seen from ``/``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from actorium.executors.process.executor import ProcessOptions
from actorium.executors.process.keeper import plan
from actorium.executors.process.spawning import ENVIRONMENT, helper_command
from actorium.executors.trees import delete_tree
from actorium.kernel.errors import BackendUnavailable, TimedOut
from actorium.kernel.instant import Instant

RESULT_BYTES_MAX = 8192
_OUTPUT_BYTES = 65_536


class SandboxUnavailable(BackendUnavailable):
    """The step's sandbox could not be made; `actorium doctor` says what this machine lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A host folder or file shown inside."""

    source: Path
    target: str
    """Absolute path inside."""
    writable: bool = False
    """For a writable folder: it must belong to the owner's uid (``owner_uid``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec:
    """One command, what it sees and how much it may use."""

    name: str
    """Unique among what runs now: [A-Za-z0-9_.-]."""
    argv: tuple[str, ...]
    env: dict[str, str]
    """The whole environment; nothing is added."""
    workdir: str = "/"
    """Made, and given to the owner, where it is missing."""
    layers: tuple[Path, ...] = ()
    """Read-only layers, lowest first, above the host's system folders."""
    upper: Path
    """Where writes go: kept, and the new layer afterwards. Made where missing. It may have been written by an
    earlier step. Its parent folder also gets the work folders ``{upper.name}.*``, which are removed at the end."""
    state: Path | None = None
    """A folder where what steps have in common is kept from one to the next; it saves each about 0.1 s. Any number of
    steps may share it. None: it is made and removed with the step."""
    toolchain: tuple[Path, ...] = ()
    """Host folders seen read-only at their own path."""
    binds: tuple[Bind, ...] = ()
    mounts: tuple[Bind, ...] = ()
    """The same where the layers have a place for it already, the way to it without links."""
    owner_number: int
    uid_base: int | None = None
    """None: the executor's default. The command runs as ``uid_base + owner_number``, never as root."""
    memory_mbytes: int
    cpu_cores: float = 1.0
    pids_max: int = 1024
    network: bool = True
    """Outward network; without it only loopback."""
    door: int | None = None
    """A port of the host's loopback that answers at the same loopback address inside."""
    allow_host_network: bool = False
    """Use the host's own network where a measured one cannot be made."""
    deadline: Instant | None = None


async def run_step(
    spec: StepSpec, on_output: Callable[[bytes], None], on_start: Callable[[int], None] = lambda _: None
) -> int:
    """Run the command to its end and return its exit code; 128 + n when signal n ended it.

    ``on_output`` gets what it writes to stdout and stderr, in order, as pieces of bytes of any length; ``on_start`` the
    number of a process that every process of the step is below, and that is this one's until the end. A command that
    does not exist returns 127 after a line that says so; one that used up its memory returns 137 after such a line.
    Raises ``TimedOut`` when the deadline passed and ``SandboxUnavailable`` when nothing was run. When the task is
    cancelled, or this process dies, every process of the step is killed; a cancelled call returns when none is left.
    """
    state = spec.state or spec.upper.parent / f"{spec.upper.name}.step"
    state.mkdir(parents=True, exist_ok=True)
    heard, reading, output = await _pipe()
    result_end, told = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *helper_command("step", str(state), str(told)),
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(told,),
            env=ENVIRONMENT,
            cwd="/",
        )
    except BaseException as error:  # a cancelled call has no process either: asyncio ends what it has begun
        os.close(result_end)
        reading.close()
        if isinstance(error, OSError):
            raise SandboxUnavailable(f"The step's helper process could not be started: {error}.") from error
        raise
    finally:
        os.close(told)
        os.close(output)
    on_start(process.pid)
    try:
        await _follow(process, heard, _plan(spec), on_output)
        result = os.read(result_end, RESULT_BYTES_MAX)
    finally:
        os.close(result_end)
        await _end(process, heard)
        reading.close()
        if spec.state is None:
            delete_tree(state)
    return _verdict(json.loads(result) if result else {})


async def _pipe() -> tuple[asyncio.StreamReader, asyncio.ReadTransport, int]:
    """What reads a step's output, and the descriptor to write it to. Some event loops (uvloop) would give the step a
    socket, and nobody can open a socket by the name of /dev/stdout."""
    end, output = os.pipe()
    heard = asyncio.StreamReader()
    file = os.fdopen(end, "rb", buffering=0)
    try:
        connecting = asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(heard), file)
        reading, _ = await connecting
    except BaseException:
        os.close(output)
        file.close()
        raise
    return heard, reading, output


async def _follow(
    process: Process, heard: asyncio.StreamReader, told: plan.Plan, on_output: Callable[[bytes], None]
) -> None:
    """Hand over the plan, pass on the output until its end."""
    assert process.stdin is not None
    process.stdin.write(plan.encode(told) + b"\n")
    while data := await heard.read(_OUTPUT_BYTES):
        on_output(data)
    await process.wait()


async def _end(process: Process, heard: asyncio.StreamReader) -> None:
    """The helper ends everything of the step when its standard input closes; wait for that, also when cancelled."""
    assert process.stdin is not None
    process.stdin.close()
    if process.returncode is not None:
        return
    waiting = asyncio.ensure_future(_drained(process, heard))
    while not waiting.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(waiting)


async def _drained(process: Process, heard: asyncio.StreamReader) -> None:
    while await heard.read(_OUTPUT_BYTES):
        pass
    await process.wait()


def _plan(spec: StepSpec) -> plan.Plan:
    options = ProcessOptions()
    return plan.Plan(
        name=spec.name,
        argv=spec.argv,
        env=spec.env,
        workdir=spec.workdir,
        layers=tuple(str(layer) for layer in spec.layers),
        toolchain=tuple(str(folder) for folder in spec.toolchain),
        uid=owner_uid(spec.owner_number, uid_base=spec.uid_base),
        memory_mbytes=spec.memory_mbytes,
        cpu_cores=spec.cpu_cores,
        pids_max=spec.pids_max,
        deadline_ms=int(spec.deadline) if spec.deadline is not None else None,
        network=spec.network,
        api_port=spec.door,
        host_network=spec.allow_host_network,
        network_range=options.network_range,
        upper=str(spec.upper),
        binds=tuple((str(bind.source), bind.target, bind.writable) for bind in spec.binds),
        mounts=tuple((str(bind.source), bind.target, bind.writable) for bind in spec.mounts),
    )


def owner_uid(owner_number: int, *, uid_base: int | None = None) -> int:
    """The uid that an owner's runs and builds have on the host."""
    return (ProcessOptions().uid_base if uid_base is None else uid_base) + owner_number


def _verdict(result: dict[str, Any]) -> int:
    kind = result.get("kind")
    if kind == "ended":
        return int(result["code"])
    if kind == "deadline":
        raise TimedOut("The step took longer than its build may take.")
    raise SandboxUnavailable(result.get("message", "The step's helper process ended without a word."))


async def _main(path: str) -> int:
    """Run the step that a JSON file describes, its output to standard output."""
    spec = msgspec.json.decode(Path(path).read_bytes(), type=StepSpec, dec_hook=_decode)

    def write(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    return await run_step(spec, write)


def _decode(kind: type, value: Any) -> Any:
    if kind is Instant:
        return Instant(value) if isinstance(value, int) else Instant.parse(value)
    return kind(value)


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(sys.argv[1])))
