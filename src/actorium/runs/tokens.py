"""A run's own token: computed from its id, so it stays the same over reboots and restarts and is stored nowhere.

Each Actor that a run becomes has a token of its own: what the one before has kept opens nothing of the next one's.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256

PREFIX = "actorium_run_"
MAC_CHARS = 32  # hex digits of the signature: 128 bits


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token was made for."""

    run_id: str
    metamorphs: int = 0
    """How often the run had become another Actor by then."""


class RunTokens:
    """Makes and checks run tokens with the installation's secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def token(self, run_id: str, metamorphs: int = 0) -> str:
        """The token of a run that has become another Actor so often."""
        name = f"{run_id}_{metamorphs}" if metamorphs else run_id
        return f"{PREFIX}{name}_{self._mac(name)}"

    def bearer(self, token: str) -> Bearer | None:
        """Whom a token belongs to; None: it is no run token, or not one of this installation."""
        if not token.startswith(PREFIX):
            return None
        name, _, mac = token.removeprefix(PREFIX).rpartition("_")
        if not hmac.compare_digest(mac.encode(), self._mac(name).encode()):
            return None
        run_id, _, metamorphs = name.partition("_")
        return Bearer(run_id, int(metamorphs or 0))

    def _mac(self, name: str) -> str:
        return hmac.new(self._secret, f"run-token:{name}".encode(), sha256).hexdigest()[:MAC_CHARS]
