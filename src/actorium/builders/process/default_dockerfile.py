"""The Dockerfile of an Actor that has none: chosen by the files it is made of."""

from __future__ import annotations

from collections.abc import Mapping

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
    """The base brings a package.json that starts main.js, and the command."""
    lines = [f"FROM apify/actor-node:{NODE}"]
    if "package.json" in files:
        lines += ["COPY package*.json ./", "RUN npm install --omit=dev --omit=optional"]
    return "\n".join([*lines, "COPY . ./", ""])


def _package(files: Mapping[str, bytes]) -> str | None:
    """``src`` if it can be run, else the one package that can."""
    runnable = [path.split("/")[0] for path in files if path.count("/") == 1 and path.endswith("/__main__.py")]
    if "src" in runnable:
        return "src"
    named = [name for name in runnable if name.isidentifier()]
    return named[0] if len(named) == 1 else None
