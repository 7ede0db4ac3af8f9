"""A run's ``output``: the templates of its build's output schema with their variables filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from actorium.kernel.structs import encode
from actorium.runs.model import RunView

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)+)\s*\}\}")
_KINDS = (("datasets", "datasets"), ("keyValueStores", "key-value-stores"), ("requestQueues", "request-queues"))


def output(templates: Mapping[str, str], view: RunView, *, base_url: str) -> dict[str, str]:
    """By property. A variable that does not exist stays as it is written, so that its author sees it.

    base_url: the server's public one.
    """
    run = msgspec.json.decode(encode(view))
    known = {"run": run, "links": _links(run, base_url), "storages": _storages(run, base_url)}
    return {name: _VARIABLE.sub(lambda found: _text(known, found), text) for name, text in templates.items()}


def _text(known: Mapping[str, Any], found: re.Match[str]) -> str:
    value: Any = known
    for step in found[1].split("."):
        if not isinstance(value, Mapping) or step not in value:
            return found[0]
        value = value[step]
    if isinstance(value, str):
        return value
    return found[0] if isinstance(value, dict | list) else encode(value).decode()


def _links(run: Mapping[str, Any], base_url: str) -> dict[str, str]:
    return {
        "publicRunUrl": f"{base_url}/view/runs/{run['id']}",
        "consoleRunUrl": f"{base_url}/console/actors/runs/{run['id']}",
        "apiRunUrl": f"{base_url}/v2/actor-runs/{run['id']}",
        "apiDefaultDatasetUrl": f"{base_url}/v2/datasets/{run['defaultDatasetId']}",
        "apiDefaultKeyValueStoreUrl": f"{base_url}/v2/key-value-stores/{run['defaultKeyValueStoreId']}",
        "apiDefaultRequestQueueUrl": f"{base_url}/v2/request-queues/{run['defaultRequestQueueId']}",
        "containerRunUrl": run["containerUrl"],
    }


def _storages(run: Mapping[str, Any], base_url: str) -> dict[str, Any]:
    return {
        kind: {
            alias: {"id": found, "apiUrl": f"{base_url}/v2/{path}/{found}"}
            for alias, found in run["storageIds"][kind].items()
        }
        for kind, path in _KINDS
    }
