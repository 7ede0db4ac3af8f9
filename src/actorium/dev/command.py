"""``actorium dev`` on the command line; its module is loaded when it is named."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from actorium.dev import CANNOT, Wanted, main
from actorium.dev.session import RunOptions
from actorium.settings import WrongSetting
from actorium.settings import read as read_settings


def dev(
    folder: Path = Path(),
    *,
    input: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    once: Annotated[bool, Parameter(negative=())] = False,
    memory: int | None = None,
    timeout: int | None = None,
) -> None:
    """Build and run a local Actor, with its log, and again whenever one of its files changes. Ctrl+C ends.

    Parameters
    ----------
    folder
        Where the Actor is; the current folder if not given. It runs on the server of this machine, which is started if
        none runs, or on the one that APIFY_CLIENT_BASE_URL and APIFY_TOKEN name.
    input
        A JSON file, or - for standard input. Else it is storage/key_value_stores/default/INPUT.json in the folder, or
        what the input schema is prefilled with.
    once
        Do not wait for changes: exit with the run's exit code, 1 if it or its build failed without one, 2 if it could
        not begin.
    memory
        Memory of the runs in MB.
    timeout
        Seconds that the runs may take.
    """
    try:
        settings = read_settings(os.environ)
    except WrongSetting as error:
        sys.stderr.write(f"actorium: {error}\n")
        sys.exit(CANNOT)
    options = RunOptions(memory_mbytes=memory, timeout_secs=timeout)
    sys.exit(main(Wanted(folder=folder, input=input, is_once=once, options=options), settings))
