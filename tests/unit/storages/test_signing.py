"""Signatures are those of the official clients."""

from __future__ import annotations

import pytest

from actorium.kernel.instant import Instant
from actorium.storages.signing import contents_signed, hmac62, record_signed, sign_contents, sign_record

ID = "WkzbQMuFYuamGv3YF"
NOW = Instant(1_767_225_600_000)


def test_vectors_of_the_contract() -> None:
    assert hmac62("hmac-secret-key", "hmac-message-to-be-authenticated") == "pcVagAsudj8dFqdlg7mG"
    assert sign_contents("secret", ID) == "MC4wLm5ua25zbmw4VjJ2T1JmN1haSnVk"
    assert sign_record("secret", "OUTPUT") == "1i8Igbei9uoBwpEshyavA"


def test_signatures_of_the_official_client_are_accepted() -> None:
    crypto = pytest.importorskip("apify_client._utils.crypto", reason="the official client is not installed")
    theirs = crypto.create_storage_content_signature(resource_id=ID, url_signing_secret_key="secret")
    assert contents_signed(theirs, secret="secret", storage_id=ID, now=NOW)
    assert crypto.create_hmac_signature("secret", "OUTPUT") == sign_record("secret", "OUTPUT")


@pytest.mark.parametrize("padding", ["", "=", "=="])
def test_padding_is_optional_and_expiry_counts(padding: str) -> None:
    signature = sign_contents("secret", ID, NOW) + padding
    assert contents_signed(signature, secret="secret", storage_id=ID, now=NOW)
    assert not contents_signed(signature, secret="secret", storage_id=ID, now=NOW.plus(millis=1))
    assert not contents_signed(signature, secret="other", storage_id=ID, now=NOW)
    assert not contents_signed(signature, secret="secret", storage_id="x" * 17, now=NOW)


@pytest.mark.parametrize("signature", ["", "x", "é", "MC4w", "MC4wLg", "!!!", "MS4wLmFiYw", "MC4tMS5hYmM", "\ud800"])
def test_nonsense_opens_nothing(signature: str) -> None:
    assert not contents_signed(signature, secret="secret", storage_id=ID, now=NOW)
    assert not record_signed(signature, secret="secret", key="OUTPUT")
