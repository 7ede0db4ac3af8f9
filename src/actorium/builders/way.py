"""How far the steps of one build get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

UNSET = ("NO_PROXY", "no_proxy", "PIP_PROXY", "NPM_CONFIG_NOPROXY")
"""Variables that would lead around a proxy: taken away where one is the only way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What steps are given of a network."""

    outward: bool = True
    door: int | None = None
    """A port of this machine's loopback that answers at the same address inside."""
    proxies: Mapping[str, str] = field(default_factory=dict)
    """Variables that lead to the door, instead of the host's; empty ones are taken away."""
    is_only: bool = False
    """The machine has no other for sandboxes: what the builder itself fetches goes it, too."""

    def over(self, environment: Mapping[str, str]) -> dict[str, str]:
        """An environment for steps on this way."""
        return {name: value for name, value in {**environment, **self.proxies}.items() if value or name not in UNSET}


CUT_OFF = Way(outward=False)
"""Nothing."""
OPEN = Way()
"""Everything that a run reaches, but the API."""
