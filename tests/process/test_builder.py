"""Real builds in the real sandbox: packages from the registry, the cache, stages, and what a step may see."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from actorium.builders import BuildFailed
from actorium.builders.reach import Reach
from sandboxed_builds import CLOCK, OWNER, Builds
from stand_ins import SCRIPT, two_hosts

pytestmark = [pytest.mark.anyio, pytest.mark.process]
PYTHON = "FROM apify/actor-python:3.11\n"
WITH_SIX = {
    "Dockerfile": f"{PYTHON}COPY requirements.txt ./\nRUN pip install -r requirements.txt\nCOPY . ./\n",
    "requirements.txt": "six==1.17.0\n",
    "src/__main__.py": "import six, sys; print('six', six.__version__, sys.prefix, __file__)",
    ".actor/actor.json": "{}",
}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One state folder for the whole module: the base layer is made once."""
    return tmp_path_factory.mktemp("builder")


@pytest.fixture
def builds(state: Path) -> Builds:
    return Builds(state)


async def test_a_python_actor_with_a_package(
    builds: Builds, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started = CLOCK.monotonic()
    first = await builds.build(WITH_SIX)
    cold = CLOCK.monotonic() - started
    assert not first.cached
    assert "Step 3/4 : RUN pip install -r requirements.txt" in builds.text
    image = builds.image(first)
    assert (image.workdir, image.argv) == ("/usr/src/app", ("python", "-m", "src"))
    assert first.size_bytes
    assert first.size_bytes > 1_000_000
    assert not any(name.startswith(("UV_", "PIP_CACHE", "PIP_INDEX", "SSL_")) for name in image.env)
    said = await builds.run(first, tmp_path)
    assert said == (0, "six 1.17.0 /opt/actorium/python /usr/src/app/src/__main__.py\n")
    code, text = await builds.run(first, tmp_path, "sh", "-c", "pip freeze; python -m pip --version; ls /opt/actorium")
    assert (code, "six==1.17.0" in text, "pip " in text, "cache" in text.splitlines()) == (0, True, True, False)

    started = CLOCK.monotonic()
    again = await builds.build(WITH_SIX)
    cached = CLOCK.monotonic() - started
    assert (again.cached, again.reference, again.size_bytes) == (True, first.reference, first.size_bytes)

    started = CLOCK.monotonic()
    changed = await builds.build({**WITH_SIX, "src/__main__.py": "print('other')"})
    code_only = CLOCK.monotonic() - started
    assert not changed.cached
    assert builds.text.count("---> Using cache") == 3  # base, COPY requirements.txt, RUN
    assert "Installed" not in builds.text
    assert builds.image(changed).layers[:-1] == image.layers[:-1]
    assert await builds.run(changed, tmp_path) == (0, "other\n")
    with capsys.disabled():
        print(f"\n  cold {cold:.2f} s, unchanged {cached * 1000:.0f} ms, only code changed {code_only * 1000:.0f} ms")
    builds.nothing_is_left()


async def test_what_steps_have_in_common_is_made_once(builds: Builds) -> None:
    await builds.build({"Dockerfile": f"{PYTHON}RUN echo first\n"})
    made = set((builds.folder / "steps" / "skeletons").iterdir())
    await builds.build({"Dockerfile": f"{PYTHON}RUN echo second\nRUN echo third\n"})
    assert made
    assert set((builds.folder / "steps" / "skeletons").iterdir()) == made


async def test_removing_an_image_frees_its_own_layers(builds: Builds) -> None:
    one = await builds.build({"Dockerfile": f"{PYTHON}RUN echo shared > /shared\nRUN echo one > /one\n"})
    two = await builds.build({"Dockerfile": f"{PYTHON}RUN echo shared > /shared\nRUN echo two > /two\n"})
    own = set(builds.image(one).layers) - set(builds.image(two).layers)
    kept = builds.image(two).layers
    await builds.builder.remove(one.reference)
    await builds.builder.remove(one.reference)
    assert len(own) == 1
    assert not any(Path(each).exists() for each in own)
    assert all(Path(each).exists() for each in kept)
    rebuilt = await builds.build({"Dockerfile": f"{PYTHON}RUN echo shared > /shared\nRUN echo one > /one\n"})
    assert (rebuilt.reference, rebuilt.cached) == (one.reference, False)


async def test_without_the_cache_everything_is_made_again(builds: Builds) -> None:
    files = {"Dockerfile": f"{PYTHON}RUN cat /proc/sys/kernel/random/uuid > /mark\n"}
    first = await builds.build(files)
    fresh = await builds.build(files, cache=False)
    assert (fresh.cached, fresh.reference != first.reference) == (False, True)
    assert (await builds.build(files)).reference == fresh.reference


async def test_stages(builds: Builds, tmp_path: Path) -> None:
    image = await builds.build(
        {
            "Dockerfile": (
                "ARG VERSION=3.11\nFROM python:${VERSION}-slim AS builder\nWORKDIR /work\nCOPY lib ./lib\n"
                "RUN mkdir dist && cp lib/a dist/made && ln -s made dist/link && echo no > other\n"
                "RUN <<EOT\n#!/usr/bin/env python3\nopen('dist/script', 'w').write('it\\'s $HOME')\nEOT\n"
                "FROM unknown-image AS unused\nRUN false\n"
                "FROM apify/actor-python:${VERSION}\nCOPY --from=builder /work/dist ./dist\n"
                'ENTRYPOINT [""]\nCMD ["sh", "-c", "ls /work; cat dist/link; pwd; cat dist/script"]\n'
            ),
            "lib/a": "content\n",
        }
    )
    code, text = await builds.run(image, tmp_path)
    assert code == 0
    assert text.splitlines()[1:] == ["content", "/usr/src/app", "it's $HOME"]
    assert "unknown-image" not in builds.text


async def test_what_a_step_sees(builds: Builds, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("host")
    lines = [
        f"RUN test ! -e {tmp_path}/secret && test ! -e {builds.folder}",
        "RUN test $(id -u) -ne 0 && test -w . && test -w /root && touch /made-at-the-root ~/home",
        "RUN python -c 'import sys; assert sys.prefix == \"/opt/actorium/python\", sys.prefix'",
        "RUN /usr/local/bin/python -m pip --version",
        'ENV A="one two"',
        "ARG B=three",
        'RUN ["sh", "-c", "test \\"$A $B\\" = \\"one two three\\""]',
        "RUN <<EOF\nset -e\nrm -r /tmp/x || mkdir -p /tmp/x\necho $A > /tmp/x/y\nEOF",
        "RUN test \"$(cat /tmp/x/y)\" = 'one two' && rm -r /tmp/x",
        "RUN test ! -e /tmp/x",
        "RUN apt-get update && apt-get install -y --no-install-recommends bash && rm -rf /var/lib/apt/lists/*",
        "WORKDIR deep/er",
        "RUN test $(pwd) = /usr/src/app/deep/er && touch here",
        'VOLUME ["/kept", "of-the-actor"]',
        "RUN touch /kept/x of-the-actor/x",
        "USER myuser",
        "COPY --chown=myuser run.sh /run-me",
        "RUN test -x /run-me",
        "RUN uv pip install --system attrs && python -c 'import attr'",
    ]
    image = await builds.build({"Dockerfile": PYTHON + "\n".join(lines), "run.sh": "#!/bin/sh\necho hello\n"})
    assert await builds.run(image, tmp_path, "sh", "-c", "ls -p; /run-me; ls /made-at-the-root") == (
        0, "here\nof-the-actor/\nhello\n/made-at-the-root\n",
    )  # fmt: skip


@pytest.mark.long
async def test_uv_of_the_image_is_used_where_it_has_one(builds: Builds, tmp_path: Path) -> None:
    image = await builds.build({"Dockerfile": f"{PYTHON}RUN pip install uv==0.13.0\n"})
    assert await builds.run(image, tmp_path, "sh", "-c", "uv --version | cut -c 1-9") == (0, "uv 0.13.0\n")


async def test_files_hidden_by_dockerignore(builds: Builds, tmp_path: Path) -> None:
    files = {
        ".dockerignore": "*.key\n!public.key\n",
        "a.key": "1",
        "public.key": "2",
        "Dockerfile": f"{PYTHON}COPY . .\n",
    }
    image = await builds.build(files)
    assert await builds.run(image, tmp_path, "ls") == (0, "Dockerfile\npublic.key\n")
    with pytest.raises(BuildFailed, match=r"dockerignore leaves it out"):
        await builds.build({**files, "Dockerfile": f"{PYTHON}COPY a.key .\n"})


async def test_no_dockerfile(builds: Builds, tmp_path: Path) -> None:
    image = await builds.build({"src/__main__.py": "print('hello')", "src/__init__.py": ""})
    assert await builds.run(image, tmp_path) == (0, "hello\n")
    assert "The source has no Dockerfile; this one is used:" in builds.text
    with pytest.raises(BuildFailed, match="looks like no Actor that is known here"):
        await builds.build({"main.sh": ""})


async def test_nothing_is_shared_across_owners(builds: Builds) -> None:
    files = {"Dockerfile": f"{PYTHON}RUN echo x > /x\n"}
    one = await builds.build(files)
    other = await builds.build(files, owner=OWNER + 500)
    assert not other.cached
    assert not set(builds.image(one).layers) & set(builds.image(other).layers)
    with pytest.raises(BuildFailed, match="non-zero code"):
        await builds.build({"Dockerfile": f"{PYTHON}RUN touch /opt/actorium/cache/mark\nRUN false\n"})
    await builds.build({"Dockerfile": f"{PYTHON}RUN test ! -e /opt/actorium/cache/mark\n"}, owner=OWNER + 500)


async def test_layers_made_with_what_another_actors_steps_left_are_not_shared(builds: Builds, tmp_path: Path) -> None:
    """The package cache is no part of a layer's key: whoever wrote there could write into equal layers of others."""
    good = {"Dockerfile": f'{PYTHON}RUN cat /opt/actorium/cache/mark > /y || true\nCMD ["cat", "/y"]\n'}
    await builds.build({"Dockerfile": f"{PYTHON}RUN echo evil > /opt/actorium/cache/mark\n"}, actor="bad")
    assert await builds.run(await builds.build(good, actor="bad"), tmp_path) == (0, "evil\n")
    assert (await builds.build(good, actor="bad")).cached
    assert await builds.run(await builds.build(good, actor="good"), tmp_path) == (0, "")
    assert (await builds.build(good, actor="other")).cached


async def test_a_step_that_fails(builds: Builds) -> None:
    files = {"Dockerfile": f"{PYTHON}RUN echo fine\nRUN echo 'this is why' && exit 7\nRUN echo never\n"}
    with pytest.raises(BuildFailed) as caught:
        await builds.build(files)
    assert caught.value.exit_code == 7
    assert caught.value.message == "The command 'echo 'this is why' && exit 7' returned a non-zero code: 7"
    assert "this is why\n" in builds.text
    assert "Step 4/4" not in builds.text
    with pytest.raises(BuildFailed):
        await builds.build(files)
    assert "Step 2/4 : RUN echo fine\n ---> Using cache\n" in builds.text
    builds.nothing_is_left()


async def test_a_workdir_that_a_step_has_made_a_file(builds: Builds) -> None:
    lines = "WORKDIR /w\nRUN cd / && rmdir /w && touch /w\nRUN pwd\n"
    with pytest.raises(BuildFailed, match=r"^Dockerfile line 4: WORKDIR /w cannot be entered: w in it is a file"):
        await builds.build({"Dockerfile": f"{PYTHON}{lines}"})


@pytest.mark.parametrize(
    ("line", "code"), [("RUN nosuchcommand", 127), ('RUN ["/nosuchcommand"]', 127), ("RUN kill -9 $$", 137)]
)
async def test_exit_codes(builds: Builds, line: str, code: int) -> None:
    with pytest.raises(BuildFailed) as caught:
        await builds.build({"Dockerfile": f"{PYTHON}{line}\n"})
    assert caught.value.exit_code == code


async def test_a_package_that_is_not_there(builds: Builds) -> None:
    with pytest.raises(BuildFailed, match="non-zero code: 1"):
        await builds.build({"Dockerfile": f"{PYTHON}RUN pip install six==0.0.99\n"})
    assert "six==0.0.99" in builds.text


HANGING = "trap '' TERM INT; (setsid sh -c 'trap \"\" TERM; sleep 1000' &) ; echo heard; sleep 1000"


async def test_a_step_that_hangs_ends_at_the_deadline(builds: Builds) -> None:
    await builds.build({"Dockerfile": PYTHON})
    started = time.monotonic()
    with pytest.raises(BuildFailed, match="took longer than it may"):
        await builds.build({"Dockerfile": f"{PYTHON}RUN {HANGING}\n"}, secs=1.5)
    assert time.monotonic() - started < 10
    builds.nothing_is_left()


async def test_cancelling_ends_everything(builds: Builds) -> None:
    build = asyncio.ensure_future(builds.build({"Dockerfile": f"{PYTHON}RUN {HANGING}\n"}))
    while not builds.heard.is_set():
        await asyncio.wait(
            [build, asyncio.ensure_future(builds.heard.wait())], timeout=60, return_when="FIRST_COMPLETED"
        )
        assert not build.done(), builds.text
    build.cancel()
    with pytest.raises(asyncio.CancelledError):
        await build
    builds.nothing_is_left()
    await builds.build({"Dockerfile": f"{PYTHON}RUN echo goes on\n"})


async def test_output_of_any_length_is_cut_and_the_server_stays_awake(builds: Builds) -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    watcher = asyncio.ensure_future(watch())
    await builds.build({"Dockerfile": f"{PYTHON}RUN yes | head -c 40000000\n"})
    watcher.cancel()
    assert len(b"".join(builds.log)) < 11_000_000
    assert builds.text.endswith("the rest is not kept.\n")
    assert longest < 1
    builds.nothing_is_left()


async def test_memory_is_limited(builds: Builds) -> None:
    hog = f"{PYTHON}RUN python -c 'x = bytearray(900_000_000)'\n"
    with pytest.raises(BuildFailed) as caught:
        await builds.build({"Dockerfile": hog}, memory_mbytes=256)
    assert caught.value.exit_code == 137


async def test_disk_is_limited(builds: Builds) -> None:
    with pytest.raises(BuildFailed, match="more than the 256 MB of disk"):
        await builds.build(
            {"Dockerfile": f"{PYTHON}RUN while :; do cat /bin/sh; done > big\n"}, memory_mbytes=128, secs=60
        )
    builds.nothing_is_left()
    await builds.build({"Dockerfile": f"{PYTHON}RUN head -c 200000000 /dev/zero > big\n"}, memory_mbytes=128)


HIDES = """
import ctypes, os, socket, sys, threading, time
fd = os.open("/opt/big", os.O_RDWR | os.O_CREAT)
os.unlink("/opt/big")
os.posix_fallocate(fd, 0, 2 << 30)
if sys.argv[1] == "mapping":
    libc = ctypes.CDLL(None)
    libc.mmap.argtypes = (ctypes.c_void_p, *[ctypes.c_size_t] * 5)
    libc.mmap(None, 4096, 1, 1, fd, 0)
elif sys.argv[1] == "queue":
    ends = socket.socketpair()
    socket.send_fds(ends[0], [b"x"], [fd])
if sys.argv[1] != "descriptor":
    os.close(fd)
threading.Thread(target=time.sleep, args=(600,)).start()
print("filled", flush=True)
ctypes.CDLL(None).syscall(*({"x86_64": 60, "aarch64": 93}[os.uname().machine], 0))  # the thread goes on alone
"""


@pytest.mark.parametrize("kept_by", ["descriptor", "mapping", "queue"])
async def test_disk_without_a_name_is_limited(builds: Builds, kept_by: str) -> None:
    """Found by fresh eyes: a file that is open but has no name was in no folder that was looked through."""
    files = {"Dockerfile": f"{PYTHON}COPY hides.py ./\nRUN python hides.py {kept_by}\n", "hides.py": HIDES}
    with pytest.raises(BuildFailed, match="more than the 256 MB of disk"):
        await builds.build(files, memory_mbytes=128, secs=60)
    assert "filled" in builds.text
    builds.nothing_is_left()


async def test_two_equal_builds_at_once_build_once(builds: Builds, state: Path) -> None:
    files = {"Dockerfile": f"{PYTHON}RUN echo made $(cat /proc/sys/kernel/random/uuid) | tee /mark; sleep 0.5\n"}
    others = [builds, Builds(state), Builds(state)]
    found = await asyncio.gather(*(each.build(files) for each in others))
    assert len({image.reference for image in found}) == 1
    assert sorted(image.cached for image in found) == [False, True, True]
    assert sum("\nmade " in each.text for each in others) == 1


@pytest.mark.parametrize(
    ("dockerfile", "what"),
    [
        ("FROM ubuntu:24.04\nRUN x\n", "this Dockerfile needs a container engine: FROM ubuntu:24.04 (line 1). "),
        ("FROM oven/bun:1.3\n", "this Dockerfile needs a container engine: FROM oven/bun:1.3 (line 1). "),
        (
            f"{PYTHON}RUN apt-get update && apt-get install -y lib-not-there\n",
            "RUN apt-get install lib-not-there (line 2): this machine has no lib-not-there. ",
        ),
    ],
)
async def test_what_needs_an_engine_says_so_in_one_line(builds: Builds, dockerfile: str, what: str) -> None:
    with pytest.raises(BuildFailed) as caught:
        await builds.build({"Dockerfile": dockerfile})
    assert caught.value.message.startswith(what)
    assert "\n" not in caught.value.message
    builds.nothing_is_left()


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "a\0b"])
async def test_path_tricks_write_nothing(builds: Builds, name: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.parent.rglob("evil"))
    with pytest.raises(BuildFailed, match="not a plain path"):
        await builds.build({"Dockerfile": f"{PYTHON}COPY . .\n", name: "x"})
    assert sorted(tmp_path.parent.rglob("evil")) == before


