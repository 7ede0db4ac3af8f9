"""The command, before and around its command line."""

from __future__ import annotations

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
