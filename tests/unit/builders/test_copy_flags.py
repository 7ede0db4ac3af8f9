"""``COPY --exclude`` and ``--parents``: what is left out, and which folders files keep."""

from __future__ import annotations

from pathlib import Path

import pytest

from actorium.builders import BuildFailed
from actorium.builders.process import plan
from actorium.builders.process.copying import Context, fingerprint, place, place_from
from actorium.builders.process.dockerfile import parse
from actorium.builders.process.layers import Layers, LayerWriter
from actorium.builders.process.source_names import Looks
from actorium.builders.process.state import Config
from actorium.builders.process.steps import CopyStep

FILES = (
    "package.json",
    "a.md",
    "packages/a/package.json",
    "packages/a/src/i.ts",
    "packages/b/package.json",
    "x/y/z.txt",
)


def step(text: str) -> CopyStep:
    dockerfile = parse(f"FROM x AS one\nFROM x\n{text}")
    action = plan.steps(plan.stages(dockerfile, {})[-1], Config(), dockerfile, {}).steps[-1].action
    assert isinstance(action, CopyStep)
    return action


def placed(text: str, folder: Path, *, folders: tuple[str, ...] = ("packages/empty", "x/none")) -> set[str]:
    action = step(text)
    (folder / "layer").mkdir()
    writer = LayerWriter(folder / "layer", (), host=folder)
    if action.stage is None:
        place(action, Context(files=dict.fromkeys(FILES, b""), folders=folders), writer)
    else:
        for name in FILES:
            (folder / "stage" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "stage" / name).touch()
        place_from(action, Layers([folder / "stage"], host=folder), writer)
    root = folder / "layer"
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() or (folders and not any(path.iterdir()))
    }


@pytest.mark.parametrize("origin", ["", "--from=one "])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--exclude=*.md --exclude=packages --exclude=**/none . /d/", "package.json x/y/z.txt"),
        ("--exclude=*.md *.* /d/", "package.json"),
        ("--exclude=src packages/a /d/", "package.json"),
        ("--exclude=**/package.json --exclude=empty packages /d", "a/src/i.ts"),
        ("--parents packages/*/package.json package.json /d/",
         "package.json packages/a/package.json packages/b/package.json"),
        ("--parents ./packages/./a/src /d/", "a/src/i.ts"),
        ("--parents --exclude=**/src packages/a /d", "packages/a/package.json"),
        ("--parents x/y/z.txt /d/", "x/y/z.txt"),
    ],
)  # fmt: skip
def test_what_is_placed(tmp_path: Path, text: str, origin: str, expected: str) -> None:
    assert placed(f"COPY {origin}{text}", tmp_path, folders=()) == {f"d/{name}" for name in expected.split()}


def test_any_number_of_folders(tmp_path: Path) -> None:
    found = placed("COPY --parents **/package.json /d/", tmp_path)
    assert found == {f"d/{name}" for name in FILES if name.endswith("package.json")}


def test_empty_folders(tmp_path: Path) -> None:
    assert placed("COPY --parents --exclude=**/z.txt x /d/", tmp_path) == {"d/x/none"}


def test_flags_are_part_of_what_a_step_makes() -> None:
    context, digests = Context(files=dict.fromkeys(FILES, b"")), dict.fromkeys(FILES, "1")
    steps = [step(f"COPY {flags}packages /d/") for flags in ("", "--parents ", "--exclude=a ", "--exclude=b ")]
    keys = [str(fingerprint(each, context, digests)) for each in steps]
    assert len({*keys}) == len(keys)
    assert len(keys[0]) < len(keys[1])


def test_patterns_are_bounded() -> None:
    looks = Looks(most=20)
    with pytest.raises(BuildFailed, match="lead to more than 20 names"):
        Context(files=dict.fromkeys(FILES, b""), looks=looks).chosen(step("COPY --parents **/a/** **/b /d/"), "**/a/**")
    with pytest.raises(BuildFailed, match=r"COPY --exclude: the \[ in \[a is never closed"):
        Context(files=dict.fromkeys(FILES, b"")).chosen(step("COPY --exclude=[a . /d/"), ".")
