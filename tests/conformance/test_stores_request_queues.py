"""Request queues on every pairing."""

from __future__ import annotations

from actorium.testing.conformance.stores_request_queues import RequestQueuesConformance


class TestRequestQueues(RequestQueuesConformance):
    """The suite as it is."""
