"""Request queues under many hands, on every pairing."""

from __future__ import annotations

from actorium.testing.conformance.stores_request_queues_workers import RequestQueuesWorkersConformance


class TestRequestQueuesWorkers(RequestQueuesWorkersConformance):
    """The suite as it is."""
