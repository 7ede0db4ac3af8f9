"""What containers see of the machine's settings."""

from __future__ import annotations

from pathlib import Path

from actorium.executors.process.keeper.skeleton import copy_public


def test_only_what_everybody_may_read_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "java"
    (source / "security").mkdir(parents=True)
    (source / "hidden").mkdir(mode=0o750)
    for name, mode in (("security/policy", 0o644), ("security/password", 0o640), ("hidden/x", 0o644), ("own", 0o600)):
        (source / name).touch()
        (source / name).chmod(mode)
    (source / "link").symlink_to("security/policy")
    copy_public(source, tmp_path / "copy")
    assert {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*")} == {
        "security", "security/policy", "link",
    }  # fmt: skip
    copy_public(source / "own", tmp_path / "own")
    copy_public(source / "security/policy", tmp_path / "policy")
    copy_public(source / "link", tmp_path / "link")
    assert [(tmp_path / name).is_file() for name in ("own", "policy")] == [False, True]
    assert (tmp_path / "link").readlink() == Path("security/policy")
