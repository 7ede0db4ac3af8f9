"""Secrets are what the official Python SDK reads, and nobody else."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from actorium.inputs.encryption import CannotOpen, encrypted, is_encrypted, opened, schema_hash
from actorium.inputs.secrets import uncover
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
    field = {"type": "object", "isSecret": True, "minProperties": 1.0, "properties": {"b": {}, "a": {}}}
    told = {"title": "T", "description": "D", "editor": "json", "prefill": {}, "nullable": True, "example": 1}
    # sha256 of {"isSecret":true,"minProperties":1,"properties":{"a":{},"b":{}},"type":"object"}
    assert schema_hash(field) == schema_hash(field | told) == "17decf5893"
    assert schema_hash(field) == schema_hash(field | {"properties": {"b": {"title": "T"}, "a": told}})
    assert schema_hash(field) != schema_hash(field | {"maxProperties": 3})
    assert sealed({"a": 1}, field).startswith("ENCRYPTED_JSON:17decf5893:")


SUB = {
    "z": {"type": "string", "title": "t", "description": "d", "editor": "textfield", "prefill": "p", "example": "é"},
    "a": {"type": "integer", "title": "q", "description": "w", "default": 1},
}
FLAT = {"title": "x", "type": "object", "isSecret": True, "description": "d", "editor": "json"}
HASHES: list[tuple[dict[str, Any], str]] = [  # what the official library makes of these
    (FLAT, "5be0c04285"),
    (
        FLAT | {"editor": "schemaBased", "properties": SUB, "required": ["z"], "additionalProperties": False},
        "811e47b658",
    ),
    (FLAT | {"default": {"title": "x", "b": 1}}, "5094031e7d"),
    (FLAT | {"allOf": [{"title": "t", "minProperties": 1}, {"maxProperties": 2}]}, "6545e89334"),
    (FLAT | {"x": [["b", {"editor": 1, "q": 2}]]}, "4493e0e6b0"),
    (FLAT | {"properties": {"10": {}, "9": {}, "b": {}, "a": {}}}, "1761a31bc5"),
]


@pytest.mark.parametrize(("field", "known"), HASHES, ids=range(len(HASHES)))
def test_hashes_are_those_of_the_official_library(field: dict[str, Any], known: str) -> None:
    assert schema_hash(field) == known


@pytest.mark.anyio
async def test_a_value_for_another_schema_is_told_apart() -> None:
    fields: dict[str, dict[str, Any]] = {"a": FLAT, "b": FLAT | {"type": "array"}, "c": {"type": "string"}}
    made = sealed({"x": 1}, FLAT)
    values = {
        "a": made, "b": made, "c": sealed("text", fields["c"]), "d": made.replace(":5be0c04285:", ":"), "e": {"x": 1},
    }  # fmt: skip
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in values.items()}
    secrets = await uncover(raw, None, fields | {"d": FLAT, "e": FLAT})
    assert secrets.outdated == {"b"}
