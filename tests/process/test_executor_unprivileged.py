"""The same sandbox for a server that is not root: user namespaces, one user, no control groups unless delegated."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

import actorium

NOBODY = 65534
PYTHON = "/usr/bin/python3"
SCRIPT = """
import asyncio, json, os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from executor_machine import make_image, spec
from actorium.executors.process.executor import ProcessExecutor, ProcessOptions
from actorium.kernel.clock import SystemClock
from actorium.testing.conformance.executor import ended, lines
async def main():
    base = Path(sys.argv[1])
    reference = make_image(base / "image")
    options = ProcessOptions(warm_memory_mbytes=256)
    executor = ProcessExecutor(base / "state", clock=SystemClock(), options=options)
    found = {{}}
    scripts = {{
        "view-1": "id -un; grep CapBnd /proc/self/status; ls /proc | grep -c '^[0-9]'; ls /sys | wc -l; exit 4",
        "disk-1": "for i in 1 2 3; do dd if=/dev/zero of=/tmp/f$i bs=1M count=30 2>/dev/null; done; sleep 60",
        "hide-1": "for i in 3 4; do eval \\"exec $i>/tmp/f\\"; rm /tmp/f; head -c 50m /dev/zero >&$i; done; sleep 20",
        "kill-1": "setsid sleep 600 & sleep 600",
    }}
    for name, script in scripts.items():
        await executor.start(spec(name, reference, "sh", "-c", script, disk_mbytes=64))
    await executor.kill("kill-1")
    for name in scripts:
        seen = await ended(executor, name)
        read = [line.decode() for line in await lines(executor, name)]
        found[name] = [seen.cause, seen.exit_code, seen.stats and seen.stats.mem_max_bytes, read]
        await executor.remove(name)
    look = "id -un; cat /proc/self/oom_score_adj; grep -E 'Cap|NoNew|Seccomp' /proc/self/status; ls -l /proc/self/fd"
    for name in ("cold-1", "warm-1"):
        await executor.start(spec(name, reference, "sh", "-c", look + " | wc -l"))
        await ended(executor, name)
        ready = (base / "state/containers" / name / "group").exists()
        found[name] = [ready, [line.decode() for line in await lines(executor, name)]]
        await executor.remove(name)
        for _ in range(1000):
            if any(one.spares for one in executor._pool._builds.values() if look in one.told.argv[-1]):
                break
            await asyncio.sleep(0.01)
    await executor.retire()
    found["left"] = os.listdir(base / "state/containers")
    print(json.dumps(found))
asyncio.run(main())
"""


def without_root(script: str) -> dict[str, Any]:
    """What a script prints in the end, run by another user in a folder of its own."""
    place = Path(f"/tmp/actorium-unprivileged-{os.getpid()}")  # pytest's own folders are closed to other users
    place.mkdir(mode=0o755)
    os.chown(place, NOBODY, NOBODY)
    packages = os.pathsep.join(str(Path(module.__file__ or "").parents[1]) for module in (actorium, msgspec, pytest))
    tests = Path(__file__).parents[1]
    try:
        done = subprocess.run(
            [PYTHON, "-c", script.format(tests=str(tests)), str(place)],
            env={"PYTHONPATH": packages, "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            capture_output=True,
            text=True,
            cwd="/",
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
    finally:
        shutil.rmtree(place)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])  # the pool tells what it does above it
    return found


@pytest.mark.process
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which only root may")
@pytest.mark.skipif(not Path(PYTHON).exists(), reason=f"needs {PYTHON}, readable by every user")
def test_without_root() -> None:
    found = without_root(SCRIPT)
    cause, code, memory, read = found["view-1"]
    assert (cause, code) == ("exited", 4)
    assert read[-4:-1] == ["myuser", "CapBnd:\t0000000000000000", read[-2]]
    assert int(read[-2]) < 8
    assert read[-1] == "0"
    assert memory is None  # not measured without a control group, and never an invented 0
    assert (found["disk-1"][0], found["hide-1"][0]) == ("out-of-disk", "out-of-disk")  # files with names, and without
    assert found["kill-1"][:2] == ["killed", None]
    assert found["left"] == []
    (was_ready, cold), (is_ready, warm) = found["cold-1"], found["warm-1"]
    assert (was_ready, is_ready) == (False, True)
    assert warm == cold


ON_THE_HOSTS_NETWORK = """
import asyncio, json, os, socket, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from executor_machine import make_image, spec
from actorium.executors.process.executor import ProcessExecutor, ProcessOptions
from actorium.executors.process.step import StepSpec, run_step
from actorium.kernel.clock import SystemClock
from actorium.testing.conformance.executor import ended, lines
ASK = "import socket; print(socket.create_connection(('127.0.0.1', {{}})).recv(9).decode())"
async def answer(reader, writer):
    writer.write(b"the door")
    writer.close()
async def main():
    base = Path(sys.argv[1])
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    said = []
    step = StepSpec(
        name="step", argv=("/usr/bin/python3", "-c", ASK.format(port)), env={{}}, upper=base / "upper", door=port,
        owner_number=7, memory_mbytes=256, allow_host_network=True,
    )
    found = {{"step": await run_step(step, said.append), "said": b"".join(said).decode()}}
    reference = make_image(base / "image")
    options = ProcessOptions(allow_host_network=True)
    executor = ProcessExecutor(base / "state", clock=SystemClock(), options=options)
    await executor.start(spec("one", reference, "/usr/bin/python3", "-c", ASK.format(port), api_port=port))
    seen = await ended(executor, "one")
    found["run"] = [seen.cause, seen.exit_code, [line.decode() for line in await lines(executor, "one")]]
    await executor.remove("one")
    await executor.retire()
    print(json.dumps(found))
asyncio.run(main())
"""


@pytest.mark.process
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which only root may")
@pytest.mark.skipif(not Path(PYTHON).exists(), reason=f"needs {PYTHON}, readable by every user")
def test_without_root_on_the_machines_network() -> None:
    """The only one that such a server has where slirp4netns is missing."""
    found = without_root(ON_THE_HOSTS_NETWORK)
    assert (found["step"], found["said"]) == (0, "the door\n")
    assert found["run"][:2] == ["exited", 0]
    assert found["run"][2][-1:] == ["the door"]
