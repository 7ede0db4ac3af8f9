"""What a container engine is sent to build, and how its messages become a log."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import pytest

from actorium.builders import BuildFailed, BuildSpec
from actorium.builders.container import archives, builder
from actorium.builders.container.context import DOCKERFILE, Context, context, fingerprint
from actorium.builders.container.progress import Progress
from actorium.builders.process import inflating
from actorium.builders.process.output import Output
from actorium.kernel.clock import SystemClock
from actorium.kernel.instant import Instant

LABELS = {"of": 'a "b"', "owner": "7"}
MARK = 'LABEL of="a \\"b\\"" owner="7"'


def spec(files: dict[str, str], dockerfile: str = "Dockerfile", **changes: Any) -> BuildSpec:
    values: dict[str, Any] = {
        "name": "b-1",
        "owner_number": 7,
        "build_args": {},
        "use_cache": True,
        "memory_mbytes": 256,
        "deadline": Instant(1),
    }
    sources = {name: text.encode() for name, text in files.items()}
    return BuildSpec(files=sources, dockerfile=dockerfile, **{**values, **changes})


def sent(made: Context) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(archive(made))) as tar:
        return {entry.name: tar.extractfile(entry).read().decode() for entry in tar}  # type: ignore[union-attr]


def archive(made: Context) -> bytes:
    return made.archive({base: f"id-{base}" for base in made.bases})


def written(text: str, **changes: Any) -> str:
    return sent(context(spec({"Dockerfile": text}, **changes), LABELS))["Dockerfile"]


def test_every_stage_is_marked_at_its_beginning() -> None:
    text = "# syntax=x\nARG A=3\nFROM one:$A \\\n  AS first\n# remark\n\nRUN <<E\nFROM two\nE\nFROM first\nFROM scratch"
    assert written(text) == (
        f"\nARG A=3\nFROM id-one:3 AS first\n{MARK}\n\n\n"
        f"RUN <<E\nFROM two\nE\nFROM first\n{MARK}\nFROM scratch\n{MARK}\n"
    )


def test_engines_get_what_was_read() -> None:
    """One line for each instruction, in its place: what an engine would read otherwise is not there."""
    text = "# escape=`\nFROM one\nRUN a `\n  # remark\n  && b`\n`\n c\nCOPY --chown=1 -- --x y\nCMD\nRUN z `"
    assert written(text) == (
        f"# escape=`\nFROM id-one\n{MARK}\nRUN a   && b c\n\n\n\nCOPY --chown=1 -- --x y\nCMD \nRUN z\n"
    )
    assert "\nFROM two" not in written("FROM one\nRUN a `\nFROM two\n".replace("`", "\\"))
    hidden = "FROM one\nRUN a \\\n\x1c\nFROM two\n"
    assert context(spec({"Dockerfile": hidden}), LABELS).bases == ("one", "two")
    assert "FROM id-two" in written(hidden)


def test_what_is_so_in_any_case_is_left_away() -> None:
    flags = "--network=default --security=sandbox --mount=type=secret,id=x,required --mount=type=tmpfs,target=/t"
    assert written(f"FROM one\nRUN {flags} a\n").endswith("\nRUN --mount=type=tmpfs,target=/t a\n")


def test_images_are_named_by_their_ids() -> None:
    """An engine has other variables, and its names may mean another image by then."""
    text = (
        "ARG A=${TARGETARCH:+one}\nFROM ${A:-two} AS x\nFROM x\nCOPY --from=three --chown=1 /a /b\nCOPY --from=0 a b\n"
    )
    assert written(text) == (
        f"ARG A=${{TARGETARCH:+one}}\nFROM id-one AS x\n{MARK}\nFROM x\n{MARK}\n"
        "COPY --from=id-three --chown=1 /a /b\nCOPY --from=0 a b\n"
    )


@pytest.mark.parametrize("label", ["LABEL owner=8 $A", 'LABEL "actor""ium.owner"=8', "LABEL actorium.own\\er 8"])
def test_what_may_say_something_else_of_whose_it_is_is_marked_again(label: str) -> None:
    assert written(f"FROM one\n{label}\n").endswith(f"{label}\n{MARK}\n")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("COPY --from=1 /a /b", "the number of no stage"),
        ("COPY --from=99999999999999999999 /a /b", "the number of no stage"),
        ("ONBUILD COPY --from=0 /a /b", "ONBUILD COPY --from is refused"),
        ("FROM a b", "FROM takes an image"),
        ("FROM a AS 'b c'", "FROM takes an image"),
        ("FROM $NOTHING", "is empty"),
    ],
)
def test_what_an_engine_should_not_be_asked(line: str, why: str) -> None:
    with pytest.raises(BuildFailed, match=f"Dockerfile line 2: .*{why}"):
        context(spec({"Dockerfile": f"FROM one\n{line}\n"}), LABELS)


def test_bases_are_named() -> None:
    text = "ARG V=1\nFROM one:${V} AS first\nARG V=9\nFROM two:$V AS other\nFROM First\nCOPY --from=three /x /x\n"
    text += "COPY --from=First /x /x\nCOPY --from=0 /x /x\n"
    assert context(spec({"Dockerfile": text}), LABELS).bases == ("one:1", "two:1", "three")
    assert context(spec({"Dockerfile": text}, build_args={"V": "5"}), LABELS).bases == ("one:5", "two:5", "three")
    assert context(spec({"Dockerfile": "FROM scratch\nCOPY . .\n"}), LABELS).bases == ()


def test_quotes_of_others_need_not_come_in_pairs() -> None:
    text = "FROM one\nRUN echo hi # it's fine\nMAINTAINER John O'Brien\nHEALTHCHECK CMD curl it's\nFROM two\n"
    assert context(spec({"Dockerfile": text}), LABELS).bases == ("one", "two")
    with pytest.raises(BuildFailed, match="Dockerfile line 1: a quote ' is opened"):
        context(spec({"Dockerfile": "ARG A='1\nFROM one\n"}), LABELS)


def test_what_is_ignored_stays_here() -> None:
    files = {"Dockerfile": "FROM one\n", ".dockerignore": "*\n!kept\n", "kept": "1", "left": "2"}
    made = context(spec(files), LABELS)
    assert sent(made) == {
        DOCKERFILE: f"FROM id-one\n{MARK}\n",
        ".dockerignore": f"{DOCKERFILE}\n.dockerignore\n",
        "kept": "1",
    }
    assert made.dockerfile == DOCKERFILE


def test_executable_files_and_empty_folders() -> None:
    files = {"Dockerfile": "FROM one\n", "run": "x", "script": "#!/bin/sh", ".dockerignore": "left\n"}
    marked = {"executable": frozenset({"run"}), "folders": frozenset({"kept/here", "left"})}
    with tarfile.open(fileobj=io.BytesIO(archive(context(spec(files, **marked), LABELS)))) as tar:
        modes = {entry.name: entry.mode for entry in tar}
        assert tar.getmember("kept/here").isdir()
    assert (modes["run"], modes["script"], modes["Dockerfile"]) == (0o755, 0o755, 0o644)
    assert "left" not in modes


def test_an_actor_without_a_dockerfile_gets_one() -> None:
    made = context(spec({"main.py": ""}, dockerfile=""), LABELS)
    assert sent(made)[DOCKERFILE].lstrip("\n").startswith("FROM id-apify/actor-python:")


def test_a_dockerfile_that_is_not_there() -> None:
    with pytest.raises(BuildFailed, match="Dockerfile x is not among"):
        context(spec({"main.py": ""}, dockerfile="x"), LABELS)


def bomb(kind: bytes, size: int, *, entries: int = 1) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for number in range(entries):
            entry = tarfile.TarInfo(f"{number}")
            entry.size = size
            tar.addfile(entry, io.BytesIO(kind * size))
    return made.getvalue()


@pytest.mark.parametrize("line", ["ADD x /", "ONBUILD ADD x /"])
def test_an_engine_unpacks_no_bomb(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    for module in (archives, inflating):
        monkeypatch.setattr(module, "ARCHIVE_BYTES_MAX", 1 << 20)
        monkeypatch.setattr(module, "ARCHIVE_ENTRIES_MAX", 100)
    small, large, many = bomb(b"a", 1 << 19), bomb(b"a", 1 << 21), bomb(b"a", 0, entries=101)
    made = spec({"Dockerfile": f"FROM one\n{line}\n"})
    for content in (small, gzip.compress(small), gzip.compress(small)[:-9]):
        context(replace(made, files={**made.files, "x": content}), LABELS)
    for content in (large, gzip.compress(large), lzma.compress(large), many):
        with pytest.raises(BuildFailed, match=r"ADD x: the archive holds more .* COPY it"):
            context(replace(made, files={**made.files, "x": content}), LABELS)
        copied = spec({"Dockerfile": "FROM one\nCOPY x /\n"})
        context(replace(copied, files={**copied.files, "x": content}), LABELS)


def test_a_fingerprint_changes_with_everything() -> None:
    files = {"Dockerfile": "FROM one\n", "a": "1"}
    first = spec(files)
    known = printed(first)
    assert printed(first) == known
    others = [spec({**files, "a": "2"}), spec({**files, "b": ""}), spec(files, owner_number=8)]
    others.append(spec(files, build_args={"X": "1"}))
    assert len({known, printed(first, "newer"), *map(printed, others)}) == 6


def printed(asked: BuildSpec, base: str = "id") -> str:
    made = context(asked, LABELS)
    return fingerprint(asked, made, {"one": base}, made.archive({"one": base}))


def test_messages_become_lines() -> None:
    log: list[bytes] = []
    output = Output(log.append)
    progress = Progress(output, memory_mbytes=256)
    progress.hear({"stream": "Step 1"})
    progress.hear({"stream": "\n\x1b[91mred\n\x1b[0m"})
    for current in (1, 2, 30, 31, 100):
        detail = {"current": current * 10_000, "total": 1_000_000}
        progress.hear({"status": "Downloading", "id": "abc", "progressDetail": detail})
    progress.hear({"status": "Done", "progressDetail": {}})
    progress.hear({"aux": {"ID": "sha256:1"}})
    output.end()
    assert b"".join(log).decode() == (
        "Step 1\nred\nabc: Downloading 0.0 of 1.0 MB\nabc: Downloading 0.3 of 1.0 MB\n"
        "abc: Downloading 1.0 of 1.0 MB\nDone\n"
    )


@pytest.mark.parametrize(
    ("message", "said", "code"),
    [
        ({"errorDetail": {"code": 3, "message": "it returned 3"}, "error": "x"}, "it returned 3", 3),
        ({"error": "while running runtime: exit status 4\n"}, "exit status 4", 4),
        ({"errorDetail": {"code": 137, "message": "code: 137"}}, "256 MB of memory", 137),
        ({"error": None}, "no reason", None),
    ],
)
def test_failures(message: dict[str, Any], said: str, code: int | None) -> None:
    with pytest.raises(BuildFailed, match=said) as failed:
        Progress(Output(lambda _: None), memory_mbytes=256).hear(message)
    assert failed.value.exit_code == code


@pytest.mark.anyio
async def test_names_are_looked_at_off_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty thousand of them take a tenth of a second."""
    seen: list[bool] = []

    def looked(_: Iterable[str]) -> None:
        seen.append(threading.current_thread() is threading.main_thread())
        raise BuildFailed("seen")

    monkeypatch.setattr(builder, "checked_names", looked)
    nothing = cast("Any", None)
    building = builder.ContainerBuilder(
        nothing, clock=SystemClock(), installation="x", environment={}, networks=nothing
    )  # fmt: skip
    with pytest.raises(BuildFailed, match="seen"):
        await building.build(spec({"main.js": ""}), lambda _: None)
    assert seen == [False]
