"""``scripts/install.py``, which make starts before anything else is there."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from typing import Never

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "install.py"


def test_what_cannot_be_installed_is_told_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("install", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def fail(command: list[str], **_: object) -> Never:
        raise subprocess.CalledProcessError(2, command, stderr=b"no such thing")

    monkeypatch.setattr(script, "VENV", tmp_path)
    monkeypatch.setattr(script, "PYTHON", tmp_path / "bin" / "python")
    monkeypatch.setattr(script.venv, "create", lambda *_, **__: None)
    monkeypatch.setattr(script.sys, "argv", ["install.py", "runtime"])
    monkeypatch.setattr(script.subprocess, "run", fail)
    assert script.main() == 1
    told = capsys.readouterr().out
    assert "-m pip --version" in told
    assert "no such thing" in told
    assert "pip config list" in told
