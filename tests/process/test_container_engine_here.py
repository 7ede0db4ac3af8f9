"""The short way on an engine that answers on this machine: an image of our own is built, run, seen and removed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actorium.builders import BuildSpec
from actorium.builders.container.builder import ContainerBuilder
from actorium.builders.container.network import StepNetworks
from actorium.executors import Cause
from actorium.executors.container.engine import ContainerEngine
from actorium.executors.container.executor import ContainerExecutor
from actorium.executors.container.probe import find, name
from actorium.kernel.clock import SystemClock
from actorium.testing.conformance.executor import ended, lines
from container_engine import import_base, remove_image
from executor_machine import spec

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0, reason="shims enter the networks of containers as root"),
]
CLOCK = SystemClock()
BASE = f"actorium-test-base:{os.getpid()}"


@pytest.fixture
async def engine() -> AsyncIterator[ContainerEngine]:
    found = await find("", os.environ)
    if found is None:
        pytest.skip("no container engine answers on this machine; 'make test-all' starts some of its own")
    import_base(found.socket, BASE)
    yield found
    remove_image(found.socket, BASE)
    await found.close()


async def test_an_image_is_built_and_runs(engine: ContainerEngine, tmp_path: Path) -> None:
    kind = await name(engine)
    networks = StepNetworks(tmp_path / "networks", engine, clock=CLOCK)
    builder = ContainerBuilder(engine, clock=CLOCK, installation="test", environment={}, networks=networks)
    dockerfile = f"FROM {BASE}\nRUN echo built > /made\nCOPY main.py ./\nCMD python3 main.py\n"
    image = await builder.build(
        BuildSpec(
            name=f"b{os.getpid()}-1",
            owner_number=1,
            files={"Dockerfile": dockerfile.encode(), "main.py": b"print(open('/made').read(), end=''); exit(3)"},
            dockerfile="Dockerfile",
            build_args={},
            use_cache=False,
            memory_mbytes=256,
            deadline=CLOCK.now().plus(secs=60),
        ),
        lambda _: None,
    )
    executor = ContainerExecutor(tmp_path / "state", engine=engine, clock=CLOCK)
    try:
        await executor.start(spec("a-1", image.reference, command=None))
        seen = await ended(executor, "a-1")
        assert (seen.exit_code, seen.cause) == (3, Cause.EXITED), (kind, seen)
        assert await lines(executor, "a-1") == [b"built"], kind
        await executor.remove("a-1")
        assert await executor.survey() == {}
    finally:
        await executor.retire()
        await builder.remove(image.reference)
    assert await engine.image(image.reference) is None
