"""A run's own token: computed from its id, so it stays the same over reboots and restarts and is stored nowhere."""

from __future__ import annotations

import hmac
from hashlib import sha256

PREFIX = "actorium_run_"
MAC_CHARS = 32  # hex digits of the signature: 128 bits


class RunTokens:
    """Makes and checks run tokens with the installation's secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def token(self, run_id: str) -> str:
        """The token of a run."""
        return f"{PREFIX}{run_id}_{self._mac(run_id)}"

    def run_id(self, token: str) -> str | None:
        """Which run a token belongs to; None: it is no run token, or not one of this installation."""
        if not token.startswith(PREFIX):
            return None
        run_id, _, mac = token.removeprefix(PREFIX).rpartition("_")
        return run_id if hmac.compare_digest(mac.encode(), self._mac(run_id).encode()) else None

    def _mac(self, run_id: str) -> str:
        return hmac.new(self._secret, f"run-token:{run_id}".encode(), sha256).hexdigest()[:MAC_CHARS]
