"""Secrets at rest: sealed with the installation's key, so that rows alone do not give them away."""

from __future__ import annotations

import base64
import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actorium.actors.errors import VaultLocked
from actorium.kernel.ids import Ids

_VERSION = "v1."
_NONCE_BYTES = 12


class Vault:
    """Seals and opens texts with AES-256-GCM. What is sealed for one subject opens for no other."""

    def __init__(self, secret: str, ids: Ids) -> None:
        """``secret``: any unguessable text; the same for the life of the installation."""
        self._cipher = AESGCM(hashlib.sha256(b"actorium vault\0" + secret.encode()).digest())
        self._ids = ids

    def seal(self, text: str, *, subject: str) -> str:
        """The text as it may be stored."""
        nonce = hashlib.sha256(self._ids.secret().encode()).digest()[:_NONCE_BYTES]
        sealed = self._cipher.encrypt(nonce, text.encode(), subject.encode())
        return _VERSION + base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, *, subject: str) -> str:
        """The text that was sealed. Raises VaultLocked when the key is another, or the row was tampered with."""
        try:
            parts = base64.b64decode(sealed.removeprefix(_VERSION))
            return self._cipher.decrypt(parts[:_NONCE_BYTES], parts[_NONCE_BYTES:], subject.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise VaultLocked from error
