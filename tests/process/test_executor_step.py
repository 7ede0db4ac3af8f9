"""Steps of a build: what they may see, write and use, and that they end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actorium.executors.process.step import Bind, SandboxUnavailable, StepSpec, owner_uid, run_step
from actorium.kernel.clock import SystemClock
from actorium.kernel.errors import TimedOut
from actorium.testing.conformance.executor import until
from executor_machine import held

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0, reason="layers belong to an owner's own uid, which only root can give"),
]
OWNER = 7


class Steps:
    """Runs shell scripts as steps in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = b""

    def spec(self, script: str, upper: str = "one", **changes: object) -> StepSpec:
        values: dict[str, object] = {
            "name": "step",
            "argv": ("sh", "-c", script),
            "env": {"PATH": "/usr/bin:/bin"},
            "workdir": "/usr/src/app",
            "upper": self.folder / upper,
            "state": self.folder / "state",
            "owner_number": OWNER,
            "memory_mbytes": 256,
        }
        return StepSpec(**{**values, **changes})  # type: ignore[arg-type]

    async def run(self, script: str, upper: str = "one", **changes: object) -> int:
        self.output = b""
        return await run_step(self.spec(script, upper, **changes), self.hear)

    def hear(self, data: bytes) -> None:
        self.output += data


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps(tmp_path)


async def test_what_it_writes_is_a_layer(steps: Steps) -> None:
    assert await steps.run("echo hi > f; mkdir /data /usr/local/x; id -un; exit 4") == 4
    assert steps.output == b"myuser\n"
    layer = steps.folder / "one"
    assert (layer / "usr/src/app/f").read_text() == "hi\n"
    assert (layer / "usr/src/app/f").stat().st_uid == owner_uid(OWNER)
    found = {str(path.relative_to(layer)) for path in layer.rglob("*")}
    assert found == {"data", "usr", "usr/src", "usr/src/app", "usr/src/app/f", "usr/local", "usr/local/x"}
    assert sorted(path.name for path in steps.folder.iterdir()) == ["one", "state"]


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": each}) for each in (False, True)], ids=str)
async def test_its_output_can_be_opened_by_name(steps: Steps) -> None:
    """uvloop gives children a socket, which nobody can open again; a pipe can be opened by whom it belongs to."""
    script = "echo out > /dev/stdout && echo err > /dev/stderr && echo both | tee /dev/stderr; ls -l /proc/self/fd >&2"
    assert await steps.run(script) == 0
    lines = steps.output.decode().splitlines()
    assert lines[:4] == ["out", "err", "both", "both"]
    assert {line.split()[-1][:6] for line in lines if " 1 -> " in line or " 2 -> " in line} == {"pipe:["}


async def test_a_step_goes_on_in_the_same_layer(steps: Steps) -> None:
    await steps.run("echo 1 > f; echo 1 > g")
    assert await steps.run("cat f; rm f") == 0
    assert steps.output == b"1\n"
    assert [path.name for path in (steps.folder / "one/usr/src/app").iterdir()] == ["g"]


async def test_a_layer_above_changes_none_below(steps: Steps) -> None:
    await steps.run("echo 1 > f; echo 1 > g")
    below = (steps.folder / "one",)
    assert await steps.run("cat f; rm f; echo 2 > g", "two", layers=below) == 0
    assert (steps.folder / "one/usr/src/app/g").read_text() == "1\n"
    above = (*below, steps.folder / "two")
    assert await steps.run("ls; cat g", "three", layers=above) == 0
    assert steps.output == b"g\n2\n"


async def test_binds(steps: Steps) -> None:
    for name in ("cache", "given"):
        (steps.folder / name).mkdir()
    os.chown(steps.folder / "cache", owner_uid(OWNER), owner_uid(OWNER))
    (steps.folder / "given/file").write_text("seen")
    binds = (
        Bind(source=steps.folder / "cache", target="/cache", writable=True),
        Bind(source=steps.folder / "given", target="/given"),
        Bind(source=steps.folder / "given/file", target="/usr/lib/bound"),
    )
    script = "cat /given/file /usr/lib/bound; echo x > /cache/x; echo x > /given/x || echo refused"
    assert await steps.run(script, binds=binds) == 0
    assert steps.output.startswith(b"seenseen")
    assert steps.output.endswith(b"refused\n")
    assert (steps.folder / "cache/x").read_text() == "x\n"


async def test_ends_of_steps(steps: Steps) -> None:
    assert await steps.run("kill -9 $$") == 128 + signal.SIGKILL
    assert await steps.run("", argv=("no-such-thing",)) == 127
    assert b"no-such-thing" in steps.output
    assert await steps.run("exec python3 -c 'bytearray(900 << 20)'") == 137
    assert b"256 MB" in steps.output
    with pytest.raises(TimedOut):
        await steps.run("sleep 600", deadline=SystemClock().now().plus(millis=300))
    with pytest.raises(SandboxUnavailable):
        await steps.run("true", layers=(Path("/nowhere/at/all"),))


@pytest.mark.parametrize("link", ["opt/base", "proc", "usr"])
async def test_a_link_in_a_layer_leads_no_mount_outside(steps: Steps, link: str) -> None:
    """Found by asking what a hostile build can leave behind: mounts are made before the image is the root."""
    outside = steps.folder / "outside"
    outside.mkdir()
    layer = steps.folder / "layer"
    (layer / link).parent.mkdir(parents=True)
    (layer / link).symlink_to(outside)
    (steps.folder / "shown").touch()
    bind = Bind(source=steps.folder / "shown", target="/opt/base/build/uv")
    with pytest.raises(SandboxUnavailable, match=f"/{link} is a link in the image"):
        await steps.run("true", layers=(layer,), binds=(bind,))
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("workdir", ["/proc/x", "/etc/hostname/x"])
async def test_a_working_directory_that_cannot_be_is_told_by_the_step(steps: Steps, workdir: str) -> None:
    assert await steps.run("true", workdir=workdir) == 127
    assert f"The working directory {workdir} cannot be entered".encode() in steps.output


async def test_without_network_there_is_only_loopback(steps: Steps) -> None:
    script = "python3 -c 'import socket; print([name for _, name in socket.if_nameindex()])'"
    assert await steps.run(script, network=False) == 0
    assert steps.output == b"['lo']\n"


async def test_a_cancelled_step_leaves_nothing(steps: Steps) -> None:
    started = asyncio.Event()
    script = "echo go; setsid sleep 600 & sleep 600"
    running = asyncio.ensure_future(run_step(steps.spec(script), lambda _: started.set()))
    await asyncio.wait_for(started.wait(), 20)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert held(steps.folder / "state") == {"groups": 0, "loops": 0, "processes": 0, "mounts": 0}


async def test_a_step_ends_with_its_builder(steps: Steps) -> None:
    script = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from actorium.executors.process.step import StepSpec, run_step
spec = StepSpec(name="step", argv=("sh", "-c", "echo go; setsid sleep 600 & sleep 600"), env={{"PATH": "/bin"}},
    upper=Path({str(steps.folder / "one")!r}), state=Path({str(steps.folder / "state")!r}), owner_number=7,
    memory_mbytes=256)
asyncio.run(run_step(spec, lambda data: print(data.decode(), end="", flush=True)))
"""
    builder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)  # noqa: ASYNC220
    assert builder.stdout is not None
    assert builder.stdout.readline() == b"go\n"
    builder.kill()
    builder.wait()
    builder.stdout.close()

    async def gone() -> bool:
        return held(steps.folder / "state") == {"groups": 0, "loops": 0, "processes": 0, "mounts": 0}

    await until(gone)
