"""What ``RUN --mount`` shows to a command and leaves behind, in the real sandbox."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from actorium.builders import BuildFailed
from sandboxed_builds import Builds

pytestmark = [pytest.mark.anyio, pytest.mark.process]
BASE = "FROM python:3.11-slim\nWORKDIR /app\n"


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    return Builds(tmp_path_factory.mktemp("mounts"))


async def test_files_of_the_source_are_seen_by_one_command_only(builds: Builds, tmp_path: Path) -> None:
    lines = (
        "RUN --mount=type=bind,source=dir,target=dir --mount=target=/all --mount=source=a.txt,target=/etc/a.txt "
        "cat dir/b.txt /all/a.txt /etc/a.txt > said && ! touch /all/x\n"
    )
    image = await builds.build({"Dockerfile": BASE + lines, "dir/b.txt": "b", "a.txt": "a"})
    assert await builds.run(image, tmp_path, "sh", "-c", "cat said; ls; ls /all /etc/a.txt") == (
        2, "baasaid\nls: cannot access '/all': No such file or directory\n"
        "ls: cannot access '/etc/a.txt': No such file or directory\n",
    )  # fmt: skip


async def test_a_step_is_made_anew_when_what_it_was_shown_changed(builds: Builds) -> None:
    files = {"Dockerfile": BASE + "RUN --mount=source=a.txt,target=a.txt cat a.txt\n", "a.txt": "one", "b.txt": "1"}
    assert not (await builds.build(files)).cached
    assert (await builds.build(files | {"b.txt": "2"})).cached
    assert not (await builds.build(files | {"a.txt": "two"})).cached


async def test_what_is_written_to_shown_files_is_gone(builds: Builds) -> None:
    lines = (
        "RUN --mount=target=.,rw echo changed > a.txt && touch new && cat a.txt\n"
        "RUN --mount=target=/all grep one /all/a.txt && test ! -e new && test ! -e /all/new\n"
    )
    await builds.build({"Dockerfile": BASE + lines, "a.txt": "one"})


async def test_files_of_a_stage(builds: Builds) -> None:
    lines = (
        "FROM python:3.11-slim AS made\nRUN mkdir -p /out/deep && echo one > /out/deep/a && ln -s deep/a /out/link\n"
        f"{BASE}RUN --mount=from=made,source=/out,target=/in,rw grep one /in/link && ! touch /in/deep/a\n"
        "RUN --mount=from=made,target=/in test -e /in/out/link\n"
    )
    await builds.build({"Dockerfile": lines})


async def test_caches_and_scratch_folders(builds: Builds, tmp_path: Path) -> None:
    lines = (
        "ENV KEPT=/kept\nRUN --mount=type=cache,target=$KEPT --mount=type=cache,target=/other,id=/kept "
        "--mount=type=tmpfs,target=/scratch echo more >> /other/said && touch /scratch/x && cat /kept/said\n"
    )
    await builds.build({"Dockerfile": BASE + lines})
    image = await builds.build({"Dockerfile": BASE + lines}, cache=False)
    assert "more\nmore\n" in builds.text
    assert await builds.run(image, tmp_path, "sh", "-c", "! ls -d /kept /other /scratch 2> /dev/null") == (0, "")


async def test_a_cache_that_steps_filled_with_links_leads_nowhere(builds: Builds, tmp_path: Path) -> None:
    lines = f"RUN --mount=type=cache,target=/kept rm -rf /kept/* && ln -s {tmp_path} /kept/mounts; ln -s {tmp_path} "
    lines += (
        "/opt/actorium/cache/mounts; true\nRUN --mount=type=cache,target=/kept/mounts/x,id=x touch /kept/mounts/x/y\n"
    )
    await builds.build({"Dockerfile": BASE + lines})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["tmpfs", "cache", "bind"])
@pytest.mark.parametrize("place", ["/usr/share/way", "/way"])
async def test_a_link_on_the_way_is_followed_inside_the_image(
    builds: Builds, tmp_path: Path, kind: str, place: str
) -> None:
    lines = (
        f"RUN mkdir -p {place.rpartition('/')[0]}; ln -s {tmp_path} /way; ln -s {tmp_path} /usr/local/way\n"
        f"RUN --mount=type={kind},target={place.replace('share', 'local')}/inside mountpoint {tmp_path}/inside\n"
    )
    await builds.build({"Dockerfile": BASE + lines})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("link", ["/usr/bin/env", "/usr/local/gone"])
async def test_a_link_to_the_machines_own_is_not_followed(builds: Builds, link: str) -> None:
    """It would be on the machine, past what hides files there from the image."""
    lines = (
        f"FROM python:3.11-slim AS made\nRUN ln -s {link} /x\n{BASE}RUN --mount=from=made,source=/x,target=/y true\n"
    )
    with pytest.raises(BuildFailed, match="RUN --mount: /x is a link to what the machine has: use COPY --from"):
        await builds.build({"Dockerfile": lines})


async def test_a_mount_in_another(builds: Builds) -> None:
    lines = (
        "FROM python:3.11-slim AS made\nRUN mkdir /out && echo 1 > /out/a\n"
        f"{BASE}RUN --mount=type=cache,target=/all/kept --mount=target=/all --mount=type=tmpfs,target=/t/deep/er "
        "--mount=type=tmpfs,target=/t --mount=from=made,source=/out/a,target=/all/new/file --mount=from=made,target=/m "
        "--mount=source=a.txt,target=/m/out/a touch /all/kept/x /t/deep/er/x && cat /all/a.txt /all/new/file /m/out/a\n"
        "RUN --mount=type=cache,target=/all/kept ls /all/kept && ! ls /all/a.txt\n"
    )
    await builds.build({"Dockerfile": lines, "a.txt": "one\n"})
    assert "one\n1\none\n" in builds.text


async def test_a_mount_in_another_follows_none_of_its_links(builds: Builds, tmp_path: Path) -> None:
    lines = f"FROM python:3.11-slim AS made\nRUN mkdir /out && ln -s {tmp_path} /out/way\n{BASE}"
    mounts = "--mount=from=made,source=/out,target=/in --mount=type=tmpfs,target=/in/way/inside"
    with pytest.raises(BuildFailed, match="RUN --mount: /in/way/inside lies behind a link in what is shown at /in"):
        await builds.build({"Dockerfile": f"{lines}RUN {mounts} true\n"})
    kept = "--mount=type=cache,target=/kept --mount=type=tmpfs,target=/kept/inside"
    with pytest.raises(BuildFailed, match="RUN --mount: /kept/inside lies in a cache, where nothing can be shown"):
        await builds.build({"Dockerfile": f"{BASE}RUN {kept} true\n"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["/proc", "/opt/actorium/build", "/usr"])
async def test_a_link_to_where_nothing_may_be_shown(builds: Builds, place: str) -> None:
    lines = f"RUN ln -s {place} /way\nRUN --mount=type=tmpfs,target=/way{'/x' if place == '/proc' else ''} true\n"
    with pytest.raises(BuildFailed, match=rf"target=/way.* leads to {place}.*; choose another folder"):
        await builds.build({"Dockerfile": BASE + lines})


async def test_a_folder_that_is_a_link_in_every_image(builds: Builds) -> None:
    await builds.build({"Dockerfile": f"{BASE}RUN --mount=type=tmpfs,target=/var/run/x touch /run/x/y /var/run/x/z\n"})


async def test_a_file_is_not_shown_at_a_folder(builds: Builds) -> None:
    with pytest.raises(BuildFailed, match="a file cannot be shown at /app, which is a folder in the image"):
        await builds.build({"Dockerfile": BASE + "RUN --mount=source=a.txt,target=/app true\n", "a.txt": "a"})


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        ("source=b.txt", "RUN --mount: source /b.txt was not found in the source files$"),
        ("source=c.txt", "RUN --mount: source /c.txt was not found in the source files, because .dockerignore leaves"),
        ("from=made,source=/b", "RUN --mount: /b was not found in the stage$"),
    ],
)
async def test_what_is_not_there_to_be_shown(builds: Builds, mount: str, said: str) -> None:
    files = {"Dockerfile": f"FROM python:3.11-slim AS made\n{BASE}RUN --mount={mount},target=/x true\n"}
    with pytest.raises(BuildFailed, match=said):
        await builds.build({**files, "a.txt": "a", "c.txt": "c", ".dockerignore": "c.txt"})


async def test_nothing_is_left_beside_the_layers(builds: Builds) -> None:
    with pytest.raises(BuildFailed):
        await builds.build({"Dockerfile": BASE + "RUN --mount=target=/all false\n"})
    assert [each for each in (builds.folder / "work").rglob("mounts-*") if os.fspath(each)] == []


async def test_a_command_without_network(builds: Builds) -> None:
    look = "python -c 'import socket; print(*sorted(name for _, name in socket.if_nameindex()))'"
    lines = f'RUN test "$({look})" != lo\nRUN --network=none test "$({look})" = lo\n'
    await builds.build({"Dockerfile": BASE + lines})
