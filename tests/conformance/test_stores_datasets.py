"""Datasets on every pairing."""

from __future__ import annotations

from actorium.testing.conformance.stores_datasets import DatasetsConformance


class TestDatasets(DatasetsConformance):
    """The suite as it is."""
