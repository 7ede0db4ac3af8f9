"""Images that start under tini or dumb-init, which this machine need not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandboxed_builds import Builds

pytestmark = [pytest.mark.anyio, pytest.mark.process]


OWN = "#!/bin/sh\necho own\n"


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    return Builds(tmp_path_factory.mktemp("inits"))


@pytest.mark.parametrize(
    "lines",
    [
        'ENTRYPOINT ["/usr/bin/tini", "-g", "-e", "143", "--"]\nCMD ["echo", "--", "a b"]',
        'ENTRYPOINT ["/sbin/tini", "--", "echo"]\nCMD ["--", "a b"]',
        'ENTRYPOINT ["dumb-init", "--rewrite", "15:2"]\nCMD ["echo", "--", "a b"]',
        'CMD ["/usr/bin/dumb-init", "echo", "--", "a b"]',
        'WORKDIR /t\nCOPY own /tini\nRUN chmod +x /tini && ln -s /tini .\nCMD ["/t/tini", "--"]',
    ],
)
async def test_an_init_is_not_needed(builds: Builds, tmp_path: Path, lines: str) -> None:
    installed = "RUN apt-get update && apt-get install -y --no-install-recommends tini dumb-init\n"
    image = await builds.build({"Dockerfile": f"FROM python:3.11-slim\n{installed}{lines}\n", "own": OWN})
    assert await builds.run(image, tmp_path) == (0, "own\n" if "own" in lines else "-- a b\n")
