"""Secret values as the SDKs read them (facts: the contract's RUNTIME §5). Only the values are secret, not the form.

A value is encrypted with AES-256-GCM under a new key, and that key with the RSA key of a user and an Actor:
``ENCRYPTED_VALUE:<password>:<value>`` for texts, ``ENCRYPTED_JSON:<schema hash>:<password>:<value>`` for the rest.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actorium.kernel.ids import Ids

_TEXT, _JSON = "ENCRYPTED_VALUE", "ENCRYPTED_JSON"
_KEY_CHARS, _IV_CHARS = 32, 16
_HASH_CHARS = 10
_SEGMENT = r"[-A-Za-z0-9+/]*={0,3}"
_FORM = re.compile(rf"({_TEXT}|{_JSON}):(?:({_SEGMENT}):)?({_SEGMENT}):({_SEGMENT})")
_NOT_HASHED = frozenset(
    ("title", "description", "sectionCaption", "sectionDescription", "nullable", "example", "prefill", "editor")
)
_INDEX = re.compile(r"0|[1-9]\d{0,9}", re.ASCII)
_INDEX_END = 2**32 - 1
_PADDING = OAEP(mgf=MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - what the SDKs read


class CannotOpen(Exception):
    """The value was encrypted with another key, or is damaged."""


def is_encrypted(value: Any) -> bool:
    """Whether a value has the form of an encrypted one."""
    return isinstance(value, str) and _FORM.fullmatch(value) is not None


def encrypted(value: bytes, *, field: Mapping[str, Any], key: RSAPublicKey, ids: Ids) -> str:
    """A value, given as JSON, that the key's owner alone can read. ``field``: its part of the input schema."""
    if value.lstrip()[:1] == b'"':
        return f"{_TEXT}:{_sealed(msgspec.json.decode(value, type=str), key=key, ids=ids)}"
    return f"{_JSON}:{schema_hash(field)}:{_sealed(value.decode(), key=key, ids=ids)}"


def opened(value: str, *, key: RSAPrivateKey) -> Any:
    """What was encrypted. Raises CannotOpen."""
    match = _FORM.fullmatch(value)
    if match is None:
        raise CannotOpen
    kind, _, password, content = match.groups()
    try:
        secret = key.decrypt(base64.b64decode(password), _PADDING)
        text = AESGCM(secret[:_KEY_CHARS]).decrypt(secret[_KEY_CHARS:], base64.b64decode(content), None).decode()
        return text if kind == _TEXT else msgspec.json.decode(text)
    except (InvalidTag, ValueError, binascii.Error, msgspec.DecodeError, RecursionError) as error:
        raise CannotOpen from error


def schema_hash(field: Mapping[str, Any]) -> str:
    """What tells whether two fields take the same values, as far as that is told to programs."""
    return hashlib.sha256(msgspec.json.encode(_told(field))).hexdigest()[:_HASH_CHARS]


def is_for(value: Any, field: Mapping[str, Any]) -> bool:
    """Whether an encrypted value was made for such a field. One that does not say fits any."""
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    made_for = match[2] if match else None
    return not made_for or made_for == schema_hash(field)


def _sealed(text: str, *, key: RSAPublicKey, ids: Ids) -> str:
    secret, iv = ids.secret()[:_KEY_CHARS].encode(), ids.secret()[:_IV_CHARS].encode()
    content = AESGCM(secret).encrypt(iv, text.encode(), None)
    password = key.encrypt(secret + iv, _PADDING)
    return f"{base64.b64encode(password).decode()}:{base64.b64encode(content).decode()}"


def _told(value: Any) -> Any:
    """Without what is for people, on every level; numbers and the order of names as JavaScript writes them."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if isinstance(value, list):
        return [_told(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _told(value[name]) for name in sorted(value.keys() - _NOT_HASHED, key=_place)}
    return value


def _place(name: str) -> tuple[bool, int, bytes]:
    """Names that are numbers come first, by number."""
    is_number = _INDEX.fullmatch(name) is not None and int(name) < _INDEX_END
    return not is_number, int(name) if is_number else 0, name.encode("utf-16-be", "surrogatepass")
