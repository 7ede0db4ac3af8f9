"""Secrets at rest."""

from __future__ import annotations

import pytest

from actorium.actors.errors import VaultLocked
from actorium.actors.vault import Vault
from actorium.kernel.ids import SeededIds


def test_what_is_sealed_opens_for_its_subject_alone() -> None:
    vault = Vault("a secret of this installation", SeededIds())
    sealed = vault.seal("très secret", subject="actor-1")
    assert "secret" not in sealed
    assert vault.open(sealed, subject="actor-1") == "très secret"
    with pytest.raises(VaultLocked):
        vault.open(sealed, subject="actor-2")


def test_the_same_text_is_sealed_differently_each_time() -> None:
    vault = Vault("a secret of this installation", SeededIds())
    assert vault.seal("x", subject="a") != vault.seal("x", subject="a")


def test_another_key_or_a_changed_row_opens_nothing() -> None:
    vault = Vault("a secret of this installation", SeededIds())
    sealed = vault.seal("x", subject="a")
    with pytest.raises(VaultLocked):
        Vault("a secret of another one", SeededIds()).open(sealed, subject="a")
    for changed in (sealed[:-4] + "AAA=", "v1.", "v1.!", ""):
        with pytest.raises(VaultLocked):
            vault.open(changed, subject="a")
