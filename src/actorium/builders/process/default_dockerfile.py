"""The Dockerfile of an Actor that has none: chosen by the files it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from actorium.builders import BuildFailed

NODE = "24"
"""The Node.js of the API's own default."""


def default_dockerfile(files: Mapping[str, bytes], *, minor: str) -> str:
    """An Actor's Dockerfile; ``minor`` is this machine's own Python. Raises ``BuildFailed`` for what is no Actor."""
    package = _package(files)
    if package is None and "main.py" not in files:
        if {"package.json", "main.js"} & set(files):
            return _javascript(files)
        raise BuildFailed(
            "the source has no Dockerfile and looks like no Actor that is known here: without a Dockerfile, it needs a "
            "src/__main__.py or main.py for Python, or a package.json or main.js for JavaScript"
        )
    lines = [f"FROM apify/actor-python:{minor}"]
    if "requirements.txt" in files:
        lines += ["COPY requirements.txt ./", "RUN pip install -r requirements.txt"]
    lines += ["COPY . ./"]
    if "requirements.txt" not in files and "pyproject.toml" in files:
        lines += ["RUN pip install ."]
    command = f'["python", "-m", "{package}"]' if package is not None else '["python", "main.py"]'
    return "\n".join([*lines, f"CMD {command}", ""])


def _javascript(files: Mapping[str, bytes]) -> str:
    """The base brings a package.json that starts main.js, and the command, which is ``npm start``."""
    lines = [f"FROM apify/actor-node:{NODE}"]
    if "package.json" in files:
        lines += ["COPY package*.json ./", "RUN npm install --omit=dev --omit=optional"]
    command = [f'CMD ["node", "{main}"]'] if (main := _unstarted(files)) is not None else []
    return "\n".join([*lines, "COPY . ./", *command, ""])


def _unstarted(files: Mapping[str, bytes]) -> str | None:
    """The program of a package.json that does not say how to start it: ``npm start`` would end without a word."""
    try:
        told = msgspec.json.decode(files.get("package.json", b"null"), type=_PackageJson | None)
    except msgspec.DecodeError:
        return None  # npm says what is wrong with it
    if told is None or "start" in told.scripts or "server.js" in files:
        return None
    return next((name for name in (told.main.removeprefix("./"), "main.js") if name in files and '"' not in name), None)


class _PackageJson(msgspec.Struct):
    main: str = ""
    scripts: dict[str, Any] = {}


def _package(files: Mapping[str, bytes]) -> str | None:
    """``src`` if it can be run, else the one package that can."""
    runnable = [path.split("/")[0] for path in files if path.count("/") == 1 and path.endswith("/__main__.py")]
    if "src" in runnable:
        return "src"
    named = [name for name in runnable if name.isidentifier()]
    return named[0] if len(named) == 1 else None
