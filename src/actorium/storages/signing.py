"""Signatures in links: whoever holds one may read without a token. Made as the official clients make them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from actorium.kernel.instant import Instant

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
HEX_DIGITS_USED = 30  # of the SHA-256, the API's own
VERSION = "0"


def hmac62(secret: str, message: str) -> str:
    """The API's short HMAC: the first 30 hex digits of an HMAC-SHA256, written in base 62."""
    digest = hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()
    number = int(digest[:HEX_DIGITS_USED], 16)
    digits = []
    while number:
        number, digit = divmod(number, len(DIGITS))
        digits.append(DIGITS[digit])
    return "".join(reversed(digits)) or "0"


def sign_contents(secret: str, storage_id: str, expires_at: Instant | None = None) -> str:
    """A signature for the items of a dataset or the keys of a store; without an expiry it holds for ever."""
    expiry = int(expires_at or 0)
    code = hmac62(secret, f"{VERSION}.{expiry}.{storage_id}")
    return base64.urlsafe_b64encode(f"{VERSION}.{expiry}.{code}".encode()).decode().rstrip("=")


def contents_signed(signature: str, *, secret: str, storage_id: str, now: Instant) -> bool:
    """Whether a signature opens the contents of a storage now. Padding is optional, as clients differ in it."""
    unpadded = signature.rstrip("=")
    try:
        text = base64.b64decode(unpadded + "=" * (-len(unpadded) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return False
    version, _, rest = text.partition(".")
    expiry, _, code = rest.partition(".")
    if version != VERSION or not expiry.isdecimal() or len(expiry) > 15:
        return False
    if not same(code, hmac62(secret, f"{version}.{expiry}.{storage_id}")):
        return False
    return int(expiry) == 0 or now <= int(expiry)


def sign_record(secret: str, key: str) -> str:
    """A signature for one record of a store; it holds for ever."""
    return hmac62(secret, key)


def record_signed(signature: str, *, secret: str, key: str) -> bool:
    """Whether a signature opens a record."""
    return same(signature, hmac62(secret, key))


def same(given: str, true: str) -> bool:
    """Compare in constant time; what is given may hold any character."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), true.encode())
