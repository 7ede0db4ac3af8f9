"""Copies of storages on every pairing."""

from __future__ import annotations

from actorium.testing.conformance.stores_copies import CopiesConformance


class TestCopies(CopiesConformance):
    """The suite as it is."""
