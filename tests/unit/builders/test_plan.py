"""From Dockerfiles to steps: variables, stages, commands, and what cannot be done without an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from actorium.builders import BuildFailed
from actorium.builders.process import plan
from actorium.builders.process.dockerfile import parse
from actorium.builders.process.plan import Planned
from actorium.builders.process.state import Config
from actorium.builders.process.steps import CopyStep, FetchStep, FolderStep, Mount, RunStep

BASE = Config(env={"PATH": "/bin"}, workdir="/app", cmd=("base",))


def planned(text: str, **build_args: str) -> Planned:
    """The last stage of a Dockerfile whose FROM line is given."""
    dockerfile = parse(text)
    return plan.steps(plan.stages(dockerfile, build_args)[-1], BASE, dockerfile, build_args)


def copy(text: str) -> CopyStep:
    action = planned(f"FROM x AS one\nFROM x\n{text}").steps[-1].action
    assert isinstance(action, CopyStep)
    return action


def run(text: str, **build_args: str) -> RunStep:
    action = planned(f"FROM x\n{text}", **build_args).steps[-1].action
    assert isinstance(action, RunStep)
    return action


def test_the_environment_grows_line_by_line() -> None:
    found = planned('FROM x\nENV A=1 B="$A 2"\nENV A=3 C=$A\nENV OLD form is $A\n').config
    assert found.env == {"PATH": "/bin", "A": "3", "B": " 2", "C": "1", "OLD": "form is 3"}


def test_arguments() -> None:
    assert run("ARG A=1\nARG B\nARG C=$A\nRUN x", B="given").env == {"A": "1", "B": "given", "C": "1", "PATH": "/bin"}
    assert "A" not in run("RUN x", A="not declared").env
    assert run("RUN x", HTTP_PROXY="http://proxy").env["HTTP_PROXY"] == "http://proxy"
    assert run("ARG A=1\nENV A=2\nRUN x", A="3").env["A"] == "2"
    assert "A" not in planned("FROM x\nARG A=1").config.env


def test_arguments_before_from() -> None:
    text = "ARG V=3.11\nARG NAME=python\nFROM $NAME:${V}-slim\nARG V\nARG NAME=other\nRUN x"
    stage = plan.stages(parse(text), {})[0]
    assert stage.image == "python:3.11-slim"
    action = planned(text).steps[-1].action
    assert isinstance(action, RunStep)
    assert (action.env["V"], action.env["NAME"]) == ("3.11", "other")
    assert plan.stages(parse(text), {"V": "3.12"})[0].image == "python:3.12-slim"


def test_what_run_is_shown() -> None:
    step = run(
        "ENV D=deep\nRUN --mount=src=a/../b,dst=$D --mount=type=cache,id=c,target=/c --mount=type=tmpfs,target=/d "
        "--mount=type=secret,id=s --network=none true"
    )
    assert step.mounts == (
        Mount(kind="bind", target="/app/deep", source="/b"),
        Mount(kind="cache", target="/c", source="c"),
        Mount(kind="tmpfs", target="/d"),
    )
    assert step.is_cut_off
    assert not run("RUN --network=default true").is_cut_off


def test_images_that_files_are_taken_from_are_stages() -> None:
    text = (
        "FROM x AS one\nFROM x AS unused\nCOPY --from=node:20 /a /a\nFROM x\nCOPY --from=a.example/astral-sh/uv /uv /\n"
        "RUN --mount=from=python,target=/p --mount=from=one,target=/o true\nCOPY --from=0 /a /a\n"
    )
    found = plan.stages(parse(text), {})
    assert [(stage.image, stage.index < 0) for stage in found] == [
        ("a.example/astral-sh/uv", True), ("python", True), ("x", False), ("x", False),
    ]  # fmt: skip
    assert found[-1].needs == {stage.index for stage in found[:-1]}


def test_run_forms() -> None:
    assert run("RUN a && b").argv == ("/bin/sh", "-c", "a && b")
    assert run('RUN ["a", "$HOME"]').argv == ("a", "$HOME")
    assert run('SHELL ["/bin/bash", "-ec"]\nRUN a').argv == ("/bin/bash", "-ec", "a")
    assert run("RUN <<EOF\na\nb\nEOF").argv[2] == "a\nb\n"
    assert run("RUN cat <<EOF > x\na\nEOF").argv[2] == "cat <<EOF > x\na\nEOF\n"
    assert run("RUN <<EOF\n#!/usr/bin/env python3\nprint(1)\nEOF").argv[-2:] == (
        "EOF",
        "#!/usr/bin/env python3\nprint(1)\n",
    )
    assert run("WORKDIR sub\nWORKDIR ../b\nRUN a").workdir == "/app/b"


@pytest.mark.parametrize(
    ("text", "cmd", "entrypoint"),
    [
        ("", ("base",), ()),
        ("CMD a b", ("/bin/sh", "-c", "a b"), ()),
        ('CMD ["a"]', ("a",), ()),
        ("CMD []", (), ()),
        ('ENTRYPOINT ["e"]', (), ("e",)),
        ('CMD ["a"]\nENTRYPOINT ["e"]', ("a",), ("e",)),
        ('ENTRYPOINT [""]\nCMD ["a"]', ("a",), ()),
        ('SHELL ["/bin/bash", "-c"]\nCMD a', ("/bin/bash", "-c", "a"), ()),
    ],
)
def test_command(text: str, cmd: tuple[str, ...], entrypoint: tuple[str, ...]) -> None:
    found = planned(f"FROM x\n{text}").config
    assert (found.cmd, found.entrypoint) == (cmd, entrypoint)


def test_copy_forms() -> None:
    assert copy("COPY a b ./") == CopyStep(sources=("a", "b"), target="/app/")
    assert copy("COPY a b/").target == "/app/b/"
    assert copy("COPY a /abs").target == "/abs"
    assert copy("COPY a .").target == "/app/"
    assert copy("COPY a ../..").target == "/"
    assert copy('COPY ["a b", "c d"]') == CopyStep(sources=("a b",), target="/app/c d")
    assert copy("COPY --from=one --chmod=0755 a b") == CopyStep(sources=("a",), target="/app/b", stage=0, mode="0755")
    assert copy("COPY --from=0 a b").stage == 0
    assert copy("ENV D=dir\nCOPY $D/x ${D}/").sources == ("dir/x",)
    assert copy("ADD a.tar.gz /x/").unpack
    inline = copy("ENV A=1\nCOPY <<one <<'two' /x/\n$A \"q\" \\$A\none\n$A\ntwo")
    assert inline.inline == (("one", '1 "q" $A\n'), ("two", "$A\n"))
    assert inline.sources == ()


def test_only_what_the_last_stage_needs_is_built() -> None:
    text = "FROM a AS one\nFROM unknown AS two\nFROM one AS three\nRUN x\nFROM b\nCOPY --from=three /x /x\n"
    assert [(each.index, each.image, each.parent) for each in plan.stages(parse(text), {})] == [
        (0, "a", None), (2, "", 0), (3, "b", None),
    ]  # fmt: skip


def test_what_has_no_effect_is_said() -> None:
    notes = [
        note
        for step in planned("FROM x\nUSER me\nVOLUME /x\nCOPY --chown=a b c\nEXPOSE 80").steps
        for note in step.notes
    ]
    assert len(notes) == 3
    assert planned("FROM x\nUSER me").config.user == "me"


def test_addresses_are_fetched() -> None:
    digits = "0a" * 32
    text = f"FROM x\nARG V=1\nADD --chmod=755 --checksum=sha256:{digits} https://x.invalid/a-$V.sh bin/\n"
    text += "ADD http://x.invalid/b /b"
    first, second = (step.action for step in planned(text).steps[-2:])
    checksum = f"sha256:{digits}"
    assert first == FetchStep(url="https://x.invalid/a-1.sh", target="/app/bin/", mode=0o755, checksum=checksum)
    assert second == FetchStep(url="http://x.invalid/b", target="/b", mode=0o600)


def test_volumes_are_folders() -> None:
    for text in ('VOLUME ["/data", "own/"]', "VOLUME /data own"):
        action = planned(f"FROM x\n{text}").steps[-1].action
        assert action == FolderStep(path="/data", more=("/app/own",), is_entered=False)
    with pytest.raises(BuildFailed, match="line 2: VOLUME needs the path of a folder"):
        planned("FROM x\nVOLUME /")


def test_headers_that_are_not_there_may_not_be_needed() -> None:
    steps = planned("FROM x\nRUN apt-get install -y bash libnot-there-dev=1.2 libnot-there-dev apt-utils sh").steps
    assert steps[-1].notes[0].startswith("this machine has no libnot-there-dev")
    assert steps[-1].notes[0].endswith(": only compiling against it would need that")
    assert not planned("FROM x\nRUN apt-get install -y bash").steps[-1].notes
    with pytest.raises(BuildFailed, match=r"RUN apk add libnot-there \(line 2\)"):
        run("RUN apk add libnot-there libnot-there-dev")


@pytest.mark.parametrize(
    ("lines", "home", "made"),
    [
        ("USER me", "/home/me", "/home/me"),
        ("USER me:staff", "/home/me", "/home/me"),
        ("USER me\nUSER root", "/root", None),
        ("USER 1000", "/root", None),
        ("USER ../x", "/root", None),
        ("USER nobody", "/root", None),
        ("ENV HOME=/own\nUSER me", "/own", "/home/me"),
        ("USER me\nENV HOME=/own\nUSER you", "/own", "/home/you"),
    ],
)
def test_home_is_the_users(lines: str, home: str, made: str | None) -> None:
    found = planned(f"FROM x\n{lines}")
    action = found.steps[-1].action
    assert found.config.env["HOME"] == home
    assert (action.path if isinstance(action, FolderStep) else None) == made


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM x y", "Dockerfile line 1: FROM must read"),
        ("ARG X\nFROM $X", "Dockerfile line 2: $X is empty"),
        ("FROM x\nCOPY a", "Dockerfile line 2: COPY needs a source and a destination"),
        ("FROM x\nCOPY a b c", "Dockerfile line 2: COPY with more than one source"),
        ("FROM x\nCOPY --from=nope a b", "Dockerfile line 2: COPY --from=nope names no stage above it"),
        ("FROM x\nCOPY --chmod=u+q a b", "Dockerfile line 2: --chmod=u+q must be an octal number such as 755, or"),
        ("FROM x\nENV A", "Dockerfile line 2: A has no value"),
        ("FROM x\nENV A=1 B", "Dockerfile line 2: B is not of the form name=value"),
        ("FROM x\nENV A='1", "Dockerfile line 2: a quote ' is opened and never closed"),
        ("FROM x\nRUN []", "Dockerfile line 2: RUN needs a command"),
        ("FROM x\nRUN --mount=type=bind true", "Dockerfile line 2: RUN --mount=type=bind needs target="),
        (
            "FROM x\nRUN --mount=from=nope,target=/a true",
            "Dockerfile line 2: RUN --mount=from=nope names no stage above",
        ),
        ("FROM x\nRUN --mount=type=disk,target=/a true", "Dockerfile line 2: RUN --mount knows no type=disk; use bind"),
        ("FROM x\nRUN --mount=type=tmpfs,target=/usr true", "Dockerfile line 2: RUN --mount cannot have target=/usr;"),
        ("FROM x\nRUN --mount=target=/opt/actorium/a true", "Dockerfile line 2: RUN --mount cannot have target=/opt/"),
        (
            "FROM x\nRUN --mount=type=secret,id=a,required=true true",
            "Dockerfile line 2: RUN --mount=type=secret,id=a,required=true: builds here have no such secret",
        ),
        ("FROM x\nADD git://x.invalid/a b", "Dockerfile line 2: ADD of a Git repository is not supported"),
        ("FROM x\nADD https://x.invalid/a.git#main b", "Dockerfile line 2: ADD of a Git repository is not supported"),
        ("FROM x\nADD https://x.invalid/a b c/", "Dockerfile line 2: an address stands alone in an ADD"),
        ("FROM x\nCOPY https://x.invalid/a b", "Dockerfile line 2: an address stands alone in an ADD"),
        ("FROM x\nADD --checksum=md5:1 https://x.invalid/a b", "Dockerfile line 2: --checksum=md5:1 must be sha256:"),
        (
            "FROM x\nRUN apt-get update && apt-get install -y lib-not-there",
            "RUN apt-get install lib-not-there (line 2): this machine has no lib-not-there. Whoever runs it",
        ),
        (
            "FROM x\nRUN apk add --no-cache lib-not-there sh=1 not-there",
            "RUN apk add lib-not-there not-there (line 2): this machine has no lib-not-there, not-there. Whoever",
        ),
        ("FROM x\nRUN yum install -y sh", "this Dockerfile needs a container engine: RUN yum install"),
        ("FROM x\n" * 25, "Dockerfile line 21: there are more than 20 stages"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(BuildFailed) as caught:
        planned(text)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("asked", ["libasound2", "libasound2t64=1.2*", "libcups2t64", "libcups2", "nss", "freetype"])
def test_libraries_are_known_by_the_names_of_other_releases(
    asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actorium.builders.process.system_packages._LISTED", tmp_path)
    with pytest.raises(BuildFailed, match="this machine has no "):
        run(f"RUN apt-get install -y {asked}")
    for name in ("libasound2t64:amd64", "libcups2", "libnss3:amd64", "libfreetype6"):
        (tmp_path / f"{name}.list").touch()
    assert run(f"RUN apt-get install -y {asked}")


def test_system_packages_that_the_host_has_are_no_reason_to_fail() -> None:
    assert run(
        "RUN apt-get update && apt-get install -y --no-install-recommends sh bash && rm -rf /var/lib/apt/lists/*"
    )
    assert run("RUN echo apt-get install lib-not-there")
    assert run("RUN apk update && apk add --no-cache --virtual .build-deps sh libc6-compat bash>1")
    assert run("RUN apt-get install -y -o Dpkg::Use-Pty=0 -t stable-backports bash && apk del .build-deps")
    assert run("RUN apt-mark auto '.*' > /dev/null || true; apt-get purge -y x")
    assert run("RUN echo \"done; apt is nice\" && echo 'then apt install lib-not-there' # ; apt install lib-not-there")
    assert run("RUN # it's (apt-get install lib-not-there)")
    for asked in (
        'bash -c "apt-get update && apt-get install -y lib-not-there"',
        "echo 'a' && apt install 'lib-not-there'",
    ):
        with pytest.raises(BuildFailed, match="lib-not-there"):
            run(f"RUN {asked}")
    with pytest.raises(BuildFailed, match=r"RUN apk add not-there-at-all \(line 2\)"):
        run("RUN apk add -t .x bash not-there-at-all")
