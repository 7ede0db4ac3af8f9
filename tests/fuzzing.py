"""What the schema fuzzers share: an operation of the OpenAPI document is called with what fits it and what does not."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies
from schemathesis import GenerationMode

from live_server import LiveServer

CALL_SECS = 30


def fuzz(
    server: LiveServer,
    document: dict[str, Any],
    method: str,
    path: str,
    *,
    real: Mapping[str, str],
    examples: int,
    token: str = "",
    more_real: Callable[[Any], None] | None = None,
) -> None:
    """Send made-up requests, with the ``real`` path parameters and with others: no 5xx, and every refusal says why.

    ``FUZZ_EXAMPLES`` in the environment takes the place of ``examples``; ``more_real`` may change a case first.
    """
    operation = schemathesis.openapi.from_dict(document)[path][method]
    names = re.findall(r"\{(\w+)\}", path)
    fixed = {"path_parameters": {name: real[name] for name in names}} if names else {}
    headers = {"Authorization": f"Bearer {token or server.token}"}
    kinds = [operation.as_strategy(mode, **more) for mode in GenerationMode for more in (fixed, {})]

    @given(strategies.one_of(*kinds))
    @settings(
        max_examples=int(os.environ.get("FUZZ_EXAMPLES", examples)),
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def send(case: Any) -> None:
        if more_real is not None:
            more_real(case)
        try:
            reply = case.call(base_url=server.url, headers=headers, timeout=CALL_SECS)
        except requests.exceptions.InvalidHeader:
            return  # not a request that can be sent
        assert reply.status_code < 500, (case.as_curl_command(), reply.text, server.tail())
        if reply.status_code >= 400 and method != "HEAD":
            error = reply.json()["error"]
            assert error["type"], case.as_curl_command()
            assert error["message"], case.as_curl_command()

    send()
