"""The generated references are those that the code generates now."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_references_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("references", ROOT / "scripts" / "references.py")
    assert spec is not None
    assert spec.loader is not None
    references = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(references)
    stale = [str(path) for path, text in references.pages().items() if not path.exists() or path.read_text() != text]
    assert not stale, f"{stale}: run 'make docs'"


def test_every_error_type_is_one_of_the_api_or_marked_as_ours() -> None:
    import actorium.app  # noqa: F401 - imports every feature, so that every error class is known
    from actorium.kernel.errors import ActoriumError

    known = set(json.loads((ROOT / "tests" / "contract" / "error_types.json").read_text()))
    ours = {
        "internal-server-error",
        "build-failed",
        "service-unavailable",
        "bad-request",
        "limit-reached",
        "timeout",
        "conflict",
    }
    wrong = {one.__name__: one.type for one in every(ActoriumError) if one.type not in known | ours}
    assert not wrong, f"not among the API's types: {wrong}"


def every(kind: type) -> set[type]:
    found = {kind}
    for one in kind.__subclasses__():
        found |= every(one)
    return found
