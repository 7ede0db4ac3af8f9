"""The Dockerfile of an Actor that has none: chosen by the files it is made of."""

from __future__ import annotations

from collections.abc import Mapping

from actorium.builders import BuildFailed


def default_dockerfile(files: Mapping[str, bytes], *, minor: str) -> str:
    """A Python Actor's Dockerfile; ``minor`` is this machine's own Python. Raises ``BuildFailed`` for another kind."""
    package = _package(files)
    if package is None and "main.py" not in files:
        kind = "a JavaScript Actor" if {"package.json", "main.js"} & set(files) else "no Actor that is known here"
        raise BuildFailed(
            f"the source has no Dockerfile and looks like {kind}; without a Dockerfile, Actorium builds Python Actors "
            "with a src/__main__.py or a main.py. JavaScript Actors come in a later release."
        )
    lines = [f"FROM apify/actor-python:{minor}"]
    if "requirements.txt" in files:
        lines += ["COPY requirements.txt ./", "RUN pip install -r requirements.txt"]
    lines += ["COPY . ./"]
    if "requirements.txt" not in files and "pyproject.toml" in files:
        lines += ["RUN pip install ."]
    command = f'["python", "-m", "{package}"]' if package is not None else '["python", "main.py"]'
    return "\n".join([*lines, f"CMD {command}", ""])


def _package(files: Mapping[str, bytes]) -> str | None:
    """``src`` if it can be run, else the one package that can."""
    runnable = [path.split("/")[0] for path in files if path.count("/") == 1 and path.endswith("/__main__.py")]
    if "src" in runnable:
        return "src"
    named = [name for name in runnable if name.isidentifier()]
    return named[0] if len(named) == 1 else None
