"""Secrets are what the official Python SDK reads, and nobody else."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from actorium.inputs.encryption import CannotOpen, encrypted, is_encrypted, opened, schema_hash
from actorium.kernel.ids import SeededIds

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
VALUES: list[Any] = [
    "",
    "a",
    "žluťoučký\nkůň " * 1000,
    {"password": 'q"uote', "n": [1, 2.5, None]},
    [],
    ["x", {"y": 1}],
]


def sealed(value: Any, field: dict[str, Any] | None = None) -> str:
    text = msgspec.json.encode(value)
    return encrypted(text, field=field or {"type": "string", "isSecret": True}, key=KEY.public_key(), ids=SeededIds())


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_what_is_encrypted_opens_again_and_shows_nothing(value: Any) -> None:
    text = sealed(value)
    assert is_encrypted(text)
    assert text.startswith("ENCRYPTED_VALUE:" if isinstance(value, str) else "ENCRYPTED_JSON:")
    assert opened(text, key=KEY) == value


def test_the_python_sdk_reads_it() -> None:
    crypto = pytest.importorskip("apify._crypto", reason="the SDK is not installed: scripts/install.py clients")
    pem = KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    private = crypto.load_private_key(base64.b64encode(pem).decode(), "passphrase")
    given = {f"field{number}": value for number, value in enumerate(VALUES)}
    stored = {name: sealed(value) for name, value in given.items()}
    assert crypto.decrypt_input_secrets(private, dict(stored)) == given
    made_by_it = crypto.public_encrypt("hello", public_key=KEY.public_key())
    text = f"ENCRYPTED_VALUE:{made_by_it['encrypted_password']}:{made_by_it['encrypted_value']}"
    assert opened(text, key=KEY) == "hello"


def test_another_key_and_a_changed_byte_open_nothing() -> None:
    text = sealed("secret")
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    head, password, content = text.split(":")
    flipped = bytearray(base64.b64decode(content))
    flipped[0] ^= 1
    for bad, key in (
        (text, other),
        (f"{head}:{password}:{base64.b64encode(flipped).decode()}", KEY),
        (f"{head}:{password}:", KEY),
        (f"{head}::{content}", KEY),
        ("plain", KEY),
    ):
        with pytest.raises(CannotOpen):
            opened(bad, key=key)


@pytest.mark.parametrize(
    "text", ["", "ENCRYPTED_VALUE", "ENCRYPTED_VALUE:a", "encrypted_value:a:b", "x ENCRYPTED_VALUE:a:b", 7]
)
def test_what_only_looks_alike_is_not_encrypted(text: Any) -> None:
    assert not is_encrypted(text)


def test_the_hash_of_a_field_is_of_what_its_values_are() -> None:
    field = {"type": "object", "isSecret": True, "minProperties": 1.0, "properties": {"b": {}, "a": {"title": "kept"}}}
    told = {"title": "T", "description": "D", "editor": "json", "prefill": {}, "nullable": True, "example": 1}
    # sha256 of {"isSecret":true,"minProperties":1,"properties":{"a":{"title":"kept"},"b":{}},"type":"object"}
    assert schema_hash(field) == schema_hash(field | told) == "bbc6a1b4ee"
    assert schema_hash(field) != schema_hash(field | {"maxProperties": 3})
    assert sealed({"a": 1}, field).startswith("ENCRYPTED_JSON:bbc6a1b4ee:")
