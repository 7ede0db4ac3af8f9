"""What Dockerfiles write as root where the machine's own files lie: below /usr and /etc."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandboxed_builds import Builds

pytestmark = [pytest.mark.anyio, pytest.mark.process]


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    return Builds(tmp_path_factory.mktemp("places"))


@pytest.mark.parametrize(
    ("lines", "command", "said"),
    [
        ("RUN mkdir -p /usr/app && echo made > /usr/app/file", "cat /usr/app/file", "made"),
        ("RUN ln -s /bin/echo /usr/bin/say-it && say-it in the step", "say-it in the run", "in the run"),
        ("RUN cd /usr/local/share/ && mkdir -p man/man1 && touch man/man1/x", "ls /usr/local/share/man/man1", "x"),
        ("RUN cp /bin/echo /usr/local/sbin/say-it", "say-it in the run", "in the run"),
        ("RUN cd /usr/bin; rm env; mv id env", "env -un; test -e /usr/bin/id || echo gone", "myuser\ngone"),
        ("RUN echo Europe/Prague > /etc/timezone", "cat /etc/timezone", "Europe/Prague"),
        ("RUN ln -snf /usr/share/zoneinfo/Etc/GMT-9 /etc/localtime", "date -d @0 +%H", "09"),
        ("RUN echo 127.0.0.1 other >> /etc/hosts", "tail -n 1 /etc/hosts", "127.0.0.1 other"),
        ("RUN echo x > /etc/ssl/certs/own.pem", "cat /etc/ssl/certs/own.pem", "x"),
    ],
)  # fmt: skip
async def test_it_is_the_images_own(builds: Builds, tmp_path: Path, lines: str, command: str, said: str) -> None:
    image = await builds.build({"Dockerfile": f"FROM python:3.11-slim\n{lines}\n"})
    assert await builds.run(image, tmp_path, "sh", "-c", command) == (0, f"{said}\n")


@pytest.mark.parametrize("name", ["debian_version", "java-17-openjdk/security/java.security", "ssl/openssl.cnf"])
async def test_programs_of_the_machine_find_their_settings(builds: Builds, tmp_path: Path, name: str) -> None:
    """Java started, and ended at the first use of a certificate."""
    if not Path("/etc", name).exists():
        pytest.skip(f"this machine has no /etc/{name}")
    image = await builds.build({"Dockerfile": f"FROM python:3.11-slim\nRUN test -s /etc/{name}\n"})
    assert (await builds.run(image, tmp_path, "cat", f"/etc/{name}"))[0] == 0


async def test_more_sources_of_packages_are_named_where_nothing_is_fetched(builds: Builds, tmp_path: Path) -> None:
    """As those do that install a browser which this machine has."""
    lines = [
        "RUN echo key | apt-key add - && echo key > /usr/share/keyrings/x.gpg && mkdir -p /etc/apt/keyrings",
        'RUN echo key > /etc/apt/trusted.gpg.d/x.gpg && sh -c \'echo "deb http://x.invalid/ stable main" >> '
        "/etc/apt/sources.list.d/x.list' && add-apt-repository -y ppa:x/y && apt-get update && apt-get install -y sh",
        "RUN kept=$(apt-mark showmanual) && apt-mark auto '.*' > /dev/null && apt-get purge -y --auto-remove x",
    ]
    image = await builds.build({"Dockerfile": "FROM python:3.11-slim\n" + "\n".join(lines)})
    assert (await builds.run(image, tmp_path, "cat", "/etc/apt/sources.list.d/x.list"))[0] == 0


async def test_the_machine_keeps_its_own(builds: Builds, tmp_path: Path) -> None:
    changes = "rm /usr/bin/env; ln -sf /bin/false /usr/bin/true; mkdir /usr/planted; echo planted >> /etc/hosts; true"
    await builds.build({"Dockerfile": f"FROM python:3.11-slim\nRUN {changes}\n"})
    image = await builds.build({"Dockerfile": "FROM python:3.11-slim\n"})
    look = "env true && test ! -e /usr/planted && ! grep planted /etc/hosts && echo whole"
    assert await builds.run(image, tmp_path, "sh", "-c", look) == (0, "whole\n")
    assert (Path("/usr/bin/env").exists(), Path("/usr/planted").exists()) == (True, False)


async def test_what_a_step_put_there_is_copied_to_the_next_stage(builds: Builds, tmp_path: Path) -> None:
    first = "FROM python:3.11-slim AS one\nRUN cp /bin/echo /usr/bin/say-it && mkdir /usr/app && touch /usr/app/x\n"
    second = (
        "FROM python:3.11-slim\nCOPY --from=one /usr/bin/say-it /usr/local/bin/\nCOPY --from=one /usr/app /usr/app\n"
    )
    image = await builds.build({"Dockerfile": first + second})
    assert await builds.run(image, tmp_path, "sh", "-c", "say-it $(ls /usr/app)") == (0, "x\n")
