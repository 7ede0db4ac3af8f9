"""Webhooks: recorded with the runs they are about. Nothing is delivered yet."""