async def test_links_made_by_a_step_do_not_lead_a_copy_outside(builds: Builds, tmp_path: Path) -> None:
    target = tmp_path / "outside"
    target.mkdir(mode=0o777)
    text = f"{PYTHON}RUN ln -s {target} out && ln -s /etc/shadow stolen\nCOPY x out/x\nCOPY x stolen\n"
    image = await builds.build({"Dockerfile": text, "x": "copied"})
    assert list(target.iterdir()) == []
    assert await builds.run(image, tmp_path, "cat", "stolen", f"{target}/x") == (0, "copiedcopied")
    with pytest.raises(BuildFailed, match="was not found in the stage"):
        await builds.build(
            {"Dockerfile": f"{PYTHON}RUN ln -s /etc/shadow x\nFROM python\nCOPY --from=0 /usr/src/app/x /"}
        )


async def test_steps_reach_what_the_operator_lets_them(state: Path) -> None:
    with two_hosts() as (named, other):
        files = {"Dockerfile": f"{PYTHON}COPY x.py ./\nRUN python x.py {named} {other}\n", "x.py": SCRIPT}
        for reach, reached in (
            (Reach("registries", environment={"PIP_INDEX_URL": f"http://u:p@127.0.0.1:{named}/simple"}), [named]),
            (Reach("nothing", hosts=[f"127.0.0.1:{named}"]), []),
            (Reach(), []),  # everything is what runs reach: not this machine's own loopback
        ):
            builds = Builds(state, reach)
            await builds.build(files, cache=False)
            found = [port for port in (named, other) if f"reached {port} hello\n" in builds.text]
            assert (found, "straight to" in builds.text) == (reached, False)
            if reach.mode != "everything":
                assert "interfaces lo\n" in builds.text
        failing = {**files, "Dockerfile": f"{PYTHON}COPY x.py ./\nENV ENDS=3\nRUN python x.py {other}\n"}
        with pytest.raises(BuildFailed, match=rf"asked for 127.0.0.1:{other}, .* ACTORIUM_BUILD_HOSTS") as caught:
            await Builds(state, Reach("registries", hosts=["x.example"])).build(failing)
        assert caught.value.exit_code == 3
    builds.nothing_is_left()
