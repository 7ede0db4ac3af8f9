"""The command, before and around its command line."""

from __future__ import annotations

import io
import subprocess
import sys
from types import ModuleType
from typing import Never

import pytest

from actorium.__main__ import main


def test_ctrl_c_while_modules_load_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loading(ModuleType):
        @property
        def app(self) -> Never:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "actorium.cli", Loading("actorium.cli"))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130


def test_a_reader_that_has_seen_enough_is_no_traceback() -> None:
    command = [sys.executable, "-m", "actorium", "openapi"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_what_a_terminal_cannot_show_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs of Actors hold any text."""
    command_line, shown = ModuleType("actorium.cli"), io.BytesIO()
    command_line.app = lambda: print("día 漢")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "actorium.cli", command_line)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="latin-1", write_through=True))
        main()
        assert shown.getvalue() == "día ?\n".encode("latin-1")
