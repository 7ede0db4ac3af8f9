"""Key-value stores on every pairing."""

from __future__ import annotations

from actorium.testing.conformance.stores_key_value_stores import KeyValueStoresConformance


class TestKeyValueStores(KeyValueStoresConformance):
    """The suite as it is."""
