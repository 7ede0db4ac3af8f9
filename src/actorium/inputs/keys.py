"""Key pairs for secret inputs: one for each user and Actor, made when the first secret comes, kept sealed."""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from dataclasses import dataclass
from typing import cast

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from actorium.actors.vault import Vault
from actorium.database import Database, Tx
from actorium.inputs import store
from actorium.kernel.clock import Clock
from actorium.kernel.ids import Ids
from actorium.kernel.limits import INPUT_KEYS_KNOWN_MAX
from actorium.kernel.structs import decode, encode

_BITS, _EXPONENT = 2048, 65_537


class _Stored(msgspec.Struct, frozen=True):
    """A pair inside its seal. The private key is there twice: opening the PEM takes as long as making a pair."""

    pem: str
    passphrase: str
    der: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A key pair, ready for use."""

    private: rsa.RSAPrivateKey
    public: rsa.RSAPublicKey


class Keys:
    """The key pairs of this installation."""

    def __init__(self, database: Database, *, vault: Vault, ids: Ids, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._ids = ids
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], Pair] = OrderedDict()
        self._making = asyncio.Lock()

    async def find(self, user_id: str, actor_id: str) -> Pair | None:
        """The pair, if one was ever needed. Raises VaultLocked."""
        known = self._known.get((user_id, actor_id))
        if known is not None:
            self._known.move_to_end((user_id, actor_id))
            return known
        stored = await self._database.read(lambda tx: self._stored_in(tx, user_id, actor_id))
        if stored is None:
            return None
        # The seal has vouched for the key: a check of its numbers would take longer than making one.
        private = load_der_private_key(base64.b64decode(stored.der), None, unsafe_skip_rsa_key_validation=True)
        private = cast("rsa.RSAPrivateKey", private)
        pair = self._known[user_id, actor_id] = Pair(private, private.public_key())
        if len(self._known) > INPUT_KEYS_KNOWN_MAX:
            self._known.popitem(last=False)
        return pair

    async def get(self, user_id: str, actor_id: str) -> Pair:
        """The pair, made now if there is none: one at a time, and in a thread, because that takes a CPU's attention."""
        found = await self.find(user_id, actor_id)
        if found is not None:
            return found
        async with self._making:
            found = await self.find(user_id, actor_id)
            if found is None:
                passphrase = self._ids.secret()
                made = await asyncio.to_thread(_made, passphrase)
                sealed = self._vault.seal(encode(made).decode(), subject=_subject(user_id, actor_id))
                now = self._clock.now()
                await self._database.write(
                    lambda tx: store.add_pair(tx, user_id=user_id, actor_id=actor_id, now=now, sealed=sealed)
                )
                found = await self.find(user_id, actor_id)  # perhaps that of another server, which was first
        assert found is not None
        return found

    def environment_in(self, tx: Tx, user_id: str, actor_id: str) -> dict[str, str]:
        """What the SDKs read the private key from; nothing where no secret ever came. Raises VaultLocked."""
        stored = self._stored_in(tx, user_id, actor_id)
        if stored is None:
            return {}
        return {
            "APIFY_INPUT_SECRETS_PRIVATE_KEY_FILE": stored.pem,
            "APIFY_INPUT_SECRETS_PRIVATE_KEY_PASSPHRASE": stored.passphrase,
        }

    def _stored_in(self, tx: Tx, user_id: str, actor_id: str) -> _Stored | None:
        sealed = store.pair(tx, user_id, actor_id)
        return (
            None if sealed is None else decode(self._vault.open(sealed, subject=_subject(user_id, actor_id)), _Stored)
        )


def _made(passphrase: str) -> _Stored:
    private = rsa.generate_private_key(public_exponent=_EXPONENT, key_size=_BITS)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode()))
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return _Stored(pem=base64.b64encode(pem).decode(), passphrase=passphrase, der=base64.b64encode(der).decode())


def _subject(user_id: str, actor_id: str) -> str:
    return f"input-keys:{user_id}:{actor_id}"
