"""Users and groups that Dockerfiles make, ask for and take away, though there is the Actor's own alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandboxed_builds import Builds

pytestmark = [pytest.mark.anyio, pytest.mark.process]

UNSEEN = "apt-get install -y lib-x: nothing is installed; what this machine lacks is missing"


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    return Builds(tmp_path_factory.mktemp("users"))


@pytest.mark.parametrize(
    ("made", "home"),
    [
        ("useradd -m app", "/home/app"),
        ("useradd -ms /bin/bash app", "/home/app"),
        ("groupadd -r app && useradd -r -g app -d /app -u 1000 -s /sbin/nologin app", "/app"),
        ("groupadd --gid 1000 app && useradd --uid 1000 --gid 1000 --home-dir=/srv/app --create-home app", "/srv/app"),
        ("useradd app --create-home --shell /bin/bash", "/home/app"),
        ("addgroup -S app && adduser -S app -G app", "/home/app"),
        ("adduser -h /home/apify -D app", "/home/apify"),
        ("adduser -Dh /home/apify app", "/home/apify"),
        ("adduser --disabled-password --gecos '' --home /work --uid 10001 app && adduser app users", "/work"),
        ("id -u app >/dev/null 2>&1 || adduser --system --group app", "/home/app"),
    ],
)
async def test_it_is_found_by_its_name(builds: Builds, tmp_path: Path, made: str, home: str) -> None:
    asked = (
        f"RUN test $(id -u app) = $(id -u) && test ~app = {home} && cd ~app && touch there && "
        "install -d -o app -g app /data && chown -R app:app /data && getent group app"
    )
    image = await builds.build({"Dockerfile": f"FROM python:3.11-slim\nRUN {made}\n{asked}\nUSER app\n"})
    assert await builds.run(image, tmp_path, "sh", "-c", "cd ~app && ls && whoami") == (0, "there\nmyuser\n")


async def test_what_changes_or_removes_users_just_goes_on(builds: Builds, tmp_path: Path) -> None:
    lines = [
        "RUN deluser --remove-home node; addgroup -S app && adduser -S -G app --no-create-home --home /nonexistent app",
        "RUN userdel -r node; groupmod -g 1001 node && usermod -u 1001 -g 1001 node && usermod -aG audio,video app",
        "RUN echo 'app:secret' | chpasswd && passwd -d app && test ! -e /nonexistent",
        "RUN useradd -M other && test ! -e /home/other && useradd other && test $(grep -c ^other: /etc/passwd) = 1",
    ]
    image = await builds.build({"Dockerfile": "FROM python:3.11-slim\n" + "\n".join(lines) + "\nUSER 1001\n"})
    assert await builds.run(image, tmp_path, "sh", "-c", "whoami") == (0, "myuser\n")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("sudo -E -u app A=1 sh -c 'echo $A $(whoami)'", "1 myuser"),
        ("sudo -- sh -c 'echo a  b'", "a b"),
        ("sudo echo 'a  b'", "a  b"),
        ("su app -c 'echo \"a  b\"'", "a  b"),
        ("su - app -s /bin/bash -c 'echo $BASH'", "/bin/bash"),
        ("su root -c './installs.sh'", UNSEEN),
        ("sudo ./installs.sh", UNSEEN),
    ],
)  # fmt: skip
async def test_other_users_commands_are_the_actors_own(builds: Builds, command: str, said: str) -> None:
    """As programs ask for it that install what they need: playwright install --with-deps, for example."""
    text = f'FROM python:3.11-slim\nRUN apt-get install -y sudo\nCOPY installs.sh .\nRUN echo "<$({command})>"\n'
    await builds.build({"Dockerfile": text, "installs.sh": "#!/bin/sh\napt-get install -y lib-x\n"})
    assert f"<{said}>\n" in builds.text
