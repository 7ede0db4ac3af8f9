"""Datasets on every pairing."""

from __future__ import annotations

from actorium.testing.conformance.stores_datasets import DatasetsConformance
from actorium.testing.conformance.stores_datasets_segments import SegmentsConformance


class TestDatasets(DatasetsConformance):
    """The suite as it is."""


class TestSegments(SegmentsConformance):
    """The suite as it is."""
