"""The survey of blobs on every pairing."""

from __future__ import annotations

from actorium.testing.conformance.stores_survey import SurveyConformance


class TestSurvey(SurveyConformance):
    """The suite as it is."""
